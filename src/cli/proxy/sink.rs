//! Where the policy stream ends: policies and keys go to where the workers read them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};

use super::memory::Memory;
use crate::jwks::{FetchKeys, Follower, KeySlot, KeyStore, Keys, Pace};
use crate::policy::format::KeySource;
use crate::policy::key_set::KeySet;
use crate::policy::{Policy, Prepared};
use crate::proxy::{PolicyCell, PolicySource, Snapshot};
use crate::push::client::{self, Apply, Origin, Trust};
use crate::push::wire;

#[cfg(test)]
mod tests;

/// Sources that are asked for at one time; each is asked for once in a while.
const QUESTIONS: usize = 64;

/// Puts what arrives in force.
pub(super) struct PolicySink {
    policies: PolicyCell,
    certificates: Certificates,
    memory: Memory,
    store: KeyStore,
    /// Keys arrive before the policy that needs them, so the slots wait here.
    slots: BTreeMap<KeySource, Arc<KeySlot>>,
    /// Whether there is a stream.
    link: watch::Sender<bool>,
    ask: mpsc::Sender<KeySource>,
    asked: mpsc::Receiver<KeySource>,
}

/// Where the Secrets are mounted, if the pod was created with them.
pub(super) struct Certificates {
    /// The certificate towards clients.
    pub(super) listener: PathBuf,
    /// The one that backends are shown.
    pub(super) backend: PathBuf,
}

impl PolicySink {
    /// Puts policies where the proxy looks for them; its readiness follows from that.
    pub(super) fn new(policies: PolicyCell, certificates: Certificates, memory: Memory) -> Self {
        let (ask, asked) = mpsc::channel(QUESTIONS);
        Self {
            policies,
            certificates,
            memory,
            store: KeyStore::default(),
            slots: BTreeMap::new(),
            link: watch::Sender::new(false),
            ask,
            asked,
        }
    }

    /// Looks after the keys: asks the operator for what tokens need, and fetches for itself when the
    /// operator is away for long.
    pub(super) fn follower(&self, fetcher: Arc<dyn FetchKeys>) -> Follower {
        Follower::new(
            self.store.clone(),
            self.link.subscribe(),
            self.ask.clone(),
            fetcher,
        )
    }

    /// Goes on where the container before this one ended. Whatever is of no use is passed over: the
    /// operator sends everything anew.
    pub(super) fn restore(&mut self, trust: &mut Trust) {
        let found = self.memory.find();
        if let Some(Err(error)) = found.trust.map(|bundle| trust.learn(&bundle)) {
            self.memory
                .count(&error, "the kept trust bundle is of no use");
        }
        let now = now();
        for keys in found.keys {
            // What a clock that was wrong dated into the future would never become too old.
            let fetched_at = keys.fetched_at.min(now);
            self.accept(&wire::Keys { fetched_at, ..keys });
        }
        let Some(snapshot) = found.policy else {
            return;
        };
        let applied = client::open(&snapshot)
            .and_then(|(policy, origin)| self.put_in_force(policy, &origin, PolicySource::Volume));
        if let Err(why) = applied {
            self.memory.count(
                &*Box::<dyn std::error::Error>::from(why),
                "the kept policy is of no use",
            );
        }
    }

    fn slot(&mut self, source: &KeySource) -> Arc<KeySlot> {
        let new = || self.store.slot(source);
        self.slots.entry(source.clone()).or_insert_with(new).clone()
    }

    /// False: they are of no use, and those before stay.
    fn accept(&mut self, keys: &wire::Keys) -> bool {
        let slot = self.slot(&keys.source);
        let current = slot.current.load();
        let same = current
            .as_ref()
            .filter(|current| current.set.version == keys.version);
        let set = match same {
            Some(current) => Ok(current.set.clone()),
            None => KeySet::parse(keys.set.as_bytes()).map(Arc::new),
        };
        match set {
            Ok(set) => {
                let fetched_at = keys.fetched_at;
                slot.replace(Keys { set, fetched_at });
                true
            }
            Err(error) => {
                tracing::warn!(source = ?keys.source, %error, "keys of no use; those before stay");
                false
            }
        }
    }

