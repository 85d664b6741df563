//! Counters of the control plane, for `/metrics`.

use std::fmt::Write;
use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Counters of the control plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Events handled.
    pub reconciles: Counter,
    /// Events whose handling panicked.
    pub panics: Counter,
    /// Watches that had to be started again.
    pub watch_errors: Counter,
    /// Statuses written.
    pub status_writes: Counter,
    /// Statuses that could not be written.
    pub status_write_failures: Counter,
    /// Key sets fetched.
    pub key_fetches: Counter,
    /// Key sets that could not be fetched.
    pub key_fetch_failures: Counter,
    /// Revisions written or deleted for a service.
    pub revision_writes: Counter,
    /// Revisions that could not be written or deleted.
    pub revision_write_failures: Counter,
    compile_panics: Counter,
    compilations: Gauge,
    outlived: Gauge,
    config_maps: Gauge,
    services: Gauge,
    pods: Gauge,
    streams: Gauge,
    leader: Gauge,
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
        let status_writes = counter("status_writes", "Statuses written");
        let status_write_failures = counter("status_write_failures", "Statuses not written");
        let key_fetches = counter("key_fetches", "Key sets fetched");
        let key_fetch_failures = counter("key_fetch_failures", "Key sets not fetched");
        let revision_writes = counter("revision_writes", "Last good sources kept or cleared away");
        let revision_write_failures = counter(
            "revision_write_failures",
            "Last good sources that could not be kept or cleared away",
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
        Self {
            reconciles,
            panics,
            watch_errors,
            status_writes,
            status_write_failures,
            key_fetches,
            key_fetch_failures,
            revision_writes,
            revision_write_failures,
            compile_panics,
            compilations,
            outlived,
            config_maps,
            services,
            pods,
            streams,
            leader,
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
    pub(super) fn observe_sources(&self, compilations: usize, outlived: usize, config_maps: usize) {
        let set = |gauge: &Gauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.compilations, compilations);
        set(&self.outlived, outlived);
        set(&self.config_maps, config_maps);
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    pub(super) fn compile_panics(&self, total: u64) {
        self.compile_panics
            .inc_by(total.saturating_sub(self.compile_panics.get()));
    }
}
