use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;
use crate::push::wire::TLS_NAME;

const NAME: &str = "operator.system.svc";

#[tokio::test(start_paused = true)]
async fn files_are_presented_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let ca = ca();
    write(folder.path(), &ca, &[NAME, TLS_NAME]);
    let files = Files::new(
        folder.path().to_owned(),
        vec![NAME.to_owned(), TLS_NAME.to_owned()],
    );
    let metrics = CertificateMetrics::default();
    let certificates = files.certificates(metrics, SystemTime::now()).unwrap();
    assert_eq!(&**certificates.trust().borrow(), ca.pem());
    let chain = || certificates.resolver.0.load().leaf.key.cert.clone();
    let first = chain();

    tokio::spawn(files.keep(certificates.clone()));
    tokio::time::sleep(CHECK_INTERVAL * 2).await;
    assert_eq!(chain(), first);
    // Half written: the one before goes on.
    std::fs::write(folder.path().join("tls.crt"), "").unwrap();
    tokio::time::sleep(CHECK_INTERVAL * 2).await;
    assert_eq!(chain(), first);
    write(folder.path(), &ca, &[NAME, TLS_NAME]);
    tokio::time::sleep(CHECK_INTERVAL * 2).await;
    assert_ne!(chain(), first);
}

#[test]
fn files_that_are_of_no_use_say_which_and_why() {
    let all = [NAME, TLS_NAME];
    let cases: [(&str, &str, &[&str]); 6] = [
        ("ca.crt", "", &["ca.crt holds no certificate", "not ACME"]),
        ("tls.crt", "garbage", &["tls.crt holds no certificate"]),
        ("tls.key", "garbage", &["tls.key holds no private key"]),
        (
            "tls.key",
            &KeyPair::generate().unwrap().serialize_pem(),
            &["is not the key of tls.crt"],
        ),
        ("ca.crt", &ca().pem(), &["to whoever trusts ca.crt"]),
        ("ca.crt", &"x".repeat(300_000), &["cannot read", "ca.crt"]),
    ];
    for (file, text, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &ca(), &all);
        std::fs::write(folder.path().join(file), text).unwrap();
        let error = load(folder.path()).unwrap_err().to_string();
        for expected in expected {
            assert!(error.contains(expected), "{error}");
        }
        assert!(!error.contains("garbage"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &ca(), &[NAME]);
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains(&format!("not good for {TLS_NAME}")),
        "{error}"
    );
    std::fs::remove_file(folder.path().join("ca.crt")).unwrap();
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("cannot read") && error.contains("ca.crt"),
        "{error}"
    );
}

fn load(folder: &Path) -> Result<Certificates, FilesError> {
    let names = vec![NAME.to_owned(), TLS_NAME.to_owned()];
    Files::new(folder.to_owned(), names)
        .certificates(CertificateMetrics::default(), SystemTime::now())
}

fn ca() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// As cert-manager fills a Secret.
fn write(folder: &Path, ca: &CertifiedIssuer<'static, KeyPair>, names: &[&str]) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, ca)
        .unwrap();
    std::fs::write(folder.join("ca.crt"), ca.pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
}
