//! A token's three sections, taken apart strictly (RFC 7515 section 7.1) but not yet believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::claims::{Claims, canonical_issuer};
use super::forwarding::{Forwarding, Payload, Told};
use super::json;
use super::refusal::Fault;
use crate::policy::key_set::Algorithm;

const BAD_PAYLOAD: Fault = Fault::malformed("Jwt payload is an invalid Base64url encoded");

/// A token that is well-formed. Its signature is not verified.
pub(super) struct Token<'t> {
    /// From the header; one of ours.
    pub(super) algorithm: Algorithm,
    /// From the header.
    pub(super) kid: Option<String>,
    /// From the payload.
    pub(super) claims: Claims,
    /// What the signature is over: header and payload sections with their dot.
    pub(super) signed: &'t [u8],
    /// Decoded.
    pub(super) signature: Vec<u8>,
    section: &'t str,
    payload: Decoded,
}

/// A payload, decoded and read.
struct Decoded {
    text: String,
    claims: Map<String, Value>,
}

impl<'t> Token<'t> {
    /// Takes a token apart. Checks and their sentences in ESPv2's order.
    pub(super) fn parse(text: &'t str) -> Result<Self, Fault> {
        let [header, section, signature] = sections(text)?;
        let (algorithm, kid) = parse_header(header)?;
        let payload = decode_payload(section)?;
        let claims = Claims::parse(&payload.claims)?;
        let signed = text
            .as_bytes()
            .get(..header.len() + 1 + section.len())
            .unwrap_or_default();
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| Fault::malformed("Jwt signature is an invalid Base64url encoded"))?;
        if algorithm == Algorithm::EdDsa && signature.len() != 64 {
            return Err(Fault::signature("Jwt ED25519 signature is wrong length"));
        }
        Ok(Self {
            algorithm,
            kid,
            claims,
            signed,
            signature,
            section,
            payload,
        })
    }

    /// What the backend is told of it, once it is believed.
    pub(super) fn tell(&self, forwarding: &Forwarding) -> Result<Told, Fault> {
        let payload = Payload {
            section: self.section,
            text: &self.payload.text,
            claims: &self.payload.claims,
        };
        forwarding.tell(payload).ok_or(BAD_PAYLOAD)
    }
}

/// The issuer that a token names, in canonical form; nothing else of it is looked at.
pub(super) fn issuer(text: &str) -> Result<String, Fault> {
    let [_, payload, _] = sections(text)?;
    let payload = decode_payload(payload)?;
    let issuer = payload
        .claims
        .get("iss")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok(canonical_issuer(issuer).to_owned())
}

fn sections(text: &str) -> Result<[&str; 3], Fault> {
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None)
            if ![header, payload, signature].contains(&"") =>
        {
            Ok([header, payload, signature])
        }
        _ => Err(Fault::malformed(
            "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        )),
    }
}

fn parse_header(section: &str) -> Result<(Algorithm, Option<String>), Fault> {
    let text = URL_SAFE_NO_PAD
        .decode(section)
        .map_err(|_| Fault::malformed("Jwt header is an invalid Base64url encoded"))?;
    let header = json::object(&text).ok_or(Fault::malformed("Jwt header is an invalid JSON"))?;
    let Some(Value::String(name)) = header.get("alg") else {
        return Err(Fault::malformed(
            "Jwt header [alg] field is required and must be a string",
        ));
    };
    let algorithm =
        Algorithm::from_name(name).ok_or(Fault::algorithm("Jwt header [alg] is not supported"))?;
    // `crit` names members that must be understood (RFC 7515 section 4.1.11): we understand none.
    // `b64` (RFC 7797) changes what is signed, and is only safe together with `crit`.
    if header.contains_key("crit") {
        return Err(Fault::algorithm("Jwt header [crit] is not supported"));
    }
    if header.contains_key("b64") {
        return Err(Fault::algorithm("Jwt header [b64] is not supported"));
    }
    match header.get("kid") {
        None => Ok((algorithm, None)),
        Some(Value::String(kid)) => Ok((algorithm, Some(kid.clone()))),
        Some(_) => Err(Fault::malformed("Jwt header [kid] field is not a string")),
    }
}

fn decode_payload(section: &str) -> Result<Decoded, Fault> {
    const NOT_JSON: Fault = Fault::malformed("Jwt payload is an invalid JSON");
    let bytes = URL_SAFE_NO_PAD.decode(section).map_err(|_| BAD_PAYLOAD)?;
    let text = String::from_utf8(bytes).map_err(|_| NOT_JSON)?;
    let claims = json::object(text.as_bytes()).ok_or(NOT_JSON)?;
    Ok(Decoded { text, claims })
}
