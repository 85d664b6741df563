//! Which sidecars are to withhold their first readiness, and what their pods are told of it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::operator::capture::withhold;
use crate::operator::index::{Changes, Namespace, Notice};
use crate::push::wire::{PodRef, ServiceKey};

/// A sidecar that is held back is told of only after so long: objects that are applied together come
/// one after the other.
const TELL_AFTER: Duration = Duration::from_secs(2);
/// How often a pod is told why, at most: a Service that is changed back and forth is no news.
pub(super) const MAX_TOLD: u8 = 3;

/// By pod uid.
pub(in crate::operator::index) type WithheldPods = BTreeMap<String, Withheld>;

/// What a sidecar was asked for.
#[derive(Debug, Default)]
pub(in crate::operator::index) struct Withheld {
    /// Why it is to withhold its first readiness; None: no more.
    reason: Option<String>,
    /// Since the first tick that saw it.
    since: Option<Instant>,
    /// That the pod was told this reason.
    is_told: bool,
    told: u8,
}

impl Namespace {
    pub(in crate::operator::index) fn withhold_all(&mut self, name: &str, changes: &mut Changes) {
        let pods: Vec<_> = self.pods.keys().cloned().collect();
        for pod in pods {
            self.withhold(name, &pod, changes);
        }
    }

    /// Decides anew whether a pod's sidecar is to withhold its first readiness.
    pub(in crate::operator::index) fn withhold(
        &mut self,
        name: &str,
        pod: &str,
        changes: &mut Changes,
    ) {
        let Some(pod) = self.pods.get(pod) else {
            return;
        };
        let reason = withhold(pod, &self.surroundings(name));
        let before = self
            .withheld
            .get(&pod.uid)
            .and_then(|before| before.reason.as_deref());
        if before == reason.as_deref() {
            return;
        }
        let withheld = self.withheld.entry(pod.uid.clone()).or_default();
        withheld.since = withheld.since.filter(|_| withheld.reason.is_some());
        withheld.is_told = false;
        withheld.reason.clone_from(&reason);
        let service = ServiceKey {
            namespace: pod.namespace.clone(),
            name: pod.service.clone(),
        };
        changes.withhold.push((service, pod.uid.clone(), reason));
    }

    /// Whoever led before may not have come to it.
    pub(in crate::operator::index) fn tell_withheld_again(&mut self) {
        for withheld in self.withheld.values_mut() {
            withheld.is_told = false;
            withheld.told = 0;
        }
    }

    /// Tells pods why their sidecars withhold their first readiness, if they have for a moment.
    pub(in crate::operator::index) fn tell_withheld(
        &mut self,
        now: Instant,
        changes: &mut Changes,
    ) {
        for pod in self.pods.values() {
            let Some(withheld) = self.withheld.get_mut(&pod.uid) else {
                continue;
            };
            let Some(reason) = &withheld.reason else {
                continue;
            };
            let since = *withheld.since.get_or_insert(now);
            if withheld.is_told
                || withheld.told >= MAX_TOLD
                || now.duration_since(since) < TELL_AFTER
            {
                continue;
            }
            withheld.is_told = true;
            withheld.told += 1;
            changes.notices.push(Notice::ReadinessWithheld {
                pod: PodRef {
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    uid: pod.uid.clone(),
                },
                reason: reason.clone(),
            });
        }
    }
}
