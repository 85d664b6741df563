//! Whose tokens pass: the embedded issuer's, or those of the document's issuers.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::hints::{self, Tokens};
use super::issuer::{self, Issuer};
use crate::jwks::{KeySlot, KeyStore, Keys};
use crate::policy::Policy;
use crate::policy::format::KeySource;
use crate::policy::key_set::KeySet;
use crate::shutdown::Shutdown;

/// Gives each source of a policy its keys.
pub(super) struct KeyRing {
    store: KeyStore,
    embedded: Option<Issuer>,
}

impl KeyRing {
    /// One built-in issuer stands in for all.
    pub(super) fn embedded() -> anyhow::Result<Self> {
        Ok(Self { store: KeyStore::default(), embedded: Some(Issuer::new()?) })
    }
}
