//! The end of a worker: its connections finish what they began, then close.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Tells the connections of one worker to finish, and knows when they have. Of one thread, so a
/// connection learns of it by one look at a flag.
#[derive(Debug, Default)]
pub(super) struct Drain {
    started: Cell<bool>,
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

/// What is asked to finish: hyper's graceful shutdown.
pub(super) trait Finish {
    /// Finish the request in flight, then end.
    fn finish(self: Pin<&mut Self>);
}

/// One that is needed afterwards.
impl<F: Finish + Unpin> Finish for &mut F {
    fn finish(self: Pin<&mut Self>) {
        Pin::new(&mut **self.get_mut()).finish();
    }
}

impl Drain {
    /// Tells every connection to finish, those to come included.
    pub(super) fn start(&self) {
        self.started.set(true);
        let wakers: Vec<_> = self
            .connections
            .borrow_mut()
            .values_mut()
            .filter_map(Option::take)
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
    pub(super) async fn done(&self) {
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

    fn tell(&mut self, context: &mut Context<'_>, connection: Pin<&mut impl Finish>) {
        if self.drain.started.get() {
            if !self.told {
                self.told = true;
                connection.finish();
            }
        } else if !self.registered {
            // A task's waker wakes it for its whole life.
            self.registered = true;
            let mut connections = self.drain.connections.borrow_mut();
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
