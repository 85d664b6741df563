//! `alg`, and whatever a header says of keys.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::*;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    none(&mut cases);
    symmetric(&mut cases);
    unknown(&mut cases);
    mismatched(&mut cases);
    embedded(&mut cases);
    members(&mut cases);
    kids(&mut cases);
    cases
}

/// A token with this header that claims what a good one does, signed by a good key.
fn headed(header: &str) -> String {
    ec().token_of_text(header, &good_claims().to_string())
}

fn unsigned(header: &Value, signature: &str) -> String {
    let payload = good_claims().to_string();
    format!(
        "{}.{}.{signature}",
        encode(header.to_string()),
        encode(payload)
    )
}

fn none(cases: &mut Vec<Case>) {
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "NoNe",
        "",
        " none",
        "none ",
        "none\u{0}",
    ] {
        let header = json!({"alg": alg, "typ": "JWT"});
        cases.push(bearer(
            format!("alg {alg:?}, no signature"),
            unsigned(&header, ""),
            NOT_THREE,
        ));
        cases.push(bearer(
            format!("alg {alg:?}, some signature"),
            unsigned(&header, "AAAA"),
            BAD_ALG,
        ));
        let of_good = encode(ec().sign(b"whatever"));
        cases.push(bearer(
            format!("alg {alg:?}, a real signature"),
            unsigned(&header, &of_good),
            BAD_ALG,
        ));
    }
}

/// The public key taken for a secret.
fn symmetric(cases: &mut Vec<Case>) {
    let jwk = rsa("RS256").jwk();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let secrets: [(&str, Vec<u8>); 5] = [
        ("the modulus", modulus),
        ("the key as PEM", rsa("RS256").certificate().into_bytes()),
        ("the key as JSON", jwk.to_string().into_bytes()),
        ("the key set", key_set().into_bytes()),
        ("nothing", Vec::new()),
    ];
    for (alg, with) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ] {
        for (name, secret) in &secrets {
            for kid in ["rsa", "p256"] {
                let header = encode(json!({"alg": alg, "kid": kid}).to_string());
                let signed = format!("{header}.{}", encode(good_claims().to_string()));
                let tag = hmac::sign(&hmac::Key::new(with, secret), signed.as_bytes());
                let token = format!("{signed}.{}", encode(tag));
                cases.push(bearer(
                    format!("{alg} by {name}, kid {kid}"),
                    token,
                    BAD_ALG,
                ));
            }
        }
    }
}

fn unknown(cases: &mut Vec<Case>) {
    for alg in [
        "RS1",
        "RS255",
        "rs256",
        "Rs256",
        "RS256 ",
        " RS256",
        "RS256\u{0}",
        "ES256K",
        "es256",
        "ES257",
        "PS1",
        "eddsa",
        "EDDSA",
        "Ed25519",
        "Ed448",
        "A128KW",
        "RSA-OAEP",
        "RSA1_5",
        "dir",
        "ECDH-ES",
        "A256GCMKW",
        "PBES2-HS256+A128KW",
        "RS256,ES256",
        "ES256/none",
        "*",
        "RS𝟤56",
    ] {
        cases.push(bearer(
            format!("alg {alg:?}"),
            headed(&json!({"alg": alg, "kid": "p256"}).to_string()),
            BAD_ALG,
        ));
    }
    let expected = Refused(
        401,
        "TokenMalformed",
        "Jwt header [alg] field is required and must be a string",
    );
    for alg in [
        "null",
        "256",
        "true",
        "[]",
        "{}",
        r#"["ES256"]"#,
        r#"{"ES256":1}"#,
        "1.5",
    ] {
        let header = format!(r#"{{"alg":{alg},"kid":"p256"}}"#);
        cases.push(bearer(format!("alg is {alg}"), headed(&header), expected));
    }
    for header in [
        r#"{"kid":"p256"}"#,
        "{}",
        r#"{"ALG":"ES256"}"#,
        r#"{"Alg":"ES256","kid":"p256"}"#,
    ] {
        cases.push(bearer(format!("header {header}"), headed(header), expected));
    }
}

/// One algorithm said, another one meant.
fn mismatched(cases: &mut Vec<Case>) {
    let claims = good_claims().to_string();
    let mut case = |signer: &Signer, alg: &str, kid: &str, expected| {
        let header = json!({"alg": alg, "kid": kid}).to_string();
        let name = format!("{alg} with {kid}, signed by {}", signer.algorithm);
        cases.push(bearer(
            name,
            signer.token_of_text(&header, &claims),
            expected,
        ));
    };
    case(&ec(), "RS256", "p256", NO_KEY);
    case(&ec(), "ES384", "p256", NO_KEY);
    case(&ec(), "ES512", "p256", NO_KEY);
    case(&ec(), "EdDSA", "p256", NO_KEY);
    case(&ed(), "ES256", "ed", NO_KEY);
    case(&rsa("RS256"), "ES256", "rsa", NO_KEY);
    case(&Signer::new("PS256", "bound"), "PS256", "bound", NO_KEY);
    case(&Signer::new("RS512", "bound"), "RS512", "bound", NO_KEY);
    case(&rsa("RS256"), "PS256", "rsa", SIGNATURE);
    case(&rsa("PS256"), "RS256", "rsa", SIGNATURE);
    case(&rsa("RS256"), "RS512", "rsa", SIGNATURE);
    case(&rsa("RS512"), "RS256", "rsa", SIGNATURE);
    case(&rsa("PS384"), "PS512", "rsa", SIGNATURE);
    case(&Signer::new("ES384", "p384"), "ES256", "p256", SIGNATURE);
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        case(&rsa(algorithm), algorithm, "rsa", Passes);
    }
    case(&Signer::new("ES384", "p384"), "ES384", "p384", Passes);
    case(&Signer::new("ES512", "p521"), "ES512", "p521", Passes);
    case(&ed(), "EdDSA", "ed", Passes);
}

