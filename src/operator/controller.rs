//! The thin part around the [`Index`]: watches, the hub, key sets, status writes, Events.
//!
//! One task owns the index and handles one event after the other; whatever waits (API calls) runs
//! beside it and reports back. A panic ends one event, is logged and counted.

mod compiling;
mod following;
mod probe;
mod slices;
mod state;
mod watch;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use self::compiling::Compiling;
use self::probe::Probe;
use self::slices::SliceWatches;
use self::state::State;
use self::watch::Listings;
use self::writer::Writer;
use super::admission::SettingsCache;
use super::config_maps::{ConfigMapWatches, Seen};
use super::convergence::Convergence;
use super::events::Events;
use super::index::Index;
use super::lease::Leadership;
use super::metrics::Metrics;
use super::pod::PodCache;
use super::revisions;
use crate::jwks::{FetchKeys, KeyStore, Refresher};
use crate::push::replica::{Heard, Outbox};
use crate::push::server::{Hub, Report};
use crate::push::wire;
use crate::shutdown::Shutdown;

/// How often sidecars that are gone are looked at.
const TICK: Duration = Duration::from_secs(1);
/// What the controller works with.
pub struct Controller {
    /// The API server.
    pub client: Client,
    /// Where policies and keys go.
    pub hub: Hub,
    /// What the hub's sidecars did.
    pub reports: mpsc::UnboundedReceiver<Report>,
    /// Brings key sets.
    pub fetcher: Arc<dyn FetchKeys>,
    /// Kept in step with the watch of pods, for the authenticator.
    pub pods: PodCache,
    /// Kept in step with the accepted specs, for the injector.
    pub settings: SettingsCache,
    /// Whether ConfigMaps that specs name are read.
    pub read_config_maps: bool,
    /// Whether this replica writes statuses and tells Events.
    pub leadership: Leadership,
    /// How often the leader changed.
    pub transitions: tokio::sync::watch::Receiver<i32>,
    /// What other replicas say of their sidecars.
    pub heard: mpsc::Receiver<Heard>,
    /// How this replica's sidecars are, for the leader.
    pub outbox: Outbox,
    /// Counters.
    pub metrics: Metrics,
}

impl Controller {
    /// Runs until `shutdown`. `synced` is told once everything was listed: from then on, what the
    /// index does not know does not exist.
    pub async fn run(self, synced: oneshot::Sender<()>, mut shutdown: Shutdown) {
        let Self {
            client,
            hub,
            mut reports,
            fetcher,
            pods,
            settings,
            read_config_maps,
            mut leadership,
            transitions,
            mut heard,
            outbox,
            metrics,
        } = self;
        let store = KeyStore::default();
        let (key_sender, mut key_events) = mpsc::unbounded_channel();
        // Without a receiver the operator is ending.
        let on_event = move |event| drop(key_sender.send(event));
        let refresher = tokio::spawn(Refresher::new(store.clone(), fetcher, on_event).run());
        let mut state = State {
            index: Index::new(),
            listings: Listings::default(),
            synced: Some((synced, None)),
            compiling: Compiling::default(),
            config_maps: ConfigMapWatches::new(
                read_config_maps.then(|| client.clone()),
                metrics.clone(),
            ),
            revisions: Writer::default(),
            restores: Vec::new(),
            loads: JoinSet::new(),
            hub,
            pods,
            settings,
            outbox,
            transitions,
            convergence: Convergence::default(),
            events: Events::start(client.clone()),
            slices: SliceWatches::new(client.clone(), metrics.clone()),
            store,
            slots: BTreeMap::new(),
            writer: Writer::default(),
            metrics: metrics.clone(),
        };
        let mut observed = watch::all(client.clone(), metrics.clone());
        state.index.set_leads(*leadership.borrow_and_update());
        let mut writes = JoinSet::new();
        let mut kept = JoinSet::new();
        let mut probe = Probe::new(client.clone());
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = [state.next_write(), state.slices.due()];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                Some(observed) = observed.next() => state.step(|state| state.observe(observed)),
                Some(observed) = state.slices.next() => {
                    state.step(|state| state.slices.apply(observed, &mut state.index));
                }
                Some(report) = reports.recv() => {
                    state.step(|state| state.report(&report));
                }
                Some(heard) = heard.recv() => {
                    metrics.replica_reports.inc();
                    state.step(|state| state.hear(heard));
                }
                Some(event) = key_events.recv() => state.step(|state| state.keys(event)),
                Some(stored) = writes.join_next(), if !writes.is_empty() => {
                    if let Ok(stored) = stored {
                        state.step(|state| state.stored(stored));
                    }
                }
                look = probe.next() => {
                    let told = state.listings.entries_are_told();
                    let known = told.then(|| state.index.versions());
                    if let Some(deaf) = look.and_then(|look| probe.judge(look, known)) {
                        observed = watch::all(client.clone(), metrics.clone());
                        state.relist(deaf);
                    }
                }
                (outcome, took) = state.compiling.next() => {
                    state.metrics.compiled(took);
                    state.step(|state| state.index.compiled(outcome));
                }
                Some(seen) = state.config_maps.next() => state.step(|state| {
                    let Seen { namespace, name, state: seen } = seen;
                    state.index.apply_config_map(&namespace, &name, seen);
                }),
                Some(loaded) = state.loads.join_next(), if !state.loads.is_empty() => {
                    if let Ok(loaded) = loaded {
                        state.step(|state| state.loaded(loaded));
                    }
                }
                Some(done) = kept.join_next(), if !kept.is_empty() => {
                    if let Ok(done) = done {
                        state.step(|state| state.kept(done));
                    }
                }
                Ok(()) = leadership.changed() => {
                    let leads = *leadership.borrow_and_update();
                    state.step(|state| state.index.set_leads(leads));
                }
                _ = tick.tick() => state.step(State::tick),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = shutdown.wait() => break,
            }
            state.slices.restart(Instant::now());
            for (key, update) in state.writes_due() {
                writes.spawn(writer::store(client.clone(), key, update));
            }
            for (key, plan) in state.plans_due() {
                kept.spawn(revisions::store(client.clone(), key, plan));
            }
            for (key, name) in state.restores.drain(..) {
                let failures = metrics.revision_read_failures.clone();
                let failed = move |key: &wire::ServiceKey, error: &kube::Error| {
                    failures.inc();
                    tracing::warn!(service = %key, %error, "cannot read a revision; it is tried again");
                };
                let load = revisions::load(client.clone(), key, name, failed);
                state.loads.spawn(load);
            }
        }
        refresher.abort();
    }
}
