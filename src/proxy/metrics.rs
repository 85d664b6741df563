//! Numbers, counted by each worker for itself and summed when they are read.
//!
//! A worker's cells are atomics that only this worker writes, so counting is a load and a store in
//! its own cache; the locks around lists of cells are taken when a policy is swapped or scraped.
//!
//! A number without labels, or with one whose values are known beforehand, is a field of
//! [`WorkerMetrics`] and a line in [`plain`]; what other threads count is in [`ProcessMetrics`]; `docs/metrics.md` has a line for each.

mod backends;
mod cell;
mod exposition;
mod operations;
mod plain;
mod process;
mod remembered;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) use self::backends::BackendCells;
pub(super) use self::cell::Cell;
pub(super) use self::exposition::CONTENT_TYPE as OPEN_METRICS;
use self::operations::{METHODS, OperationKey};
pub(super) use self::operations::{OperationCells, Outcome, Source};
pub(super) use self::process::ProcessMetrics;
use self::remembered::Remembered;
pub(super) use self::tokens::ProviderCells;
use super::BackendAddress;
use super::snapshot::{PolicyCell, Snapshot};
use crate::policy::cors::CorsVerdict;
use crate::policy::jwt::TokenCache;
use crate::policy::verdict::{Reason, Refusal, Topic};

/// All numbers of a process.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    workers: Arc<[Arc<WorkerMetrics>]>,
    process: Arc<ProcessMetrics>,
    policies: PolicyCell,
}

/// The numbers of one worker.
#[derive(Debug)]
pub(super) struct WorkerMetrics {
    operations: Remembered<OperationKey, OperationCells>,
    unrouted: [OperationCells; METHODS.len()],
    backends: Remembered<BackendAddress, BackendCells>,
    /// By issuer.
    providers: Remembered<String, ProviderCells>,
    /// Verdicts about tokens of none of the policy's issuers.
    no_provider: ProviderCells,
    /// By [`Reason`].
    refusals: [Cell; Reason::ALL.len()],
    /// By [`Reason`]: let through only because the policy is not enforced.
    audited: [Cell; Reason::ALL.len()],
    /// By [`CorsVerdict`].
    cors_verdicts: [Cell; plain::CORS_VERDICTS.len()],
    /// Claims that no header could hold, or that were too long.
    pub(super) claims_omitted: Cell,
    pub(super) connections: Cell,
    pub(super) connections_open: Cell,
    pub(super) connections_refused: Cell,
    pub(super) connections_failed: Cell,
    pub(super) parser_errors: Cell,
    token_cache_hits: Cell,
    token_cache_misses: Cell,
    token_cache_entries: Cell,
    pub(super) streams_open: Cell,
    pub(super) upgrades_open: Cell,
    pub(super) requests_in_flight: Cell,
    pub(super) panics: Cell,
    pub(super) draining: Cell,
    ended: AtomicBool,
}

// === impl Metrics ===

impl Metrics {
    pub(super) fn new(workers: usize, policies: PolicyCell) -> Self {
        Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            process: Arc::default(),
            policies,
        }
    }

    /// The numbers that one worker writes.
    pub(super) fn worker(&self, index: usize) -> Arc<WorkerMetrics> {
        self.workers[index].clone()
    }

    /// The numbers that any thread writes.
    pub(super) fn process(&self) -> Arc<ProcessMetrics> {
        self.process.clone()
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
    pub(super) fn operations(&self, snapshot: &Snapshot) -> Vec<Arc<OperationCells>> {
        let operations = snapshot.prepared.policy.operations.iter();
        self.operations.cells(operations.map(OperationKey::of))
    }

    /// The cells of a policy's providers, in their order; those of one issuer share them.
    pub(super) fn providers(&self, snapshot: &Snapshot) -> Vec<Arc<ProviderCells>> {
        let providers = snapshot.prepared.policy.providers.values();
        self.providers
            .cells(providers.map(|provider| provider.issuer.clone()))
    }

    /// The cells of a backend.
    pub(super) fn backend(&self, address: &BackendAddress) -> Arc<BackendCells> {
        self.backends.cell(address.clone())
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
        if let Some(cell) = self.refusals.get(reason as usize) {
            cell.add(1);
        }
    }

    /// Counts what was let through only because the policy is not enforced.
    pub(super) fn count_audited(&self, reason: Reason) {
        if let Some(cell) = self.audited.get(reason as usize) {
            cell.add(1);
        }
    }

    /// Counts what CORS came to; nothing where there is no rule.
    pub(super) fn count_cors(&self, verdict: CorsVerdict) {
        if verdict == CorsVerdict::NotOurs {
            return;
        }
        if let Some(cell) = self.cors_verdicts.get(verdict.index()) {
            cell.add(1);
        }
    }

    /// Counts what was said about the tokens of a request, if it was said of no known issuer's;
    /// `providers`: [`Self::providers`] of the policy that said it.
    pub(super) fn count_token(&self, refusal: &Refusal, providers: &[Arc<ProviderCells>]) {
        if refusal.reason.topic() != Topic::Token {
            return;
        }
        let cells = match refusal.facts {
            crate::policy::verdict::Facts::Provider { index } => providers.get(index),
            _ => None,
        };
        cells
            .map_or(&self.no_provider, |cells| cells)
            .refused(refusal.reason);
    }

    /// Notes what the memory of tokens says of itself.
    pub(super) fn note_tokens(&self, tokens: &TokenCache) {
        let counts = tokens.counts();
        self.token_cache_hits.set(counts.hits);
        self.token_cache_misses.set(counts.misses);
        self.token_cache_entries.set(tokens.entries() as u64);
    }

    /// Notes that the worker's thread ends.
    pub(super) fn note_end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self {
            operations: Remembered::default(),
            unrouted: Default::default(),
            backends: Remembered::default(),
            providers: Remembered::default(),
            no_provider: ProviderCells::default(),
            refusals: cell::row(),
            audited: cell::row(),
            cors_verdicts: cell::row(),
            claims_omitted: Cell::default(),
            connections: Cell::default(),
            connections_open: Cell::default(),
            connections_refused: Cell::default(),
            connections_failed: Cell::default(),
            parser_errors: Cell::default(),
            token_cache_hits: Cell::default(),
            token_cache_misses: Cell::default(),
            token_cache_entries: Cell::default(),
            streams_open: Cell::default(),
            upgrades_open: Cell::default(),
            requests_in_flight: Cell::default(),
            panics: Cell::default(),
            draining: Cell::default(),
            ended: AtomicBool::default(),
        }
    }
}
