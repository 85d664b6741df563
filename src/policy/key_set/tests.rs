use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tokens::{ALGORITHMS, Signer, certificate, certificates, der_value};
use super::*;

const MESSAGE: &[u8] = b"header.payload";

fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
}

fn fault(jwk: Value) -> String {
    match parse(&[jwk]) {
        Err(KeySetError::NoneUsable(fault)) => fault,
        other => panic!("expected an unusable key, got {other:?}"),
    }
}

#[test]
fn a_key_verifies_what_it_signed_and_nothing_else() {
    for name in ALGORITHMS {
        let signer = Signer::new(name, "a");
        let set = parse(&[signer.jwk()]).unwrap();
        let algorithm = Algorithm::from_name(name).unwrap();
        let signature = signer.sign(MESSAGE);
        let key = set.candidates(Some("a"), algorithm).next().unwrap();
        assert!(key.verify(algorithm, MESSAGE, &signature), "{name}");
        assert!(
            !key.verify(algorithm, b"header.other", &signature),
            "{name}"
        );
        assert!(!key.verify(algorithm, MESSAGE, &signature[1..]), "{name}");
        assert!(!key.verify(algorithm, MESSAGE, &[]), "{name}");
        let other = Signer::new(name, "b").sign(MESSAGE);
        assert!(!key.verify(algorithm, MESSAGE, &other), "{name}");
    }
}

#[test]
fn an_algorithm_is_bound_to_the_type_of_the_key() {
    for name in ALGORITHMS {
        let mut jwk = Signer::new(name, "a").jwk();
        jwk.as_object_mut().unwrap().remove("alg");
        let set = parse(&[jwk]).unwrap();
        for algorithm in Algorithm::ALL {
            let of_type = |name: &str| match name {
                "ES256" | "ES384" | "ES512" | "EdDSA" => name.to_owned(),
                _ => "RSA".to_owned(),
            };
            let fits = of_type(name) == of_type(algorithm.name());
            assert_eq!(
                set.candidates(None, algorithm).count() == 1,
                fits,
                "{name} {algorithm:?}"
            );
            assert!(fits || !set.keys[0].verify(algorithm, MESSAGE, &[0; 256]));
        }
    }
}

#[test]
fn a_keys_alg_narrows_it() {
    let signer = Signer::new("RS256", "a");
    let set = parse(&[signer.jwk()]).unwrap();
    assert_eq!(set.candidates(None, Algorithm::Rs256).count(), 1);
    assert_eq!(set.candidates(None, Algorithm::Ps256).count(), 0);
    let mut jwk = signer.jwk();
    for alg in ["HS256", "RSA-OAEP", "ES256", "none", "rs256"] {
        jwk["alg"] = json!(alg);
        assert!(fault(jwk.clone()).contains("`alg`"), "{alg}");
    }
}

#[test]
fn kids_are_equal_where_both_sides_have_one() {
    let named = Signer::new("ES256", "a");
    let nameless = Signer::new("ES256", "b").anonymous();
    let set = parse(&[named.jwk(), nameless.jwk()]).unwrap();
    assert_eq!(set.candidates(Some("a"), Algorithm::Es256).count(), 2);
    assert_eq!(set.candidates(Some("c"), Algorithm::Es256).count(), 1);
    assert_eq!(set.candidates(None, Algorithm::Es256).count(), 2);
}

#[test]
fn usage_and_operations_are_respected() {
    let mut jwk = Signer::new("ES256", "a").jwk();
    jwk["key_ops"] = json!(["verify"]);
    assert!(parse(&[jwk.clone()]).is_ok());
    jwk["key_ops"] = json!(["sign", "encrypt"]);
    assert!(fault(jwk.clone()).contains("`key_ops`"));
    jwk["key_ops"] = json!("verify");
    assert!(fault(jwk.clone()).contains("wrong type"));
    let mut jwk = Signer::new("ES256", "a").jwk();
    jwk["use"] = json!("enc");
    assert!(fault(jwk).contains("`use`"));
}

