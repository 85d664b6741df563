use std::collections::{BTreeMap, BTreeSet};

use crate::cli::proxy::last_good::LastGood;
use crate::policy::format::{self, CorsMode, FORMAT, Provider};
use crate::readiness::Readiness;

use super::*;

const URL: &str = "https://issuer.example/jwks";

/// RFC 8037, appendix A.2.
const SET: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn policy() -> Policy {
    let provider = Provider {
        issuer: "https://issuer.example".into(),
        keys: KeySource::Url(URL.into()),
        audiences: None,
        locations: Vec::new(),
    };
    Policy {
        format: FORMAT,
        service: "bookstore".into(),
        operations: vec![],
        providers: BTreeMap::from([("issuer".into(), provider)]),
        cors: CorsMode::Off,
        required_claims: BTreeSet::new(),
        backend: None,
        healthz: None,
        backends: Vec::new(),
        cors_rules: Vec::new(),
        settings: crate::policy::format::Settings::default(),
    }
}

fn origin() -> Origin {
    Origin {
        service_uid: "uid".into(),
        generation: 1,
        hash: "h".into(),
    }
}

fn keys(set: &str, fetched_at: u64) -> wire::Keys {
    let source = KeySource::Url(URL.into());
    let version = format::hash(set.as_bytes());
    wire::Keys {
        source,
        version,
        fetched_at,
        set: set.into(),
    }
}

struct Rig {
    policies: PolicyCell,
    sink: PolicySink,
}

/// A pod that was created without any Secret.
fn nowhere() -> Certificates {
    Certificates {
        listener: "/nowhere".into(),
        backend: "/nowhere".into(),
    }
}

fn rig() -> Rig {
    let policies = PolicyCell::new();
    let memory = Memory::new(None, policies.clone(), Readiness::new());
    let sink = PolicySink::new(policies.clone(), nowhere(), memory);
    Rig { policies, sink }
}

impl Rig {
    fn fetched_at(&self) -> Option<u64> {
        let slot = self.sink.slots.get(&KeySource::Url(URL.into()))?;
        slot.current.load().as_ref().map(|keys| keys.fetched_at)
    }
}

#[test]
fn the_first_policy_is_in_force_without_its_keys() {
    let mut rig = rig();
    assert!(rig.policies.load().is_none());
    rig.sink.apply(policy(), &origin()).unwrap();
    assert!(rig.policies.load().is_some());
    assert_eq!(rig.fetched_at(), None);
}

#[test]
fn keys_that_came_before_their_policy_are_there_with_it() {
    let mut rig = rig();
    rig.sink.keys(keys(SET, 7));
    rig.sink.apply(policy(), &origin()).unwrap();
    assert_eq!(rig.fetched_at(), Some(7));
    // The same slot, so that the policy in force sees newer ones.
    let before = rig.sink.slots.values().next().unwrap().clone();
    rig.sink.keys(keys(SET, 8));
    assert_eq!(before.current.load().as_ref().unwrap().fetched_at, 8);
}

#[test]
fn keys_of_no_use_leave_those_before() {
    let mut rig = rig();
    rig.sink.keys(keys(SET, 7));
    rig.sink.keys(keys("not keys", 8));
    assert_eq!(rig.fetched_at(), Some(7));
}

#[test]
fn a_policy_that_cannot_run_leaves_the_one_before() {
    let mut rig = rig();
    rig.sink.apply(policy(), &origin()).unwrap();
    let before = rig.policies.load().unwrap();
    let newer = Policy {
        format: FORMAT + 1,
        ..policy()
    };
    assert!(
        rig.sink
            .apply(newer, &origin())
            .unwrap_err()
            .contains("format")
    );
    let backend = Some("ftp://nowhere".into());
    let error = rig
        .sink
        .apply(
            Policy {
                backend,
                ..policy()
            },
            &origin(),
        )
        .unwrap_err();
    assert!(error.contains("ftp://nowhere"), "{error}");
    assert!(Arc::ptr_eq(&before, &rig.policies.load().unwrap()));
}

#[test]
fn a_policy_that_cannot_run_does_not_make_the_sidecar_ready() {
    let mut rig = rig();
    rig.sink
        .apply(
            Policy {
                format: FORMAT + 1,
                ..policy()
            },
            &origin(),
        )
        .unwrap_err();
}

