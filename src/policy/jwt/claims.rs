//! Registered claims (RFC 7519 section 4.1): their types, and what is demanded of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::PreparedProvider;
use super::refusal::Fault;
use crate::api::endpoints_service::RegisteredClaim;

/// What a token claims, as far as it is checked. Times are seconds since 1970.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    /// As [`canonical_issuer`] writes it; empty when absent.
    pub(super) issuer: String,
    pub(super) expires: Option<u64>,
    not_before: Option<u64>,
    /// Each as [`canonical_audience`] writes it.
    audiences: Vec<String>,
    present: BTreeSet<RegisteredClaim>,
    scopes: BTreeSet<String>,
}

impl Claims {
    /// Reads the registered claims; those that are present have the right type, whether they are
    /// required or not. Checks and their sentences in ESPv2's order.
    pub(super) fn parse(payload: &Map<String, Value>) -> Result<Self, Fault> {
        let issuer = string(payload, "iss", "Jwt payload [iss] field is not a string")?;
        string(payload, "sub", "Jwt payload [sub] field is not a string")?;
        time(
            payload,
            "iat",
            "Jwt payload [iat] field is not an integer",
            "Jwt payload [iat] field is not a positive 64 bit integer",
        )?;
        let not_before = time(
            payload,
            "nbf",
            "Jwt payload [nbf] field is not an integer",
            "Jwt payload [nbf] field is not a positive 64 bit integer",
        )?;
        let expires = time(
            payload,
            "exp",
            "Jwt payload [exp] field is not an integer",
            "Jwt payload [exp] field is not a positive 64 bit integer",
        )?;
        string(payload, "jti", "Jwt payload [jti] field is not a string")?;
        let audiences = audiences(payload)?;
        Ok(Self {
            issuer: canonical_issuer(issuer.unwrap_or_default()).to_owned(),
            expires,
            not_before,
            audiences,
            present: REGISTERED
                .into_iter()
                .filter(|(name, _)| payload.contains_key(*name))
                .map(|(_, claim)| claim)
                .collect(),
            scopes: scopes(payload),
        })
    }

    /// Issuer, time, required claims, audience, in this order: what is checked on every request,
    /// whether the token is remembered or not. `audiences`: what is accepted, if it is checked.
    pub(super) fn check(
        &self,
        provider: &PreparedProvider,
        audiences: Option<&BTreeSet<String>>,
        now: u64,
    ) -> Result<(), Fault> {
        if self.issuer != provider.issuer {
            return Err(Fault::ISSUER);
        }
        let skew = provider.clock_skew;
        if self
            .not_before
            .is_some_and(|time| time > now.saturating_add(skew))
        {
            return Err(Fault::NOT_YET_VALID);
        }
        if self
            .expires
            .is_some_and(|time| time.saturating_add(skew) < now)
        {
            return Err(Fault::EXPIRED);
        }
        if let Some(claim) = provider.required_claims.difference(&self.present).next() {
            return Err(missing(*claim));
        }
        match audiences {
            Some(accepted) if !self.audiences.iter().any(|own| accepted.contains(own)) => {
                Err(Fault::AUDIENCE)
            }
            _ => Ok(()),
        }
    }

    /// Whether all of these scopes are there: checked on every request, too.
    pub(super) fn grants(&self, scopes: &BTreeSet<String>) -> bool {
        scopes.is_subset(&self.scopes)
    }
}

/// `accounts.google.com` and `https://accounts.google.com` are one: Google writes both.
pub(super) fn canonical_issuer(issuer: &str) -> &str {
    match issuer {
        "https://accounts.google.com" => "accounts.google.com",
        _ => issuer,
    }
}

/// An audience without its scheme and one trailing slash (ESPv2).
pub(super) fn canonical_audience(audience: &str) -> &str {
    let name = audience
        .strip_prefix("https://")
        .or_else(|| audience.strip_prefix("http://"))
        .unwrap_or(audience);
    name.strip_suffix('/').unwrap_or(name)
}

const REGISTERED: [(&str, RegisteredClaim); 6] = [
    ("aud", RegisteredClaim::Aud),
    ("exp", RegisteredClaim::Exp),
    ("iat", RegisteredClaim::Iat),
    ("jti", RegisteredClaim::Jti),
    ("nbf", RegisteredClaim::Nbf),
    ("sub", RegisteredClaim::Sub),
];

fn missing(claim: RegisteredClaim) -> Fault {
    match claim {
        // ESPv2 answers a missing audience like a wrong one.
        RegisteredClaim::Aud => Fault::AUDIENCE,
        RegisteredClaim::Exp => Fault::claim_missing("Jwt payload [exp] field is required"),
        RegisteredClaim::Iat => Fault::claim_missing("Jwt payload [iat] field is required"),
        RegisteredClaim::Jti => Fault::claim_missing("Jwt payload [jti] field is required"),
        RegisteredClaim::Nbf => Fault::claim_missing("Jwt payload [nbf] field is required"),
        RegisteredClaim::Sub => Fault::claim_missing("Jwt payload [sub] field is required"),
    }
}

fn string<'p>(
    payload: &'p Map<String, Value>,
    name: &str,
    wrong_type: &'static str,
) -> Result<Option<&'p str>, Fault> {
    match payload.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::malformed(wrong_type)),
    }
}

/// A NumericDate, which may have a fraction (RFC 7519 section 2); it is cut off, as ESPv2 does.
fn time(
    payload: &Map<String, Value>,
    name: &str,
    wrong_type: &'static str,
    out_of_range: &'static str,
) -> Result<Option<u64>, Fault> {
    let number = match payload.get(name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(Fault::malformed(wrong_type)),
    };
    if let Some(seconds) = number.as_u64() {
        return Ok(Some(seconds));
    }
    // 2^63 in floating point, exactly.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match number.as_f64() {
        Some(seconds) if (0.0..LIMIT).contains(&seconds) =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in range, and cutting the fraction off is meant"
            )]
            Ok(Some(seconds as u64))
        }
        _ => Err(Fault::malformed(out_of_range)),
    }
}

fn audiences(payload: &Map<String, Value>) -> Result<Vec<String>, Fault> {
    let fault = Fault::malformed("Jwt payload [aud] field is not a string or string list");
    match payload.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(audience)) => Ok(vec![canonical_audience(audience).to_owned()]),
        Some(Value::Array(list)) => list
            .iter()
            .map(|item| {
                item.as_str()
                    .map(|a| canonical_audience(a).to_owned())
                    .ok_or(fault)
            })
            .collect(),
        Some(_) => Err(fault),
    }
}

/// The scopes of `scope` (RFC 8693 section 4.2: separated by spaces) and `scp`, which some issuers write
/// for it; either is a list with others (Okta, Spring). They are no registered claims of RFC 7519, so
/// another type is no fault: it grants nothing.
fn scopes(payload: &Map<String, Value>) -> BTreeSet<String> {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(' ').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let mut scopes = BTreeSet::new();
    for name in ["scope", "scp"] {
        match payload.get(name) {
            Some(Value::String(text)) => scopes.extend(words(text)),
            Some(Value::Array(list)) => {
                let texts = list.iter().map(|item| item.as_str().map(str::to_owned));
                scopes.extend(texts.collect::<Option<Vec<_>>>().unwrap_or_default());
            }
            _ => {}
        }
    }
    scopes
}
