//! The policy that is in force, and its swap.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::config::{BackendAddress, BadBackendAddress};
use crate::jwks::KeySlot;
use crate::policy::Prepared;
use crate::policy::verdict::{Reason, Refusal};

/// A policy ready to serve, with the places of its keys.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) prepared: Prepared,
    pub(super) keys: Vec<Arc<KeySlot>>,
    pub(super) backend: Option<BackendAddress>,
    key_hint: Option<&'static str>,
}

/// Why a policy cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The policy's backend cannot be connected to.
    #[error(transparent)]
    Backend(#[from] BadBackendAddress),
    /// Not one key slot per provider.
    #[error("the policy has {providers} providers, but {slots} key sets came with it")]
    Keys {
        /// Providers of the policy.
        providers: usize,
        /// Slots given.
        slots: usize,
    },
}

/// Where the workers find the policy in force. Cheap to clone; whoever brings policies stores them
/// here, and the next request of every worker runs under what was stored.
#[derive(Clone, Debug, Default)]
pub struct PolicyCell(pub(super) Arc<ArcSwapOption<Snapshot>>);

impl Snapshot {
    /// `keys`: per provider, in the order of [`Prepared::providers`].
    ///
    /// # Errors
    /// A backend that is not an address, or a number of slots that does not fit.
    pub fn new(prepared: Prepared, keys: Vec<Arc<KeySlot>>) -> Result<Self, SnapshotError> {
        let backend = prepared
            .policy
            .backend
            .as_deref()
            .map(str::parse)
            .transpose()?;
        let (providers, slots) = (prepared.providers.len(), keys.len());
        if providers != slots {
            return Err(SnapshotError::Keys { providers, slots });
        }
        Ok(Self {
            prepared,
            keys,
            backend,
            key_hint: None,
        })
    }

    /// Adds a sentence to the answer for a token whose key is not known: where there is more than one
    /// kind of keys, it says which are in force.
    #[must_use]
    pub fn with_key_hint(mut self, hint: &'static str) -> Self {
        self.key_hint = Some(hint);
        self
    }

    /// The refusal, with the hint where it fits.
    pub(super) fn explain(&self, mut refusal: Refusal) -> Refusal {
        if let (Reason::TokenKeyUnknown, Some(hint)) = (refusal.reason, self.key_hint) {
            refusal.message = format!("{} ({hint})", refusal.message);
        }
        refusal
    }

    /// The policy's hash.
    pub fn hash(&self) -> &str {
        &self.prepared.hash
    }
}

impl PolicyCell {
    /// Nothing in force yet: every request is answered 503.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a policy in force. Requests already decided go on under the one that let them in.
    pub fn store(&self, snapshot: Snapshot) {
        self.0.store(Some(Arc::new(snapshot)));
    }

    /// The policy in force.
    pub fn load(&self) -> Option<Arc<Snapshot>> {
        self.0.load_full()
    }
}
