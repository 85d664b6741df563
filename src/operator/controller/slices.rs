//! EndpointSlices, of the Services that may lead to sidecars and of no others: what lies behind the
//! rest of a cluster's Services costs us nothing.
//!
//! A watch takes the names of up to [`CHUNK`] Services in a label selector, in all namespaces (the
//! index passes over those of a namespace that it did not ask for). A Service that is new restarts the
//! watch that its name goes to; one that is gone leaves its name there until that watch is restarted
//! for another reason, or has none left.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{AbortHandle, BoxStream, SelectAll, abortable};
use futures_util::{Stream, StreamExt, future};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::DeserializeGuard;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use super::watch::PAGE;
use crate::operator::capture::{SERVICE_NAME, SliceFacts};
use crate::operator::index::{Index, SliceChanges};
use crate::operator::list_watch::list_watch;
use crate::operator::metrics::Metrics;

#[cfg(test)]
mod tests;

/// The most names in one watch: restarting it lists all of them again.
const CHUNK: usize = 32;
/// How long to wait for more before watches are restarted: Services and pods come in numbers.
const QUIET: Duration = Duration::from_millis(200);

/// The watches.
pub(super) struct SliceWatches {
    client: Client,
    metrics: Metrics,
    plan: Plan,
    running: BTreeMap<usize, AbortHandle>,
    streams: SelectAll<BoxStream<'static, Observed>>,
    /// Slices that a listing under way has not shown yet, by watch.
    unseen: BTreeMap<usize, BTreeSet<(String, String, String)>>,
    restart_at: Option<Instant>,
}

/// Which watch has which names.
#[derive(Debug, Default)]
struct Plan {
    /// How many namespaces want each name.
    wanted: BTreeMap<String, usize>,
    /// The watch that each name is in.
    watch_of: BTreeMap<String, usize>,
    watches: BTreeMap<usize, BTreeSet<String>>,
    /// To be started again.
    stale: BTreeSet<usize>,
}

/// Something that a watch saw.
#[derive(Debug)]
pub(super) struct Observed {
    watch: usize,
    event: Event,
}

#[derive(Debug)]
enum Event {
    Listing,
    Slice(String, SliceFacts),
    Gone {
        namespace: String,
        service: String,
        name: String,
    },
    Listed,
    /// It cannot be listed, for now.
    Failed,
}

impl SliceWatches {
    pub(super) fn new(client: Client, metrics: Metrics) -> Self {
        Self {
            client,
            metrics,
            plan: Plan::default(),
            running: BTreeMap::new(),
            streams: SelectAll::new(),
            unseen: BTreeMap::new(),
            restart_at: None,
        }
    }

    /// What is to be watched has changed.
    pub(super) fn change(&mut self, changes: &SliceChanges, now: Instant) {
        for (_, name) in &changes.removed {
            self.plan.remove(name);
        }
        for (_, name) in &changes.added {
            self.plan.add(name);
        }
        if !self.plan.stale.is_empty() {
            self.restart_at.get_or_insert(now + QUIET);
        }
    }