#[test]
fn keys_that_no_policy_needs_any_more_are_forgotten() {
    let mut rig = rig();
    rig.sink.keys(keys(SET, 7));
    rig.sink.apply(policy(), &origin()).unwrap();
    let providers = BTreeMap::new();
    rig.sink
        .apply(
            Policy {
                providers,
                ..policy()
            },
            &origin(),
        )
        .unwrap();
    assert!(rig.sink.slots.is_empty());
}

#[test]
fn tls_in_a_pod_without_its_certificate_is_refused_while_something_serves() {
    let with_tls = || {
        let mut policy = policy();
        policy.settings.limits.tls = true;
        policy
    };
    let mut late = rig();
    late.sink.apply(policy(), &origin()).unwrap();
    let why = late.sink.apply(with_tls(), &origin()).unwrap_err();
    assert!(why.contains("restart it"), "{why}");
    assert!(
        !late.policies.load().unwrap().speaks_tls(),
        "the last good one stays"
    );
    // Nothing serves yet: nothing will, and readiness says why.
    let mut first = rig();
    first.sink.apply(with_tls(), &origin()).unwrap();
    assert!(first.policies.load().unwrap().speaks_tls());
    // The Secret is mounted, whatever is in it.
    let folder = tempfile::tempdir().unwrap();
    let mut mounted = rig();
    mounted.sink.certificates.listener = folder.path().to_owned();
    mounted.sink.apply(policy(), &origin()).unwrap();
    mounted.sink.apply(with_tls(), &origin()).unwrap();
    assert!(mounted.policies.load().unwrap().speaks_tls());
}

#[test]
fn certificate_for_backends_that_a_pod_was_created_without_is_refused_while_something_serves() {
    let with_certificate = || {
        let mut policy = policy();
        policy.settings.upstream.tls.client_certificate = true;
        policy
    };
    let mut late = rig();
    late.sink.apply(policy(), &origin()).unwrap();
    let why = late.sink.apply(with_certificate(), &origin()).unwrap_err();
    assert!(why.starts_with("backend.tls: "), "{why}");
    assert!(!late.policies.load().unwrap().shows_certificate());
    // Nothing serves yet: requests to backends will be 503.
    let mut first = rig();
    first.sink.apply(with_certificate(), &origin()).unwrap();
    assert!(first.policies.load().unwrap().shows_certificate());
    // The Secret is mounted, whatever is in it.
    let folder = tempfile::tempdir().unwrap();
    let mut mounted = rig();
    mounted.sink.certificates.backend = folder.path().to_owned();
    mounted.sink.apply(policy(), &origin()).unwrap();
    mounted.sink.apply(with_certificate(), &origin()).unwrap();
    assert!(mounted.policies.load().unwrap().shows_certificate());
}

/// A container of a pod whose volume this is.
struct Container {
    policies: PolicyCell,
    readiness: Readiness,
    sink: PolicySink,
    trust: Trust,
}

fn container(volume: &std::path::Path) -> Container {
    let policies = PolicyCell::new();
    let readiness = Readiness::new();
    let pod = wire::PodRef {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: "u1".into(),
    };
    let last_good = LastGood::new(volume.to_owned(), &pod, "bookstore");
    let memory = Memory::new(Some(last_good), policies.clone(), readiness.clone());
    let mut sink = PolicySink::new(policies.clone(), nowhere(), memory);
    let mut trust = Trust::new(&authority()).unwrap();
    sink.restore(&mut trust);
    Container {
        policies,
        readiness,
        sink,
        trust,
    }
}

fn authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

impl Container {
    /// What a stream brings, in its order.
    fn receive(&mut self, policy: Policy) {
        let canonical = policy.canonical_bytes();
        let snapshot = wire::Snapshot {
            service_uid: "uid".into(),
            generation: 3,
            hash: format::hash(&canonical),
            body: wire::pack(&canonical).unwrap(),
        };
        let (policy, origin) = client::open(&snapshot).unwrap();
        self.sink.apply(policy, &origin).unwrap();
        self.sink.keep(&snapshot);
    }

    fn failures(&self) -> String {
        format!("{:?}", self.policies.delivery())
    }
}

