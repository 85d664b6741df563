//! When statuses are written, and how: a change in a moment, then at most twice a second an object, never
//! two at a time; what fails is tried again with backoff. A status is written to the very object that it
//! was made of: whoever has not seen the newest spec, or status, writes nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use kube::api::{PartialObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::json;
use tokio::time::Instant;

use crate::api::EndpointsService;
use crate::operator::bounded::bounded;
use crate::operator::index::StatusUpdate;
use crate::push::wire::ServiceKey;

#[cfg(test)]
mod tests;

/// Answers of sidecars to an edit come within moments: one write instead of two.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// After a write that came too late: the watch brings what was written meanwhile.
const CONFLICT_PAUSE: Duration = Duration::from_millis(200);
/// Between two writes of one object.
const PAUSE: Duration = Duration::from_millis(500);
/// After a failure, doubled up to [`LONGEST_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// Writes at once: the API server has others to serve.
const CONCURRENT: usize = 16;
/// Who owns the fields of a status.
const FIELD_MANAGER: &str = "endpoints-operator";

/// What is to be written when. Each event asks when there is something to do next, so the answer is ready.
#[derive(Debug, Default)]
pub(super) struct Writer {
    due: HashMap<ServiceKey, Instant>,
    /// The same by time, but for those that are in flight.
    queue: BTreeSet<(Instant, ServiceKey)>,
    in_flight: HashSet<ServiceKey>,
    /// Not before this, and how many writes failed in a row.
    history: HashMap<ServiceKey, (Instant, u32)>,
}

/// A write that has ended.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) key: ServiceKey,
    pub(super) update: StatusUpdate,
    /// The version that the object has now.
    pub(super) result: Result<String, kube::Error>,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    /// The object is not the one any more that the status was made of.
    Conflict,
    Failed,
}

impl Stored {
    pub(super) fn outcome(&self) -> Outcome {
        match &self.result {
            Ok(_) => Outcome::Stored,
            Err(kube::Error::Api(status)) if status.code == 409 => Outcome::Conflict,
            Err(_) => Outcome::Failed,
        }
    }
}

impl Writer {
    /// An object's status may have changed.
    pub(super) fn mark(&mut self, key: ServiceKey, now: Instant) {
        let earliest = self
            .history
            .get(&key)
            .map_or(now, |(earliest, _)| (*earliest).max(now))
            .max(now + DEBOUNCE);
        self.due.entry(key.clone()).or_insert(earliest);
        self.enqueue(key);
    }

    /// When there is something to do next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.in_flight.len() >= CONCURRENT {
            return None;
        }
        self.queue.first().map(|(due, _)| *due)
    }

    /// Takes what is due, as far as there is room; each is in flight until [`Writer::finished`] or
    /// [`Writer::unchanged`].
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<ServiceKey> {
        let mut keys = Vec::new();
        while self.next_due().is_some_and(|due| due <= now)
            && let Some((_, key)) = self.queue.pop_first()
        {
            self.due.remove(&key);
            self.in_flight.insert(key.clone());
            keys.push(key);
        }
        keys
    }

    /// There was nothing to write.
    pub(super) fn unchanged(&mut self, key: &ServiceKey) {
        if let Some(key) = self.in_flight.take(key) {
            self.enqueue(key);
        }
    }

    /// A write ended.
    pub(super) fn finished(&mut self, key: &ServiceKey, outcome: Outcome, now: Instant) {
        if !self.in_flight.remove(key) {
            return;
        }
        let before = self.history.get(key).map_or(0, |(_, failures)| *failures);
        let (failures, pause) = match outcome {
            Outcome::Stored => (0, PAUSE),
            Outcome::Conflict => (before, CONFLICT_PAUSE),
            Outcome::Failed => {
                let doubled = FIRST_BACKOFF.saturating_mul(1 << before.min(16));
                (before.saturating_add(1), doubled.min(LONGEST_BACKOFF))
            }
        };
        self.history.insert(key.clone(), (now + pause, failures));
        if outcome != Outcome::Stored {
            self.due.insert(key.clone(), now + pause);
        }
        self.enqueue(key.clone());
    }

    /// The object is gone.
    pub(super) fn forget(&mut self, key: &ServiceKey) {
        if let Some(due) = self.due.remove(key) {
            self.queue.remove(&(due, key.clone()));
        }
        self.in_flight.remove(key);
        self.history.remove(key);
    }

    /// Somebody else writes from now on.
    pub(super) fn clear(&mut self) {
        self.due.clear();
        self.queue.clear();
    }

    /// What is due waits for its turn, but for what is in flight: that waits for its end first.
    fn enqueue(&mut self, key: ServiceKey) {
        if let Some(due) = self.due.get(&key)
            && !self.in_flight.contains(&key)
        {
            self.queue.insert((*due, key));
        }
    }
}

/// Writes a status by server-side apply: what is not in it any more is removed. The uid makes sure
/// that a re-created object does not get its predecessor's, the version that nobody's newer one is lost: a
/// replica that does not know yet that another one leads, say.
pub(super) async fn store(client: Client, key: ServiceKey, update: StatusUpdate) -> Stored {
    // The answer is not looked at: an object that does not parse has a status, too.
    let api = Api::<PartialObjectMeta<EndpointsService>>::namespaced(client, &key.namespace);
    let patch = Patch::Apply(json!({
        "apiVersion": EndpointsService::api_version(&()),
        "kind": EndpointsService::kind(&()),
        "metadata": {
            "name": key.name, "uid": update.uid, "resourceVersion": update.version,
        },
        "status": update.status,
    }));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let result = match bounded(api.patch_status(&key.name, &params, &patch)).await {
        Ok(object) => Ok(object.metadata.resource_version.unwrap_or_default()),
        // Gone: the watch tells. (Re-created is a conflict, tried again with the new uid.)
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(update.version.clone()),
        Err(error) => Err(error),
    };
    Stored {
        key,
        update,
        result,
    }
}
