//! Requests, by operation.

use std::time::Duration;

use http::Method;

use super::cell::{Cell, Codes, row};
use crate::policy::format::Operation;

/// Upper bounds of the duration buckets, in microseconds.
pub(super) const BUCKETS: [u64; 12] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    15_000_000,
];
/// Methods that have a label; further ones share the last.
pub(super) const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER",
];

/// Who made an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Source {
    /// The backend.
    Backend,
    /// We.
    Proxy,
}

impl Source {
    /// As labels and the access log have it.
    pub(in crate::proxy) fn as_str(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Proxy => "proxy",
        }
    }
}

/// How a request ended.
#[derive(Debug)]
pub(in crate::proxy) struct Outcome<'e> {
    pub(in crate::proxy) method: &'e Method,
    pub(in crate::proxy) code: u16,
    pub(in crate::proxy) source: Source,
    pub(in crate::proxy) duration: Duration,
    /// Of the request's body, as far as it was read.
    pub(in crate::proxy) request_bytes: u64,
    /// Of the answer's body, as far as it was written.
    pub(in crate::proxy) response_bytes: u64,
}

/// An operation, as labels name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OperationKey {
    pub(super) name: String,
    pub(super) method: String,
}

/// Numbers of one operation.
#[derive(Debug)]
pub(in crate::proxy) struct OperationCells {
    pub(super) backend: Codes,
    pub(super) proxy: Codes,
    pub(super) buckets: [Cell; BUCKETS.len() + 1],
    pub(super) sum_microseconds: Cell,
    pub(super) request_bytes: Cell,
    pub(super) response_bytes: Cell,
}

impl OperationKey {
    pub(super) fn of(operation: &Operation) -> Self {
        Self {
            name: operation.name.clone(),
            method: operation.method.clone(),
        }
    }
}

impl OperationCells {
    pub(in crate::proxy) fn count(&self, outcome: &Outcome<'_>) {
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
        self.request_bytes.add(outcome.request_bytes);
        self.response_bytes.add(outcome.response_bytes);
    }
}

impl Default for OperationCells {
    fn default() -> Self {
        Self {
            backend: Codes::default(),
            proxy: Codes::default(),
            buckets: row(),
            sum_microseconds: Cell::default(),
            request_bytes: Cell::default(),
            response_bytes: Cell::default(),
        }
    }
}
