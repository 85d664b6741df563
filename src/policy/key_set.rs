//! Key sets: JSON Web Key Sets (RFC 7517) and Google's maps of certificates, parsed strictly and
//! prepared once.

mod algorithm;
mod certificate;
mod jwk;
#[cfg(test)]
mod tests;
/// A signer, for the unit tests of every part that sees tokens.
#[cfg(test)]
#[path = "../../tests/support/tokens.rs"]
pub(crate) mod tokens;

use std::fmt::Write as _;

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::signature::ParsedPublicKey;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::jwk::Jwk;

pub use self::algorithm::Algorithm;

/// The most keys a set may hold.
pub const MAX_KEYS: usize = 64;
/// The most bytes a set may take.
pub const MAX_KEY_SET_BYTES: usize = 1024 * 1024;

/// Keys of one source, prepared for verification.
#[derive(Debug)]
pub struct KeySet {
    /// The usable keys.
    pub keys: Vec<VerificationKey>,
    /// Hexadecimal SHA-256 of the text it was parsed from: its version.
    pub version: String,
}

/// One public key, bound to the algorithms its type (and `alg`) allow.
#[derive(Debug)]
pub struct VerificationKey {
    /// `kid`, if it has one.
    pub kid: Option<String>,
    /// Digest of the key's material, `kid` and algorithms: a cached token is bound to this, so that a
    /// key that is withdrawn, or bound more narrowly, is a miss.
    pub id: [u8; 32],
    /// One prepared key for each algorithm: `ParsedPublicKey` fixes padding and hash when it is made.
    prepared: Vec<(Algorithm, ParsedPublicKey)>,
}

/// Why a text is not a usable key set. Never quotes the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Over [`MAX_KEY_SET_BYTES`].
    #[error("the key set is larger than 1 MiB")]
    TooLarge,
    /// Not JSON.
    #[error("the key set is not JSON")]
    NotJson,
    /// No list named `keys`, nor certificates by `kid`.
    #[error("the key set has no `keys`")]
    NoKeys,
    /// Over [`MAX_KEYS`].
    #[error("the key set holds more than 64 keys")]
    TooMany,
    /// None of the keys is usable; what was wrong with the first.
    #[error("the key set holds no usable key: {0}")]
    NoneUsable(String),
}

impl KeySet {
    /// Parses and prepares a set: `{"keys": [JWK…]}`, or `{kid: PEM certificate…}`. Broken entries are
    /// passed over while one is good; private and symmetric keys, `use` other than `sig`, `key_ops`
    /// without `verify`, RSA under 2048 bits are broken entries.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        let keys = usable(text, jwk::prepare)?;
        Ok(Self {
            keys,
            version: hexadecimal(digest::digest(&SHA256, text).as_ref()),
        })
    }

    /// The keys that a token with this header may have been signed with: when both have a `kid` they
    /// are equal, and the algorithm is one of the key's.
    pub fn candidates<'k>(
        &'k self,
        kid: Option<&'k str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'k VerificationKey> {
        self.keys.iter().filter(move |key| {
            let fits = match (kid, &key.kid) {
                (Some(token), Some(key)) => token == key,
                _ => true,
            };
            fits && key.allows(algorithm)
        })
    }

    /// Whether the set still holds the key with this [`VerificationKey::id`].
    pub fn holds(&self, id: &[u8; 32]) -> bool {
        self.keys.iter().any(|key| key.id == *id)
    }
}

/// Whether a set holds nothing that must not be published: for sets that people write down, where one
/// private key among public ones is passed over by [`KeySet::parse`] and known to everybody who reads
/// the resource.
///
/// # Errors
/// What is wrong with it, for people; never its content.
pub fn check_public(text: &[u8]) -> Result<(), &'static str> {
    // A certificate has no private half.
    let Ok(Document { keys: Some(keys) }) = serde_json::from_slice(text) else {
        return Ok(());
    };
    keys.iter()
        .take(MAX_KEYS)
        .try_for_each(|key| jwk::check_public(key.get()))
}

