use std::time::{Duration, UNIX_EPOCH};

use super::*;

#[test]
fn what_is_written_reads_back() {
    let all = all();
    let mut data = BTreeMap::from([("theirs".to_owned(), ByteString(b"kept".to_vec()))]);
    all.write(&mut data);
    let (read, spoilt) = Authorities::read(&data, now()).unwrap();
    assert!(!spoilt);
    assert_eq!(read.trusted(), all.trusted());
    assert_eq!(read.crosses, all.crosses);
    assert_eq!(data["theirs"].0, b"kept");

    let first = Authorities::generate(now()).unwrap();
    first.write(&mut data);
    let (read, _) = Authorities::read(&data, now()).unwrap();
    assert!(read.next.is_none() && read.previous.is_empty() && read.crosses.is_empty());
    assert_eq!(read.trusted(), first.trusted());
}

#[test]
fn beside_a_good_ca_what_is_spoilt_is_left_out_and_said() {
    for key in [NEXT_CERTIFICATE, NEXT_KEY, PREVIOUS, CROSSES] {
        let all = all();
        let mut data = BTreeMap::new();
        all.write(&mut data);
        let spoilt = b"-----BEGIN CERTIFICATE-----\nno base64!\n-----END CERTIFICATE-----\n";
        data.insert(key.to_owned(), ByteString(spoilt.to_vec()));
        let (read, spoilt) = Authorities::read(&data, now()).unwrap();
        assert!(spoilt, "{key}");
        assert_eq!(read.current.certificate(), all.current.certificate());
        assert!(read.trusted().len() < 3 || read.crosses.is_empty(), "{key}");
    }
}

#[test]
fn without_a_ca_there_is_nothing() {
    let mut data = BTreeMap::new();
    all().write(&mut data);
    data.remove(KEY);
    Authorities::read(&data, now()).unwrap_err();
    Authorities::read(&BTreeMap::new(), now()).unwrap_err();
}

#[test]
fn secret_full_of_certificates_is_not_read() {
    let mut data = BTreeMap::new();
    let all = all();
    all.write(&mut data);
    let many = pem::encode(std::iter::repeat_n(&all.previous[0], 17));
    data.insert(PREVIOUS.to_owned(), ByteString(many.into_bytes()));
    assert!(Authorities::read(&data, now()).unwrap().1);
}

fn all() -> Authorities {
    let [old, current, next] = [0; 3].map(|_| Arc::new(Authority::generate(now()).unwrap()));
    Authorities {
        previous: vec![old.certificate().clone()],
        crosses: vec![old.cross_sign(&current).unwrap()],
        current,
        next: Some(next),
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
