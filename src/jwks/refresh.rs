//! Keeps the keys of every slot in use fresh, each source by itself.

#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use url::Url;

use super::demand::Attached;
use super::fetch::{FETCH_TIMEOUT, FetchError, FetchKeys};
use super::slot::{KeySlot, KeyStore, Keys};
use crate::policy::format::KeySource;
use crate::policy::key_set::{self, KeySet};

/// Fetches at once of sources of one [`Standing`]. More wait for each other, so that a hundred dead
/// issuers do not mean a hundred sockets.
const CONCURRENT_FETCHES: usize = 16;
/// After a failure, doubled up to [`LONGEST_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// Before the first of a pace's retries, doubled for each further one (ESPv2's 200 ms, at most 32 s).
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(32);
pub(super) const DEFECT: &str = "the fetch panicked: a defect, please report it";

/// A fetch that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// Of what.
    pub source: KeySource,
    /// With what; the slot holds it already. After a failure the slot keeps its last good keys.
    pub result: Result<Fetched, FetchError>,
}

/// A key set that came.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// [`KeySet::version`].
    pub version: String,
    /// The text, as [`key_set::essential`] leaves it.
    pub text: Bytes,
    /// Seconds since 1970.
    pub fetched_at: u64,
    /// Whether it differs from what the slot held. Also what does not is worth passing on: it makes
    /// the keys younger.
    pub changed: bool,
}

/// Keeps every slot of a store fresh: fetched at once, then every five minutes; after a failure
/// again after one second, doubling to a minute, while the last good keys stay until they are too
/// old ([`KeySlot::usable`]). A source that nobody uses any more is not fetched.
pub struct Refresher {
    store: KeyStore,
    shared: Arc<Shared>,
}

struct Shared {
    fetcher: Arc<dyn FetchKeys>,
    /// Seconds since 1970.
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    on_event: Box<dyn Fn(KeyEvent) + Send + Sync>,
    turns: Turns,
}

/// How a source's last fetch ended. Each waits for its like only: whoever names hundreds of hosts
/// that swallow packets (5 s a fetch) makes those wait for each other, not other people's issuers.
#[derive(Clone, Copy)]
enum Standing {
    Untried,
    Good,
    Failing,
}

/// The turns of each [`Standing`].
struct Turns {
    untried: Semaphore,
    good: Semaphore,
    failing: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        let turns = || Semaphore::new(CONCURRENT_FETCHES);
        Self {
            untried: turns(),
            good: turns(),
            failing: turns(),
        }
    }
}

impl Turns {
    fn of(&self, standing: Standing) -> &Semaphore {
        match standing {
            Standing::Untried => &self.untried,
            Standing::Good => &self.good,
            Standing::Failing => &self.failing,
        }
    }
}

impl Refresher {
    /// A refresher of a store's slots, not yet running. `on_event` is called after each fetch; it
    /// must not block.
    pub fn new(
        store: KeyStore,
        fetcher: Arc<dyn FetchKeys>,
        on_event: impl Fn(KeyEvent) + Send + Sync + 'static,
    ) -> Self {
        Self::with_clock(store, fetcher, on_event, system_clock)
    }

    /// With another clock than the system's: seconds since 1970.
    pub fn with_clock(
        store: KeyStore,
        fetcher: Arc<dyn FetchKeys>,
        on_event: impl Fn(KeyEvent) + Send + Sync + 'static,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            fetcher,
            clock: Box::new(clock),
            on_event: Box::new(on_event),
            turns: Turns::default(),
        };
        Self {
            store,
            shared: Arc::new(shared),
        }
    }

    /// Runs until it is dropped, or until another refresher takes the store over.
    pub async fn run(self) {
        let task = |slot| keep_fresh(slot, Arc::clone(&self.shared));
        self.store.tend(task).await;
    }
}

