//! What is true at a moment, so that each answer can be judged: it is known only where nothing
//! changed between the question and the answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the sidecar is expected to know. Numbers grow with each change, and are odd while a change
/// is under way.
#[derive(Debug, Default)]
pub struct State {
    policy: AtomicU64,
    keys: AtomicU64,
    backend: AtomicU64,
    shown: Mutex<Shown>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// Whether the policy in force has the path that comes and goes.
    toggled: bool,
    /// The key that signs; the other one is withdrawn.
    signer: usize,
}

/// One moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    policy: u64,
    keys: u64,
    backend: u64,
    pub toggled: bool,
    pub signer: usize,
}

impl State {
    pub fn now(&self) -> Moment {
        let shown = *self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        Moment {
            policy: self.policy.load(Ordering::SeqCst),
            keys: self.keys.load(Ordering::SeqCst),
            backend: self.backend.load(Ordering::SeqCst),
            toggled: shown.toggled,
            signer: shown.signer,
        }
    }

    pub fn policy_changes(&self) {
        self.policy.fetch_add(1, Ordering::SeqCst);
    }

    pub fn policy_changed(&self, toggled: bool) {
        self.change(|shown| shown.toggled = toggled);
        self.policy.fetch_add(1, Ordering::SeqCst);
    }

    pub fn keys_change(&self) {
        self.keys.fetch_add(1, Ordering::SeqCst);
    }

    pub fn keys_changed(&self, signer: usize) {
        self.change(|shown| shown.signer = signer);
        self.keys.fetch_add(1, Ordering::SeqCst);
    }

    /// The backend begins, or ends, a restart.
    pub fn backend_turns(&self) {
        self.backend.fetch_add(1, Ordering::SeqCst);
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Moment {
    /// Whether one policy was in force from then till now.
    pub fn one_policy(&self, now: &Self) -> bool {
        self.policy == now.policy && self.policy.is_multiple_of(2)
    }

    /// Whether one set of keys was in force.
    pub fn one_key(&self, now: &Self) -> bool {
        self.keys == now.keys && self.keys.is_multiple_of(2)
    }

    /// Whether the backend is in a restart.
    pub fn backend_is_down(&self) -> bool {
        !self.backend.is_multiple_of(2)
    }

    /// Whether the backend was up.
    pub fn backend_up(&self, now: &Self) -> bool {
        self.backend == now.backend && self.backend.is_multiple_of(2)
    }
}
