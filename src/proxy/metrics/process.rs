//! What threads other than workers count, or several of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that several threads write.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Counter(AtomicU64);

/// Numbers of the process.
#[derive(Debug, Default)]
pub(in crate::proxy) struct ProcessMetrics {
    /// Lines of the access log that were written.
    pub(in crate::proxy) access_log_lines: Counter,
    /// Lines of the access log that found no room, or no reader.
    pub(in crate::proxy) access_log_lines_dropped: Counter,
    /// Spans that a collector took.
    pub(in crate::proxy) spans_exported: Counter,
    /// Spans that found no room, or that the collector did not take.
    pub(in crate::proxy) spans_dropped: Counter,
}

/// Name, explanation and number of each; all of them only grow.
pub(super) const PROCESS: &[ProcessNumber] = &[
    (
        "access_log_lines",
        "Lines of the access log that were written",
        |process| &process.access_log_lines,
    ),
    (
        "access_log_lines_dropped",
        "Lines of the access log that were dropped, since stdout was too slow or closed",
        |process| &process.access_log_lines_dropped,
    ),
    (
        "spans_exported",
        "Spans that the collector took",
        |process| &process.spans_exported,
    ),
    (
        "spans_dropped",
        "Spans that were dropped, since the collector was too slow or refused them",
        |process| &process.spans_dropped,
    ),
];

type ProcessNumber = (&'static str, &'static str, fn(&ProcessMetrics) -> &Counter);

impl Counter {
    pub(in crate::proxy) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(in crate::proxy) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
