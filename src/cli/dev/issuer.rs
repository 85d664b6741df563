//! The embedded issuer: stands in for every issuer of the document, so that `dev` needs no network.
//! Its key lives as long as the process, and nobody else trusts it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// How long a printed token is good, in seconds.
const LIFETIME: u64 = 8 * 3600;

/// A signing key and its public half.
pub(super) struct Issuer {
    key: EncodingKey,
    public: Vec<u8>,
    /// Of this process alone, so that another one's token is an unknown key, not a bad signature.
    key_id: String,
}

impl Issuer {
    /// Makes a new P-256 key.
    pub(super) fn new() -> anyhow::Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| anyhow!("cannot make a signing key"))?;
        let document = pair
            .to_pkcs8v1()
            .map_err(|_| anyhow!("cannot encode the signing key"))?;
        let public = pair.public_key().as_ref().to_vec();
        let name = URL_SAFE_NO_PAD.encode(&digest(&SHA256, &public).as_ref()[..9]);
        Ok(Self {
            key: EncodingKey::from_ec_der(document.as_ref()),
            public,
            key_id: format!("endpoints-dev-{name}"),
        })
    }

    /// The key set that verifies its tokens (RFC 7517).
    pub(super) fn key_set(&self) -> Vec<u8> {
        // An uncompressed point: 0x04, then both coordinates (SEC 1, 2.3.3).
        let (x, y) = self.public[1..].split_at(32);
        json!({"keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }]})
        .to_string()
        .into_bytes()
    }

    /// A token of `issuer` for `audience`, good for some hours from `now` (seconds since 1970).
    pub(super) fn token(&self, issuer: &str, audience: &str, now: u64) -> anyhow::Result<String> {
        self.sign(issuer, audience, now, now + LIFETIME)
    }

    /// A token that expired an hour before `now`.
    pub(super) fn expired(&self, issuer: &str, audience: &str, now: u64) -> anyhow::Result<String> {
        self.sign(
            issuer,
            audience,
            now.saturating_sub(2 * 3600),
            now.saturating_sub(3600),
        )
    }

    fn sign(&self, issuer: &str, audience: &str, from: u64, until: u64) -> anyhow::Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        let claims: Value = json!({
            "iss": issuer, "sub": "dev-user", "email": "dev-user@example.com", "jti": "endpoints-dev",
            "aud": audience, "nbf": from, "iat": from, "exp": until,
        });
        jsonwebtoken::encode(&header, &claims, &self.key).context("cannot sign a token")
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
