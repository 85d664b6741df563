//! A timer for deadlines that move with every request and hardly ever pass.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that is cheap to move: the runtime's timer is only touched when the deadline becomes
/// earlier, and when the timer fires and finds that the deadline has moved on.
#[derive(Debug, Default)]
pub(super) struct LazyTimer {
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom the sleep wakes.
    sleeper: Option<Waker>,
}

impl LazyTimer {
    /// Moves the deadline; takes effect with the next [`Self::poll`].
    pub(super) fn set(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// No deadline any more.
    pub(super) fn clear(&mut self) {
        self.deadline = None;
    }

    /// The deadline, if there is one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether a deadline is set.
    pub(super) fn is_set(&self) -> bool {
        self.deadline.is_some()
    }

    /// Ready when the deadline has passed; from then on there is none.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
            self.sleeper = None;
        }
        loop {
            let told = |sleeper: &Waker| sleeper.will_wake(context.waker());
            if self.sleeper.as_ref().is_some_and(told) && !sleep.is_elapsed() {
                return Poll::Pending;
            }
            self.sleeper = Some(context.waker().clone());
            ready!(sleep.as_mut().poll(context));
            self.sleeper = None;
            if sleep.deadline() >= deadline {
                self.deadline = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests;
