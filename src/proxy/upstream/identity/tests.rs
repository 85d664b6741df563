use std::fs;

use super::*;

fn pair() -> (String, String) {
    tls::install_crypto_provider();
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["client.example".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn shown(identity: &ClientIdentity) -> Option<Vec<u8>> {
    let current = identity.0.0.load_full()?;
    Some(current.cert.first().expect("one").to_vec())
}

#[test]
fn the_last_good_certificate_stays_until_a_better_one_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |(certificate, key): &(String, String)| {
        fs::write(folder.path().join("tls.crt"), certificate).expect("written");
        fs::write(folder.path().join("tls.key"), key).expect("written");
    };
    let identity = ClientIdentity::default();
    let mut read = Folder {
        path: folder.path().to_owned(),
        seen: None,
    };
    identity.read(&mut read);
    assert!(!identity.is_there(), "an empty folder");

    let (first, second) = (pair(), pair());
    write(&first);
    identity.read(&mut read);
    let good = shown(&identity).expect("it came");

    for bad in [
        (first.0.clone(), second.1.clone()),
        (String::new(), first.1.clone()),
        (first.0, String::new()),
        ("nonsense".to_owned(), "nonsense".to_owned()),
    ] {
        write(&bad);
        identity.read(&mut read);
        assert_eq!(shown(&identity).as_ref(), Some(&good), "{bad:?}");
    }
    fs::remove_file(folder.path().join("tls.key")).expect("removed");
    identity.read(&mut read);
    assert_eq!(
        shown(&identity).as_ref(),
        Some(&good),
        "a Secret that is gone"
    );

    write(&second);
    identity.read(&mut read);
    assert_ne!(shown(&identity), Some(good));
    assert!(read.changed().is_none(), "not read in again and again");
}
