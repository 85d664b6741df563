//! The end of a worker: its connections finish what they began, then close.
//!
//! HTTP/2 can say that no further request is taken (GOAWAY). HTTP/1 can only say it with an answer:
//! a connection that waits for a request is closed a moment later than the others, since a request
//! may be on its way and would be lost. Its answer says `Connection: close`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::timeout;

/// How long a connection that waits for a request is left open: longer than a round trip.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// Tells the connections of one worker to finish, and knows when they have. Of one thread, so a
/// connection learns of it by one look at a flag.
#[derive(Debug, Default)]
pub(super) struct Drain {
    started: Cell<bool>,
    /// Those that only wait for a request close too.
    closing: Cell<bool>,
    next: Cell<u64>,
    connections: RefCell<BTreeMap<u64, Option<Waker>>>,
    waiting: RefCell<Option<Waker>>,
}

/// A connection that must finish before the worker ends.
#[derive(Debug)]
pub(super) struct Member {
    drain: Rc<Drain>,
    number: u64,
    told: bool,
    registered: bool,
}

/// What is asked to finish.
pub(super) trait Finish {
    /// Whether it loses nothing when it is told at once, though a request may be on its way.
    const AT_ONCE: bool;

    /// Finish the request in flight, then end.
    fn finish(self: Pin<&mut Self>);
}

/// One that is needed afterwards.
impl<F: Finish + Unpin> Finish for &mut F {
    const AT_ONCE: bool = F::AT_ONCE;

    fn finish(self: Pin<&mut Self>) {
        Pin::new(&mut **self.get_mut()).finish();
    }
}

impl Drain {
    /// Tells every connection to finish, those to come included, and waits until none is left.
    pub(super) async fn run(&self) {
        self.started.set(true);
        self.wake();
        if timeout(LAST_CHANCE, self.done()).await.is_err() {
            self.closing.set(true);
            self.wake();
            self.done().await;
        }
    }

    fn wake(&self) {
        let wakers: Vec<_> = self
            .connections
            .borrow()
            .values()
            .flatten()
            .cloned()
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether the end has begun.
    pub(super) fn started(&self) -> bool {
        self.started.get()
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Registers a connection.
    pub(super) fn join(self: &Rc<Self>) -> Member {
        let number = self.next.get();
        self.next.set(number + 1);
        self.connections.borrow_mut().insert(number, None);
        Member {
            drain: self.clone(),
            number,
            told: false,
            registered: false,
        }
    }

    /// Waits until no connection is left.
    async fn done(&self) {
        poll_fn(|context| {
            if self.connections.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Member {
    /// Runs a connection, or one part of its life, asking it to finish when the drain starts.
    pub(super) async fn run<F: Future + Finish>(&mut self, connection: F) -> F::Output {
        self.told = false;
        let mut connection = pin!(connection);
        poll_fn(|context| {
            self.tell(context, connection.as_mut());
            connection.as_mut().poll(context)
        })
        .await
    }

    fn tell<F: Finish>(&mut self, context: &mut Context<'_>, connection: Pin<&mut F>) {
        if self.told {
            return;
        }
        let drain = &self.drain;
        if drain.closing.get() || F::AT_ONCE && drain.started.get() {
            self.told = true;
            connection.finish();
        } else if !self.registered {
            // A task's waker wakes it for its whole life.
            self.registered = true;
            let mut connections = drain.connections.borrow_mut();
            connections.insert(self.number, Some(context.waker().clone()));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.drain.connections.borrow_mut().remove(&self.number);
        if self.drain.started.get()
            && let Some(waiting) = self.drain.waiting.take()
        {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests;