async fn keep_fresh(slot: Weak<KeySlot>, shared: Arc<Shared>) {
    let Some((source, attached)) = slot
        .upgrade()
        .map(|slot| (slot.source.clone(), Attached::new(Arc::clone(&slot.demand))))
    else {
        return;
    };
    let mut backoff = FIRST_BACKOFF;
    let mut standing = Standing::Untried;
    let mut retried = 0;
    while slot.strong_count() > 0 {
        attached.begin();
        // A panic costs one attempt, never the source.
        let fetched = AssertUnwindSafe(shared.fetch(&source, standing))
            .catch_unwind()
            .await;
        let fetched = fetched.unwrap_or_else(|_| Err(FetchError::Source(DEFECT.to_owned())));
        let Some(in_use) = slot.upgrade() else { return };
        let result = fetched.map(|(set, text)| in_use.accept(set, text, (shared.clock)()));
        if result.is_err() {
            in_use.note_failure();
        }
        let pace = **in_use.pace.load();
        drop(in_use);
        if result.is_err() && retried < pace.retries {
            // Not over yet: whoever waits goes on waiting.
            sleep((FIRST_RETRY * (1 << retried.min(16))).min(LONGEST_RETRY)).await;
            retried += 1;
            continue;
        }
        retried = 0;
        attached.finish();

        standing = match &result {
            Ok(_) => Standing::Good,
            Err(_) => Standing::Failing,
        };
        let pause = match &result {
            Ok(_) => {
                backoff = FIRST_BACKOFF;
                // A little early, and not all at once.
                pace.every - jitter(pace.every / 20)
            }
            Err(error) => {
                tracing::warn!(source = %place(&source), class = error.class(), "keys not fetched: {error}");
                let pause = backoff;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
                pause
            }
        };
        (shared.on_event)(KeyEvent {
            source: source.clone(),
            result,
        });
        attached.wait(pause, || slot.strong_count() == 0).await;
    }
}

impl Shared {
    async fn fetch(
        &self,
        source: &KeySource,
        standing: Standing,
    ) -> Result<(KeySet, Bytes), FetchError> {
        // The semaphores are never closed.
        let _turn = self.turns.of(standing).acquire().await;
        fetch_set(&*self.fetcher, source).await
    }
}

/// One fetch: the set, and its text without what else was in up to 1 MiB, for it is held, and sent to
/// every sidecar.
pub(super) async fn fetch_set(
    fetcher: &dyn FetchKeys,
    source: &KeySource,
) -> Result<(KeySet, Bytes), FetchError> {
    let text = timeout(FETCH_TIMEOUT, fetcher.fetch(source))
        .await
        .map_err(|_| FetchError::Timeout)??;
    let text = key_set::essential(&text)?;
    let set = KeySet::parse(&text)?;
    Ok((set, Bytes::from(text)))
}

impl KeySlot {
    /// Puts a fetched set in place. The prepared keys of an equal set stay: nothing was gained.
    pub(super) fn accept(&self, set: KeySet, text: Bytes, fetched_at: u64) -> Fetched {
        let version = set.version.clone();
        let held = self.current.load();
        let unchanged = held.as_ref().filter(|keys| keys.set.version == version);
        let changed = unchanged.is_none();
        let set = unchanged.map_or_else(|| Arc::new(set), |keys| Arc::clone(&keys.set));
        self.replace(Keys { set, fetched_at });
        Fetched {
            version,
            text,
            fetched_at,
            changed,
        }
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Fetched")
            .field("version", &self.version)
            .field("fetched_at", &self.fetched_at)
            .field("changed", &self.changed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Refresher")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Where keys come from, for logs: without a query or credentials, which a URL may hold.
pub(super) fn place(source: &KeySource) -> String {
    match source {
        KeySource::Url(url) | KeySource::Discovery { url, .. } => match Url::parse(url) {
            Ok(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            Err(_) => "not a URL".to_owned(),
        },
        KeySource::Kubernetes { issuer } => format!("kubernetes {issuer}"),
        KeySource::Trusting { source, .. } => place(source),
        KeySource::Inline(_) => String::from("inline"),
    }
}

pub(super) fn system_clock() -> u64 {
    // Before 1970 there are no fresh keys.
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// Between nothing and `most`. Not secret: a hash of nothing under std's random keys will do.
pub(super) fn jitter(most: Duration) -> Duration {
    let random = RandomState::new().hash_one(());
    let share = u32::try_from(random >> 32).unwrap_or_default();
    most.mul_f64(f64::from(share) / f64::from(u32::MAX))
}
