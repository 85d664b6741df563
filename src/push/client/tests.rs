use super::*;

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
