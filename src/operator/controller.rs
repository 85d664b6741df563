//! The thin part around the [`Index`]: watches, the hub, key sets, status writes, Events.
//!
//! One task owns the index and handles one event after the other; whatever waits (API calls) runs
//! beside it and reports back. A panic ends one event, is logged and counted.

mod compiling;
mod probe;
mod slices;
mod watch;
mod writer;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use self::compiling::Compiling;
use self::probe::{Deaf, Probe};
use self::slices::SliceWatches;
use self::watch::{Listings, Observed};
use self::writer::{Outcome, Stored, Writer};
use super::admission::SettingsCache;
use super::compiler::{Input, Job};
use super::config_maps::{ConfigMapWatches, Seen};
use super::convergence::Convergence;
use super::events::Events;
use super::index::{Changes, Index, KeyOutcome};
use super::lease::Leadership;
use super::metrics::Metrics;
use super::pod::PodCache;
use super::revisions::{self, Done, Loaded, Plan};
use crate::api::EndpointsServiceStatus;
use crate::jwks::{FetchError, FetchKeys, KeyEvent, KeySlot, KeyStore, Refresher};
use crate::policy::format::KeySource;
use crate::push::replica::{Heard, Outbox, Said};
use crate::push::server::{Event, Hub, Report};
use crate::push::wire;
use crate::shutdown::Shutdown;

/// How often sidecars that are gone are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long after the first listing sidecars are let in at the latest.
const LONGEST_SETTLING: Duration = Duration::from_secs(30);

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

struct State {
    index: Index,
    listings: Listings,
    /// Until everything was listed and compiled; with when it was listed.
    synced: Option<(oneshot::Sender<()>, Option<Instant>)>,
    compiling: Compiling,
    config_maps: ConfigMapWatches,
    /// When revisions are written; its pace is that of statuses.
    revisions: Writer,
    /// Revisions to be read, and those that are.
    restores: Vec<(wire::ServiceKey, String)>,
    loads: JoinSet<Loaded>,
    hub: Hub,
    pods: PodCache,
    settings: SettingsCache,
    outbox: Outbox,
    transitions: tokio::sync::watch::Receiver<i32>,
    convergence: Convergence,
    events: Events,
    slices: SliceWatches,
    store: KeyStore,
    /// Holding a slot keeps its source fetched.
    slots: BTreeMap<KeySource, Arc<KeySlot>>,
    writer: Writer,
    metrics: Metrics,
}

