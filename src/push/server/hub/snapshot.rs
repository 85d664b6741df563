//! Policies ready to send.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::policy::Policy;
use crate::policy::format::{self, FormatError, KeySource};
use crate::push::wire::{self, ToSidecar, WireError};

/// A policy ready to send: encoded and compressed once, shared by all streams.
#[derive(Clone, Debug)]
pub struct Snapshot {
    hash: String,
    format: u32,
    pub(super) sources: BTreeSet<KeySource>,
    frame: Bytes,
}

/// Why a policy cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are not a policy.
    #[error(transparent)]
    NotAPolicy(#[from] FormatError),
    /// The policy is too large for the stream.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl Snapshot {
    /// Makes a policy ready to send. `canonical` is the policy's canonical bytes; `uid` and
    /// `generation` are those of the EndpointsService it was compiled from.
    ///
    /// # Errors
    /// The bytes are not a policy, or too many.
    pub fn new(uid: String, generation: i64, canonical: &[u8]) -> Result<Self, SnapshotError> {
        let policy = Policy::from_bytes(canonical)?;
        let hash = format::hash(canonical);
        let frame = wire::encode(&ToSidecar::Snapshot(wire::Snapshot {
            service_uid: uid,
            generation,
            hash: hash.clone(),
            body: wire::pack(canonical)?,
        }))?;
        let sources = policy
            .providers
            .into_values()
            .map(|provider| provider.keys)
            .filter(KeySource::is_fetched)
            .collect();
        Ok(Self {
            hash,
            format: policy.format,
            sources,
            frame,
        })
    }

    /// [`format::hash`] of the policy's canonical bytes: what sidecars report.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub(in crate::push::server) fn format(&self) -> u32 {
        self.format
    }

    /// The source of this policy that a sidecar names by its [`wire::source_id`].
    pub(in crate::push::server) fn source(&self, id: &str) -> Option<&KeySource> {
        self.sources
            .iter()
            .find(|source| wire::source_id(source) == id)
    }

    pub(in crate::push::server) fn frame(&self) -> Bytes {
        self.frame.clone()
    }
}
