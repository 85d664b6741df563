//! What the controller holds, and what it does about each event.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::compiling::Compiling;
use super::probe::Deaf;
use super::slices::SliceWatches;
use super::watch::{Listings, Observed};
use super::writer::{Outcome, Stored, Writer};
use crate::jwks::{FetchError, KeyEvent, KeySlot, KeyStore};
use crate::operator::admission::SettingsCache;
use crate::operator::compiler::{Input, Job};
use crate::operator::config_maps::ConfigMapWatches;
use crate::operator::convergence::Convergence;
use crate::operator::events::Events;
use crate::operator::index::{Index, KeyOutcome};
use crate::operator::metrics::Metrics;
use crate::operator::pod::PodCache;
use crate::operator::revisions::{Done, Loaded};
use crate::policy::format::KeySource;
use crate::push::replica::{Heard, Outbox, Said};
use crate::push::server::{Event, Hub, Report};
use crate::push::wire;

/// How long after the first listing sidecars are let in at the latest.
const LONGEST_SETTLING: Duration = Duration::from_secs(30);

pub(super) struct State {
    pub(super) index: Index,
    pub(super) listings: Listings,
    /// Until everything was listed and compiled; with when it was listed.
    pub(super) synced: Option<(oneshot::Sender<()>, Option<Instant>)>,
    pub(super) compiling: Compiling,
    pub(super) config_maps: ConfigMapWatches,
    /// When revisions are written; its pace is that of statuses.
    pub(super) revisions: Writer,
    /// Revisions to be read, and those that are.
    pub(super) restores: Vec<(wire::ServiceKey, String)>,
    pub(super) loads: JoinSet<Loaded>,
    pub(super) hub: Hub,
    pub(super) pods: PodCache,
    pub(super) settings: SettingsCache,
    pub(super) outbox: Outbox,
    pub(super) transitions: tokio::sync::watch::Receiver<i32>,
    pub(super) convergence: Convergence,
    pub(super) events: Events,
    pub(super) slices: SliceWatches,
    pub(super) store: KeyStore,
    /// Holding a slot keeps its source fetched.
    pub(super) slots: BTreeMap<KeySource, Arc<KeySlot>>,
    pub(super) writer: Writer,
    pub(super) metrics: Metrics,
}

