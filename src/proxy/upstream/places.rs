//! How many connections there may be to one backend.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// The most requests that wait for a connection (Envoy's bound).
const MAX_WAITING: usize = 1024;

/// Places for connections.
#[derive(Debug)]
pub(super) struct Places {
    free: Cell<usize>,
    waiting: Cell<usize>,
    changed: Notify,
}

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Rc<Places>);

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting(Rc<Places>);

impl Places {
    pub(super) fn new(most: usize) -> Rc<Self> {
        Rc::new(Self {
            free: Cell::new(most),
            waiting: Cell::new(0),
            changed: Notify::new(),
        })
    }

    /// A place, if one is free.
    pub(super) fn take(self: &Rc<Self>) -> Option<Place> {
        let left = self.free.get().checked_sub(1)?;
        self.free.set(left);
        Some(Place(self.clone()))
    }

    /// Joins those who wait; None: there are too many.
    pub(super) fn queue(self: &Rc<Self>) -> Option<Waiting> {
        let waiting = self.waiting.get();
        if waiting >= MAX_WAITING {
            return None;
        }
        self.waiting.set(waiting + 1);
        Some(Waiting(self.clone()))
    }

    /// Something may be had now: one of those who wait looks.
    pub(super) fn note_change(&self) {
        self.changed.notify_one();
    }
}

impl Waiting {
    /// Ends when it is this one's turn to look.
    pub(super) async fn turn(&self) {
        self.0.changed.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        self.0.note_change();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
        // Its turn may have come just now: the next one's, then.
        if self.0.waiting.get() > 0 {
            self.0.note_change();
        }
    }
}
