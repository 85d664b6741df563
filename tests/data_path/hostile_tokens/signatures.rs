//! Signatures that are nearly right.

use super::*;

/// The order of P-256 (FIPS 186-4 D.1.2.3).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The order of Ed25519's group (RFC 8032 section 5.1), least byte first.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    elliptic(&mut cases);
    edwards(&mut cases);
    modular(&mut cases);
    flipped(&mut cases);
    cases
}

/// What is signed, and the signature.
fn parts(signer: &Signer) -> (String, Vec<u8>) {
    let [header, payload, signature] = sections(signer);
    (
        format!("{header}.{payload}"),
        URL_SAFE_NO_PAD.decode(signature).unwrap(),
    )
}

fn elliptic(cases: &mut Vec<Case>) {
    let (signed, signature) = parts(&ec());
    let (r, s) = signature.split_at(32);
    let zero = [0; 32];
    let mut case = |name: &str, signature: Vec<u8>, expected| {
        cases.push(bearer(
            format!("ECDSA: {name}"),
            format!("{signed}.{}", encode(signature)),
            expected,
        ));
    };
    case("as it is", signature.clone(), Passes);
    case(
        "the other s, as valid as the first",
        [r, &difference(&P256_ORDER, s)].concat(),
        Passes,
    );
    case("in DER", der(r, s), SIGNATURE);
    case("cut", signature[..63].to_vec(), SIGNATURE);
    case("half", r.to_vec(), SIGNATURE);
    case("one byte", vec![0], SIGNATURE);
    case("a byte more", [&signature[..], &[0]].concat(), SIGNATURE);
    case("a zero before", [&[0], &signature[..]].concat(), SIGNATURE);
    case("twice", signature.repeat(2), SIGNATURE);
    case("s and r", [s, r].concat(), SIGNATURE);
    case("no r", [&zero, s].concat(), SIGNATURE);
    case("no s", [r, &zero].concat(), SIGNATURE);
    case("nothing", vec![0; 64], SIGNATURE);
    case("everything", vec![0xff; 64], SIGNATURE);
    case("r is the order", [&P256_ORDER[..], s].concat(), SIGNATURE);
    case("s is the order", [r, &P256_ORDER[..]].concat(), SIGNATURE);
    case("both are the order", P256_ORDER.repeat(2), SIGNATURE);
    case(
        "r and s are 1",
        [&zero[..31], &[1], &zero[..31], &[1]].concat(),
        SIGNATURE,
    );
    case(
        "of another curve",
        parts(&Signer::new("ES384", "p384")).1,
        SIGNATURE,
    );
    case("of another token", ec().sign(b"another"), SIGNATURE);
    case(
        "of another key",
        Signer::new("ES256", "forger").sign(signed.as_bytes()),
        SIGNATURE,
    );
    case("huge", vec![1; 20_000], SIGNATURE);
}

fn edwards(cases: &mut Vec<Case>) {
    let (signed, signature) = parts(&ed());
    let (point, scalar) = signature.split_at(32);
    let length = Refused(
        401,
        "TokenSignature",
        "Jwt ED25519 signature is wrong length",
    );
    let mut case = |name: &str, signature: Vec<u8>, expected| {
        cases.push(bearer(
            format!("Ed25519: {name}"),
            format!("{signed}.{}", encode(signature)),
            expected,
        ));
    };
    case("as it is", signature.clone(), Passes);
    case(
        "the scalar and the order",
        [point, &sum(scalar, &ED25519_ORDER)].concat(),
        SIGNATURE,
    );
    case("cut", signature[..63].to_vec(), length);
    case("a byte more", [&signature[..], &[0]].concat(), length);
    case("one byte", vec![0], length);
    case("nothing", vec![0; 64], SIGNATURE);
    case("everything", vec![0xff; 64], SIGNATURE);
    case("no scalar", [point, &[0; 32]].concat(), SIGNATURE);
    case("no point", [&[0; 32], scalar].concat(), SIGNATURE);
    case(
        "the neutral point",
        [&[1][..], &[0; 63]].concat(),
        SIGNATURE,
    );
    case(
        "of another key",
        Signer::new("EdDSA", "forger").sign(signed.as_bytes()),
        SIGNATURE,
    );
}

fn modular(cases: &mut Vec<Case>) {
    for algorithm in ["RS256", "PS256"] {
        let signer = rsa(algorithm);
        let (signed, signature) = parts(&signer);
        let modulus = URL_SAFE_NO_PAD
            .decode(signer.jwk()["n"].as_str().unwrap())
            .unwrap();
        let mut case = |name: &str, signature: Vec<u8>, expected| {
            cases.push(bearer(
                format!("{algorithm}: {name}"),
                format!("{signed}.{}", encode(signature)),
                expected,
            ));
        };
        case("as it is", signature.clone(), Passes);
        case("cut", signature[..255].to_vec(), SIGNATURE);
        case("a byte more", [&signature[..], &[0]].concat(), SIGNATURE);
        case("a zero before", [&[0], &signature[..]].concat(), SIGNATURE);
        case("one byte", vec![0], SIGNATURE);
        case("0", vec![0; 256], SIGNATURE);
        case("1", [&[0; 255][..], &[1]].concat(), SIGNATURE);
        case("everything", vec![0xff; 256], SIGNATURE);
        case("the modulus", modulus, SIGNATURE);
        case(
            "of another key",
            Signer::new(algorithm, "bound").sign(signed.as_bytes()),
            SIGNATURE,
        );
        case("of another token", signer.sign(b"another"), SIGNATURE);
    }
}

/// One bit of what is signed, or of the signature.
fn flipped(cases: &mut Vec<Case>) {
    for signer in [ec(), ed(), rsa("RS256")] {
        let (signed, signature) = parts(&signer);
        for at in [0, 7, 31, 32, 40, 63] {
            let mut signature = signature.clone();
            signature[at] ^= 1;
            let token = format!("{signed}.{}", encode(signature));
            cases.push(bearer(
                format!("{}: bit of byte {at}", signer.algorithm),
                token,
                SIGNATURE,
            ));
        }
        // A claim more, under the signature of the claims before.
        let [header, _, signature] = sections(&signer);
        let changed = encode(with("admin", serde_json::json!(true)).to_string());
        let token = format!("{header}.{changed}.{signature}");
        cases.push(bearer(
            format!("{}: a claim more", signer.algorithm),
            token,
            SIGNATURE,
        ));
    }
}

/// Great numbers, the greatest byte first.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0_i16;
    let mut digits: Vec<u8> = a
        .iter()
        .zip(b)
        .rev()
        .map(|(a, b)| {
            let digit = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(digit < 0);
            digit.rem_euclid(256).to_be_bytes()[1]
        })
        .collect();
    digits.reverse();
    digits
}

/// Great numbers, the least byte first.
fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0_u16;
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let digit = u16::from(*a) + u16::from(*b) + carry;
            carry = digit >> 8;
            digit.to_be_bytes()[1]
        })
        .collect()
}

/// Two numbers as TLS and certificates have them (X.690).
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = &number[zeros..];
        let sign: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
        let length = u8::try_from(sign.len() + number.len()).unwrap();
        [&[0x02, length], sign, number].concat()
    };
    let content = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], &content[..]].concat()
}
