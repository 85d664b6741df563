//! Readiness: named tasks that must be done before the process says it is ready.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What is still pending. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    pending: Arc<Mutex<BTreeSet<&'static str>>>,
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

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.readiness.lock().remove(self.name);
    }
}
