//! Which key sources are in use, by whom, and what came of fetching them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Index, SourceChanges};
use crate::jwks::Pace;
use crate::operator::status::{Keys, MAX_MESSAGE, cut_to};
use crate::policy::format::KeySource;
use crate::push::wire::ServiceKey;

/// The most distinct sources that one namespace may have us fetch: whoever may write an
/// EndpointsService chooses what we dial.
pub const MAX_SOURCES: usize = 64;

/// What came of an attempt to fetch a source's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOutcome {
    /// Keys were fetched.
    Fetched,
    /// A class of failure, for people; never quotes what was fetched.
    Failed(String),
    /// `kubernetes: true` for an issuer that is not this cluster's; this one is.
    NotThisCluster(String),
}

#[derive(Debug, Default)]
pub(super) struct Sources {
    namespaces: BTreeMap<String, Granted>,
    /// How many namespaces use a source, how often it is fetched, and what is known of it.
    states: BTreeMap<KeySource, State>,
}

#[derive(Debug, Default)]
struct Granted {
    granted: BTreeSet<KeySource>,
    refused: BTreeSet<KeySource>,
    /// Of those granted.
    paces: BTreeMap<KeySource, Pace>,
}

#[derive(Debug, Default)]
struct State {
    users: usize,
    pace: Pace,
    /// Keys were fetched once: the last good ones are in force.
    known: bool,
    last: Option<KeyOutcome>,
}

impl Index {
    /// An attempt to fetch a source's keys ended.
    pub fn keys(&mut self, source: &KeySource, outcome: KeyOutcome) {
        if !self.sources.record(source, outcome) {
            return;
        }
        for (namespace_name, namespace) in &self.namespaces {
            for (name, entry) in &namespace.entries {
                if entry.sources().contains(source) {
                    let key = ServiceKey {
                        namespace: namespace_name.clone(),
                        name: name.clone(),
                    };
                    self.changes.dirty.insert(key);
                }
            }
        }
    }

    pub(super) fn recompute_sources(&mut self, namespace_name: &str) {
        let used = self
            .namespaces
            .get(namespace_name)
            .into_iter()
            .flat_map(|namespace| namespace.entries.values())
            .flat_map(|entry| entry.sources().iter().map(|source| (source, entry.pace())));
        let mut paces: BTreeMap<KeySource, Pace> = BTreeMap::new();
        for (source, pace) in used {
            let known = paces.entry(source.clone()).or_insert(pace);
            *known = known.or(pace);
        }
        let granted_before = self.sources.refused(namespace_name);
        self.sources
            .set_used(namespace_name, paces, &mut self.changes.sources);
        if granted_before != self.sources.refused(namespace_name)
            && let Some(namespace) = self.namespaces.get(namespace_name)
        {
            namespace.touch_all(namespace_name, &mut self.changes);
        }
    }
}

impl Sources {
    /// Replaces what a namespace uses. Over the quota, sources that were granted before go first:
    /// a newcomer never takes a working one's place.
    pub(super) fn set_used(
        &mut self,
        namespace: &str,
        mut paces: BTreeMap<KeySource, Pace>,
        changes: &mut SourceChanges,
    ) {
        let used: BTreeSet<_> = paces.keys().cloned().collect();
        let before = self
            .namespaces
            .remove(namespace)
            .unwrap_or_default()
            .granted;
        let mut granted: BTreeSet<_> = used.intersection(&before).cloned().collect();
        let free = MAX_SOURCES.saturating_sub(granted.len());
        granted.extend(used.difference(&before).take(free).cloned());
        for source in granted.difference(&before) {
            let state = self.states.entry(source.clone()).or_default();
            state.users += 1;
            if state.users == 1 {
                changes.removed.retain(|removed| removed != source);
                changes.added.push(source.clone());
            }
        }
        for source in before.difference(&granted) {
            let Some(state) = self.states.get_mut(source) else {
                continue;
            };
            state.users -= 1;
            if state.users == 0 {
                self.states.remove(source);
                changes.added.retain(|added| added != source);
                changes.removed.push(source.clone());
            }
        }
        let refused = used.difference(&granted).cloned().collect();
        paces.retain(|source, _| granted.contains(source));
        let concerned: Vec<_> = before.union(&granted).cloned().collect();
        if !used.is_empty() {
            let own = Granted {
                granted,
                refused,
                paces,
            };
            self.namespaces.insert(namespace.to_owned(), own);
        }
        for source in concerned {
            self.set_pace(&source, changes);
        }
    }