/// How many entries of a set are passed over, and what is wrong with the first.
pub fn passed_over(text: &[u8]) -> Option<(usize, &'static str)> {
    let Ok(Document { keys: Some(keys) }) = serde_json::from_slice(text) else {
        return None;
    };
    let entries = keys.iter().take(MAX_KEYS);
    let mut faults = entries
        .filter_map(|entry| jwk::parse(entry.get()).and_then(jwk::prepare).err())
        .peekable();
    let first = *faults.peek()?;
    Some((faults.count(), first))
}

/// The same set as JSON Web Keys, without anything that [`KeySet::parse`] passes over (certificates of
/// keys, unknown members, unusable keys): what is worth keeping, and sending to every sidecar, of a
/// set that someone padded.
///
/// # Errors
/// Those of [`KeySet::parse`].
pub fn essential(text: &[u8]) -> Result<Vec<u8>, KeySetError> {
    let keys = usable(text, jwk::essential)?;
    let set = serde_json::json!({ "keys": keys });
    Ok(set.to_string().into_bytes())
}

impl VerificationKey {
    /// Verifies a signature over `message` with `algorithm`; false also when the algorithm is not
    /// one of the key's. Signatures of elliptic curves are r and s, each of fixed length (RFC 7518
    /// section 3.4).
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.prepared
            .iter()
            .find(|(own, _)| *own == algorithm)
            .is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }

    /// Whether the algorithm is one of the key's.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.prepared.iter().any(|(own, _)| *own == algorithm)
    }

    /// `material`: the parts of the public key; each is hashed with its length, so that no two keys
    /// share an id.
    fn new(
        kid: Option<String>,
        material: &[&[u8]],
        prepared: Vec<(Algorithm, ParsedPublicKey)>,
    ) -> Self {
        let mut context = digest::Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        // A missing kid differs from an empty one.
        part(if kid.is_some() { b"kid" } else { b"" });
        part(kid.as_deref().unwrap_or_default().as_bytes());
        for (algorithm, _) in &prepared {
            part(algorithm.name().as_bytes());
        }
        for bytes in material {
            part(bytes);
        }
        let mut id = [0; 32];
        id.copy_from_slice(context.finish().as_ref());
        Self { kid, id, prepared }
    }
}

/// The set's outer shape; what is inside each key is [`jwk`]'s matter, so that one broken entry does
/// not cost the others.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Option<Vec<&'a RawValue>>,
}

/// The good entries, while there is one.
fn usable<K>(text: &[u8], make: fn(Jwk) -> Result<K, &'static str>) -> Result<Vec<K>, KeySetError> {
    if text.len() > MAX_KEY_SET_BYTES {
        return Err(KeySetError::TooLarge);
    }
    let document: Document<'_> = serde_json::from_slice(text).map_err(|error| {
        if error.is_data() {
            KeySetError::NoKeys
        } else {
            KeySetError::NotJson
        }
    })?;
    if let Some(entries) = document.keys {
        return collect(&entries, |entry| jwk::parse(entry.get()).and_then(make));
    }
    let certificates = certificate::Entries::parse(text).ok_or(KeySetError::NoKeys)?;
    collect(&certificates, |(kid, value)| {
        certificate::jwk(kid, value).and_then(make)
    })
}

fn collect<E, K>(
    entries: &[E],
    make: impl Fn(&E) -> Result<K, &'static str>,
) -> Result<Vec<K>, KeySetError> {
    if entries.len() > MAX_KEYS {
        return Err(KeySetError::TooMany);
    }
    let mut keys = Vec::new();
    let mut first_fault = None;
    for entry in entries {
        match make(entry) {
            Ok(key) => keys.push(key),
            Err(fault) => {
                first_fault.get_or_insert(fault);
            }
        }
    }
    if keys.is_empty() {
        let fault = first_fault.unwrap_or("it is empty");
        return Err(KeySetError::NoneUsable(fault.to_owned()));
    }
    Ok(keys)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
