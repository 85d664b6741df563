//! The way out for what is told of requests: two bounded queues, to the thread that writes the
//! access log and to the one that exports spans. A request never waits for either.

use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::exchange::Record;
use super::metrics::ProcessMetrics;

/// The most lines, and the most spans, that wait to be written.
const QUEUE: usize = 4096;

/// Takes records. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    lines: Sender<Record>,
    spans: Sender<Record>,
    metrics: Arc<ProcessMetrics>,
}

/// Where records come out.
#[derive(Debug)]
pub(super) struct Queues {
    pub(super) lines: Receiver<Record>,
    pub(super) spans: Receiver<Record>,
}

impl Teller {
    pub(super) fn new(metrics: Arc<ProcessMetrics>) -> (Self, Queues) {
        let (lines, lines_out) = channel(QUEUE);
        let (spans, spans_out) = channel(QUEUE);
        let teller = Self {
            lines,
            spans,
            metrics,
        };
        let queues = Queues {
            lines: lines_out,
            spans: spans_out,
        };
        (teller, queues)
    }

    /// For the access log; dropped and counted where there is no room.
    pub(super) fn log(&self, record: Record) {
        if self.lines.try_send(record).is_err() {
            self.metrics.access_log_lines_dropped.add(1);
        }
    }

    /// For the collector; dropped and counted where there is no room.
    pub(super) fn export(&self, record: Record) {
        if self.spans.try_send(record).is_err() {
            self.metrics.spans_dropped.add(1);
        }
    }
}