impl State {
    /// Handles one event and does what follows. A panic ends this event, nothing else.
    pub(super) fn step(&mut self, handle: impl FnOnce(&mut Self)) {
        let started = Instant::now();
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
            handle(self);
            let changes = self.index.take_changes();
            self.follow(changes);
            let jobs = self.index.take_jobs();
            self.compiling.add(jobs);
            self.settle();
        }));
        if result.is_err() {
            tracing::error!("handling an event panicked");
            self.metrics.panics.inc();
        }
        self.metrics.handled(started.elapsed());
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) {
        self.index.tick(Instant::now());
        self.metrics.outlived(self.index.outlived());
    }

    pub(super) fn observe(&mut self, observed: Observed) {
        self.listings.apply(observed, &mut self.index, &self.pods);
        self.metrics.reconciles.inc();
    }

    /// The watches of whole kinds begin anew; so do all others.
    pub(super) fn relist(&mut self, deaf: Deaf) {
        self.metrics.relists.inc();
        let why = match deaf {
            Deaf::WentBack => "the store went back in time",
            Deaf::Unheard => "the watches do not tell what is stored",
        };
        tracing::warn!(why, "everything is listed anew");
        self.config_maps.again();
        self.slices.again(Instant::now());
    }

    /// Once everything was listed, and what was listed was compiled, sidecars are let in, and what is not
    /// here does not exist. One that takes for ever holds up nobody for long.
    pub(super) fn settle(&mut self) {
        let Some((_, listed)) = &mut self.synced else {
            return;
        };
        if !self.listings.complete() {
            return;
        }
        let now = Instant::now();
        let Some(since) = *listed else {
            *listed = Some(now);
            self.index.set_synced();
            let changes = self.index.take_changes();
            self.follow(changes);
            return self.settle();
        };
        if (self.index.is_settled() || now.duration_since(since) > LONGEST_SETTLING)
            && let Some((synced, _)) = self.synced.take()
        {
            // Whoever waited may be gone: the operator is ending.
            let _ = synced.send(());
            tracing::info!("everything is listed");
        }
    }

    /// A revision was read: it is compiled like any spec.
    pub(super) fn loaded(&mut self, loaded: Loaded) {
        let Loaded { key, name, encoded } = loaded;
        let digest = self.index.revision_digest(&key, &name).unwrap_or_default();
        self.compiling.add(vec![Job {
            key,
            ticket: 0,
            input: Input::Revision {
                name,
                digest,
                encoded,
            },
        }]);
    }

    pub(super) fn kept(&mut self, done: Done) {
        let Done { key, result } = done;
        let outcome = match &result {
            Ok(()) => {
                self.metrics.revision_writes.inc();
                Outcome::Stored
            }
            Err(error) => {
                self.metrics.revision_write_failures.inc();
                tracing::warn!(service = %key, error, "cannot keep the last good source");
                Outcome::Failed
            }
        };
        self.revisions.finished(&key, outcome, Instant::now());
    }

    pub(super) fn report(&mut self, report: &Report) {
        match &report.event {
            // What comes of it goes to everybody who needs the source.
            Event::KeysWanted { source } => {
                if let Some(slot) = self.slots.get(source) {
                    slot.want();
                }
            }
            _ => {
                let now = Instant::now();
                if let Event::Applied { hash } = &report.event
                    && let Some(took) = self.convergence.applied(&report.service, hash, now)
                {
                    self.metrics.push_seconds.observe(took.as_secs_f64());
                }
                let lives = self.index.report(report, now);
                self.outbox.note(report, now);
                // It connected just before its pod was gone: nobody will say so again.
                if !lives && report.event == Event::Gone {
                    self.outbox.forget(&report.pod.uid);
                }
            }
        }
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        let now = Instant::now();
        if let Said::Sidecars(sidecars) = &heard.said {
            for sidecar in sidecars {
                if let Some(hash) = &sidecar.runs {
                    // It is told by the replica that knows when it was.
                    let _ = self.convergence.applied(&sidecar.key(), hash, now);
                }
            }
        }
        self.index.hear(heard, now);
    }

    pub(super) fn keys(&mut self, event: KeyEvent) {
        // A result that comes after its source was given up.
        if !self.slots.contains_key(&event.source) {
            return;
        }
        let outcome = match event.result {
            Ok(fetched) => {
                let keys = wire::Keys {
                    source: event.source.clone(),
                    version: fetched.version,
                    fetched_at: fetched.fetched_at,
                    set: String::from_utf8_lossy(&fetched.text).into_owned(),
                };
                // What sidecars hold is not held, prepared for use, here as well.
                if let Some(slot) = self.slots.get(&event.source) {
                    slot.current.store(None);
                }
                match self.hub.publish_keys(keys) {
                    Ok(()) => KeyOutcome::Fetched,
                    Err(error) => KeyOutcome::Failed(error.to_string()),
                }
            }
            Err(FetchError::NotThisCluster(actual)) => KeyOutcome::NotThisCluster(actual),
            Err(error) => KeyOutcome::Failed(error.to_string()),
        };
        if outcome == KeyOutcome::Fetched {
            self.metrics.key_fetches.inc();
        } else {
            self.metrics.key_fetch_failures.inc();
            self.hub.keys_unavailable(&event.source);
        }
        self.index.keys(&event.source, outcome);
    }

    pub(super) fn stored(&mut self, stored: Stored) {
        let outcome = stored.outcome();
        let Stored {
            key,
            update,
            result,
        } = stored;
        match result {
            Ok(version) => {
                self.metrics.status_writes.inc();
                self.index.status_stored(&key, update, &version);
            }
            Err(error) => {
                if outcome == Outcome::Conflict {
                    self.metrics.status_write_failed("conflict");
                    tracing::debug!(service = %key, "the object changed before its status was written");
                } else {
                    self.metrics.status_write_failed("api");
                    tracing::warn!(service = %key, %error, "cannot write the status");
                }
            }
        }
        self.writer.finished(&key, outcome, Instant::now());
        // What happened meanwhile is found by comparing again.
        if outcome == Outcome::Stored && self.index.leads() {
            self.writer.mark(key, Instant::now());
        }
    }
}
