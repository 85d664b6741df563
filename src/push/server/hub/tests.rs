use super::*;
use crate::push::tests::{keys, pod, policy, service};

fn hello() -> Hello {
    Hello {
        pod: pod("u1"),
        service: service().name,
        version: "0.1.0".into(),
        format: 1,
        protocol: wire::PROTOCOL,
        hash: None,
    }
}

fn snapshot() -> Snapshot {
    Snapshot::new("uid".into(), 1, &policy("one").canonical_bytes()).unwrap()
}

#[test]
fn a_snapshot_is_encoded_once_and_shared() {
    let snapshot = snapshot();
    assert_eq!(snapshot.frame().as_ptr(), snapshot.frame().as_ptr());
    assert_eq!(snapshot.hash(), policy("one").hash());
}

#[test]
fn what_is_not_a_policy_is_not_published() {
    let error = Snapshot::new("uid".into(), 1, b"{}").unwrap_err();
    assert!(matches!(error, SnapshotError::NotAPolicy(_)), "{error}");
}

#[test]
fn a_set_of_keys_that_does_not_fit_is_refused() {
    let (hub, _reports) = Hub::new();
    let set = "x".repeat(wire::MAX_FRAME);
    assert!(hub.publish_keys(Keys { set, ..keys("v1") }).is_err());
    assert!(hub.lock().keys.is_empty());
}

#[test]
fn services_that_nobody_publishes_and_nobody_watches_are_forgotten() {
    let (hub, _reports) = Hub::new();
    let first = hub.connect(pod("u1"), service(), &hello());
    let second = hub.connect(pod("u2"), service(), &hello());
    drop(first);
    assert_eq!(hub.lock().services.len(), 1);
    drop(second);
    assert!(hub.lock().services.is_empty());
    hub.publish(&service(), snapshot());
    let watching = hub.connect(pod("u1"), service(), &hello());
    hub.remove(&service());
    assert_eq!(hub.lock().services.len(), 1);
    drop(watching);
    assert!(hub.lock().services.is_empty());
    hub.publish(&service(), snapshot());
    hub.remove(&service());
    assert!(hub.lock().services.is_empty());
}

#[test]
fn reasons_to_withhold_readiness_are_kept_for_as_long_as_they_hold_and_no_longer() {
    let (hub, _reports) = Hub::new();
    hub.withhold(&service(), None, Some("why".into()));
    hub.withhold(&service(), Some("u1"), Some("why".into()));
    let subscription = hub.connect(pod("u1"), service(), &hello());
    assert_eq!(
        subscription.own.borrow().withheld.as_deref(),
        Some("why"),
        "also one that came before the pod"
    );
    drop(subscription);
    assert_eq!(hub.lock().services.len(), 1);
    hub.withhold(&service(), None, None);
    assert!(hub.lock().services.is_empty());
    hub.disconnect("u1");
    assert!(hub.lock().withheld.is_empty());
}

#[test]
fn a_published_service_stays_without_sidecars() {
    let (hub, _reports) = Hub::new();
    hub.publish(&service(), snapshot());
    drop(hub.connect(pod("u1"), service(), &hello()));
    assert_eq!(hub.lock().services.len(), 1);
}

#[test]
fn keys_are_forgotten_when_they_are_removed() {
    let (hub, _reports) = Hub::new();
    hub.publish_keys(keys("v1")).unwrap();
    hub.remove_keys(&keys("v1").source);
    assert!(hub.lock().keys.is_empty());
}
