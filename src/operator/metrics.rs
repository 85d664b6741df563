//! Counters of the control plane, for `/metrics`.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Seconds within which policies arrive.
const ARRIVALS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 120.0,
];
/// Seconds that handling one event takes.
const WORK: [f64; 9] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5];

type Reason = Vec<(&'static str, &'static str)>;

/// Counters of the control plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Events handled.
    pub reconciles: Counter,
    /// Events whose handling panicked.
    pub panics: Counter,
    /// Watches that had to be started again.
    pub watch_errors: Counter,
    /// Times that everything was listed anew, since no watch told what is stored.
    pub relists: Counter,
    /// Statuses written.
    pub status_writes: Counter,
    /// Key sets fetched.
    pub key_fetches: Counter,
    /// Key sets that could not be fetched.
    pub key_fetch_failures: Counter,
    /// Messages of other replicas, while this one leads.
    pub replica_reports: Counter,
    /// Seconds from a policy's publication until a sidecar of this replica runs it.
    pub push_seconds: Histogram,
    /// Seconds from a policy's publication until all sidecars run it, as the leader sees it.
    pub convergence_seconds: Histogram,
    status_write_failures: Family<Reason, Counter>,
    reconcile_seconds: Histogram,
    compile_seconds: Histogram,
    leader: Gauge,
    lease_transitions: Gauge,
    replicas: Gauge,
    /// Revisions written or deleted for a service.
    pub revision_writes: Counter,
    /// Revisions that could not be written or deleted.
    pub revision_write_failures: Counter,
    /// Reads of a revision that failed, and were tried again.
    pub revision_read_failures: Counter,
    compile_panics: Counter,
    compilations: Gauge,
    outlived: Gauge,
    config_maps: Gauge,
    services: Gauge,
    pods: Gauge,
    streams: Gauge,
    registry: Arc<Registry>,
}

impl Metrics {
    /// All at nothing; what other parts count is registered already.
    pub fn new(mut registry: Registry) -> Self {
        let own = registry.sub_registry_with_prefix("endpoints_operator");
        let mut counter = |name, help| {
            let counter = Counter::default();
            own.register(name, help, counter.clone());
            counter
        };
        let reconciles = counter("reconciles", "Events handled");
        let panics = counter("reconcile_panics", "Events whose handling panicked");
        let compile_panics = counter("compile_panics", "Specs whose compilation panicked");
        let watch_errors = counter("watch_errors", "Watches that had to be started again");
        let relists = counter(
            "relists",
            "Times that everything was listed anew, since the store had gone back in time or no watch told what it holds",
        );
        let status_writes = counter("status_writes", "Statuses written");
        let key_fetches = counter("key_fetches", "Key sets fetched");
        let key_fetch_failures = counter("key_fetch_failures", "Key sets not fetched");
        let replica_reports = counter(
            "replica_reports",
            "Messages of other replicas about their sidecars, while this one leads",
        );
        let revision_writes = counter("revision_writes", "Last good sources kept or cleared away");
        let revision_write_failures = counter(
            "revision_write_failures",
            "Last good sources that could not be kept or cleared away",
        );
        let revision_read_failures = counter(
            "revision_read_failures",
            "Last good sources that could not be read, and were tried again",
        );
        own.register(
            "build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            own.register(name, help, gauge.clone());
            gauge
        };
        let services = gauge("services", "EndpointsServices known");
        let compilations = gauge(
            "compilations",
            "Specs that wait for the compiler or are in it",
        );
        let outlived = gauge(
            "services_outlived",
            "EndpointsServices that were deleted while pods use them",
        );
        let config_maps = gauge("config_maps", "ConfigMaps watched");
        let pods = gauge("pods", "Live injected pods known");
        let streams = gauge("streams", "Sidecars connected");
        let leader = gauge(
            "leader",
            "Whether this operator leads (1) or another one (0)",
        );
        let lease_transitions = gauge(
            "lease_transitions",
            "How often another replica came to lead",
        );
        let replicas = gauge(
            "replicas",
            "Other replicas that report, while this one leads",
        );
        let mut histogram = |name, help, buckets: &[f64]| {
            let histogram = Histogram::new(buckets.iter().copied());
            own.register(name, help, histogram.clone());
            histogram
        };
        let push_seconds = histogram(
            "push_seconds",
            "From a policy's publication until a sidecar of this replica runs it",
            &ARRIVALS,
        );
        let convergence_seconds = histogram(
            "policy_convergence_seconds",
            "From a policy's publication until all sidecars run it, as the leader sees it",
            &ARRIVALS,
        );
        let reconcile_seconds =
            histogram("reconcile_seconds", "What handling one event took", &WORK);
        let compile_seconds = histogram("compile_seconds", "What compiling one spec took", &WORK);
        let status_write_failures = Family::<Reason, Counter>::default();
        for reason in ["api", "conflict"] {
            drop(status_write_failures.get_or_create(&vec![("reason", reason)]));
        }
        own.register(
            "status_write_failures",
            "Statuses not written, by reason",
            status_write_failures.clone(),
        );
        Self {
            reconciles,
            panics,
            watch_errors,
            relists,
            status_writes,
            push_seconds,
            convergence_seconds,
            status_write_failures,
            reconcile_seconds,
            compile_seconds,
            leader,
            lease_transitions,
            replicas,
            key_fetches,
            key_fetch_failures,
            replica_reports,
            revision_writes,
            revision_write_failures,
            revision_read_failures,
            compile_panics,
            compilations,
            outlived,
            config_maps,
            services,
            pods,
            streams,
            registry: Arc::new(registry),
        }
    }

    /// All of them, as Prometheus reads them.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# encoding failed");
        }
        text
    }

    pub(super) fn observe(&self, services: usize, pods: usize, streams: usize) {
        let set = |gauge: &Gauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.services, services);
        set(&self.pods, pods);
        set(&self.streams, streams);
    }

    /// What waits, and what is kept.
    pub(super) fn observe_sources(&self, compilations: usize, config_maps: usize) {
        let set = |gauge: &Gauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.compilations, compilations);
        set(&self.config_maps, config_maps);
    }

    /// How many EndpointsServices were deleted while pods use them. Counting looks at every one: not
    /// with each event.
    pub(super) fn outlived(&self, services: usize) {
        self.outlived
            .set(i64::try_from(services).unwrap_or(i64::MAX));
    }

    /// Who leads: whether this replica does, how often that changed, how many others report to it.
    pub(super) fn lead(&self, leads: bool, transitions: i32, replicas: usize) {
        self.leader.set(i64::from(leads));
        self.lease_transitions.set(i64::from(transitions));
        self.replicas
            .set(i64::try_from(replicas).unwrap_or(i64::MAX));
    }

    /// An event was handled.
    pub(super) fn handled(&self, took: Duration) {
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// A spec was compiled, or found not to compile.
    pub(super) fn compiled(&self, took: Duration) {
        self.compile_seconds.observe(took.as_secs_f64());
    }

    /// A status could not be written: `conflict`, since the object had changed, or `api`.
    pub(super) fn status_write_failed(&self, reason: &'static str) {
        let reason = vec![("reason", reason)];
        self.status_write_failures.get_or_create(&reason).inc();
    }

    pub(super) fn compile_panics(&self, total: u64) {
        self.compile_panics
            .inc_by(total.saturating_sub(self.compile_panics.get()));
    }
}
