//! What follows from events, done; and what is due to be written.

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::state::State;
use crate::api::EndpointsServiceStatus;
use crate::operator::index::{Changes, StatusUpdate};
use crate::operator::revisions::Plan;
use crate::push::wire::ServiceKey;

impl State {
    /// Does what follows from events.
    pub(super) fn follow(&mut self, changes: Changes) {
        for source in changes.sources.removed {
            self.slots.remove(&source);
            self.hub.remove_keys(&source);
        }
        for source in changes.sources.added {
            let slot = self.store.slot(&source);
            self.slots.insert(source, slot);
        }
        for (source, pace) in changes.sources.paces {
            if let Some(slot) = self.slots.get(&source) {
                slot.set_pace(pace);
            }
        }
        self.slices.change(&changes.slices, Instant::now());
        for key in &changes.remove {
            self.hub.remove(key);
            self.writer.forget(key);
            self.convergence.forget(key);
        }
        // Before the policy that would make them ready.
        for (key, uid, reason) in changes.withhold {
            self.hub.withhold(&key, Some(&uid), reason);
        }
        // After it: a sidecar that is let in before would be told that nothing is withheld, and be ready.
        for (namespace, name) in changes.admit {
            if let Some(pod) = self.index.pod(&namespace, &name) {
                self.pods.insert(pod);
            }
        }
        for (key, settings) in changes.settings {
            self.settings.set(key, settings);
        }
        for (key, snapshot) in changes.publish {
            tracing::info!(service = %key, hash = snapshot.hash(), "publishing a policy");
            self.convergence
                .published(&key, snapshot.hash(), Instant::now());
            self.hub.publish(&key, snapshot);
        }
        for uid in changes.disconnect {
            self.outbox.forget(&uid);
            self.hub.disconnect(&uid);
        }
        // The leader tells, and writes: who becomes it does both for everything.
        self.config_maps.change(changes.config_maps);
        self.restores.extend(changes.restore);
        if self.index.leads() {
            for key in changes.revisions {
                self.revisions.mark(key, Instant::now());
            }
            for notice in changes.notices {
                self.events.tell(notice);
            }
            for key in changes.dirty {
                self.writer.mark(key, Instant::now());
            }
        }
        let (services, pods) = self.index.totals();
        self.metrics.observe(services, pods, self.hub.streams());
        self.metrics.compile_panics(self.index.panics());
        let (compilations, config_maps) = (self.compiling.len(), self.config_maps.len());
        self.metrics.observe_sources(compilations, config_maps);
        let transitions = *self.transitions.borrow();
        let (leads, replicas) = (self.index.leads(), self.index.replicas());
        self.metrics.lead(leads, transitions, replicas);
    }

    /// When a status or a revision is to be written next. None is before everything was listed.
    pub(super) fn next_write(&self) -> Option<Instant> {
        let due = [self.writer.next_due(), self.revisions.next_due()];
        let due = due.into_iter().flatten().min();
        due.filter(|_| self.synced.is_none())
    }

    /// The statuses to write now. None before everything was listed: half the pods are not all.
    pub(super) fn writes_due(&mut self) -> Vec<(ServiceKey, StatusUpdate)> {
        if self.synced.is_some() {
            return Vec::new();
        }
        let mut updates = Vec::new();
        if !self.index.leads() {
            self.writer.clear();
        }
        for key in self.writer.take_due(Instant::now()) {
            match self.index.status(&key, Timestamp::now()) {
                Some(update) => {
                    self.converge(&key, &update.status);
                    updates.push((key, update));
                }
                None => self.writer.unchanged(&key),
            }
        }
        updates
    }

    /// What is to be written and deleted of revisions now.
    pub(super) fn plans_due(&mut self) -> Vec<(ServiceKey, Plan)> {
        if self.synced.is_some() {
            return Vec::new();
        }
        if !self.index.leads() {
            self.revisions.clear();
        }
        let mut plans = Vec::new();
        for key in self.revisions.take_due(Instant::now()) {
            match self.index.revision_plan(&key) {
                plan if plan.is_empty() => self.revisions.unchanged(&key),
                plan => plans.push((key, plan)),
            }
        }
        plans
    }

    /// Notes that all sidecars run a policy, if this status says so.
    fn converge(&mut self, key: &ServiceKey, status: &EndpointsServiceStatus) {
        let Some((policy, sidecars)) = status.policy.as_ref().zip(status.sidecars.as_ref()) else {
            return;
        };
        if sidecars.current == sidecars.total
            && let Some(took) = self.convergence.converged(key, &policy.hash)
        {
            self.metrics.convergence_seconds.observe(took.as_secs_f64());
        }
    }
}