impl State {
    /// Handles one event and does what follows. A panic ends this event, nothing else.
    fn step(&mut self, handle: impl FnOnce(&mut Self)) {
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
    fn tick(&mut self) {
        self.index.tick(Instant::now());
        self.metrics.outlived(self.index.outlived());
    }

    fn observe(&mut self, observed: Observed) {
        self.listings.apply(observed, &mut self.index, &self.pods);
        self.metrics.reconciles.inc();
    }

    /// The watches of whole kinds begin anew; so do all others.
    fn relist(&mut self, deaf: Deaf) {
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
    fn settle(&mut self) {
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
    fn loaded(&mut self, loaded: Loaded) {
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

    fn kept(&mut self, done: Done) {
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

    /// When a status or a revision is to be written next. None is before everything was listed.
    fn next_write(&self) -> Option<Instant> {
        let due = [self.writer.next_due(), self.revisions.next_due()];
        let due = due.into_iter().flatten().min();
        due.filter(|_| self.synced.is_none())
    }

    /// What is to be written and deleted of revisions now.
    fn plans_due(&mut self) -> Vec<(wire::ServiceKey, Plan)> {
        if self.synced.is_some() {
            return Vec::new();
        }
        if !self.index.leads() {
            self.revisions.clear();
        }
        let mut plans = Vec::new();
        for key in self.revisions.take_due(Instant::now()) {
            match self.index.revision_plan(&key) {
                plan if plan.is_empty() => self.revisions.unchanged(&key),
                plan => plans.push((key, plan)),
            }
        }
        plans
    }

    fn report(&mut self, report: &Report) {
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

    fn hear(&mut self, heard: Heard) {
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

    fn keys(&mut self, event: KeyEvent) {
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

    fn stored(&mut self, stored: Stored) {
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

    /// Does what follows from events.
    fn follow(&mut self, changes: Changes) {
        for source in changes.sources.removed {
            self.slots.remove(&source);
            self.hub.remove_keys(&source);
        }
        for source in changes.sources.added {
            let slot = self.store.slot(&source);
            self.slots.insert(source, slot);
        }
        for (source, pace) in changes.sources.paces {
            if let Some(slot) = self.slots.get(&source) {
                slot.set_pace(pace);
            }
        }
        self.slices.change(&changes.slices, Instant::now());
        for key in &changes.remove {
            self.hub.remove(key);
            self.writer.forget(key);
            self.convergence.forget(key);
        }
        // Before the policy that would make them ready.
        for (key, uid, reason) in changes.withhold {
            self.hub.withhold(&key, Some(&uid), reason);
        }
        // After it: a sidecar that is let in before would be told that nothing is withheld, and be ready.
        for (namespace, name) in changes.admit {
            if let Some(pod) = self.index.pod(&namespace, &name) {
                self.pods.insert(pod);
            }
        }
        for (key, settings) in changes.settings {
            self.settings.set(key, settings);
        }
        for (key, snapshot) in changes.publish {
            tracing::info!(service = %key, hash = snapshot.hash(), "publishing a policy");
            self.convergence
                .published(&key, snapshot.hash(), Instant::now());
            self.hub.publish(&key, snapshot);
        }
        for uid in changes.disconnect {
            self.outbox.forget(&uid);
            self.hub.disconnect(&uid);
        }
        // The leader tells, and writes: who becomes it does both for everything.
        self.config_maps.change(changes.config_maps);
        self.restores.extend(changes.restore);
        if self.index.leads() {
            for key in changes.revisions {
                self.revisions.mark(key, Instant::now());
            }
            for notice in changes.notices {
                self.events.tell(notice);
            }
            for key in changes.dirty {
                self.writer.mark(key, Instant::now());
            }
        }
        let (services, pods) = self.index.totals();
        self.metrics.observe(services, pods, self.hub.streams());
        self.metrics.compile_panics(self.index.panics());
        let (compilations, config_maps) = (self.compiling.len(), self.config_maps.len());
        self.metrics.observe_sources(compilations, config_maps);
        let transitions = *self.transitions.borrow();
        let (leads, replicas) = (self.index.leads(), self.index.replicas());
        self.metrics.lead(leads, transitions, replicas);
    }

    /// Notes that all sidecars run a policy, if this status says so.
    fn converge(&mut self, key: &wire::ServiceKey, status: &EndpointsServiceStatus) {
        let Some((policy, sidecars)) = status.policy.as_ref().zip(status.sidecars.as_ref()) else {
            return;
        };
        if sidecars.current == sidecars.total
            && let Some(took) = self.convergence.converged(key, &policy.hash)
        {
            self.metrics.convergence_seconds.observe(took.as_secs_f64());
        }
    }

    /// The statuses to write now. None before everything was listed: half the pods are not all.
    fn writes_due(&mut self) -> Vec<(wire::ServiceKey, super::index::StatusUpdate)> {
        if self.synced.is_some() {
            return Vec::new();
        }
        let mut updates = Vec::new();
        if !self.index.leads() {
            self.writer.clear();
        }
        for key in self.writer.take_due(Instant::now()) {
            match self.index.status(&key, Timestamp::now()) {
                Some(update) => {
                    self.converge(&key, &update.status);
                    updates.push((key, update));
                }
                None => self.writer.unchanged(&key),
            }
        }
        updates
    }
}
