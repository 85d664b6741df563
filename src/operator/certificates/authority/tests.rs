use super::*;

const NAME: &str = "operator.system.svc";

#[test]
fn what_is_stored_reads_back_and_signs_what_the_first_certificate_verifies() {
    let made = Authority::generate(now()).unwrap();
    let (certificate, key) = (made.certificate_pem(), made.key_pem());
    let read = Authority::read(certificate.as_bytes(), key.as_bytes(), now()).unwrap();
    let leaf = leaf(&read, now());
    let trusted = [made.certificate().clone()];
    verify(&trusted, &leaf, NAME, now()).unwrap();
    verify(&trusted, &leaf, "other.system.svc", now()).unwrap_err();
}

#[test]
fn leaf_lives_thirty_days_and_the_authority_ten_years() {
    let authority = Authority::generate(now()).unwrap();
    let trusted = [authority.certificate().clone()];
    let leaf = leaf(&authority, now());
    verify(&trusted, &leaf, NAME, now() + DAY * 29).unwrap();
    verify(&trusted, &leaf, NAME, now() + DAY * 31).unwrap_err();
    assert_eq!(
        authority.validity(),
        Validity {
            not_before: now() - CLOCK_SKEW,
            not_after: now() + DAY * 3652
        }
    );
}

#[test]
fn who_trusts_only_the_first_of_three_trusts_what_the_third_signs() {
    let [first, second, third] = [0; 3].map(|_| Authority::generate(now()).unwrap());
    let crosses = [
        second.cross_sign(&third).unwrap(),
        first.cross_sign(&second).unwrap(),
    ];
    let chain = |crosses: &[_]| {
        let leaf = third.leaf(&[NAME.to_owned()], crosses, now()).unwrap();
        leaf.key.cert.clone()
    };
    for trusted in [&first, &second, &third] {
        let trusted = [trusted.certificate().clone()];
        verify(&trusted, &chain(&crosses), NAME, now()).unwrap();
    }
    let trusted = [first.certificate().clone()];
    verify(&trusted, &chain(&[]), NAME, now()).unwrap_err();
    verify(&trusted, &chain(&crosses[..1]), NAME, now()).unwrap_err();
    let stranger = [Authority::generate(now()).unwrap().certificate().clone()];
    verify(&stranger, &chain(&crosses), NAME, now()).unwrap_err();
}

#[test]
fn authority_that_has_expired_is_read() {
    let made = Authority::generate(now()).unwrap();
    let (certificate, key) = (made.certificate_pem(), made.key_pem());
    let later = now() + DAY * 5000;
    let read = Authority::read(certificate.as_bytes(), key.as_bytes(), later).unwrap();
    assert!(!read.validity().holds(later));
}

#[test]
fn parts_of_two_authorities_are_refused() {
    let one = Authority::generate(now()).unwrap().certificate_pem();
    let key = Authority::generate(now()).unwrap().key_pem();
    let error = Authority::read(one.as_bytes(), key.as_bytes(), now()).unwrap_err();
    assert!(matches!(error, AuthorityError::Mismatch(_)), "{error}");
}

#[test]
fn garbage_is_refused_without_being_quoted() {
    let authority = Authority::generate(now()).unwrap();
    let (certificate, key) = (authority.certificate_pem(), authority.key_pem());
    for (certificate, key) in [
        (&b"garbage"[..], key.as_bytes()),
        (certificate.as_bytes(), b"garbage"),
        (certificate.as_bytes(), b"\xff\xfe"),
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
    let authority = Authority::generate(now()).unwrap();
    assert_eq!(format!("{authority:?}"), "Authority { .. }");
}

fn leaf(authority: &Authority, now: SystemTime) -> Vec<CertificateDer<'static>> {
    let leaf = authority.leaf(&[NAME.to_owned()], &[], now).unwrap();
    leaf.key.cert.clone()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