    fn put_in_force(
        &mut self,
        policy: Policy,
        origin: &Origin,
        from: PolicySource,
    ) -> Result<(), String> {
        let prepared = Prepared::new(policy).map_err(|error| error.to_string())?;
        // In the order of the providers, as `Prepared` has them.
        let providers = prepared.policy.providers.values();
        let sources: Vec<_> = providers.map(|provider| provider.keys.clone()).collect();
        let jwt = &prepared.policy.settings.jwt;
        let pace = Pace {
            every: jwt.key_refresh(),
            retries: jwt.fetch_retries,
        };
        let slots: Vec<_> = sources.iter().map(|source| self.slot(source)).collect();
        let snapshot = Snapshot::new(prepared, slots.clone()).map_err(|error| error.to_string())?;
        if let Some(field) = self
            .certificates
            .lacking(&snapshot, self.policies.load().as_deref())
        {
            return Err(format!(
                "{field}: this pod was created without the Secret: restart it"
            ));
        }
        self.policies
            .store(snapshot.of_generation(origin.generation));
        self.policies.delivery().policy(from);
        for slot in slots {
            slot.set_pace(pace);
        }
        // Those of the policy before, which may still serve a request, keep their slots themselves.
        self.slots.retain(|source, _| sources.contains(source));
        let Origin {
            generation, hash, ..
        } = origin;
        let from = from.name();
        tracing::info!(generation, hash, from, "a policy is in force");
        Ok(())
    }
}

impl Certificates {
    /// The field of a policy that asks for a certificate which the pod was created without, and which the
    /// policy in force does not ask for: refusing every request helps nobody, while pods created from now
    /// on have it.
    fn lacking(&self, wanted: &Snapshot, in_force: Option<&Snapshot>) -> Option<&'static str> {
        let in_force = in_force?;
        let asks = |policy: &Snapshot| [policy.speaks_tls(), policy.shows_certificate()];
        let fields = [
            ("listener.tls", &self.listener),
            ("backend.tls", &self.backend),
        ];
        let mut asked = fields.into_iter().zip(asks(wanted)).zip(asks(in_force));
        let lacking =
            asked.find(|(((_, folder), is_new), was)| *is_new && !was && !folder.exists());
        lacking.map(|(((field, _), _), _)| field)
    }
}

impl Apply for PolicySink {
    fn keys(&mut self, keys: wire::Keys) {
        if self.accept(&keys) {
            self.memory.keep_keys(&keys);
        }
    }

    fn apply(&mut self, policy: Policy, origin: &Origin) -> Result<(), String> {
        self.put_in_force(policy, origin, PolicySource::Stream)
    }

    fn runs(&self) -> Option<String> {
        self.policies.load().map(|policy| policy.hash().to_owned())
    }

    fn unchanged(&mut self) {
        self.policies.delivery().policy(PolicySource::Stream);
    }

    fn keep(&mut self, snapshot: &wire::Snapshot) {
        let sources: Vec<_> = self.slots.keys().cloned().collect();
        self.memory.keep_policy(snapshot, &sources);
    }

    fn trust(&mut self, bundle: &str) {
        self.memory.keep_trust(bundle);
    }

    fn withhold(&mut self, reason: Option<&str>) {
        self.memory.withhold(reason);
    }

    fn connected(&mut self, connected: bool) {
        self.policies.delivery().connected(connected);
        self.link.send_if_modified(|link| {
            let changed = *link != connected;
            *link = connected;
            changed
        });
    }

    async fn wanted(&mut self) -> KeySource {
        match self.asked.recv().await {
            Some(source) => source,
            // We hold a sender ourselves.
            None => std::future::pending().await,
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
