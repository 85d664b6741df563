//! Between requests that miss a key and the task that fetches: joins, bounds, wakes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a request waits for the fetch in flight.
const JOIN: Duration = Duration::from_secs(1);
/// Fetches on demand start at most this often per source.
const INTERVAL: Duration = Duration::from_secs(10);

/// One source's demand. Kept apart from its slot, so that the fetching task does not keep the slot
/// in use.
#[derive(Debug, Default)]
pub(super) struct Demand {
    wake: Notify,
    progress: watch::Sender<Progress>,
}

/// A fetching task that is attached; dropping it detaches, and lets go everyone who waits.
#[derive(Debug)]
pub(super) struct Attached(Arc<Demand>);

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    attached: bool,
    in_flight: bool,
    /// Somebody wants newer keys, though not so soon after the last fetch.
    wanted: bool,
    /// Fetches finished so far.
    finished: u64,
    last_start: Option<Instant>,
}

impl Demand {
    /// Joins the fetch in flight, or starts one where the bounds allow; true once it has finished.
    pub(super) async fn ask(&self) -> bool {
        let mut progress = self.progress.subscribe();
        let then = *progress.borrow_and_update();
        if !then.attached || !(then.in_flight || then.may_start()) {
            return false;
        }
        if !then.in_flight {
            self.wake();
        }
        is_finished(&mut progress, then.finished).await
    }

    /// Joins the source's very first fetch while it is in flight; true once it has finished.
    pub(super) async fn ask_first(&self) -> bool {
        let mut progress = self.progress.subscribe();
        let then = *progress.borrow_and_update();
        then.in_flight && then.finished == 0 && is_finished(&mut progress, 0).await
    }

    /// Starts a fetch as soon as the bounds allow; nothing where one is in flight.
    pub(super) fn want(&self) {
        self.progress
            .send_modify(|progress| progress.wanted = !progress.in_flight);
        self.wake();
    }

    /// Wakes the fetching task: someone asks, or nobody is left to.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

/// Waits until more than `before` fetches have finished.
async fn is_finished(progress: &mut watch::Receiver<Progress>, before: u64) -> bool {
    let done = progress.wait_for(|now| now.finished > before || !now.attached);
    matches!(timeout(JOIN, done).await, Ok(Ok(now)) if now.attached)
}

impl Attached {
    pub(super) fn new(demand: Arc<Demand>) -> Self {
        demand
            .progress
            .send_modify(|progress| progress.attached = true);
        Self(demand)
    }

    /// A fetch begins.
    pub(super) fn begin(&self) {
        self.0.progress.send_modify(|progress| {
            progress.in_flight = true;
            progress.wanted = false;
            progress.last_start = Some(Instant::now());
        });
    }

    /// The fetch has ended, and what it brought is in place.
    pub(super) fn finish(&self) {
        self.0.progress.send_modify(|progress| {
            progress.in_flight = false;
            progress.finished += 1;
        });
    }

    /// Waits until a fetch is asked for and may start. `gone`: nobody uses the source any more.
    pub(super) async fn asked(&self, gone: impl Fn() -> bool) {
        while !gone() {
            self.0.wake.notified().await;
            if self.0.progress.borrow().may_start() {
                return;
            }
        }
    }

    /// Waits for `pause`, or less where there is demand. `gone`: nobody uses the source any more.
    pub(super) async fn wait(&self, pause: Duration, gone: impl Fn() -> bool) {
        let mut due = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.0.wake.notified() => {
                    // Two requests may wake us for one fetch: the second is answered by the first.
                    let progress = *self.0.progress.borrow();
                    if gone() || progress.may_start() {
                        return;
                    }
                    if let (true, Some(start)) = (progress.wanted, progress.last_start) {
                        due = due.min(start + INTERVAL);
                    }
                }
            }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.progress.send_modify(|progress| {
            progress.attached = false;
            progress.in_flight = false;
        });
    }
}

impl Progress {
    fn may_start(&self) -> bool {
        self.last_start
            .is_none_or(|start| start.elapsed() >= INTERVAL)
    }
}
