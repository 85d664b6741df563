//! Notices that FILE changed, however it did: edited in place, replaced by rename, or reached by a
//! symlink that was swapped (as Kubernetes does with ConfigMap volumes). It is read again and again
//! and compared: watching inodes misses one or the other of these.

use std::path::Path;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{say, source};
use crate::shutdown::Shutdown;

/// How often FILE is looked at; the most an edit waits.
const INTERVAL: Duration = Duration::from_millis(200);

/// Calls `changed` with each new text until `shutdown`. Errors are said and change nothing; one that
/// repeats is said once.
pub(super) async fn watch(
    file: &Path,
    mut current: String,
    mut shutdown: Shutdown,
    mut changed: impl FnMut(&str) -> anyhow::Result<()>,
) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.wait() => return,
        }
        let result = match source::read(file) {
            // An editor that truncates, then writes: an empty file is not yet an edit.
            Ok(text) if text.is_empty() || text == current => Ok(()),
            Ok(text) => {
                let result = changed(&text);
                current = text;
                result
            }
            Err(error) => Err(error),
        };
        let error = result.err().map(|error| format!("{error:#}"));
        if let (Some(error), true) = (&error, error != said) {
            // Nobody reads a closed terminal.
            let _ = say(&format!("{error}; the last good policy stays"));
        }
        said = error;
    }
}

#[cfg(test)]
mod tests;
