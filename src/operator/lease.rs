//! Which replica leads: a Lease in the operator's namespace. The leader alone writes statuses, tells
//! Events and rotates certificates; everything else every replica does.
//!
//! Two leaders for a moment do no harm (a process may be stopped for a minute and go on): whatever is
//! led is written on condition that nobody wrote since, or says the same whoever writes it.

mod election;
mod store;

use std::time::Duration;

use aws_lc_rs::rand;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use self::election::{Election, Step, Written};
use self::store::{KubeStore, Store, StoreError};
use crate::shutdown::Shutdown;

#[cfg(test)]
mod tests;

/// Between two rounds, and up to a fifth more.
const RETRY: Duration = Duration::from_secs(2);
/// How long the API server may take for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long giving the Lease up may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether this replica leads, now and from change to change. Cheap to clone.
pub type Leadership = watch::Receiver<bool>;

/// The replica that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its identity: its pod's name and something random.
    pub identity: String,
    /// `IP:PORT` where it serves the other replicas; none when it serves none.
    pub address: Option<String>,
}

/// A candidate that is not running yet.
#[derive(Debug)]
pub struct Candidate {
    name: String,
    identity: String,
    address: Option<String>,
    leads: watch::Sender<bool>,
    leader: watch::Sender<Option<Leader>>,
    transitions: watch::Sender<i32>,
}

impl Candidate {
    /// A candidate for the Lease of this name. `pod`: the name that people know this replica by;
    /// `address`: `IP:PORT` where it serves the others, if it can be reached.
    pub fn new(name: String, pod: &str, address: Option<String>) -> Self {
        Self {
            name,
            identity: identity(pod),
            address,
            leads: watch::Sender::new(false),
            leader: watch::Sender::new(None),
            transitions: watch::Sender::new(0),
        }
    }

    /// Who this replica is in the Lease.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether this replica leads.
    pub fn leadership(&self) -> Leadership {
        self.leads.subscribe()
    }

    /// Who leads, itself included, as far as known.
    pub fn leader(&self) -> watch::Receiver<Option<Leader>> {
        self.leader.subscribe()
    }

    /// How often the leader changed in the Lease's life.
    pub fn transitions(&self) -> watch::Receiver<i32> {
        self.transitions.subscribe()
    }

    /// Stands for election until `shutdown`, then gives the Lease up and returns.
    pub async fn run(self, client: Client, namespace: &str, shutdown: Shutdown) {
        let store = KubeStore::new(client, namespace, self.name.clone());
        self.run_with(store, Timestamp::now, shutdown).await;
    }

    async fn run_with(
        self,
        store: impl Store,
        clock: impl Fn() -> Timestamp,
        mut shutdown: Shutdown,
    ) {
        let mut election =
            Election::new(self.identity.clone(), self.address.clone(), Instant::now());
        loop {
            let ends = {
                let mut round = std::pin::pin!(round(&mut election, &store, &clock));
                tokio::select! {
                    () = &mut round => false,
                    () = shutdown.wait() => {
                        // What is under way is seen through: only a known version can be given up.
                        let _ = tokio::time::timeout(RELEASE_TIMEOUT, round).await;
                        true
                    }
                }
            };
            if ends {
                break;
            }
            self.publish(&election);
            let pause = RETRY.mul_f64(1.0 + random() / 5.0);
            let next = Instant::now() + pause;
            // A holder that cannot renew stops in time, not at the next round.
            let next = election.leads_until().map_or(next, |until| next.min(until));
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = shutdown.wait() => break,
            }
        }
        let release = election.release(clock());
        // First nothing is led any more, then others are told.
        self.publish(&election);
        if let Some(Step::Replace(record, version)) = release {
            let released = tokio::time::timeout(RELEASE_TIMEOUT, store.replace(record, version));
            match released.await {
                Ok(Ok(_)) => tracing::info!("gave the lease up"),
                Ok(Err(error)) => tracing::warn!(%error, "cannot give the lease up"),
                Err(_) => tracing::warn!("giving the lease up took too long"),
            }
        }
    }

    fn publish(&self, election: &Election) {
        let leads = election.leads(Instant::now());
        let changed = self.leads.send_if_modified(|known| {
            let changed = *known != leads;
            *known = leads;
            changed
        });
        match (changed, leads) {
            (true, true) => tracing::info!(identity = self.identity, "this replica leads"),
            (true, false) => {
                tracing::info!(identity = self.identity, "this replica leads no more");
            }
            (false, _) => {}
        }
        let leader = election.holder().map(|(identity, address)| Leader {
            identity: identity.to_owned(),
            address: address.map(str::to_owned),
        });
        self.leader.send_if_modified(|known| {
            let changed = *known != leader;
            *known = leader;
            changed
        });
        self.transitions.send_if_modified(|known| {
            let changed = *known != election.transitions();
            *known = election.transitions();
            changed
        });
    }
}

/// Looks and, if it may, takes or renews; ends before a holder's time does.
async fn round(election: &mut Election, store: &impl Store, clock: &impl Fn() -> Timestamp) {
    let mut step = election.next(Instant::now(), clock());
    loop {
        let started = Instant::now();
        let longest = started + REQUEST_TIMEOUT;
        let by = match election.leads_until() {
            Some(until) => longest.min(until),
            None => longest,
        };
        let slow = || StoreError::Unavailable("the API server took too long".to_owned());
        let written = match step {
            Step::Wait => return,
            Step::Read => match timeout_at(by, store.read())
                .await
                .unwrap_or_else(|_| Err(slow()))
            {
                Ok(found) => {
                    step = election.read(found, Instant::now(), clock());
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read the lease");
                    return;
                }
            },
            Step::Create(record) => timeout_at(by, store.create(record)).await,
            Step::Replace(record, version) => timeout_at(by, store.replace(record, version)).await,
        };
        let outcome = match written.unwrap_or_else(|_| Err(slow())) {
            Ok(seen) => Written::Done(seen),
            Err(StoreError::Conflict) => Written::Conflict,
            Err(error) => {
                tracing::warn!(%error, "cannot write the lease");
                Written::Unknown
            }
        };
        let conflict = outcome == Written::Conflict;
        election.written(outcome, started, Instant::now());
        if !conflict || !election.leads(Instant::now()) {
            return;
        }
        // Somebody touched the Lease that is ours: labelled it, or took it. Looks at once.
        step = Step::Read;
        sleep(RETRY / 20).await;
    }
}

/// Never the same for two processes: a container that was started again is not the one before.
fn identity(pod: &str) -> String {
    let mut bytes = [0; 4];
    // Without randomness two processes of one pod look the same; only one of them runs.
    let _ = rand::fill(&mut bytes);
    format!("{pod}_{:08x}", u32::from_be_bytes(bytes))
}

/// A random number, 0 ≤ n < 1; spreads those that started together.
pub(super) fn random() -> f64 {
    let mut bytes = [0; 4];
    match rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}
