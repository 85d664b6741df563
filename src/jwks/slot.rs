//! The place of one source's keys, and the store of all places.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::demand::Demand;
use crate::policy::format::KeySource;
use crate::policy::key_set::KeySet;
use crate::policy::limits::JWKS_CACHE_DURATION;

/// Keys as last fetched or pushed.
#[derive(Debug)]
pub struct Keys {
    /// The keys.
    pub set: Arc<KeySet>,
    /// When they were fetched, seconds since 1970.
    pub fetched_at: u64,
}

/// The place of one source's keys: workers read it without a lock, a refresher or the push client
/// writes it.
#[derive(Debug)]
pub struct KeySlot {
    /// The source.
    pub source: KeySource,
    /// The last good keys, if any; read them by [`KeySlot::usable`], which knows their age.
    pub current: ArcSwapOption<Keys>,
    pub(super) demand: Arc<Demand>,
    received: watch::Sender<u64>,
    failures: AtomicU64,
    pub(super) pace: ArcSwap<Pace>,
}

/// How often a source is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After keys came.
    pub every: Duration,
    /// How often a failed fetch is repeated at once before it counts as failed.
    pub retries: u32,
}

impl Pace {
    /// What serves two users of a source: the shorter pause, the more retries.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            every: self.every.min(other.every),
            retries: self.retries.max(other.retries),
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: JWKS_CACHE_DURATION,
            retries: 0,
        }
    }
}

/// Slots by source. Cheap to clone; slots live while someone outside holds them.
#[derive(Clone, Debug, Default)]
pub struct KeyStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: BTreeMap<KeySource, Weak<KeySlot>>,
    refresher: Option<mpsc::UnboundedSender<Weak<KeySlot>>>,
}

impl Keys {
    /// When they were fetched, seconds since 1970; None: never, their source holds them itself.
    pub fn fetched(&self) -> Option<u64> {
        (self.fetched_at != u64::MAX).then_some(self.fetched_at)
    }
}

impl KeySlot {
    /// A slot of no store, which nothing refreshes: for keys that are pushed, or made by hand. What the
    /// source holds itself is in it, and never too old.
    pub fn new(source: KeySource) -> Self {
        let current = match &source {
            KeySource::Inline(text) => KeySet::parse(text.as_bytes()).ok(),
            _ => None,
        };
        let current = current.map(|set| {
            Arc::new(Keys {
                set: Arc::new(set),
                fetched_at: u64::MAX,
            })
        });
        Self {
            source,
            current: ArcSwapOption::new(current),
            demand: Arc::default(),
            received: watch::Sender::new(0),
            failures: AtomicU64::new(0),
            pace: ArcSwap::default(),
        }
    }

    /// How often it is fetched, from the next fetch on.
    pub fn set_pace(&self, pace: Pace) {
        self.pace.store(Arc::new(pace));
    }

    /// Puts newer keys in place; the next request of every worker is judged by them.
    pub fn replace(&self, keys: Keys) {
        self.current.store(Some(Arc::new(keys)));
        self.received.send_modify(|received| *received += 1);
    }

    /// Notes a fetch that brought no keys.
    pub(super) fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How often keys came, fetched or pushed.
    pub fn received(&self) -> u64 {
        *self.received.borrow()
    }

    /// Changes when keys come.
    pub(super) fn arrivals(&self) -> watch::Receiver<u64> {
        self.received.subscribe()
    }

    /// How often a fetch brought none.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The keys, while they are not older than `max_age`, in seconds. `now`: seconds since 1970.
    pub fn usable(&self, now: u64, max_age: u64) -> Option<Arc<KeySet>> {
        let current = self.current.load();
        let keys = current.as_ref()?;
        let age = now.saturating_sub(keys.fetched_at);
        (age <= max_age).then(|| Arc::clone(&keys.set))
    }

    /// Asks for newer keys, for a token whose key is not known, and says whether other keys are here
    /// now. Joins the one fetch in flight for at most a second; at most one fetch per source starts
    /// within ten. Without a refresher, or within the ten seconds: false, at once.
    pub async fn refresh_on_demand(&self) -> bool {
        let before = self.version();
        self.demand.ask().await && self.version() != before
    }

    /// Says whether keys are here now of a source that never had any. Joins its first fetch for at most
    /// a second while that is in flight; else it does not wait: where keys cannot be had, a request
    /// shall be told so.
    pub async fn first_keys(&self) -> bool {
        self.demand.ask_first().await && self.current.load().is_some()
    }

    /// The same for somebody who does not wait: newer keys are fetched now, or, within ten seconds of
    /// the last fetch, at their end.
    pub fn want(&self) {
        self.demand.want();
    }

    fn version(&self) -> Option<String> {
        self.current
            .load()
            .as_ref()
            .map(|keys| keys.set.version.clone())
    }
}

impl Drop for KeySlot {
    /// A slot that nobody uses stops being fetched.
    fn drop(&mut self) {
        self.demand.wake();
    }
}

impl KeyStore {
    /// The slot of a source; one that is not in use yet is made, and fetched if a refresher runs.
    pub fn slot(&self, source: &KeySource) -> Arc<KeySlot> {
        let mut inner = self.lock();
        if let Some(slot) = inner.slots.get(source).and_then(Weak::upgrade) {
            return slot;
        }
        // What is no longer used is forgotten here, so that a store never grows beyond its use.
        inner.slots.retain(|_, slot| slot.strong_count() > 0);
        let slot = Arc::new(KeySlot::new(source.clone()));
        if !source.is_fetched() {
            return slot;
        }
        inner.slots.insert(source.clone(), Arc::downgrade(&slot));
        if let Some(refresher) = &inner.refresher {
            // A refresher that has ended fetches nothing any more.
            let _ = refresher.send(Arc::downgrade(&slot));
        }
        slot
    }

    /// The sources in use.
    pub fn sources(&self) -> Vec<KeySource> {
        let in_use = |slot: &Weak<KeySlot>| slot.strong_count() > 0;
        self.lock()
            .slots
            .iter()
            .filter(|(_, s)| in_use(s))
            .map(|(s, _)| s.clone())
            .collect()
    }

    /// Keeps a task for every slot there is and will be, until it is dropped, or until somebody else takes
    /// the store over.
    pub(super) async fn tend<F>(&self, mut task: impl FnMut(Weak<KeySlot>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut slots = self.attach();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                slot = slots.recv() => match slot {
                    Some(slot) => {
                        tasks.spawn(task(slot));
                    }
                    None => return,
                },
                // Of a source that nobody uses any more.
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    /// Attaches whoever brings keys: it gets every slot there is and will be. A later one replaces it.
    fn attach(&self) -> mpsc::UnboundedReceiver<Weak<KeySlot>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut inner = self.lock();
        for slot in inner.slots.values() {
            let _ = sender.send(Weak::clone(slot));
        }
        inner.refresher = Some(sender);
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