#[test]
fn symmetric_and_private_keys_are_refused() {
    assert!(fault(json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"})).contains("symmetric"));
    let mut jwk = Signer::new("EdDSA", "a").jwk();
    jwk["d"] = json!("AAAA");
    assert!(fault(jwk).contains("private"));
}

#[test]
fn weak_and_absurd_rsa_keys_are_refused() {
    let n = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
    let rsa = |n: String, e: &[u8]| json!({"kty": "RSA", "n": n, "e": URL_SAFE_NO_PAD.encode(e)});
    assert!(parse(&[rsa(n(256), &[1, 0, 1])]).is_ok());
    assert!(parse(&[rsa(n(256), &[3])]).is_ok());
    assert!(fault(rsa(n(128), &[1, 0, 1])).contains("2048"));
    let mut just_under = vec![0xff; 256];
    just_under[0] = 0x7f;
    assert!(fault(rsa(URL_SAFE_NO_PAD.encode(just_under), &[3])).contains("2048"));
    assert!(fault(rsa(n(1025), &[3])).contains("8192"));
    for exponent in [&[][..], &[1], &[2], &[1, 0], &[1, 0, 0, 0, 1]] {
        assert!(
            fault(rsa(n(256), exponent)).contains("exponent"),
            "{exponent:?}"
        );
    }
    let mut even = vec![0xff; 256];
    even[255] = 0xfe;
    assert!(fault(rsa(URL_SAFE_NO_PAD.encode(even), &[3])).contains("even"));
}

#[test]
fn points_off_the_curve_are_refused() {
    let mut jwk = Signer::new("ES256", "a").jwk();
    jwk["y"] = jwk["x"].clone();
    assert!(fault(jwk.clone()).contains("not on its curve"));
    jwk["y"] = json!("AAAA");
    assert!(fault(jwk.clone()).contains("length"));
    jwk["crv"] = json!("secp256k1");
    assert!(fault(jwk).contains("`crv`"));
}

#[test]
fn broken_entries_cost_no_good_one() {
    let good = Signer::new("ES256", "a").jwk();
    let set = parse(&[json!(7), json!({"kty": "oct", "k": "AA"}), good]).unwrap();
    assert_eq!(set.keys.len(), 1);
}

#[test]
fn a_repeated_member_breaks_a_key() {
    let jwk = Signer::new("ES256", "a").jwk().to_string();
    let twice = jwk.replacen('{', r#"{"alg":"ES384","#, 1);
    let text = format!(r#"{{"keys":[{twice}]}}"#);
    assert!(matches!(
        KeySet::parse(text.as_bytes()),
        Err(KeySetError::NoneUsable(_))
    ));
}

#[test]
fn what_is_no_key_set_says_what_it_is() {
    let error = |text: &str| KeySet::parse(text.as_bytes()).unwrap_err();
    assert_eq!(error(""), KeySetError::NotJson);
    assert_eq!(error("<html>"), KeySetError::NotJson);
    assert_eq!(error(r#"{"keys":[]} x"#), KeySetError::NotJson);
    assert_eq!(error("{}"), KeySetError::NoKeys);
    assert_eq!(error("[]"), KeySetError::NoKeys);
    assert_eq!(error(r#"{"keys":7}"#), KeySetError::NoKeys);
    assert_eq!(
        error(r#"{"keys":[]}"#),
        KeySetError::NoneUsable("it is empty".to_owned())
    );
    assert_eq!(error(r#"{"error":"not found"}"#), KeySetError::NoKeys);
    let many = vec![json!({}); MAX_KEYS + 1];
    assert_eq!(parse(&many).unwrap_err(), KeySetError::TooMany);
    assert_eq!(
        error(&" ".repeat(MAX_KEY_SET_BYTES + 1)),
        KeySetError::TooLarge
    );
    let deep = format!(r#"{{"keys":[{}]}}"#, "[".repeat(100_000));
    assert_eq!(error(&deep), KeySetError::NotJson);
}

#[test]
fn ids_differ_by_material_kid_and_algorithms() {
    let signer = Signer::new("RS256", "a");
    let mut without_alg = signer.jwk();
    without_alg.as_object_mut().unwrap().remove("alg");
    let keys = [
        signer.jwk(),
        signer.anonymous().jwk(),
        without_alg,
        Signer::new("RS384", "a").jwk(),
        Signer::new("RS256", "b").jwk(),
    ];
    let set = parse(&keys).unwrap();
    for (index, key) in set.keys.iter().enumerate() {
        assert!(set.holds(&key.id));
        assert!(set.keys[..index].iter().all(|earlier| earlier.id != key.id));
    }
    assert!(!parse(&keys[1..]).unwrap().holds(&set.keys[0].id));
}

proptest! {
    #[test]
    fn no_text_makes_parsing_panic(text in ".{0,200}") {
        let _ = KeySet::parse(text.as_bytes());
        let _ = KeySet::parse(format!(r#"{{"keys":[{text}]}}"#).as_bytes());
    }

    #[test]
    fn no_member_makes_preparing_panic(
        kty in "RSA|EC|OKP|oct",
        crv in "P-256|P-384|P-521|Ed25519",
        n in prop::collection::vec(any::<u8>(), 0..300),
        e in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), URL_SAFE_NO_PAD.encode(e));
        let _ = parse(&[json!({"kty": kty, "crv": crv, "n": n, "e": e, "x": n, "y": n})]);
    }
}

#[test]
fn essential_set_of_every_type_has_the_same_keys_however_it_was_padded() {
    let algorithms = ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"];
    for algorithm in algorithms {
        let signer = tokens::Signer::new(algorithm, "one");
        let mut set: serde_json::Value =
            serde_json::from_str(&tokens::key_set(&[&signer])).unwrap();
        let key = set["keys"][0].as_object_mut().unwrap();
        for member in ["x5c", "n", "e", "x", "y", "crv"] {
            key.entry(member)
                .or_insert_with(|| "A".repeat(100_000).into());
        }
        let text = set.to_string();
        let essential = essential(text.as_bytes()).unwrap();
        assert!(essential.len() < 1024, "{algorithm}: {}", essential.len());
        let ids = |text: &[u8]| {
            let set = KeySet::parse(text).unwrap();
            set.keys.iter().map(|key| key.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&essential), ids(text.as_bytes()), "{algorithm}");
    }
}

#[test]
fn key_of_absurd_size_is_not_usable() {
    let signer = tokens::Signer::new("ES256", &"k".repeat(1025));
    let error = KeySet::parse(tokens::key_set(&[&signer]).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("1024 bytes"), "{error}");
    let zeros = "A".repeat(500_000);
    let set = serde_json::json!({ "keys": [{ "kty": "RSA", "n": zeros, "e": "AQAB" }] });
    let error = KeySet::parse(set.to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains("8192"), "{error}");
}

#[test]
fn a_certificates_key_is_the_same_as_a_json_web_key() {
    for name in ALGORITHMS {
        let signer = Signer::new(name, "a");
        let mut jwk = signer.jwk();
        // A certificate does not say which algorithm of its key's type is used.
        jwk.as_object_mut().unwrap().remove("alg");
        let set = KeySet::parse(certificates(&[&signer]).as_bytes()).unwrap();
        assert_eq!(set.keys[0].id, parse(&[jwk]).unwrap().keys[0].id, "{name}");
        assert_eq!(set.keys[0].kid.as_deref(), Some("a"));
        let algorithm = Algorithm::from_name(name).unwrap();
        assert!(set.keys[0].verify(algorithm, MESSAGE, &signer.sign(MESSAGE)));
        // What is kept of it is in the one form that every sidecar reads.
        let essential = essential(certificates(&[&signer]).as_bytes()).unwrap();
        assert_eq!(
            KeySet::parse(&essential).unwrap().keys[0].id,
            set.keys[0].id
        );
        let text = String::from_utf8(essential).unwrap();
        assert!(text.starts_with(r#"{"keys":["#) && !text.contains("CERTIFICATE"));
    }
}

/// Older tools write certificates of version 1; nothing but their keys is looked at.
#[test]
fn a_certificate_may_be_of_version_1() {
    let signer = Signer::new("ES256", "a");
    let pem = signer.certificate();
    let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(inner.trim()).unwrap();
    let sequence = |content: &[u8]| {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82], &length[..], content].concat()
    };
    let (certificate, _) = der_value(&der);
    let (to_be_signed, behind) = der_value(certificate);
    let unnumbered = to_be_signed.strip_prefix(&[0xa0, 3, 2, 1, 2]).unwrap();
    let der = sequence(&[&sequence(unnumbered), behind].concat());
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    );
    let set = KeySet::parse(json!({ "a": pem }).to_string().as_bytes()).unwrap();
    assert!(set.keys[0].verify(Algorithm::Es256, MESSAGE, &signer.sign(MESSAGE)));
}

#[test]
fn broken_certificates_cost_no_good_one() {
    let pem = Signer::new("ES256", "a").certificate();
    let good = json!(pem);
    let (begin, end) = (
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
    );
    let rsa = |modulus: &[u8]| {
        let mut der = vec![0x30, 0x82, 0, 0, 0x02, 0x82];
        der.extend(u16::try_from(modulus.len()).unwrap().to_be_bytes());
        der.extend(modulus);
        der.extend([0x02, 3, 1, 0, 1]);
        let length = u16::try_from(der.len() - 4).unwrap().to_be_bytes();
        der[2..4].copy_from_slice(&length);
        json!(certificate("RS256", &der))
    };
    let weak: Vec<u8> = [&[0][..], &[0xff; 128]].concat();
    let strong: Vec<u8> = [&[0][..], &[0xff; 256]].concat();
    for (broken, why) in [
        (json!(format!("{begin}AA==\n{end}")), "X.509"),
        (json!(format!("{begin}{end}")), "X.509"),
        (json!(format!("{begin}!!!!\n{end}")), "PEM"),
        (json!(begin), "PEM"),
        (json!([begin]), "not the text"),
        (json!(pem[..pem.len() / 2]), "PEM"),
        (rsa(&weak), "2048"),
        (
            json!(certificate("RS256", &[0x30, 0x03, 0x02, 0x01])),
            "not RSA",
        ),
        (json!(certificate("ES256", &[2; 33])), "not RSA"),
        (json!(certificate("ES256", &[4; 65])), "not on its curve"),
        (json!(certificate("ES384", &[4; 65])), "wrong length"),
        (json!(certificate("EdDSA", &[1; 31])), "wrong length"),
    ] {
        let alone = json!({ "a": broken }).to_string();
        let error = KeySet::parse(alone.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(why), "{broken}: {error}");
        let with_good = json!({ "a": broken, "b": good }).to_string();
        let set = KeySet::parse(with_good.as_bytes()).unwrap();
        let kids: Vec<_> = set.keys.iter().map(|key| key.kid.as_deref()).collect();
        assert_eq!(kids, [Some("b")], "{broken}");
    }
    assert!(KeySet::parse(json!({ "a": rsa(&strong) }).to_string().as_bytes()).is_ok());
    let many: serde_json::Map<_, _> = (0..=MAX_KEYS)
        .map(|at| (at.to_string(), good.clone()))
        .collect();
    let many = Value::Object(many).to_string();
    assert_eq!(
        KeySet::parse(many.as_bytes()).unwrap_err(),
        KeySetError::TooMany
    );
}

proptest! {
    #[test]
    fn no_bytes_of_a_certificate_make_parsing_panic(
        place in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let pem = Signer::new("RS256", "a").certificate();
        let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let mut der = STANDARD.decode(inner.trim()).unwrap();
        let place = place.index(der.len());
        der[place] = with;
        for der in [&der[..], &der[..cut.index(der.len())]] {
            let text = STANDARD.encode(der);
            let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
            let _ = KeySet::parse(json!({ "a": pem }).to_string().as_bytes());
        }
    }
}
