//! The waker of a connection that has no task of its own: whoever waits for the connection polls it.
//!
//! A task that talks to itself (request sent, answer handed over, room made for more) would be woken
//! by itself, to find nothing left to do. So a bell only notes what rings while its task is at work,
//! and what has not been rung for need not be polled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// Of one thread: a waker must be `Sync`, but everything that rings it is the worker's own.
pub(super) struct Bell {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Shared {
    /// Something happened since [`Bell::take`].
    rung: AtomicBool,
    /// The task is at work, or nobody waits.
    muted: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// Rung, so that the first poll takes place; nobody waits.
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared {
            rung: AtomicBool::new(true),
            muted: AtomicBool::new(true),
            task: Mutex::default(),
        });
        let waker = Waker::from(shared.clone());
        Self { shared, waker }
    }

    /// What is to be polled under this bell is polled with this.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// From now on rings are only noted.
    pub(super) fn mute(&self) {
        self.shared.muted.store(true, Ordering::Relaxed);
    }

    /// Nobody waits.
    pub(super) fn leave(&self) {
        self.mute();
        // What waited may be over, and would be kept by this.
        self.shared.lock().take();
    }

    /// Whether something happened.
    pub(super) fn is_rung(&self) -> bool {
        self.shared.rung.load(Ordering::Relaxed)
    }

    /// Whether something happened since the last call.
    pub(super) fn take(&self) -> bool {
        let rung = self.is_rung();
        self.shared.rung.store(false, Ordering::Relaxed);
        rung
    }

    /// The task waits: what rings from now on wakes it, and what has rung, too.
    pub(super) fn wait(&self, task: &Waker) {
        let mut waiting = self.shared.lock();
        match &mut *waiting {
            Some(waiting) => waiting.clone_from(task),
            none => *none = Some(task.clone()),
        }
        self.shared.muted.store(false, Ordering::Relaxed);
        if self.is_rung() {
            task.wake_by_ref();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Relaxed);
        if !self.muted.load(Ordering::Relaxed)
            && let Some(task) = &*self.lock()
        {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests;
