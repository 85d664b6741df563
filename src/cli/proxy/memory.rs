//! The last good state, kept as well as the volume allows: what fails is logged and counted, and the
//! sidecar goes on with what it has in memory.

use super::last_good::{FirstReadiness, Found, LastGood, Refused};
use crate::policy::format::KeySource;
use crate::proxy::PolicyCell;
use crate::push::wire::{Keys, Snapshot};
use crate::readiness::Readiness;

/// What is kept for the container's next start.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// None: the pod has no volume for it.
    last_good: Option<LastGood>,
    policies: PolicyCell,
    readiness: Readiness,
}

impl Memory {
    pub(super) fn new(
        last_good: Option<LastGood>,
        policies: PolicyCell,
        readiness: Readiness,
    ) -> Self {
        Self {
            last_good,
            policies,
            readiness,
        }
    }

    /// What the container before left. How far the first readiness had come is in force at once.
    pub(super) fn find(&self) -> Found {
        let found = self.last_good.as_ref().map(LastGood::find);
        let found = found.unwrap_or_default();
        for refused in &found.refused {
            self.count(refused, "a file of the last good state is of no use");
        }
        let FirstReadiness {
            was_ready,
            withheld,
        } = &found.readiness;
        self.readiness.withhold(withheld.as_deref());
        if *was_ready {
            self.readiness.reach();
        }
        found
    }

    pub(super) fn keep_policy(&self, snapshot: &Snapshot, sources: &[KeySource]) {
        self.keep(|last_good| last_good.keep_policy(snapshot, sources));
    }

    pub(super) fn keep_keys(&self, keys: &Keys) {
        self.keep(|last_good| last_good.keep_keys(keys));
    }

    pub(super) fn keep_trust(&self, bundle: &str) {
        self.keep(|last_good| last_good.keep_trust(bundle));
    }

    /// Whether the first readiness is withheld; in force and kept.
    pub(super) fn withhold(&self, reason: Option<&str>) {
        if self.readiness.withheld().as_deref() == reason {
            return;
        }
        self.readiness.withhold(reason);
        self.keep_readiness();
    }

    /// Keeps that the pod was ready, once it was; never ends.
    pub(super) async fn keep_first_readiness(self) {
        if !self.readiness.reached() {
            self.readiness.wait_reached().await;
            self.keep_readiness();
        }
        std::future::pending().await
    }

    /// A policy or a file that was of no use.
    pub(super) fn count(&self, error: &dyn std::error::Error, what: &str) {
        self.policies.delivery().volume_failure();
        let cause = error.source().map(ToString::to_string);
        tracing::warn!(%error, cause, "{what}");
    }

    pub(super) fn keep_readiness(&self) {
        let readiness = FirstReadiness {
            was_ready: self.readiness.reached(),
            withheld: self.readiness.withheld(),
        };
        self.keep(|last_good| last_good.keep_readiness(&readiness));
    }

    fn keep(&self, write: impl FnOnce(&LastGood) -> Result<(), Refused>) {
        if let Some(Err(refused)) = self.last_good.as_ref().map(write) {
            self.count(
                &refused,
                "the last good state is not kept: a restarted container would wait for the operator",
            );
        }
    }
}
