//! Watches of the ConfigMaps that specs name: one a name, so that nothing else is ever read.

use std::collections::{BTreeMap, VecDeque};

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::index::{ConfigMapChanges, ConfigMapFacts, ConfigMapState};
use super::list_watch::list_watch;
use super::metrics::Metrics;

#[cfg(test)]
mod tests;

/// The most observations that wait to be handled; each may hold 1 MiB.
const QUEUE: usize = 16;
/// What to do where the operator may not read ConfigMaps.
const REMEDY: &str = "the operator may not read ConfigMaps: set the chart's value configMaps.read to true, \
                      or write the text into the resource";

/// What a watch saw.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) state: ConfigMapState,
}

/// The watches. They end when this is dropped.
pub(super) struct ConfigMapWatches {
    /// None: ConfigMaps are not to be read.
    client: Option<Client>,
    metrics: Metrics,
    tasks: JoinSet<()>,
    running: BTreeMap<(String, String), tokio::task::AbortHandle>,
    sender: mpsc::Sender<Seen>,
    seen: mpsc::Receiver<Seen>,
    /// What is known without a watch.
    known: VecDeque<Seen>,
}

impl ConfigMapWatches {
    /// No watches yet. `client`: none where ConfigMaps are not to be read.
    pub(super) fn new(client: Option<Client>, metrics: Metrics) -> Self {
        let (sender, seen) = mpsc::channel(QUEUE);
        Self {
            client,
            metrics,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            sender,
            seen,
            known: VecDeque::new(),
        }
    }

    /// Starts and ends watches.
    pub(super) fn change(&mut self, changes: ConfigMapChanges) {
        for own in changes.removed {
            if let Some(task) = self.running.remove(&own) {
                task.abort();
            }
        }
        for (namespace, name) in changes.added {
            let Some(client) = self.client.clone() else {
                let state = ConfigMapState::Unreadable(REMEDY.to_owned());
                self.known.push_back(Seen {
                    namespace,
                    name,
                    state,
                });
                continue;
            };
            let own = (namespace.clone(), name.clone());
            let watch = watch(
                client,
                namespace,
                name,
                self.sender.clone(),
                self.metrics.clone(),
            );
            if let Some(before) = self.running.insert(own, self.tasks.spawn(watch)) {
                before.abort();
            }
        }
        // Tasks that were ended are not kept.
        while self.tasks.try_join_next().is_some() {}
    }

    /// Starts all watches anew.
    pub(super) fn again(&mut self) {
        let added = self.running.keys().cloned().collect();
        self.change(ConfigMapChanges {
            added,
            ..ConfigMapChanges::default()
        });
    }

    /// What was seen next.
    pub(super) async fn next(&mut self) -> Option<Seen> {
        match self.known.pop_front() {
            Some(known) => Some(known),
            None => self.seen.recv().await,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }
}

/// Watches one ConfigMap until nobody listens. While the API server is away, what was seen last counts.
async fn watch(
    client: Client,
    namespace: String,
    name: String,
    sender: mpsc::Sender<Seen>,
    metrics: Metrics,
) {
    let api = Api::<ConfigMap>::namespaced(client, &namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = list_watch(api, config);
    let mut listed = false;
    while let Some(event) = events.next().await {
        let state = match event {
            Ok(Event::Init) => {
                listed = false;
                continue;
            }
            Ok(Event::InitDone) if listed => continue,
            Ok(Event::InitDone | Event::Delete(_)) => ConfigMapState::Absent,
            Ok(Event::Apply(config_map) | Event::InitApply(config_map)) => {
                listed = true;
                ConfigMapState::Present(facts(config_map))
            }
            Err(error) => {
                metrics.watch_errors.inc();
                tracing::warn!(namespace, name, %error, "the watch of a ConfigMap failed; it is started again");
                match is_refused(&error) {
                    true => ConfigMapState::Unreadable(REMEDY.to_owned()),
                    false => continue,
                }
            }
        };
        let seen = Seen {
            namespace: namespace.clone(),
            name: name.clone(),
            state,
        };
        if sender.send(seen).await.is_err() {
            return;
        }
    }
}

fn facts(config_map: ConfigMap) -> ConfigMapFacts {
    let data = config_map.data.unwrap_or_default().into_iter();
    ConfigMapFacts {
        resource_version: config_map.metadata.resource_version.unwrap_or_default(),
        data: data.map(|(key, text)| (key, text.into())).collect(),
        binary: config_map
            .binary_data
            .unwrap_or_default()
            .into_keys()
            .collect(),
    }
}

/// Whether it is for want of rights, which no waiting brings.
fn is_refused(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code == 403,
        _ => false,
    }
}
