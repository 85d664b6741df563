//! How sidecars are, by what this replica and the others were told of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::push::replica::{Heard, Said, SidecarReport};
use crate::push::wire::ServiceKey;

#[cfg(test)]
mod tests;

/// A sidecar without a stream counts by what it last said for so long: streams end and are dialled
/// again all the time (their age is limited), and a policy in force does not go with them. A replica that
/// says nothing for so long takes its sidecars with it.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(30);

/// How sidecars are.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// By pod uid: those that dialled this replica.
    own: HashMap<String, SidecarState>,
    /// By their pods' uids.
    replicas: BTreeMap<String, Replica>,
}

/// Another replica.
#[derive(Debug)]
struct Replica {
    session: u64,
    heard: Instant,
    /// May hold pods that are gone, if their replica told of them late: those of one stream, which lives for
    /// half an hour at most.
    sidecars: HashMap<String, SidecarState>,
    /// What a new stream has told so far; takes the place of `sidecars` when that is everything.
    incoming: Option<HashMap<String, SidecarState>>,
}

/// What a sidecar last said.
#[derive(Clone, Debug)]
pub(super) struct SidecarState {
    pub(super) service: ServiceKey,
    /// Hash of the policy it runs.
    pub(super) runs: Option<String>,
    /// Hash of a policy it refused, and why.
    pub(super) refused: Option<(String, String)>,
    /// When its stream began.
    began: Instant,
    /// When it ended.
    gone_since: Option<Instant>,
    /// Gone for longer than [`STALE_AFTER`].
    stale: bool,
}

impl Reports {
    /// A sidecar that dialled this replica.
    pub(super) fn own(
        &mut self,
        uid: &str,
        service: &ServiceKey,
        now: Instant,
    ) -> &mut SidecarState {
        let new = || SidecarState {
            service: service.clone(),
            runs: None,
            refused: None,
            began: now,
            gone_since: None,
            stale: false,
        };
        self.own.entry(uid.to_owned()).or_insert_with(new)
    }

    /// What counts of a sidecar: a stream that is there before one that is not, the newer of two.
    pub(super) fn newest(&self, uid: &str) -> Option<&SidecarState> {
        let others = self
            .replicas
            .values()
            .filter_map(|replica| replica.sidecars.get(uid));
        self.own
            .get(uid)
            .into_iter()
            .chain(others)
            .max_by_key(|state| (state.gone_since.is_none(), state.began))
    }

    /// Its pod is gone.
    pub(super) fn forget(&mut self, uid: &str) {
        self.own.remove(uid);
        for replica in self.replicas.values_mut() {
            replica.sidecars.remove(uid);
            if let Some(incoming) = &mut replica.incoming {
                incoming.remove(uid);
            }
        }
    }

    /// Another replica said something. The services that it concerns.
    pub(super) fn hear(&mut self, heard: Heard, now: Instant) -> BTreeSet<ServiceKey> {
        let mut concerned = BTreeSet::new();
        let Heard {
            replica,
            session,
            said,
        } = heard;
        let replica = self.replicas.entry(replica).or_insert_with(|| Replica {
            session,
            heard: now,
            sidecars: HashMap::new(),
            incoming: None,
        });
        // What an older stream still had to say counts no more.
        if session < replica.session {
            return concerned;
        }
        replica.session = session;
        replica.heard = now;
        match said {
            Said::Hello => replica.incoming = Some(HashMap::new()),
            Said::Sidecars(sidecars) => {
                for report in sidecars {
                    let uid = report.pod.uid.clone();
                    let state = SidecarState::told(report, now);
                    match &mut replica.incoming {
                        Some(incoming) => drop(incoming.insert(uid, state)),
                        None => {
                            concerned.insert(state.service.clone());
                            replica.sidecars.insert(uid, state);
                        }
                    }
                }
            }
            Said::Complete => {
                if let Some(incoming) = replica.incoming.take() {
                    let before = std::mem::replace(&mut replica.sidecars, incoming);
                    let both = before.values().chain(replica.sidecars.values());
                    concerned.extend(both.map(|state| state.service.clone()));
                }
            }
            Said::Alive => {}
        }
        concerned
    }

    /// Forgets what others said: from now on they tell somebody else.
    pub(super) fn forget_replicas(&mut self) {
        self.replicas.clear();
    }

    /// How many other replicas report.
    pub(super) fn replicas(&self) -> usize {
        self.replicas.len()
    }

    /// Time has passed. The services with a sidecar that counts no more.
    pub(super) fn tick(&mut self, now: Instant) -> BTreeSet<ServiceKey> {
        let mut concerned = BTreeSet::new();
        self.replicas.retain(|_, replica| {
            let silent = now.duration_since(replica.heard) >= STALE_AFTER;
            if silent {
                let states = replica.sidecars.values();
                concerned.extend(states.map(|state| state.service.clone()));
            }
            !silent
        });
        let others = self
            .replicas
            .values_mut()
            .flat_map(|replica| replica.sidecars.values_mut());
        for state in self.own.values_mut().chain(others) {
            if state.turned_stale(now) {
                concerned.insert(state.service.clone());
            }
        }
        concerned
    }
}

impl SidecarState {
    /// As another replica told it.
    fn told(report: SidecarReport, now: Instant) -> Self {
        let service = report.key();
        let ago = Duration::from_millis(report.began);
        Self {
            service,
            runs: report.runs,
            refused: report.refused.map(|refusal| (refusal.hash, refusal.reason)),
            began: now.checked_sub(ago).unwrap_or(now),
            gone_since: (!report.connected).then_some(now),
            stale: false,
        }
    }

    /// A new stream of it, which says what it runs.
    pub(super) fn connected(&mut self, hash: Option<&str>, now: Instant) {
        self.runs = hash.map(str::to_owned);
        self.refused = None;
        self.began = now;
        self.here();
    }

    pub(super) fn applied(&mut self, hash: &str) {
        self.runs = Some(hash.to_owned());
        self.refused = None;
        self.here();
    }

    pub(super) fn rejected(&mut self, hash: &str, reason: &str) {
        self.refused = Some((hash.to_owned(), reason.to_owned()));
        self.here();
    }

    pub(super) fn gone(&mut self, now: Instant) {
        self.gone_since = Some(now);
    }

    pub(super) fn runs(&self, hash: &str) -> bool {
        !self.stale && self.runs.as_deref() == Some(hash)
    }

    pub(super) fn refuses(&self, hash: &str) -> Option<&str> {
        let (refused, why) = self.refused.as_ref()?;
        (!self.stale && refused == hash).then_some(why)
    }

    fn here(&mut self) {
        self.gone_since = None;
        self.stale = false;
    }

    /// Notices that it is gone for too long; true once.
    fn turned_stale(&mut self, now: Instant) -> bool {
        let Some(since) = self.gone_since else {
            return false;
        };
        if self.stale || now.duration_since(since) < STALE_AFTER {
            return false;
        }
        self.stale = true;
        true
    }
}
