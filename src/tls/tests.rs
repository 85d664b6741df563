use std::fs;

use super::*;

#[test]
fn roots_are_built_in_unless_a_file_is_named() {
    assert!(!roots(None).unwrap().is_empty());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .unwrap();
    fs::write(&path, certificate.pem()).unwrap();
    assert_eq!(roots(Some(&path)).unwrap().len(), 1);
}

#[test]
fn a_file_without_roots_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let error = |path: &Path| roots(Some(path)).unwrap_err().to_string();
    assert!(error(&path).contains("roots.pem"));
    fs::write(&path, "no certificate").unwrap();
    assert!(error(&path).ends_with("it holds no usable certificate"));
}
