//! The parts that run side by side, and the order in which they end.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::task::JoinSet;

use crate::shutdown::{self, Trigger};

/// How long a part may take to end: a little more than it allows itself.
const LONGEST_END: Duration = Duration::from_secs(9);

/// The parts that run side by side. None of them ends by itself.
#[derive(Default)]
pub(super) struct Parts(JoinSet<&'static str>);

impl Parts {
    /// Starts one.
    pub(super) fn start(
        &mut self,
        name: &'static str,
        part: impl Future<Output = ()> + Send + 'static,
    ) {
        self.0.spawn(async move {
            part.await;
            name
        });
    }

    /// Runs until a signal, then ends the parts in `order`, one after the other. A part that ends before
    /// that ends the process: whoever supervises it starts it anew.
    pub(super) async fn run<const N: usize>(
        mut self,
        order: [(&'static str, Trigger); N],
    ) -> anyhow::Result<()> {
        tokio::select! {
            signal = shutdown::signalled() => {
                signal.context("cannot wait for signals")?;
            }
            ended = self.0.join_next() => match ended {
                Some(Err(error)) => return Err(anyhow!(error).context("a part of the operator failed")),
                Some(Ok(name)) => bail!("the {name} ended unexpectedly"),
                None => bail!("the operator has no parts"),
            },
        }
        tracing::info!("shutting down");
        let mut ended = BTreeSet::new();
        for (name, trigger) in order {
            trigger.start();
            let ending = async {
                while !ended.contains(name) {
                    match self.0.join_next().await {
                        Some(Ok(name)) => drop(ended.insert(name)),
                        // It was logged when it panicked.
                        Some(Err(_)) => {}
                        None => break,
                    }
                }
            };
            // Each bounds its own end; those that only watch are cut with the process.
            if tokio::time::timeout(LONGEST_END, ending).await.is_err() {
                tracing::warn!(part = name, "did not end in time");
            }
        }
        Ok(())
    }
}
