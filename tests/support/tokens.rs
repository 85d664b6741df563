//! Signs test tokens with every algorithm that the proxy accepts. Included by unit tests
//! (`#[path]`) and by integration tests alike: names nothing of the crate under test.
#![allow(dead_code, missing_docs, clippy::needless_pass_by_value)]

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaSignatureEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Every accepted algorithm.
pub const ALGORITHMS: [&str; 10] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
];

/// A private key with the algorithm and `kid` that it signs with.
#[derive(Clone)]
pub struct Signer {
    pub algorithm: &'static str,
    pub kid: Option<String>,
    key: Arc<Key>,
}

enum Key {
    Rsa(RsaKeyPair),
    Elliptic(EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
}

impl Signer {
    /// A signer whose `kid` is given. Keys are made once per process, algorithm and `kid`: the same
    /// arguments give the same key, others another.
    pub fn new(algorithm: &str, kid: &str) -> Self {
        static KEYS: LazyLock<Mutex<HashMap<String, Arc<Key>>>> = LazyLock::new(Mutex::default);
        let algorithm = *ALGORITHMS
            .iter()
            .find(|known| **known == algorithm)
            .expect("an algorithm of the list above");
        let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
        let family = if algorithm.contains('S') && !algorithm.starts_with('E') {
            "RSA" // slow to make, so one does for six algorithms
        } else {
            algorithm
        };
        let key = keys
            .entry(format!("{family} {kid}"))
            .or_insert_with(|| Arc::new(Key::generate(algorithm)))
            .clone();
        Self {
            algorithm,
            kid: Some(kid.to_owned()),
            key,
        }
    }

    /// The same key without a `kid`.
    pub fn anonymous(&self) -> Self {
        Self {
            kid: None,
            ..self.clone()
        }
    }

    /// A compact token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let mut header = json!({"alg": self.algorithm, "typ": "JWT"});
        if let Some(kid) = &self.kid {
            header["kid"] = json!(kid);
        }
        self.token_of_text(&header.to_string(), &claims.to_string())
    }

    /// A compact token of this header and payload as they are: for headers that no signer writes.
    pub fn token_of_text(&self, header: &str, payload: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The raw signature over a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.key {
            Key::Rsa(pair) => {
                let padding: &'static RsaSignatureEncoding = match self.algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    _ => &signature::RSA_PSS_SHA512,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)
                    .expect("RSA signs");
                signature
            }
            Key::Elliptic(pair) => pair
                .sign(&random, message)
                .expect("ECDSA signs")
                .as_ref()
                .to_vec(),
            Key::Edwards(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The public key as a JSON Web Key, bound to the algorithm.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &*self.key {
            Key::Rsa(pair) => {
                let (n, e) = rsa_components(pair.public_key().as_ref());
                json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e)})
            }
            Key::Elliptic(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = match self.algorithm {
                    "ES256" => "P-256",
                    "ES384" => "P-384",
                    _ => "P-521",
                };
                json!({
                    "kty": "EC", "crv": curve,
                    "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
                })
            }
            Key::Edwards(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
        };
        jwk["alg"] = json!(self.algorithm);
        jwk["use"] = json!("sig");
        if let Some(kid) = &self.kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }
}

/// A JSON Web Key Set of these signers' public keys.
pub fn key_set(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

/// A map of certificates as Google serves them, `{kid: PEM}`, of these signers' public keys.
pub fn certificates(signers: &[&Signer]) -> String {
    let certificates = signers.iter().map(|signer| {
        let kid = signer.kid.clone().expect("a map is by `kid`");
        (kid, Value::from(signer.certificate()))
    });
    Value::Object(certificates.collect()).to_string()
}

impl Signer {
    /// A certificate of the public key, signed by itself, in PEM.
    pub fn certificate(&self) -> String {
        let key = match &*self.key {
            Key::Rsa(pair) => pair.public_key().as_ref(),
            Key::Elliptic(pair) => pair.public_key().as_ref(),
            Key::Edwards(pair) => pair.public_key().as_ref(),
        };
        certificate(self.algorithm, key)
    }
}

/// A certificate of this public key, in PEM; its signature is none.
pub fn certificate(algorithm: &str, public_key: &[u8]) -> String {
    struct Unsigned<'k>(&'static rcgen::SignatureAlgorithm, &'k [u8]);

    impl rcgen::PublicKeyData for Unsigned<'_> {
        fn der_bytes(&self) -> &[u8] {
            self.1
        }

        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            self.0
        }
    }

    impl rcgen::SigningKey for Unsigned<'_> {
        fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
            Ok(vec![0; 64])
        }
    }

    let algorithm = match algorithm {
        "ES256" => &rcgen::PKCS_ECDSA_P256_SHA256,
        "ES384" => &rcgen::PKCS_ECDSA_P384_SHA384,
        "ES512" => &rcgen::PKCS_ECDSA_P521_SHA512,
        "EdDSA" => &rcgen::PKCS_ED25519,
        _ => &rcgen::PKCS_RSA_SHA256,
    };
    rcgen::CertificateParams::default()
        .self_signed(&Unsigned(algorithm, public_key))
        .expect("a certificate is made")
        .pem()
}

impl Key {
    fn generate(algorithm: &str) -> Self {
        let elliptic = |parameters| {
            Self::Elliptic(EcdsaKeyPair::generate(parameters).expect("ECDSA keys are made"))
        };
        match algorithm {
            "ES256" => elliptic(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => elliptic(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => elliptic(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            "EdDSA" => Self::Edwards(Ed25519KeyPair::generate().expect("Ed25519 keys are made")),
            _ => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("RSA keys are made")),
        }
    }
}

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn rsa_components(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_value(der);
    let (modulus, rest) = der_value(sequence);
    let (exponent, _) = der_value(rest);
    (modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent)
}

/// The first value's content, and what follows it.
pub fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ 0..0x80 => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7f);
            let length = der[2..2 + bytes]
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, 2 + bytes)
        }
    };
    der[start..].split_at(length)
}
