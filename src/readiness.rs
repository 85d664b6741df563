//! Readiness: named tasks that must be done before the process says it is ready, and what withholds its
//! first readiness only.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// What is still pending. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    pending: Arc<Mutex<BTreeSet<&'static str>>>,
    first: Arc<watch::Sender<First>>,
}

/// How far the first readiness has come.
#[derive(Clone, Debug, Default)]
struct First {
    reached: bool,
    withheld: Option<String>,
}

/// A named task; dropping it marks the task as done.
#[derive(Debug)]
pub struct Pending {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// A process with nothing pending.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a task that keeps the process unready until the guard is dropped.
    pub fn pending(&self, name: &'static str) -> Pending {
        self.lock().insert(name);
        Pending {
            name,
            readiness: self.clone(),
        }
    }

    /// What is pending, in words; empty when ready.
    pub fn reasons(&self) -> Vec<&'static str> {
        self.lock().iter().copied().collect()
    }

    /// Whether nothing is pending.
    pub fn is_ready(&self) -> bool {
        self.lock().is_empty()
    }

    /// Keeps the process from becoming ready for the first time, for a reason in words; `None`: not any
    /// more. Later it changes nothing.
    pub fn withhold(&self, reason: Option<&str>) {
        self.first
            .send_modify(|first| first.withheld = reason.map(str::to_owned));
    }

    /// Why the process must not become ready for the first time; none once it was.
    pub fn withheld(&self) -> Option<String> {
        let first = self.first.borrow();
        match first.reached {
            true => None,
            false => first.withheld.clone(),
        }
    }

    /// Notes that the process was seen to be ready.
    pub fn reach(&self) {
        self.first.send_if_modified(|first| {
            let news = !first.reached;
            first.reached = true;
            news
        });
    }

    /// Whether it was.
    pub fn reached(&self) -> bool {
        self.first.borrow().reached
    }

    /// Waits until it was.
    pub async fn wait_reached(&self) {
        let mut first = self.first.subscribe();
        // The sender is ours.
        let _ = first.wait_for(|first| first.reached).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.readiness.lock().remove(self.name);
    }
}
