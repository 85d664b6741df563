//! Key sets: JSON Web Key Sets (RFC 7517) and Google's x509 maps, parsed strictly and prepared once.

use super::jwt::Algorithm;

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
    /// Names the key itself (RFC 7638 thumbprint or digest of its material): a cached token is
    /// bound to this, so that a withdrawn key is a miss.
    pub id: [u8; 32],
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
    /// Neither `keys` nor a map of certificates.
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
    /// Parses and prepares a set. Broken entries are passed over while one is good; private and
    /// symmetric keys, `use` other than `sig`, `key_ops` without `verify`, RSA under 2048 bits are
    /// broken entries.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(_text: &[u8]) -> Result<Self, KeySetError> {
        todo!("jwt helper")
    }

    /// The keys that a token with this header may have been signed with.
    pub fn candidates<'k>(
        &'k self,
        _kid: Option<&'k str>,
        _algorithm: Algorithm,
    ) -> impl Iterator<Item = &'k VerificationKey> {
        self.keys.iter()
    }
}

impl VerificationKey {
    /// Verifies a signature over `message` with `algorithm`; false also when the algorithm is not
    /// one of the key's.
    pub fn verify(&self, _algorithm: Algorithm, _message: &[u8], _signature: &[u8]) -> bool {
        todo!("jwt helper")
    }
}
