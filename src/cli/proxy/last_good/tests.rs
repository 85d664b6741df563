use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

fn pod(uid: &str) -> PodRef {
    PodRef {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: uid.into(),
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        service_uid: "s1".into(),
        generation: 7,
        hash: "h".into(),
        body: "packed".into(),
    }
}

fn source(name: &str) -> KeySource {
    KeySource::Url(format!("https://{name}.example/keys"))
}

fn keys(name: &str) -> Keys {
    Keys {
        source: source(name),
        version: "v1".into(),
        fetched_at: 1_700_000_000,
        set: r#"{"keys":[]}"#.into(),
    }
}

struct Rig {
    folder: TempDir,
    last_good: LastGood,
}

fn rig() -> Rig {
    let folder = TempDir::new().unwrap();
    let last_good = LastGood::new(folder.path().to_owned(), &pod("u1"), "bookstore");
    Rig { folder, last_good }
}

impl Rig {
    /// Everything there is to keep.
    fn full() -> Self {
        let rig = rig();
        rig.last_good.keep_trust("PEM").unwrap();
        rig.last_good.keep_keys(&keys("a")).unwrap();
        rig.last_good
            .keep_policy(&snapshot(), &[source("a")])
            .unwrap();
        let readiness = FirstReadiness {
            was_ready: true,
            withheld: None,
        };
        rig.last_good.keep_readiness(&readiness).unwrap();
        rig
    }

    fn names(&self) -> Vec<String> {
        self.last_good.names().unwrap()
    }
}

/// What is found, but for why the rest is not.
fn is_empty(found: &Found) -> bool {
    found.policy.is_none()
        && found.keys.is_empty()
        && found.trust.is_none()
        && found.readiness == FirstReadiness::default()
}

#[test]
fn what_was_kept_is_found() {
    let rig = Rig::full();
    let found = rig.last_good.find();
    assert_eq!(found.policy, Some(snapshot()));
    assert_eq!(found.keys, [keys("a")]);
    assert_eq!(found.trust.as_deref(), Some("PEM"));
    assert!(found.readiness.was_ready);
    assert!(found.refused.is_empty());
}

#[test]
fn keys_that_the_policy_does_not_need_go_with_it() {
    let rig = Rig::full();
    rig.last_good.keep_keys(&keys("b")).unwrap();
    rig.last_good
        .keep_policy(&snapshot(), &[source("b")])
        .unwrap();
    assert_eq!(rig.last_good.find().keys, [keys("b")]);
}

#[test]
fn another_pods_or_services_state_is_none() {
    let rig = Rig::full();
    let folder = || rig.folder.path().to_owned();
    for other in [
        LastGood::new(folder(), &pod("u2"), "bookstore"),
        LastGood::new(folder(), &pod("u1"), "another"),
    ] {
        let found = other.find();
        assert!(is_empty(&found), "{found:?}");
        assert_eq!(found.refused.len(), 4);
        assert!(matches!(found.refused[0], Refused::Foreign(_)));
    }
}

#[test]
fn a_file_that_was_cut_or_changed_anywhere_is_none() {
    let rig = Rig::full();
    for name in rig.names() {
        let path = rig.folder.path().join(&name);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let found = rig.last_good.find();
            assert_eq!(found.refused.len(), 1, "{name} of {cut} bytes");
        }
        for changed in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[changed] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let found = rig.last_good.find();
            assert!(
                matches!(*found.refused, [Refused::Damaged(_)]),
                "{name} changed at {changed}"
            );
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(rig.last_good.find().refused.is_empty());
}

#[test]
fn a_file_of_another_build_or_size_is_none() {
    let rig = Rig::full();
    let path = rig.folder.path().join(POLICY);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("endpoints-1", "endpoints-2", 1)).unwrap();
    assert!(matches!(
        *rig.last_good.find().refused,
        [Refused::Damaged(_)]
    ));
    fs::File::create(&path)
        .unwrap()
        .set_len(MAX_FILE as u64 + 1)
        .unwrap();
    assert!(matches!(
        *rig.last_good.find().refused,
        [Refused::TooLarge(_)]
    ));
}

#[test]
fn half_a_file_of_a_process_that_was_killed_is_passed_over() {
    let rig = Rig::full();
    fs::write(rig.last_good.temporary(), "endpoints-1 half").unwrap();
    let found = rig.last_good.find();
    assert_eq!(found.policy, Some(snapshot()));
    assert!(found.refused.is_empty());
}

#[test]
fn a_policy_that_cannot_be_kept_leaves_no_older_one() {
    let rig = Rig::full();
    let huge = Snapshot {
        body: "x".repeat(MAX_FILE),
        ..snapshot()
    };
    let refused = rig.last_good.keep_policy(&huge, &[source("a")]);
    assert!(matches!(refused, Err(Refused::TooLarge(_))));
    let found = rig.last_good.find();
    assert_eq!(found.policy, None);
    assert_eq!(found.keys, [keys("a")], "what is still good stays");
}

#[test]
fn a_volume_that_is_missing_or_read_only_is_an_error_each_time_and_nothing_worse() {
    let rig = rig();
    let missing = LastGood::new(rig.folder.path().join("missing"), &pod("u1"), "bookstore");
    assert!(is_empty(&missing.find()));
    assert_eq!(missing.find().refused.len(), 1);
    assert!(missing.keep_policy(&snapshot(), &[]).is_err());
    assert!(missing.keep_keys(&keys("a")).is_err());
    assert!(missing.keep_trust("PEM").is_err());

    let kept = Rig::full();
    let mode = |mode| fs::set_permissions(kept.folder.path(), fs::Permissions::from_mode(mode));
    mode(0o555).unwrap();
    let result = kept.last_good.keep_policy(&snapshot(), &[source("a")]);
    mode(0o755).unwrap();
    // Root may write everywhere.
    if result.is_err() {
        assert_eq!(kept.last_good.find().policy, Some(snapshot()));
    }
}