/// Keys of the attacker, who says where they are.
fn embedded(cases: &mut Vec<Case>) {
    let claims = good_claims().to_string();
    let attacker = Signer::new("ES256", "attacker");
    let set = json!({"keys": [attacker.jwk()]});
    let certificate = attacker
        .certificate()
        .replace("-----BEGIN CERTIFICATE-----", "");
    for (member, value) in [
        ("jwk", attacker.jwk()),
        ("jku", json!("https://attacker.example/keys")),
        ("jku", json!("http://127.0.0.1/keys")),
        ("x5u", json!("https://attacker.example/cert")),
        ("x5c", json!([certificate])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("keys", set),
    ] {
        for (kid, expected) in [
            (Some("p256"), SIGNATURE),
            (Some("attacker"), NO_KEY),
            (None, SIGNATURE),
        ] {
            let mut header = json!({"alg": "ES256", member: value});
            if let Some(kid) = kid {
                header["kid"] = json!(kid);
            }
            let token = attacker.token_of_text(&header.to_string(), &claims);
            cases.push(bearer(
                format!("{member} of the attacker, kid {kid:?}"),
                token,
                expected,
            ));
        }
        let header = json!({"alg": "ES256", "kid": "p256", member: value});
        cases.push(bearer(
            format!("{member} beside a good signature"),
            headed(&header.to_string()),
            Passes,
        ));
    }
}

fn members(cases: &mut Vec<Case>) {
    for (member, value, expected) in [
        ("typ", json!("JWT"), Passes),
        ("typ", json!("at+jwt"), Passes),
        ("typ", json!(7), Passes),
        ("cty", json!("JWT"), Passes),
        ("zip", json!("DEF"), Passes),
        ("enc", json!("A128GCM"), Passes),
        (
            "crit",
            json!([]),
            Refused(401, "TokenAlgorithm", "[crit] is not supported"),
        ),
        (
            "crit",
            json!(["exp"]),
            Refused(401, "TokenAlgorithm", "[crit] is not supported"),
        ),
        (
            "crit",
            json!(["b64"]),
            Refused(401, "TokenAlgorithm", "[crit] is not supported"),
        ),
        (
            "crit",
            json!(null),
            Refused(401, "TokenAlgorithm", "[crit] is not supported"),
        ),
        (
            "crit",
            json!("exp"),
            Refused(401, "TokenAlgorithm", "[crit] is not supported"),
        ),
        (
            "b64",
            json!(false),
            Refused(401, "TokenAlgorithm", "[b64] is not supported"),
        ),
        (
            "b64",
            json!(true),
            Refused(401, "TokenAlgorithm", "[b64] is not supported"),
        ),
        (
            "b64",
            json!(null),
            Refused(401, "TokenAlgorithm", "[b64] is not supported"),
        ),
    ] {
        let header = json!({"alg": "ES256", "kid": "p256", member: value});
        cases.push(bearer(
            format!("{member} is {value}"),
            headed(&header.to_string()),
            expected,
        ));
    }
}

fn kids(cases: &mut Vec<Case>) {
    let not_text = Refused(
        401,
        "TokenMalformed",
        "Jwt header [kid] field is not a string",
    );
    for kid in ["null", "1", "true", "[]", "{}", r#"["p256"]"#] {
        let header = format!(r#"{{"alg":"ES256","kid":{kid}}}"#);
        cases.push(bearer(format!("kid is {kid}"), headed(&header), not_text));
    }
    let long = "p256".repeat(2_000);
    for kid in [
        "",
        "P256",
        "p256 ",
        " p256",
        "p256\u{0}",
        "../../dev/null",
        "' OR '1'='1",
        "p256\n",
        "*",
        &*long,
    ] {
        let header = json!({"alg": "ES256", "kid": kid}).to_string();
        let name = format!("kid {:?}", kid.chars().take(20).collect::<String>());
        cases.push(bearer(name, headed(&header), NO_KEY));
    }
    cases.push(bearer("no kid", headed(r#"{"alg":"ES256"}"#), Passes));
    cases.push(bearer(
        "kid with an escape",
        headed(r#"{"alg":"ES256","kid":"p\u003256"}"#),
        Passes,
    ));
    cases.push(bearer(
        "another key's kid",
        headed(r#"{"alg":"ES256","kid":"p384"}"#),
        NO_KEY,
    ));
}
