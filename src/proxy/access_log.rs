//! The access log: JSON, a line a request, on stdout. Which requests get one is the policy's to say;
//! filters of log levels have no say in it.
//!
//! Written by a thread of its own: where stdout is slow, lines wait in a bounded queue, and those
//! that find no room are dropped and counted.

mod line;
mod output;

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

pub use self::output::LogOutput;
use super::exchange::Record;
use super::metrics::ProcessMetrics;

/// How long lines gather, so that a busy worker does not wake the writer for each.
const GATHER: Duration = Duration::from_millis(20);
/// The most bytes written at once.
const BATCH: usize = 64 * 1024;
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    ended: mpsc::Receiver<()>,
}

impl Writer {
    /// Starts it; it ends when nobody can send any more.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(super) fn start(
        records: Receiver<Record>,
        output: LogOutput,
        metrics: Arc<ProcessMetrics>,
    ) -> io::Result<Self> {
        let (end, ended) = mpsc::channel();
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                write(records, &output, &metrics);
                // Nobody waits any more: then nobody is told.
                let _ = end.send(());
            })?;
        Ok(Self { ended })
    }

    /// Waits for the last lines, but not for ever: whoever reads stdout may have stopped.
    pub(super) fn join(self) {
        let _ = self.ended.recv_timeout(LAST_LINES);
    }
}

fn write(mut records: Receiver<Record>, output: &LogOutput, metrics: &ProcessMetrics) {
    let mut text = Vec::new();
    while let Some(record) = records.blocking_recv() {
        text.clear();
        line::write(&record, &mut text);
        let mut lines = 1;
        let more = loop {
            if text.len() >= BATCH {
                break true;
            }
            let Ok(record) = records.try_recv() else {
                break false;
            };
            line::write(&record, &mut text);
            lines += 1;
        };
        let mut output = output.lock();
        let written = output.write_all(&text).and_then(|()| output.flush());
        drop(output);
        match written {
            Ok(()) => &metrics.access_log_lines,
            Err(_) => &metrics.access_log_lines_dropped,
        }
        .add(lines);
        if !more {
            thread::sleep(GATHER);
        }
    }
}