    /// When [`SliceWatches::restart`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.restart_at
    }

    /// Starts what is to be started, if it is time.
    pub(super) fn restart(&mut self, now: Instant) {
        if self.restart_at.is_none_or(|at| now < at) {
            return;
        }
        self.restart_at = None;
        for watch in std::mem::take(&mut self.plan.stale) {
            if let Some(running) = self.running.remove(&watch) {
                running.abort();
            }
            self.unseen.remove(&watch);
            let Some(names) = self.plan.watches.get(&watch) else {
                continue;
            };
            let (stream, handle) = abortable(self.watch(watch, names));
            self.running.insert(watch, handle);
            self.streams.push(stream.boxed());
        }
    }

    /// Starts all watches anew.
    pub(super) fn again(&mut self, now: Instant) {
        self.plan.stale = self.plan.watches.keys().copied().collect();
        self.restart_at = Some(now);
    }

    /// Tells the index what was observed.
    pub(super) fn apply(&mut self, observed: Observed, index: &mut Index) {
        let Observed { watch, event } = observed;
        let Some(names) = self.plan.watches.get(&watch) else {
            return;
        };
        match event {
            Event::Listing => {
                self.unseen.insert(watch, index.slices_of(names));
            }
            Event::Slice(namespace, slice) => {
                if let Some(unseen) = self.unseen.get_mut(&watch) {
                    let key = (namespace.clone(), slice.service.clone(), slice.name.clone());
                    unseen.remove(&key);
                }
                index.apply_slice(&namespace, slice);
            }
            Event::Gone {
                namespace,
                service,
                name,
            } => index.delete_slice(&namespace, &service, &name),
            Event::Listed => {
                for (namespace, service, name) in self.unseen.remove(&watch).unwrap_or_default() {
                    index.delete_slice(&namespace, &service, &name);
                }
                // A name that came since is in the listing to come.
                if !self.plan.stale.contains(&watch) {
                    index.slices_listed(names);
                }
            }
            // Without them everything else is still told.
            Event::Failed => index.slices_listed(names),
        }
    }

    fn watch(&self, watch: usize, names: &BTreeSet<String>) -> BoxStream<'static, Observed> {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let config = watcher::Config::default()
            .page_size(PAGE)
            .labels(&format!("{SERVICE_NAME} in ({})", names.join(",")));
        let metrics = self.metrics.clone();
        let api = Api::<DeserializeGuard<EndpointSlice>>::all(self.client.clone());
        list_watch(api, config)
            .filter_map(move |event| {
                let event = match event {
                    Ok(event) => read(event),
                    Err(error) => {
                        metrics.watch_errors.inc();
                        tracing::warn!(%error, "a watch of EndpointSlices failed; it is started again");
                        Some(Event::Failed)
                    }
                };
                future::ready(event.map(|event| Observed { watch, event }))
            })
            .boxed()
    }
}

/// Pending where there is nothing to watch.
impl Stream for SliceWatches {
    type Item = Observed;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Observed>> {
        match self.streams.poll_next_unpin(context) {
            Poll::Ready(Some(observed)) => Poll::Ready(Some(observed)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

fn read(event: watcher::Event<DeserializeGuard<EndpointSlice>>) -> Option<Event> {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    Some(match event {
        Init => Event::Listing,
        InitDone => Event::Listed,
        Apply(slice) | InitApply(slice) => {
            let namespace = slice.namespace()?;
            Event::Slice(namespace, SliceFacts::read(&slice.0.ok()?)?)
        }
        Delete(slice) => Event::Gone {
            namespace: slice.namespace()?,
            service: slice.labels().get(SERVICE_NAME)?.clone(),
            name: slice.name_any(),
        },
    })
}

impl Plan {
    fn add(&mut self, name: &str) {
        *self.wanted.entry(name.to_owned()).or_default() += 1;
        let watch = match self.watch_of.get(name) {
            // Of another namespace so far: what it showed of this one was passed over.
            Some(watch) => *watch,
            None => {
                let with_room = self.watches.iter().find(|(_, names)| names.len() < CHUNK);
                let free = || (0..).find(|number| !self.watches.contains_key(number));
                let watch = with_room
                    .map(|(watch, _)| *watch)
                    .or_else(free)
                    .expect("there are more numbers than watches");
                self.watch_of.insert(name.to_owned(), watch);
                self.watches
                    .entry(watch)
                    .or_default()
                    .insert(name.to_owned());
                watch
            }
        };
        self.stale.insert(watch);
    }

    fn remove(&mut self, name: &str) {
        let Some(users) = self.wanted.get_mut(name) else {
            return;
        };
        *users -= 1;
        if *users > 0 {
            return;
        }
        self.wanted.remove(name);
        let Some(watch) = self.watch_of.remove(name) else {
            return;
        };
        if let Some(names) = self.watches.get_mut(&watch) {
            names.remove(name);
            if names.is_empty() {
                self.watches.remove(&watch);
                self.stale.insert(watch);
            }
        }
    }
}
