//! How long policies take to arrive: from the moment when an edit was compiled to each sidecar's answer, and
//! to the last one's. Edits that are overtaken by the next one are not told.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::push::wire::ServiceKey;

#[cfg(test)]
mod tests;

/// Policies under way.
#[derive(Debug, Default)]
pub(super) struct Convergence(HashMap<ServiceKey, Edit>);

#[derive(Debug)]
struct Edit {
    hash: String,
    published: Instant,
    last_answer: Option<Instant>,
}

impl Convergence {
    /// A policy was published.
    pub(super) fn published(&mut self, service: &ServiceKey, hash: &str, now: Instant) {
        let edit = Edit {
            hash: hash.to_owned(),
            published: now,
            last_answer: None,
        };
        self.0.insert(service.clone(), edit);
    }

    /// A sidecar runs it; how long that took, if it is the newest.
    pub(super) fn applied(
        &mut self,
        service: &ServiceKey,
        hash: &str,
        now: Instant,
    ) -> Option<Duration> {
        let edit = self.0.get_mut(service).filter(|edit| edit.hash == hash)?;
        edit.last_answer = Some(now);
        Some(now.duration_since(edit.published))
    }

    /// All sidecars run it; how long that took, once, if any of them had to change.
    pub(super) fn converged(&mut self, service: &ServiceKey, hash: &str) -> Option<Duration> {
        if self.0.get(service)?.hash != hash {
            return None;
        }
        let edit = self.0.remove(service)?;
        Some(edit.last_answer?.duration_since(edit.published))
    }

    /// The service is gone.
    pub(super) fn forget(&mut self, service: &ServiceKey) {
        self.0.remove(service);
    }
}
