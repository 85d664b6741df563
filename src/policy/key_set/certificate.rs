//! Google's other form of a key set, `{kid: PEM certificate}`: each certificate's public key as a JSON
//! Web Key.
//!
//! Nothing but the key is taken from a certificate. Who signed it, and until when it is valid, says
//! nothing here: what stands for a key is where the set was fetched from, as with any other set.

use std::fmt;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, alg_id};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::jwk::Jwk;

/// The members of a map: `kid` and what stands for its key.
pub(super) struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Entries<'a> {
    /// The members, if the text is an object of which one at least looks like a certificate.
    pub(super) fn parse(text: &'a [u8]) -> Option<Vec<(String, &'a RawValue)>> {
        let Self(entries) = serde_json::from_slice(text).ok()?;
        let looks_like_one = |(_, value): &(String, &RawValue)| value.get().contains(LABEL);
        entries.iter().any(looks_like_one).then_some(entries)
    }
}

const LABEL: &str = "BEGIN CERTIFICATE";

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Members).map(Self)
    }
}

/// The key of a certificate.
///
/// # Errors
/// What is wrong with it, for people; never its content.
pub(super) fn jwk(kid: &str, value: &RawValue) -> Result<Jwk, &'static str> {
    let pem: String = serde_json::from_str(value.get())
        .map_err(|_| "an entry is not the text of a certificate")?;
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "a certificate is not in PEM form")?;
    let info = subject_public_key_info(&der).ok_or("a certificate is not one of X.509")?;
    public_key(kid, info).ok_or("a certificate's key is not RSA, EC or Ed25519")
}

/// What begins with the SubjectPublicKeyInfo (RFC 5280 section 4.1), in a certificate of any version and
/// with whatever extensions.
fn subject_public_key_info(der: &[u8]) -> Option<&[u8]> {
    let (certificate, &[]) = value(SEQUENCE, der)? else {
        return None;
    };
    let (to_be_signed, _) = value(SEQUENCE, certificate)?;
    // Left out in version 1.
    let numbered = value(VERSION, to_be_signed).map_or(to_be_signed, |(_, rest)| rest);
    let (_serial_number, rest) = value(INTEGER, numbered)?;
    let (_algorithm, rest) = value(SEQUENCE, rest)?;
    let (_issuer, rest) = value(SEQUENCE, rest)?;
    let (_validity, rest) = value(SEQUENCE, rest)?;
    let (_subject, rest) = value(SEQUENCE, rest)?;
    Some(rest)
}

/// A SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) as a JSON Web Key.
fn public_key(kid: &str, info: &[u8]) -> Option<Jwk> {
    let (info, _) = value(SEQUENCE, info)?;
    let (algorithm, rest) = value(SEQUENCE, info)?;
    let (bits, _) = value(BIT_STRING, rest)?;
    // The number of unused bits, of which keys have none.
    let key = bits.strip_prefix(&[0])?;

    let curves = [
        (alg_id::ECDSA_P256, "P-256"),
        (alg_id::ECDSA_P384, "P-384"),
        (alg_id::ECDSA_P521, "P-521"),
    ];
    if let Some((_, curve)) = curves.iter().find(|(id, _)| algorithm == id.as_ref()) {
        // Uncompressed (SEC 1 section 2.3.3); the lengths are judged with those of other keys.
        let point = key.strip_prefix(&[0x04])?;
        let (x, y) = point.split_at(point.len() / 2);
        return Some(Jwk::elliptic(kid, curve, x, y));
    }
    if algorithm == alg_id::ED25519.as_ref() {
        return Some(Jwk::edwards(kid, key));
    }
    if algorithm != alg_id::RSA_ENCRYPTION.as_ref() {
        return None;
    }
    // RSAPublicKey (RFC 8017 appendix A.1.1).
    let (numbers, _) = value(SEQUENCE, key)?;
    let (modulus, rest) = value(INTEGER, numbers)?;
    let (exponent, _) = value(INTEGER, rest)?;
    Some(Jwk::rsa(kid, modulus, exponent))
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`.
const VERSION: u8 = 0xa0;

/// The first DER value (X.690 section 8.1), which must have this tag, and what follows it.
fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (high, low) = (rest.first()?, rest.get(1)?);
            (usize::from(*high) << 8 | usize::from(*low), rest.get(2..)?)
        }
        // No key that is accepted takes more than 64 KiB.
        _ => return None,
    };
    rest.split_at_checked(length)
}
