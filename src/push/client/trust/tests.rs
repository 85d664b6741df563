use super::*;
use crate::push::tests::rig::Authority;

#[test]
fn a_bundle_without_certificates_is_no_trust() {
    assert!(matches!(tls_config(""), Err(TrustError::Empty)));
    let cut = "-----BEGIN CERTIFICATE-----\nMIIB";
    assert!(matches!(tls_config(cut), Err(TrustError::Pem(_))));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        tls_config(garbage),
        Err(TrustError::Certificate(_))
    ));
}

#[test]
fn a_bundle_of_no_use_leaves_what_was_trusted() {
    let mut trust = Trust::new(&Authority::new().pem).unwrap();
    trust.learn(&Authority::new().pem).unwrap();
    let before = trust.tls();
    let huge = "x".repeat(MAX_TRUST + 1);
    for useless in ["", "\n", "not PEM", &huge] {
        trust.learn(useless).unwrap_err();
        assert!(Arc::ptr_eq(&before, &trust.tls()), "{}", useless.len());
    }
}
