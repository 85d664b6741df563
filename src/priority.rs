//! Which threads wait for which, where they share a processor.

use rustix::process::{getpriority_process, setpriority_process};

#[cfg(test)]
mod tests;

/// Of threads that have work for nobody who waits: a tenth of the weight of the others' (`sched(7)`).
/// It is not the least: a policy of 1,000 operations must arrive under full load, too.
const BACKGROUND: i32 = 10;

/// Lets every other thread of the process go first, from now on and for the threads that this one
/// starts. Where the system refuses, all stay equal: that costs latency and nothing else.
pub fn background() {
    // Linux: a priority belongs to a thread, and nobody in particular is the caller's.
    let lowered =
        getpriority_process(None).and_then(|nice| setpriority_process(None, nice.max(BACKGROUND)));
    if let Err(error) = lowered {
        tracing::debug!(%error, "the thread's priority stays as it is");
    }
}
