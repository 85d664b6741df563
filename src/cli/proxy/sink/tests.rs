use std::collections::{BTreeMap, BTreeSet};

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

fn rig() -> Rig {
    let policies = PolicyCell::new();
    let memory = Memory::new(None, policies.clone(), Readiness::new());
    let sink = PolicySink::new(policies.clone(), "/nowhere".into(), memory);
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
    mounted.sink.listener_tls = folder.path().to_owned();
    mounted.sink.apply(policy(), &origin()).unwrap();
    mounted.sink.apply(with_tls(), &origin()).unwrap();
    assert!(mounted.policies.load().unwrap().speaks_tls());
}
