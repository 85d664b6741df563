use std::time::UNIX_EPOCH;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test(start_paused = true)]
async fn leaf_is_renewed_by_the_wall_clock() {
    let certificates = certificates();
    let first = certificates.resolver.0.load().leaf.key.clone();
    assert!(!certificates.renew_if_due(now() + DAY * 19).unwrap());
    assert!(certificates.renew_if_due(now() + DAY * 21).unwrap());
    let second = certificates.resolver.0.load().leaf.key.clone();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(certificates.expires(), now() + DAY * 51);
}

#[tokio::test(start_paused = true)]
async fn leaf_is_renewed_by_the_monotonic_clock() {
    let certificates = certificates();
    tokio::time::advance(DAY * 21).await;
    assert!(
        certificates.renew_if_due(now()).unwrap(),
        "whatever the wall clock says"
    );
}

#[tokio::test(start_paused = true)]
async fn leaf_is_renewed_when_the_wall_clock_was_set_back() {
    assert!(certificates().renew_if_due(now() - DAY).unwrap());
}

#[test]
fn names_are_the_services_and_the_streams() {
    assert_eq!(
        names("operator", "system"),
        [
            "operator.system.svc",
            "operator.system.svc.cluster.local",
            "operator.system",
            TLS_NAME
        ]
    );
}

fn certificates() -> Certificates {
    let (authority, _) = Authority::generate(now()).unwrap();
    Certificates::new(authority, names("operator", "system"), now()).unwrap()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
