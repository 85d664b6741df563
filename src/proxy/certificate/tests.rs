use super::*;

struct Folder {
    folder: tempfile::TempDir,
    certificate: Certificate,
    watched: Watched,
}

fn watched(folder: &Path) -> Watched {
    Watched {
        files: CertificateFiles::in_folder(folder),
        seen: None,
    }
}

/// The first of the chain, as both sides see it.
fn shown(certificate: &Certificate) -> Option<Vec<u8>> {
    let slot = certificate.resolver();
    let schemes = [SignatureScheme::ECDSA_NISTP256_SHA256];
    let to_backends = ResolvesClientCert::resolve(&*slot, &[], &schemes);
    assert_eq!(to_backends.is_some(), slot.has_certs());
    let unable = [SignatureScheme::RSA_PKCS1_SHA256];
    assert!(ResolvesClientCert::resolve(&*slot, &[], &unable).is_none());
    assert_eq!(certificate.is_there(), certificate.lack().is_none());
    to_backends.map(|it| it.cert[0].to_vec())
}

fn pair(name: &str) -> (String, String) {
    tls::install_crypto_provider();
    let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (signed.cert.pem(), signed.signing_key.serialize_pem())
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            watched: watched(folder.path()),
            folder,
            certificate: Certificate::new(ShownTo::Clients),
        }
    }

    fn holds(&mut self, certificate: &str, key: &str) {
        std::fs::write(self.folder.path().join("tls.crt"), certificate).unwrap();
        std::fs::write(self.folder.path().join("tls.key"), key).unwrap();
        self.look();
    }

    fn look(&mut self) {
        self.certificate.0.read(&mut self.watched);
    }

    fn shown(&self) -> Option<Vec<u8>> {
        shown(&self.certificate)
    }

    fn problem(&self) -> String {
        let state = self.certificate.0.state.load();
        state.problem.clone().unwrap_or_default()
    }
}

#[test]
fn a_pair_is_read_and_a_new_one_takes_its_place() {
    let mut folder = Folder::new();
    folder.look();
    assert_eq!(folder.shown(), None);
    assert!(
        folder.problem().contains("tls.crt: No such file"),
        "{}",
        folder.problem()
    );
    let (certificate, key) = pair("one.example");
    folder.holds(&certificate, &key);
    let first = folder.shown().expect("a usable pair");
    assert_eq!(folder.problem(), "");
    let (certificate, key) = pair("two.example");
    folder.holds(&certificate, &key);
    assert_ne!(folder.shown().expect("a usable pair"), first);
}

#[test]
fn what_is_no_usable_pair_keeps_the_last_good_one_and_is_named() {
    let (certificate, key) = pair("one.example");
    let (other, _) = pair("two.example");
    let mut folder = Folder::new();
    folder.holds(&certificate, &key);
    let good = folder.shown();
    for (certificate, key, why) in [
        (&*other, &*key, "tls.key: it is not the certificate's key"),
        ("", &key, "tls.crt: it holds no certificate"),
        (&certificate, "", "tls.key: it holds no private key in PEM"),
        (
            &certificate,
            &certificate,
            "tls.key: it holds no private key",
        ),
    ] {
        folder.holds(certificate, key);
        assert_eq!(folder.shown(), good, "{why}");
        assert!(folder.problem().contains(why), "{}", folder.problem());
        assert!(
            !folder.problem().contains("PRIVATE"),
            "{}",
            folder.problem()
        );
    }
    std::fs::remove_file(folder.folder.path().join("tls.key")).unwrap();
    folder.look();
    assert_eq!(
        folder.shown(),
        good,
        "a Secret that is gone takes nothing away"
    );
    folder.holds(&certificate, &key);
    assert_eq!(folder.problem(), "");
}

#[test]
fn a_folder_swapped_as_kubelet_does_it_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str| {
        let (certificate, key) = pair(name);
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(at(name).join("tls.crt"), certificate).unwrap();
        std::fs::write(at(name).join("tls.key"), key).unwrap();
    };
    version("first");
    version("second");
    std::os::unix::fs::symlink("first", at("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), at(name)).unwrap();
    }
    let (certificate, mut watched) = (Certificate::new(ShownTo::Backends), watched(folder.path()));
    certificate.0.read(&mut watched);
    let first = shown(&certificate).expect("a usable pair");
    std::os::unix::fs::symlink("second", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    certificate.0.read(&mut watched);
    assert_ne!(shown(&certificate).expect("a usable pair"), first);
    assert!(watched.changed().is_none(), "not read in again and again");
}