#[test]
fn a_restarted_container_goes_on_with_the_policy_and_keys_of_the_one_before() {
    let volume = tempfile::tempdir().unwrap();
    let mut first = container(volume.path());
    assert!(first.policies.load().is_none());
    first.sink.trust(&authority());
    first.sink.keys(keys(SET, 7));
    first.receive(policy());
    let hash = first.sink.runs();
    drop(first);

    let mut second = container(volume.path());
    assert_eq!(second.sink.runs(), hash);
    assert!(
        second.failures().contains("restored: 1"),
        "{}",
        second.failures()
    );
    let slot = second.sink.slots.values().next().unwrap().clone();
    assert_eq!(slot.current.load().as_ref().unwrap().fetched_at, 7);
    assert!(slot.usable(8, 24 * 3600).is_some());
    assert!(
        slot.usable(7 + 24 * 3600 + 1, 24 * 3600).is_none(),
        "too old"
    );
    assert_eq!(
        second.trust.authorities(),
        2,
        "the pod's and the learnt one"
    );
    // Confirmed, it is the operator's again.
    assert!(second.failures().contains("from_volume: true"));
    second.sink.unchanged();
    assert!(second.failures().contains("from_volume: false"));
}

#[test]
fn keys_from_the_future_are_as_old_as_the_restart() {
    let volume = tempfile::tempdir().unwrap();
    let mut first = container(volume.path());
    first.sink.keys(keys(SET, u64::MAX - 1));
    first.receive(policy());
    let second = container(volume.path());
    let slot = second.sink.slots.values().next().unwrap().clone();
    let fetched = slot.current.load().as_ref().unwrap().fetched_at;
    assert!(fetched <= now() && fetched + 60 > now());
}

#[test]
fn a_container_that_finds_a_damaged_policy_waits_for_the_operator() {
    let volume = tempfile::tempdir().unwrap();
    let mut first = container(volume.path());
    first.receive(policy());
    drop(first);
    let path = volume.path().join("policy");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut second = container(volume.path());
    assert!(second.policies.load().is_none(), "closed");
    assert!(second.failures().contains("volume_failures: 1"));
    second.receive(policy());
    assert!(container(volume.path()).policies.load().is_some(), "healed");
}

#[test]
fn readiness_that_was_withheld_stays_so_over_a_restart_and_one_that_was_reached_too() {
    let volume = tempfile::tempdir().unwrap();
    let mut first = container(volume.path());
    first.sink.withhold(Some("Service web goes around it"));
    first.receive(policy());
    assert!(first.readiness.withheld().is_some());
    drop(first);

    let mut second = container(volume.path());
    let why = second.readiness.withheld();
    assert_eq!(why.as_deref(), Some("Service web goes around it"));
    second.sink.withhold(None);
    assert_eq!(container(volume.path()).readiness.withheld(), None);
    second.readiness.reach();
    second.sink.memory.keep_readiness();

    let mut third = container(volume.path());
    assert!(third.readiness.reached());
    third.sink.withhold(Some("Service web goes around it"));
    assert_eq!(third.readiness.withheld(), None, "it was ready once");
}

#[tokio::test]
async fn what_a_request_lacks_is_asked_of_the_operator_for_as_long_as_there_is_one() {
    let mut rig = rig();
    let never = Arc::new(Never);
    tokio::spawn(rig.sink.follower(never).run());
    rig.sink.keys(keys(SET, 7));
    rig.sink.apply(policy(), &origin()).unwrap();
    let slot = rig.sink.slots.values().next().unwrap().clone();
    assert!(!slot.refresh_on_demand().await, "no stream, nobody to ask");
    rig.sink.connected(true);
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let asking = tokio::spawn({
        let slot = slot.clone();
        async move { slot.refresh_on_demand().await }
    });
    let wanted = rig.sink.wanted().await;
    assert_eq!(wanted, KeySource::Url(URL.into()));
    rig.sink.keys(keys(SET, 8));
    assert!(!asking.await.unwrap(), "the same keys, younger");
}

/// An issuer that nobody may ask.
struct Never;

impl FetchKeys for Never {
    fn fetch<'a>(
        &'a self,
        source: &'a KeySource,
    ) -> futures_util::future::BoxFuture<'a, Result<Vec<u8>, crate::jwks::FetchError>> {
        panic!("{source:?} is fetched");
    }
}
