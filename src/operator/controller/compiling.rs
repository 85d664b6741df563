//! Compilations under way, on threads of their own: a document of 1 MiB takes long, and nothing else
//! shall wait for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::operator::compiler::{Cache, Job, Outcome, Queue};
use crate::policy;

/// Compilations that wait or are under way.
#[derive(Debug, Default)]
pub(super) struct Compiling {
    queue: Queue,
    running: JoinSet<(Outcome, Duration)>,
    cache: Arc<Cache>,
}

impl Compiling {
    /// Adds jobs, and starts what there is room for.
    pub(super) fn add(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            self.queue.push(job);
        }
        self.start();
    }

    /// What came of the next one that ends, and how long it took; waits for ever while there is none.
    pub(super) async fn next(&mut self) -> (Outcome, Duration) {
        loop {
            match self.running.join_next().await {
                Some(Ok((outcome, took))) => {
                    let of_revision = outcome.revision.is_some();
                    self.queue.done(&outcome.key, of_revision);
                    self.start();
                    return (outcome, took);
                }
                // A job catches its panics; one is cancelled only at the end of the process.
                Some(Err(error)) => tracing::error!(%error, "a compilation did not end"),
                None => std::future::pending().await,
            }
        }
    }

    /// How many wait or are under way.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    fn start(&mut self) {
        while let Some(job) = self.queue.take() {
            let cache = self.cache.clone();
            self.running.spawn_blocking(move || {
                let started = Instant::now();
                let outcome = job.run(policy::compile_with, &cache);
                (outcome, started.elapsed())
            });
        }
    }
}
