//! Keys that somebody else fetches: asks for those that a token needs, and fetches only while that
//! somebody has been away for long.

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::demand::{Attached, Demand};
use super::fetch::{FetchError, FetchKeys};
use super::refresh::{DEFECT, fetch_set, jitter, place, system_clock};
use super::slot::{KeySlot, KeyStore};
use crate::policy::format::KeySource;

/// How long newer keys that were asked for may take; a request waits a second of it.
const ANSWER: Duration = Duration::from_secs(2);
/// How long nobody must have been there before we fetch: streams end and come back all the time.
const AWAY: Duration = Duration::from_secs(10);
/// Keys older than so many times the pause between two fetches are fetched here.
const OVERDUE: u32 = 2;
/// After a failure, doubled up to [`LONGEST_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// Fetches at once.
const CONCURRENT_FETCHES: usize = 4;
/// How often a source that is not overdue is looked at again.
const LOOK: Duration = Duration::from_secs(60);

/// Looks after every slot of a store whose keys are pushed.
pub struct Follower {
    store: KeyStore,
    shared: Arc<Shared>,
}

struct Shared {
    /// Whether somebody is there who fetches for us.
    link: watch::Receiver<bool>,
    /// What that somebody is asked for.
    wanted: mpsc::Sender<KeySource>,
    fetcher: Arc<dyn FetchKeys>,
    /// Seconds since 1970.
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    turns: Semaphore,
}

impl Follower {
    /// A follower, not yet running. While `link` holds true, what tokens need goes to `wanted`, and is
    /// expected to come by [`KeySlot::replace`]; while it holds false, keys that are overdue are
    /// fetched by `fetcher`.
    pub fn new(
        store: KeyStore,
        link: watch::Receiver<bool>,
        wanted: mpsc::Sender<KeySource>,
        fetcher: Arc<dyn FetchKeys>,
    ) -> Self {
        Self::with_clock(store, link, wanted, fetcher, system_clock)
    }

    /// With another clock than the system's: seconds since 1970.
    pub fn with_clock(
        store: KeyStore,
        link: watch::Receiver<bool>,
        wanted: mpsc::Sender<KeySource>,
        fetcher: Arc<dyn FetchKeys>,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            link,
            wanted,
            fetcher,
            clock: Box::new(clock),
            turns: Semaphore::new(CONCURRENT_FETCHES),
        };
        Self {
            store,
            shared: Arc::new(shared),
        }
    }

    /// Runs until it is dropped, or until somebody else takes the store over.
    pub async fn run(self) {
        let task = |slot| follow(slot, Arc::clone(&self.shared));
        self.store.tend(task).await;
    }
}

/// One source, for as long as its slot is in use.
async fn follow(slot: Weak<KeySlot>, shared: Arc<Shared>) {
    let Some((source, demand)) = slot
        .upgrade()
        .map(|slot| (slot.source.clone(), Arc::clone(&slot.demand)))
    else {
        return;
    };
    let mut link = shared.link.clone();
    loop {
        let there = *link.borrow_and_update();
        let work = async {
            match there {
                true => ask(&slot, &source, &demand, &shared).await,
                false => fetch_overdue(&slot, &source, &demand, &shared).await,
            }
        };
        tokio::select! {
            () = work => return,
            changed = link.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Passes on what requests lack, until nobody uses the source.
async fn ask(slot: &Weak<KeySlot>, source: &KeySource, demand: &Arc<Demand>, shared: &Shared) {
    let attached = Attached::new(Arc::clone(demand));
    loop {
        attached.asked(|| slot.strong_count() == 0).await;
        let Some(mut arrivals) = slot.upgrade().map(|slot| slot.arrivals()) else {
            return;
        };
        attached.begin();
        // With no room there is a flood, of which this is a part.
        if shared.wanted.try_send(source.clone()).is_ok() {
            let _ = timeout(ANSWER, arrivals.changed()).await;
        }
        attached.finish();
    }
}

/// Fetches what is overdue, again and again, until nobody uses the source.
async fn fetch_overdue(
    slot: &Weak<KeySlot>,
    source: &KeySource,
    demand: &Arc<Demand>,
    shared: &Shared,
) {
    if !is_reachable(source) {
        // For ever: the source itself may come back into reach with the link.
        return std::future::pending().await;
    }
    sleep(AWAY).await;
    let mut backoff = FIRST_BACKOFF;
    let mut overdue_before = false;
    loop {
        let Some(left) = slot.upgrade().map(|slot| left(&slot, (shared.clock)())) else {
            return;
        };
        if !left.is_zero() {
            sleep(left.min(LOOK)).await;
            continue;
        }
        if !overdue_before {
            overdue_before = true;
            // Whoever got their keys from one place would ask the issuer all at once.
            sleep(jitter(LOOK)).await;
            continue;
        }
        let result = {
            let attached = Attached::new(Arc::clone(demand));
            // The semaphore is never closed.
            let _turn = shared.turns.acquire().await;
            attached.begin();
            let fetch = AssertUnwindSafe(fetch_set(&*shared.fetcher, source)).catch_unwind();
            let fetched = fetch
                .await
                .unwrap_or_else(|_| Err(FetchError::Source(DEFECT.to_owned())));
            let Some(slot) = slot.upgrade() else { return };
            let result = fetched.map(|(set, text)| slot.accept(set, text, (shared.clock)()));
            if result.is_err() {
                slot.note_failure();
            }
            attached.finish();
            result
        };
        match result {
            Ok(_) => {
                backoff = FIRST_BACKOFF;
                tracing::info!(source = %place(source), "fetched keys, as the operator is away");
            }
            Err(error) => {
                tracing::warn!(source = %place(source), class = error.class(), "keys not fetched, and the operator is away: {error}");
                sleep(backoff + jitter(backoff)).await;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
        }
    }
}

/// Whether anybody can fetch it, not only who has the rights of the operator.
fn is_reachable(source: &KeySource) -> bool {
    match source {
        KeySource::Url(_) | KeySource::Discovery { .. } => true,
        KeySource::Trusting { source, .. } => is_reachable(source),
        KeySource::Kubernetes { .. } | KeySource::Inline(_) => false,
    }
}

/// How long until the keys are overdue; those that never came are.
fn left(slot: &KeySlot, now: u64) -> Duration {
    let keys = slot.current.load();
    let Some(fetched) = keys.as_ref().map(|keys| keys.fetched_at) else {
        return Duration::ZERO;
    };
    let age = Duration::from_secs(now.saturating_sub(fetched));
    (slot.pace.load().every * OVERDUE).saturating_sub(age)
}