    /// The pace of a source is that of the namespace that wants it most often.
    fn set_pace(&mut self, source: &KeySource, changes: &mut SourceChanges) {
        let all = self.namespaces.values();
        let pace = all
            .filter_map(|own| own.paces.get(source).copied())
            .reduce(Pace::or);
        let Some((state, pace)) = self.states.get_mut(source).zip(pace) else {
            changes.paces.remove(source);
            return;
        };
        if state.pace != pace {
            state.pace = pace;
            changes.paces.insert(source.clone(), pace);
        }
    }

    /// What a namespace wants beyond its quota.
    pub(super) fn refused(&self, namespace: &str) -> BTreeSet<KeySource> {
        self.namespaces
            .get(namespace)
            .map(|it| it.refused.clone())
            .unwrap_or_default()
    }

    /// Notes what came of a fetch. False: nothing that anybody would see.
    pub(super) fn record(&mut self, source: &KeySource, outcome: KeyOutcome) -> bool {
        let Some(state) = self.states.get_mut(source) else {
            return false;
        };
        let news = state.last.as_ref() != Some(&outcome);
        state.known |= outcome == KeyOutcome::Fetched;
        state.last = Some(outcome);
        news
    }

    /// The sources of one policy, as one: the worst of them, and how many more are as bad.
    pub(super) fn summary(&self, namespace: &str, sources: &BTreeSet<KeySource>) -> Keys {
        let granted = self.namespaces.get(namespace);
        let mut stale = Worst::default();
        let mut fetching = false;
        let mut unavailable = Worst::default();
        for source in sources {
            let state = match granted {
                Some(granted) if granted.granted.contains(source) => self.states.get(source),
                _ => {
                    unavailable.note(|| {
                        format!(
                            "namespace {namespace} names more than {MAX_SOURCES} key sources; {} is \
                             not fetched",
                            name(source)
                        )
                    });
                    continue;
                }
            };
            match state.and_then(|state| Some((state.known, state.last.as_ref()?))) {
                None => fetching = true,
                Some((_, KeyOutcome::Fetched)) => {}
                Some((_, KeyOutcome::NotThisCluster(actual))) => {
                    return Keys::NotThisCluster(format!(
                        "{} is not this cluster's issuer, which is {actual}",
                        name(source)
                    ));
                }
                Some((true, KeyOutcome::Failed(why))) => {
                    stale.note(|| {
                        format!(
                            "every key set is known, but {} cannot be refreshed: {why}",
                            name(source)
                        )
                    });
                }
                Some((false, KeyOutcome::Failed(why))) => {
                    unavailable
                        .note(|| format!("the key set of {} is unavailable: {why}", name(source)));
                }
            }
        }
        match unavailable.told() {
            Some(why) => Keys::Unavailable(why),
            None if fetching => Keys::Fetching,
            None => Keys::Resolved(stale.told()),
        }
    }
}

/// The first of what is wrong, and how many more there are.
#[derive(Debug, Default)]
struct Worst {
    first: Option<String>,
    more: usize,
}

impl Worst {
    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.first.is_none() {
            self.first = Some(what());
        } else {
            self.more += 1;
        }
    }

    fn told(self) -> Option<String> {
        // The first may quote a long URL: what follows it must survive the cut of the message.
        let first = cut_to(&self.first?, MAX_MESSAGE - 128);
        Some(match self.more {
            0 => first,
            1 => format!("{first}; so it is with 1 more key set"),
            more => format!("{first}; so it is with {more} more key sets"),
        })
    }
}

/// What a user calls it.
fn name(source: &KeySource) -> String {
    match source {
        KeySource::Url(url) => shown(url),
        KeySource::Discovery { url, issuer } => {
            format!("{} (discovered by {})", shown(issuer), shown(url))
        }
        KeySource::Kubernetes { issuer } => issuer.clone(),
        KeySource::Trusting { source, .. } => name(source),
        KeySource::Inline(_) => String::from("a key set in the resource"),
    }
}

/// A URL's user and query parts may hold secrets; they stay out.
fn shown(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut url) => {
            // Both fail only for URLs that have no such part.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            if url.query().is_some() {
                url.set_query(Some("…"));
            }
            url.set_fragment(None);
            url.to_string().replace("%E2%80%A6", "…")
        }
        Err(_) => "a URL that does not parse".to_owned(),
    }
}

#[cfg(test)]
mod tests;
