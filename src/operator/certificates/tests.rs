use std::time::UNIX_EPOCH;

use super::authority::verify;
use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NAME: &str = "operator.system.svc";

#[tokio::test(start_paused = true)]
async fn leaf_is_renewed_by_the_wall_clock() {
    let (certificates, authorities) = certificates();
    let first = chain(&certificates);
    certificates.follow(&authorities, now() + DAY * 19);
    assert_eq!(chain(&certificates), first);
    certificates.follow(&authorities, now() + DAY * 21);
    assert_ne!(chain(&certificates), first);
    assert_eq!(certificates.expires(), now() + DAY * 51);
}

#[tokio::test(start_paused = true)]
async fn leaf_is_renewed_by_the_monotonic_clock() {
    let (certificates, authorities) = certificates();
    let first = chain(&certificates);
    tokio::time::advance(DAY * 21).await;
    certificates.follow(&authorities, now());
    assert_ne!(chain(&certificates), first, "whatever the wall clock says");
}

#[tokio::test(start_paused = true)]
async fn leaf_is_renewed_when_the_wall_clock_was_set_back() {
    let (certificates, authorities) = certificates();
    let first = chain(&certificates);
    certificates.follow(&authorities, now() - DAY);
    assert_ne!(chain(&certificates), first);
}

#[tokio::test(start_paused = true)]
async fn next_ca_is_trusted_before_it_signs() {
    let (certificates, authorities) = certificates();
    let old = authorities.current.certificate().clone();
    let mut trust = certificates.trust();
    trust.mark_unchanged();
    let leaf = chain(&certificates);

    let published = step(Step::Publish, &authorities);
    certificates.follow(&published, now());
    assert!(trust.has_changed().unwrap(), "the streams are told");
    let bundle = pem::decode(trust.borrow_and_update().as_bytes()).unwrap();
    let new = published.next.as_ref().unwrap().certificate().clone();
    assert_eq!(bundle, [old.clone(), new.clone()]);
    assert_eq!(chain(&certificates), leaf, "nothing is signed by it yet");

    let promoted = step(Step::Promote, &published);
    certificates.follow(&promoted, now());
    let bundle = pem::decode(trust.borrow_and_update().as_bytes()).unwrap();
    assert_eq!(bundle, [new.clone(), old.clone()], "both stay trusted");
    let leaf = chain(&certificates);
    for trusted in [&old, &new] {
        verify(std::slice::from_ref(trusted), &leaf, NAME, now()).unwrap();
    }
    trust.mark_unchanged();
    certificates.follow(&promoted, now());
    assert_eq!(chain(&certificates), leaf, "it is the one to go on with");
    assert!(!trust.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn expired_leaf_is_a_named_reason_for_not_being_ready() {
    let (certificates, authorities) = certificates();
    let readiness = Readiness::new();
    // Real time is long after the year 2000.
    certificates.follow(&authorities, UNIX_EPOCH + DAY * 11_000);
    tokio::spawn(certificates.clone().watch_expiry(readiness.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reason = "a serving certificate that has not expired";
    assert_eq!(readiness.reasons(), [reason]);
    certificates.follow(&authorities, SystemTime::now());
    tokio::time::sleep(EXPIRY_INTERVAL).await;
    assert!(readiness.is_ready());
}

#[tokio::test(start_paused = true)]
async fn expiry_is_a_metric() {
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = CertificateMetrics::default();
    metrics.register(&mut registry);
    let authorities = Authorities::generate(now()).unwrap();
    let certificates =
        Certificates::new(&authorities, names("operator", "system"), metrics, now()).unwrap();
    let scrape = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    };
    let name = "endpoints_operator_certificate_expiry_timestamp_seconds";
    let serving = format!("{name}{{certificate=\"serving\"}} 1802592000");
    assert!(scrape().contains(&serving), "{}", scrape());
    assert!(scrape().contains(&format!("{name}{{certificate=\"ca\"}} 2115532800")));
    assert!(!scrape().contains("next_ca\""));
    let published = step(Step::Publish, &authorities);
    certificates.follow(&published, now());
    assert!(scrape().contains(&format!("{name}{{certificate=\"next_ca\"}} 2115532800")));
    certificates.follow(&step(Step::Promote, &published), now());
    assert!(!scrape().contains("next_ca\""));
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

fn certificates() -> (Certificates, Authorities) {
    let authorities = Authorities::generate(now()).unwrap();
    let metrics = CertificateMetrics::default();
    let names = names("operator", "system");
    let certificates = Certificates::new(&authorities, names, metrics, now()).unwrap();
    (certificates, authorities)
}

fn chain(certificates: &Certificates) -> Vec<CertificateDer<'static>> {
    certificates.resolver.0.load().leaf.key.cert.clone()
}

fn step(step: Step, stored: &Authorities) -> Authorities {
    let view = View {
        stored,
        estranged: None,
        next_seen: Duration::ZERO,
        requested: false,
        now: now(),
    };
    rotation::take(step, view).unwrap()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
