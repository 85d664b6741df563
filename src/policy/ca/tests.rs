use super::*;

fn certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["ca.example".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_bundle_has_one_form_whatever_its_order_and_comments() {
    let ((first, _), (second, _)) = (certificate(), certificate());
    let read = |pem: String| encoded(&pem).expect("certificates");
    let both = read(format!("{first}{second}"));
    assert_eq!(both.len(), 2);
    let other = format!("Root CA\n{second}\n# again:\n{second}{first}");
    assert_eq!(read(other), both);
    assert_eq!(anchors(&both).expect("usable").len(), 2);
}

#[test]
fn what_is_not_a_bundle_says_why_and_a_key_is_never_taken() {
    let (certificate, key) = certificate();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, why) in [
        (String::new(), "no certificate"),
        ("a certificate".to_owned(), "no certificate"),
        (format!("{certificate}{key}"), "private key"),
        (format!("{certificate}{encrypted}"), "private key"),
        (format!("{certificate}{garbage}"), "cannot be an authority"),
        (certificate.replace("-----END", "-----EN"), "PEM"),
    ] {
        let error = encoded(&pem).expect_err(why);
        assert!(error.contains(why), "{why}: {error}");
    }
    for forged in ["%", "AAAA"] {
        anchors(&BTreeSet::from([forged.to_owned()])).expect_err("never written");
    }
}
