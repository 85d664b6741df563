//! Numbers, counted by each worker for itself and summed when they are read.
//!
//! A worker's cells are atomics that only this worker writes, so counting is a load and a store in
//! its own cache; the lock around the list of cells is taken when a policy is swapped or scraped.

mod exposition;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;

pub(super) use self::exposition::CONTENT_TYPE as OPEN_METRICS;
use super::snapshot::{PolicyCell, Snapshot};
use crate::policy::verdict::Reason;

/// The most operations that are remembered beyond those in force, so that counters do not vanish
/// with an edit.
const REMEMBERED: usize = 4096;
/// Upper bounds of the duration buckets, in microseconds.
const BUCKETS: [u64; 12] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    15_000_000,
];

/// Who made an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The backend.
    Backend,
    /// We.
    Proxy,
}

/// How a request ended.
#[derive(Debug)]
pub(super) struct Outcome<'e> {
    pub(super) method: &'e Method,
    pub(super) code: u16,
    pub(super) source: Source,
    pub(super) reason: Option<Reason>,
    pub(super) broken_off: Option<Reason>,
    pub(super) duration: Duration,
}

/// All numbers of a process.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    workers: Arc<[Arc<WorkerMetrics>]>,
    policies: PolicyCell,
}

/// The numbers of one worker.
#[derive(Debug, Default)]
pub(super) struct WorkerMetrics {
    operations: Mutex<BTreeMap<OperationKey, Arc<Cells>>>,
    unrouted: [Cells; METHODS.len()],
    refusals: Reasons,
    verified: Cell,
    /// Claims that no header could hold, or that were too long.
    pub(super) claims_omitted: Cell,
    pub(super) connections: Cell,
    pub(super) connections_open: Cell,
    pub(super) connections_refused: Cell,
    pub(super) connections_failed: Cell,
    pub(super) panics: Cell,
    ended: AtomicBool,
}

/// An operation, as labels name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OperationKey {
    name: String,
    method: String,
}

/// Numbers of one operation.
#[derive(Debug, Default)]
pub(super) struct Cells {
    backend: Codes,
    proxy: Codes,
    buckets: [Cell; BUCKETS.len() + 1],
    sum_microseconds: Cell,
}

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

/// One number per status from 100 to 599, made when it is first needed; others count as 599.
#[derive(Debug, Default)]
struct Codes([std::sync::OnceLock<Box<[Cell; 100]>>; 5]);

/// One number per reason.
#[derive(Debug, Default)]
struct Reasons(Mutex<BTreeMap<Reason, u64>>);

/// Methods that have a label; further ones share the last.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER",
];

// === impl Metrics ===

impl Metrics {
    pub(super) fn new(workers: usize, policies: PolicyCell) -> Self {
        Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            policies,
        }
    }

    /// The numbers that one worker writes.
    pub(super) fn worker(&self, index: usize) -> Arc<WorkerMetrics> {
        self.workers[index].clone()
    }

    /// How many worker threads are no more.
    pub(super) fn workers_ended(&self) -> usize {
        self.workers
            .iter()
            .filter(|worker| worker.ended.load(Ordering::Relaxed))
            .count()
    }
}

// === impl WorkerMetrics ===

impl WorkerMetrics {
    /// The cells of a policy's operations, in their order.
    pub(super) fn operations(&self, snapshot: &Snapshot) -> Vec<Arc<Cells>> {
        let mut known = self.lock();
        let keys = || {
            snapshot
                .prepared
                .policy
                .operations
                .iter()
                .map(|operation| OperationKey {
                    name: operation.name.clone(),
                    method: operation.method.clone(),
                })
        };
        if known.len() > REMEMBERED {
            let current: std::collections::BTreeSet<_> = keys().collect();
            known.retain(|key, _| current.contains(key));
        }
        keys()
            .map(|key| known.entry(key).or_default().clone())
            .collect()
    }

    /// Counts a request that no operation was found for.
    pub(super) fn count_unrouted(&self, outcome: &Outcome<'_>) {
        let other = METHODS.len() - 1;
        let index = METHODS
            .iter()
            .position(|m| *m == outcome.method.as_str())
            .unwrap_or(other);
        self.unrouted[index].count(outcome);
    }

    /// Counts an answer of ours, or one broken off, by its reason.
    pub(super) fn count_refusal(&self, reason: Reason) {
        // Only this worker and a scrape take the lock, and only on this path.
        *self.refusals.lock().entry(reason).or_default() += 1;
    }

    /// Notes that the worker's thread ends.
    pub(super) fn note_end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Counts a token that passed.
    pub(super) fn count_verified(&self) {
        self.verified.add(1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<OperationKey, Arc<Cells>>> {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Cells ===

impl Cells {
    pub(super) fn count(&self, outcome: &Outcome<'_>) {
        match outcome.source {
            Source::Backend => &self.backend,
            Source::Proxy => &self.proxy,
        }
        .cell(outcome.code)
        .add(1);
        let microseconds = u64::try_from(outcome.duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS
            .iter()
            .position(|bound| microseconds <= *bound)
            .unwrap_or(BUCKETS.len());
        self.buckets[bucket].add(1);
        self.sum_microseconds.add(microseconds);
    }
}

// === impl Cell ===

impl Cell {
    /// Adds; only the thread that owns this cell may call it.
    pub(super) fn add(&self, count: u64) {
        self.0
            .store(self.read().wrapping_add(count), Ordering::Relaxed);
    }

    /// Takes away; only the thread that owns this cell may call it.
    pub(super) fn subtract(&self, count: u64) {
        self.0
            .store(self.read().wrapping_sub(count), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Codes ===

impl Codes {
    fn cell(&self, code: u16) -> &Cell {
        let code = if (100..600).contains(&code) {
            usize::from(code)
        } else {
            599
        };
        let class = self.0[code / 100 - 1]
            .get_or_init(|| Box::new(std::array::from_fn(|_| Cell::default())));
        &class[code % 100]
    }

    fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let classes = self.0.iter().enumerate();
        classes
            .filter_map(|(class, cells)| Some((class, cells.get()?)))
            .flat_map(|(class, cells)| {
                let codes = cells.iter().enumerate();
                codes.map(move |(code, cell)| ((class + 1) * 100 + code, cell.read()))
            })
    }
}

// === impl Reasons ===

impl Reasons {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Reason, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
