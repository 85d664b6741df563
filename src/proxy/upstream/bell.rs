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
    /// The task is at work: what rings now is its own doing.
    busy: AtomicBool,
    /// Rung by the task.
    own: AtomicBool,
    /// Rung by the socket.
    outside: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// Rung, so that the first poll takes place; the task is at work.
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared {
            busy: AtomicBool::new(true),
            outside: AtomicBool::new(true),
            ..Shared::default()
        });
        let waker = Waker::from(shared.clone());
        Self { shared, waker }
    }

    /// What is to be polled under this bell is polled with this.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// The task is at work: from now on rings are only noted.
    pub(super) fn mute(&self) {
        self.shared.busy.store(true, Ordering::Relaxed);
    }

    /// Whether something happened.
    pub(super) fn is_rung(&self) -> bool {
        self.shared.own.load(Ordering::Relaxed) || self.shared.outside.load(Ordering::Relaxed)
    }

    /// Whether something happened since the last call.
    pub(super) fn take(&self) -> bool {
        let rung = self.is_rung();
        self.shared.own.store(false, Ordering::Relaxed);
        self.shared.outside.store(false, Ordering::Relaxed);
        rung
    }

    /// The task waits: what rings from now on wakes it, and what has rung, too.
    pub(super) fn wait(&self, task: &Waker) {
        let mut waiting = self.shared.lock();
        match &mut *waiting {
            Some(waiting) => waiting.clone_from(task),
            none => *none = Some(task.clone()),
        }
        self.shared.busy.store(false, Ordering::Relaxed);
        if self.is_rung() {
            task.wake_by_ref();
        }
    }

    /// The task is done with the connection and leaves nothing to do: only what the socket rings
    /// counts. Nobody waits.
    pub(super) fn leave(&self) {
        self.shared.busy.store(false, Ordering::Relaxed);
        self.shared.own.store(false, Ordering::Relaxed);
        // What waited may be over, and would be kept by this.
        self.shared.lock().take();
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
        if self.busy.load(Ordering::Relaxed) {
            self.own.store(true, Ordering::Relaxed);
            return;
        }
        self.outside.store(true, Ordering::Relaxed);
        if let Some(task) = &*self.lock() {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests;
