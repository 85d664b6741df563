//! The policy that is in force, and its swap.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use http::HeaderValue;

use super::config::{BackendAddress, BadBackendAddress};
use super::delivery::Delivery;
use super::upstream::UpstreamPolicy;
use crate::jwks::KeySlot;
use crate::policy::Prepared;
use crate::policy::format::BackendRule;
use crate::policy::jwt::Keyring;
use crate::policy::key_set::KeySet;
use crate::policy::verdict::{Reason, Refusal};

/// A policy ready to serve, with the places of its keys.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) prepared: Prepared,
    pub(super) keys: Vec<Arc<KeySlot>>,
    pub(super) backend: Option<BackendAddress>,
    /// In the order of the policy's backends.
    pub(super) backends: Vec<Remote>,
    /// What holds for all backends.
    pub(super) upstream: Arc<UpstreamPolicy>,
    key_hint: Option<&'static str>,
    tls: bool,
    /// `metadata.generation` of the resource that it was compiled from.
    generation: Option<i64>,
    since: SystemTime,
}

/// A backend of operations, ready to be used.
#[derive(Debug)]
pub(super) struct Remote {
    /// None: the service's own.
    pub(super) address: Option<BackendAddress>,
    /// What the address names in `Host`.
    pub(super) host: Option<HeaderValue>,
    /// When the whole answer must be there.
    pub(super) deadline: Option<Duration>,
}

/// The keys of a policy's providers, as they are now.
pub(super) struct SnapshotKeys<'s> {
    slots: &'s [Arc<KeySlot>],
    /// Seconds.
    max_age: u64,
    now: u64,
}

/// Why a policy cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The policy's backend cannot be connected to.
    #[error(transparent)]
    Backend(#[from] BadBackendAddress),
    /// Settings of backends that the compiler never writes.
    #[error("the policy's authorities cannot be used: {0}")]
    Authorities(String),
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
pub struct PolicyCell(pub(super) Arc<ArcSwapOption<Snapshot>>, Arc<Delivery>);

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
        let backends = prepared
            .policy
            .backends
            .iter()
            .map(Remote::new)
            .collect::<Result<_, _>>()?;
        let upstream = UpstreamPolicy::new(&prepared.policy.settings.upstream)
            .map_err(SnapshotError::Authorities)?;
        let (providers, slots) = (prepared.providers.len(), keys.len());
        if providers != slots {
            return Err(SnapshotError::Keys { providers, slots });
        }
        let tls = prepared.policy.settings.limits.tls;
        Ok(Self {
            prepared,
            keys,
            backend,
            backends,
            upstream: Arc::new(upstream),
            key_hint: None,
            tls,
            generation: None,
            since: SystemTime::now(),
        })
    }

    /// Adds a sentence to the answer for a token whose key is not known: where there is more than one
    /// kind of keys, it says which are in force.
    #[must_use]
    pub fn with_key_hint(mut self, hint: &'static str) -> Self {
        self.key_hint = Some(hint);
        self
    }

    /// Sends everything to the listeners' backends, whatever addresses the policy names; paths and
    /// deadlines stay the policy's.
    #[must_use]
    pub fn without_addresses(mut self) -> Self {
        self.backend = None;
        for remote in &mut self.backends {
            remote.address = None;
            remote.host = None;
        }
        self
    }

    /// Speaks TLS to clients, or does not, whatever the policy says.
    #[must_use]
    pub fn with_tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Whether clients are spoken to by TLS.
    pub fn speaks_tls(&self) -> bool {
        self.tls
    }

    /// Whether backends are shown a certificate.
    pub fn shows_certificate(&self) -> bool {
        self.prepared
            .policy
            .settings
            .upstream
            .tls
            .client_certificate
    }

    /// The keys of its providers, `now`: seconds since 1970.
    pub(super) fn keys(&self, now: u64) -> SnapshotKeys<'_> {
        SnapshotKeys {
            slots: &self.keys,
            max_age: self.prepared.policy.settings.jwt.max_key_age(),
            now,
        }
    }

    /// Says which generation of the resource it was compiled from.
    #[must_use]
    pub fn of_generation(mut self, generation: i64) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Which generation of the resource it was compiled from, where there is one.
    pub(super) fn generation(&self) -> Option<i64> {
        self.generation
    }

    /// Since when it is in force, more or less: it is made to be stored.
    pub(super) fn since(&self) -> SystemTime {
        self.since
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

impl Keyring for SnapshotKeys<'_> {
    fn keys(&self, provider: usize) -> Option<Arc<KeySet>> {
        self.slots.get(provider)?.usable(self.now, self.max_age)
    }
}

impl Remote {
    fn new(rule: &BackendRule) -> Result<Self, BadBackendAddress> {
        let mut address: Option<BackendAddress> =
            rule.address.as_deref().map(str::parse).transpose()?;
        if rule.http2 {
            address = address.map(BackendAddress::over_http2);
        }
        // An authority was read from a URL: always a value.
        let host = address
            .as_ref()
            .and_then(|address| HeaderValue::try_from(address.authority()).ok());
        Ok(Self {
            address,
            host,
            deadline: rule.deadline_ms.map(Duration::from_millis),
        })
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

    /// How policies come, for whoever brings them to say.
    pub fn delivery(&self) -> &Delivery {
        &self.1
    }

    /// The policy in force.
    pub fn load(&self) -> Option<Arc<Snapshot>> {
        self.0.load_full()
    }
}
