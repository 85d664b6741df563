use super::*;

#[test]
fn what_is_stored_reads_back_and_signs_what_the_first_certificate_verifies() {
    let (made, key) = Authority::generate(now()).unwrap();
    let read = Authority::read(made.certificate_pem().as_bytes(), key.as_bytes(), now()).unwrap();
    let leaf = read
        .leaf(&["operator.system.svc".to_owned()], now())
        .unwrap();
    made.verify(&leaf, "operator.system.svc", now()).unwrap();
    made.verify(&leaf, "other.system.svc", now()).unwrap_err();
}

#[test]
fn leaf_lives_thirty_days() {
    let (authority, _) = Authority::generate(now()).unwrap();
    let verify = |signed: SystemTime, at| {
        let leaf = authority.leaf(&["a.b".to_owned()], signed).unwrap();
        authority.verify(&leaf, "a.b", at)
    };
    verify(now(), now() + DAY * 29).unwrap();
    verify(now(), now() + DAY * 31).unwrap_err();
}

#[test]
fn parts_of_two_authorities_are_refused() {
    let (one, _) = Authority::generate(now()).unwrap();
    let (_, key) = Authority::generate(now()).unwrap();
    let error =
        Authority::read(one.certificate_pem().as_bytes(), key.as_bytes(), now()).unwrap_err();
    assert!(matches!(error, AuthorityError::Mismatch(_)), "{error}");
}

#[test]
fn garbage_is_refused_without_being_quoted() {
    let (authority, key) = Authority::generate(now()).unwrap();
    let certificate = authority.certificate_pem().as_bytes();
    for (certificate, key) in [
        (&b"garbage"[..], key.as_bytes()),
        (certificate, b"garbage"),
        (certificate, b"\xff\xfe"),
        (b"", b""),
    ] {
        let error = Authority::read(certificate, key, now())
            .unwrap_err()
            .to_string();
        assert!(!error.contains("garbage"), "{error}");
    }
}

#[test]
fn keys_are_not_printed() {
    let (authority, _) = Authority::generate(now()).unwrap();
    assert_eq!(format!("{authority:?}"), "Authority { .. }");
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
