//! Where the policy stream ends: policies and keys go to where the workers read them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::jwks::{KeySlot, Keys};
use crate::policy::format::KeySource;
use crate::policy::key_set::KeySet;
use crate::policy::{Policy, Prepared};
use crate::proxy::{PolicyCell, Snapshot};
use crate::push::client::{Apply, Origin};
use crate::push::wire;

#[cfg(test)]
mod tests;

/// Puts what arrives in force.
pub(super) struct PolicySink {
    policies: PolicyCell,
    /// Where the certificate towards clients is, if the pod was created with one.
    listener_tls: PathBuf,
    /// Keys arrive before the policy that needs them, so the slots wait here.
    slots: BTreeMap<KeySource, Arc<KeySlot>>,
}

impl PolicySink {
    /// Puts policies where the proxy looks for them; its readiness follows from that.
    pub(super) fn new(policies: PolicyCell, listener_tls: PathBuf) -> Self {
        Self {
            policies,
            listener_tls,
            slots: BTreeMap::new(),
        }
    }

    fn slot(&mut self, source: &KeySource) -> Arc<KeySlot> {
        let new = || Arc::new(KeySlot::new(source.clone()));
        self.slots.entry(source.clone()).or_insert_with(new).clone()
    }
}

impl Apply for PolicySink {
    fn keys(&mut self, keys: wire::Keys) {
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
            Ok(set) => slot.replace(Keys {
                set,
                fetched_at: keys.fetched_at,
            }),
            Err(error) => {
                tracing::warn!(source = ?keys.source, %error, "keys of no use; those before stay");
            }
        }
    }

    fn apply(&mut self, policy: Policy, origin: &Origin) -> Result<(), String> {
        let prepared = Prepared::new(policy).map_err(|error| error.to_string())?;
        // In the order of the providers, as `Prepared` has them.
        let sources: Vec<_> = prepared
            .policy
            .providers
            .values()
            .map(|provider| provider.keys.clone())
            .collect();
        let slots = sources.iter().map(|source| self.slot(source)).collect();
        let snapshot = Snapshot::new(prepared, slots).map_err(|error| error.to_string())?;
        let speaks_plainly = |snapshot: &Arc<Snapshot>| !snapshot.speaks_tls();
        if snapshot.speaks_tls()
            && !self.listener_tls.exists()
            && self.policies.load().as_ref().is_some_and(speaks_plainly)
        {
            // Refusing every connection helps nobody, while pods created from now on have it.
            let why = "listener.tls: this pod was created without the Secret: restart it";
            return Err(why.to_owned());
        }
        self.policies
            .store(snapshot.of_generation(origin.generation));
        // Those of the policy before, which may still serve a request, keep their slots themselves.
        self.slots.retain(|source, _| sources.contains(source));
        let Origin {
            generation, hash, ..
        } = origin;
        tracing::info!(generation, hash, "a policy is in force");
        Ok(())
    }
}
