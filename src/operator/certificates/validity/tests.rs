use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

#[test]
fn what_a_certificate_says_is_read() {
    for (from, until) in [
        ((1970, 1, 1), (1999, 12, 31)),
        ((2000, 2, 29), (2049, 12, 31)),
        // From 2050 on, the other form of time.
        ((2026, 11, 22), (2050, 1, 1)),
        ((2052, 2, 29), (2100, 3, 1)),
        ((2100, 2, 28), (9999, 12, 31)),
    ] {
        let time = |(year, month, day)| date_time_ymd(year, month, day);
        let mut params = CertificateParams::default();
        params.not_before = time(from);
        params.not_after = time(until);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = Validity::read(certificate.der()).unwrap();
        assert_eq!(read.not_before, SystemTime::from(time(from)), "{from:?}");
        assert_eq!(read.not_after, SystemTime::from(time(until)), "{until:?}");
    }
}

#[test]
fn both_ends_are_within() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let validity = Validity {
        not_before: at(10),
        not_after: at(20),
    };
    assert!(validity.holds(at(10)) && validity.holds(at(20)));
    assert!(!validity.holds(at(9)) && !validity.holds(at(21)));
}

proptest! {
    #[test]
    fn spoilt_certificates_are_read_or_refused(at in 0_usize..200, byte: u8, cut in 0_usize..400) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let mut der = certificate.der().to_vec();
        let length = der.len();
        der[at % length] = byte;
        der.truncate(length.saturating_sub(cut % length));
        let _ = Validity::read(&der);
    }
}
