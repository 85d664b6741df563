//! How this replica's sidecars are: written by the controller, read by whoever tells the leader.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Refusal, SidecarReport};
use crate::push::server::{Event, Report};

/// How this replica's sidecars are. Cheap to clone.
///
/// Bounded by the pods that there are and the streams that are open: the controller has a sidecar forgotten
/// when its pod goes, or when the stream ends that outlived it. A leader that was told of a sidecar after
/// its pod was gone (the watch was faster than the report) keeps that until the replica's stream ends, as it
/// does after half an hour at most: the next stream tells everything anew, and takes its place.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<Known>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    version: u64,
    /// By pod uid.
    sidecars: HashMap<String, Sidecar>,
}

#[derive(Debug)]
struct Sidecar {
    /// [`Known::version`] when it changed last.
    changed: u64,
    began: Instant,
    report: SidecarReport,
}

impl Outbox {
    /// Notes what a sidecar did. One is known from its connecting until it is forgotten.
    pub fn note(&self, report: &Report, now: Instant) {
        let mut known = self.lock();
        let changed = known.version + 1;
        let uid = &report.pod.uid;
        if matches!(report.event, Event::Connected { .. }) {
            let sidecar = Sidecar {
                changed,
                began: now,
                report: SidecarReport {
                    pod: report.pod.clone(),
                    service: report.service.name.clone(),
                    version: report.sidecar_version.clone(),
                    began: 0,
                    connected: true,
                    runs: None,
                    refused: None,
                },
            };
            known.sidecars.insert(uid.clone(), sidecar);
        }
        // A stream may outlive its pod, whose last words are for nobody.
        let Some(sidecar) = known.sidecars.get_mut(uid) else {
            return;
        };
        let told = &mut sidecar.report;
        match &report.event {
            Event::Connected { hash } => told.runs.clone_from(hash),
            Event::Applied { hash } => {
                told.runs = Some(hash.clone());
                told.refused = None;
            }
            Event::Rejected { hash, reason } => {
                let (hash, reason) = (hash.clone(), reason.clone());
                told.refused = Some(Refusal { hash, reason });
            }
            Event::Gone => told.connected = false,
            // Says nothing about policies.
            Event::KeysWanted { .. } => return,
        }
        sidecar.changed = changed;
        known.version = changed;
        drop(known);
        self.0.version.send_replace(changed);
    }

    /// The pod with this uid is gone; who reads learns that elsewhere.
    pub fn forget(&self, uid: &str) {
        self.lock().sidecars.remove(uid);
    }

    /// What changed after this version, and the version that it is now.
    pub(super) fn since(&self, version: u64, now: Instant) -> (u64, Vec<SidecarReport>) {
        let known = self.lock();
        let changed = known
            .sidecars
            .values()
            .filter(|sidecar| sidecar.changed > version);
        let reports = changed.map(|sidecar| SidecarReport {
            began: u64::try_from(now.duration_since(sidecar.began).as_millis()).unwrap_or(u64::MAX),
            ..sidecar.report.clone()
        });
        (known.version, reports.collect())
    }

    /// Changes with what is known.
    pub(super) fn version(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
