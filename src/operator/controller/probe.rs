//! Notices that the watches have gone deaf: the store went back in time (etcd, restored from a backup), and
//! they wait for versions that are yet to come, without an error. What breaks a watch has it listed anew
//! already ([`list_watch`](crate::operator::list_watch)); this is for what does not.
//!
//! The quick look compares the store's version with the one before. What the API server writes at its
//! start may have hidden that it went back, so that now and then a thorough look compares what is stored
//! with what the index has.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::watch::PAGE;
use crate::api::EndpointsService;
use crate::operator::index::Versions;

#[cfg(test)]
mod tests;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(10);
/// Every so many looks is a thorough one: it lists all EndpointsServices.
const THOROUGH: u32 = 3;
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The looks, one after the other.
pub(super) struct Probe {
    client: Client,
    looks: JoinSet<Option<Look>>,
    /// How many there were.
    count: u32,
    version: StoreVersion,
    unheard: Unheard,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Look {
    /// The store's version.
    version: Option<u64>,
    /// What is stored, if it was a thorough look.
    stored: Option<Versions>,
}

/// Why everything is to be listed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deaf {
    /// The store's version is of an earlier time than the one before.
    WentBack,
    /// Something is stored of which no watch told.
    Unheard,
}

impl Probe {
    pub(super) fn new(client: Client) -> Self {
        let mut probe = Self {
            client,
            looks: JoinSet::new(),
            count: 0,
            version: StoreVersion::default(),
            unheard: Unheard::default(),
        };
        probe.start();
        probe
    }

    /// What is seen next. None: it could not be seen. May be given up and called again.
    pub(super) async fn next(&mut self) -> Option<Look> {
        let seen = self.looks.join_next().await;
        self.start();
        seen?.ok()?
    }

    /// Whether the watches are deaf, now that this was seen. `known`: what the index has; none while it is
    /// still being told.
    pub(super) fn judge(&mut self, seen: Look, known: Option<Versions>) -> Option<Deaf> {
        if seen.version.is_some_and(|it| self.version.went_back(it)) {
            self.unheard = Unheard::default();
            return Some(Deaf::WentBack);
        }
        let stored = seen.stored?;
        let unheard = self.unheard.compare(&stored, known.as_ref());
        unheard.then_some(Deaf::Unheard)
    }

    fn start(&mut self) {
        self.count = self.count.wrapping_add(1);
        let thorough = self.count.is_multiple_of(THOROUGH);
        self.looks.spawn(look(self.client.clone(), thorough));
    }
}

/// The store's version, as last seen. Versions are numbers that can be compared (KEP-5504); what is none is
/// not looked at.
#[derive(Debug, Default)]
struct StoreVersion(Option<u64>);

impl StoreVersion {
    /// Whether this one, seen now, is of an earlier time than the one before.
    fn went_back(&mut self, seen: u64) -> bool {
        self.0.replace(seen).is_some_and(|before| seen < before)
    }
}

/// What the index had of each service at the last thorough look, where something else was stored.
#[derive(Debug, Default)]
struct Unheard(BTreeMap<(String, String), Option<(String, String)>>);

impl Unheard {
    /// Whether the index still has of some service what it had at the look before, and something else was
    /// stored both times. Once alone is no reason: an event may be under way.
    fn compare(&mut self, stored: &Versions, known: Option<&Versions>) -> bool {
        let Some(known) = known else {
            self.0.clear();
            return false;
        };
        let differs = |name: &&(String, String)| stored.get(*name) != known.get(*name);
        let differing: BTreeMap<_, _> = stored
            .keys()
            .chain(known.keys())
            .filter(differs)
            .map(|name| (name.clone(), known.get(name).cloned()))
            .collect();
        let before = std::mem::take(&mut self.0);
        let mut both = differing.iter();
        if both.any(|(name, known)| before.get(name) == Some(known)) {
            return true;
        }
        self.0 = differing;
        false
    }
}

/// Waits, and looks.
async fn look(client: Client, thorough: bool) -> Option<Look> {
    sleep(INTERVAL).await;
    let api = Api::<EndpointsService>::all(client);
    let limit = if thorough { PAGE } else { 1 };
    // Not out of the API server's cache, which takes no heed of a limit, and an annotation may have 256 KiB.
    let mut params = ListParams::default().limit(limit);
    let mut stored = Versions::new();
    loop {
        let listed = timeout(REQUEST_TIMEOUT, api.list_metadata(&params)).await;
        let listed = listed.ok()?.ok()?;
        let version = listed.metadata.resource_version;
        let version = version.and_then(|version| version.parse().ok());
        if !thorough {
            let stored = None;
            return Some(Look { version, stored });
        }
        for object in listed.items {
            let metadata = object.metadata;
            let name = (metadata.namespace?, metadata.name?);
            stored.insert(name, (metadata.uid?, metadata.resource_version?));
        }
        match listed.metadata.continue_.filter(|more| !more.is_empty()) {
            Some(more) => params.continue_token = Some(more),
            None => {
                let stored = Some(stored);
                return Some(Look { version, stored });
            }
        }
    }
}
