//! What sidecars tell the operator.

use crate::policy::format::KeySource;
use crate::push::wire::{PodRef, ServiceKey};

/// What a sidecar did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The service it asked for.
    pub service: ServiceKey,
    /// Its pod, authenticated.
    pub pod: PodRef,
    /// The version of its build.
    pub sidecar_version: String,
    /// What it did.
    pub event: Event,
}

/// What a sidecar did. A pod's reports come in order, from its newest stream only: after `Gone`
/// the next one is `Connected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It connected, and runs the policy with this hash.
    Connected {
        /// None: it has no policy yet.
        hash: Option<String>,
    },
    /// It runs the policy with this hash.
    Applied {
        /// [`super::Snapshot::hash`].
        hash: String,
    },
    /// It cannot run the policy with this hash and goes on with the one before.
    Rejected {
        /// [`super::Snapshot::hash`].
        hash: String,
        /// Why, for people; starts with `SidecarTooOld` when the sidecar is too old for it.
        reason: String,
    },
    /// It was shown a token by a key that is not among those of this source, one of its policy's. A
    /// stream says so for each source at most once in 5 s.
    KeysWanted {
        /// The source.
        source: KeySource,
    },
    /// Its stream ended.
    Gone,
}
