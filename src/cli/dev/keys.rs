//! Whose tokens pass: the embedded issuer's, or those of the document's issuers.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::hints::{self, Tokens};
use super::issuer::{self, Issuer};
use super::say;
use crate::cli::egress;
use crate::jwks::{AddressRule, KeyEvent, KeySlot, KeyStore, Keys, Pace, Refresher};
use crate::policy::Policy;
use crate::policy::format::{Alternative, KeySource};
use crate::policy::key_set::{KeySet, KeySetError};

/// An audience that no service is named.
const OTHER_AUDIENCE: &str = "https://someone-else.example.com";

/// Gives each source of a policy its keys.
pub(super) enum KeyRing {
    /// One built-in issuer stands in for all; its key set.
    Embedded(Issuer, Arc<KeySet>),
    /// Fetched, as in a cluster.
    Real(KeyStore),
}

impl KeyRing {
    /// The built-in issuer.
    pub(super) fn embedded() -> anyhow::Result<Self> {
        let issuer = Issuer::new()?;
        let set = parse(&issuer)?;
        Ok(Self::Embedded(issuer, set))
    }

    /// Keys fetched on `runtime`; loopback addresses and plain http are allowed: it is a laptop.
    pub(super) fn real(runtime: &Handle) -> anyhow::Result<Self> {
        let store = KeyStore::default();
        let fetcher = Arc::new(egress::key_fetcher(AddressRule::development())?);
        runtime.spawn(Refresher::new(store.clone(), fetcher, tell).run());
        Ok(Self::Real(store))
    }

    /// The place of each provider's keys, in the order of [`Policy::providers`].
    pub(super) fn slots(&self, policy: &Policy) -> Vec<Arc<KeySlot>> {
        let sources = policy.providers.values().map(|provider| &provider.keys);
        let jwt = &policy.settings.jwt;
        let pace = Pace {
            every: jwt.key_refresh(),
            retries: jwt.fetch_retries,
        };
        let fetched = |store: &KeyStore, source| {
            let slot = store.slot(source);
            slot.set_pace(pace);
            slot
        };
        match self {
            Self::Real(store) => sources.map(|source| fetched(store, source)).collect(),
            Self::Embedded(_, set) => sources
                .map(|source| pinned(source.clone(), Arc::clone(set)))
                .collect(),
        }
    }

    /// What to add to the answer for a token whose key is not known; nothing where it is what a sidecar
    /// answers.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Embedded(..) => Some(
                "endpoints dev stands in for the issuers: only the tokens it printed pass; \
                 --issuers real takes those of the real ones",
            ),
            Self::Real(_) => None,
        }
    }

    /// Tokens of the embedded issuer for the operation that the printed lines call.
    pub(super) fn tokens(&self, policy: &Policy) -> anyhow::Result<Option<Tokens>> {
        let Self::Embedded(embedded, _) = self else {
            return Ok(None);
        };
        let provider = hints::protected(policy)
            .and_then(|operation| operation.security.first())
            .and_then(|Alternative(all)| policy.providers.get(&all.first()?.provider));
        let Some(provider) = provider else {
            return Ok(None);
        };
        let own = format!("https://{}", policy.service);
        let audience = match &provider.audiences {
            // Compared without its scheme, so this is the service's own name where it is accepted.
            Some(accepted) if !accepted.contains(&policy.service) => {
                accepted.first().cloned().unwrap_or(own)
            }
            _ => own,
        };
        let (issuer, now) = (&provider.issuer, issuer::now());
        Ok(Some(Tokens {
            good: embedded.token(issuer, &audience, now)?,
            expired: embedded.expired(issuer, &audience, now)?,
            wrong_audience: match &provider.audiences {
                Some(_) => Some(embedded.token(issuer, OTHER_AUDIENCE, now)?),
                None => None,
            },
        }))
    }
}

fn parse(issuer: &Issuer) -> Result<Arc<KeySet>, KeySetError> {
    KeySet::parse(&issuer.key_set()).map(Arc::new)
}

/// Keys that never grow too old: no issuer could ever renew them.
fn pinned(source: KeySource, set: Arc<KeySet>) -> Arc<KeySlot> {
    let slot = KeySlot::new(source);
    slot.replace(Keys {
        set,
        fetched_at: u64::MAX,
    });
    Arc::new(slot)
}

/// Failures are news; that keys came is not.
fn tell(event: KeyEvent) {
    let Err(error) = event.result else { return };
    let source = match event.source {
        KeySource::Trusting { source, .. } => *source,
        source => source,
    };
    let line = match source {
        KeySource::Inline(_) | KeySource::Trusting { .. } => return,
        KeySource::Url(url) => format!("cannot fetch the keys at {url}: {error}"),
        KeySource::Discovery { url, issuer } => {
            format!("cannot discover the keys of {issuer} by {url}: {error}")
        }
        KeySource::Kubernetes { issuer } => format!(
            "the keys of {issuer} are a cluster's (kubernetes: true), and there is none here: its \
             tokens are answered 503; --issuers embedded stands in for it"
        ),
    };
    // Nobody reads a closed terminal.
    let _ = say(&line);
}
