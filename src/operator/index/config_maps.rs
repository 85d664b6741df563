//! ConfigMaps that specs name: which are to be known, what they hold, and what that makes of the specs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::sha256;
use super::{Changes, Entry, Namespace};
use crate::api::conditions::reason;
use crate::api::endpoints_service::{ConfigMapKeyReference, ConfigMapVersion, MAX_DOCUMENT_BYTES};
use crate::operator::compiler::{Input, Job, Source};
use crate::operator::status::Verdict;
use crate::policy::ConfigMapTexts;
use crate::push::wire::ServiceKey;

/// The most ConfigMaps that are known of one namespace: each is a watch, and up to 1 MiB of memory.
pub const MAX_CONFIG_MAPS: usize = 64;

/// What is known of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConfigMapState {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It is not there.
    Absent,
    /// It is like this.
    Present(ConfigMapFacts),
    /// It cannot be known: why, and the remedy.
    Unreadable(String),
}

/// What a ConfigMap holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMapFacts {
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `data`.
    pub data: BTreeMap<String, Arc<str>>,
    /// The keys of `binaryData`.
    pub binary: BTreeSet<String>,
}

/// ConfigMaps to be known from now on, and those that are not, by namespace and name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ConfigMapChanges {
    /// Watch these from now on.
    pub added: BTreeSet<(String, String)>,
    /// Nobody names these any more.
    pub removed: BTreeSet<(String, String)>,
}

/// The ConfigMaps of a namespace.
#[derive(Debug, Default)]
pub(super) struct ConfigMaps {
    known: BTreeMap<String, ConfigMapState>,
    /// Named beyond what is watched for one namespace.
    refused: BTreeSet<String>,
}

/// Why a spec cannot be compiled.
#[derive(Debug, PartialEq, Eq)]
enum Unresolved {
    /// Something is not known yet.
    Waiting,
    /// What a status says: reason and message.
    Wrong(&'static str, String),
}

impl ConfigMaps {
    /// Replaces what is named. Over the quota, those that are known go first: a newcomer never takes a
    /// working one's place.
    fn set_named(
        &mut self,
        namespace: &str,
        named: BTreeSet<String>,
        changes: &mut ConfigMapChanges,
    ) {
        let own = |name: &String| (namespace.to_owned(), name.clone());
        self.known.retain(|name, _| {
            let stays = named.contains(name);
            if !stays && !changes.added.remove(&own(name)) {
                changes.removed.insert(own(name));
            }
            stays
        });
        self.refused.clear();
        for name in named {
            if self.known.contains_key(&name) {
                continue;
            }
            if self.known.len() >= MAX_CONFIG_MAPS {
                self.refused.insert(name);
                continue;
            }
            // A watch that ended and is wanted again starts anew: what it knew, nobody has kept.
            changes.added.insert(own(&name));
            self.known.insert(name, ConfigMapState::Unknown);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.refused.is_empty()
    }

    /// The texts that are named, and the versions of the ConfigMaps that they are of.
    fn texts(
        &self,
        references: &BTreeSet<&ConfigMapKeyReference>,
    ) -> Result<(ConfigMapTexts, Vec<ConfigMapVersion>), Unresolved> {
        let mut texts = Vec::new();
        let mut versions = BTreeMap::new();
        let mut waiting = false;
        for reference in references {
            match self.text(reference) {
                Ok((facts, text)) => {
                    texts.push(((*reference).clone(), text));
                    versions.insert(reference.name.clone(), facts.resource_version.clone());
                }
                Err(Unresolved::Waiting) => waiting = true,
                Err(wrong) => return Err(wrong),
            }
        }
        if waiting {
            return Err(Unresolved::Waiting);
        }
        let version = |(name, resource_version)| ConfigMapVersion {
            name,
            resource_version,
        };
        let versions = versions.into_iter().map(version).collect();
        Ok((texts.into_iter().collect(), versions))
    }

    fn text(
        &self,
        reference: &ConfigMapKeyReference,
    ) -> Result<(&ConfigMapFacts, Arc<str>), Unresolved> {
        let ConfigMapKeyReference { name, key } = reference;
        let wrong = |reason, message| Err(Unresolved::Wrong(reason, message));
        if self.refused.contains(name) {
            return wrong(
                reason::TOO_MANY_CONFIG_MAPS,
                format!(
                    "the EndpointsServices of this namespace name more than {MAX_CONFIG_MAPS} \
                     ConfigMaps; `{name}` is not read: put several documents into one"
                ),
            );
        }
        let facts = match self.known.get(name) {
            None | Some(ConfigMapState::Unknown) => return Err(Unresolved::Waiting),
            Some(ConfigMapState::Unreadable(why)) => {
                return wrong(
                    reason::CONFIG_MAPS_NOT_READ,
                    format!("ConfigMap `{name}` cannot be read: {why}"),
                );
            }
            Some(ConfigMapState::Absent) => {
                return wrong(
                    reason::CONFIG_MAP_NOT_FOUND,
                    format!("there is no ConfigMap `{name}` in this namespace"),
                );
            }
            Some(ConfigMapState::Present(facts)) => facts,
        };
        match facts.data.get(key) {
            Some(text) if text.len() > MAX_DOCUMENT_BYTES => wrong(
                reason::INVALID_CONFIG_MAP,
                format!("the {reference} holds more than {MAX_DOCUMENT_BYTES} bytes (1 MiB)"),
            ),
            Some(text) if text.trim().is_empty() => wrong(
                reason::INVALID_CONFIG_MAP,
                format!("the {reference} is empty"),
            ),
            Some(text) => Ok((facts, text.clone())),
            None if facts.binary.contains(key) => wrong(
                reason::INVALID_CONFIG_MAP,
                format!(
                    "the {reference} is in `binaryData`: save it as UTF-8, and it is in `data`"
                ),
            ),
            None => wrong(
                reason::CONFIG_MAP_NOT_FOUND,
                format!("ConfigMap `{name}` has no key `{key}`{}", keys(facts)),
            ),
        }
    }
}

/// The keys that there are, a few of them.
fn keys(facts: &ConfigMapFacts) -> String {
    let some: Vec<_> = facts
        .data
        .keys()
        .take(5)
        .map(|key| format!("`{key}`"))
        .collect();
    match some.as_slice() {
        [] => String::from("; it has none"),
        _ if facts.data.len() > some.len() => format!("; it has {} and others", some.join(", ")),
        _ => format!("; it has {}", some.join(", ")),
    }
}

impl Namespace {
    /// A ConfigMap is like this now. What is compiled from it is compiled again.
    pub(super) fn set_config_map(
        &mut self,
        namespace: &str,
        name: &str,
        state: ConfigMapState,
        changes: &mut Changes,
    ) -> Vec<Job> {
        let Some(known) = self.config_maps.known.get_mut(name) else {
            // Late news of one that nobody names any more.
            return Vec::new();
        };
        if *known == state {
            return Vec::new();
        }
        *known = state;
        let names_it = |entry: &Entry| {
            let spec = entry
                .wanted
                .as_ref()
                .and_then(|wanted| wanted.spec.as_ref());
            spec.is_some_and(|spec| {
                let mut references = spec.config_map_references().into_iter();
                references.any(|reference| reference.name == name)
            })
        };
        let concerned: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| names_it(entry))
            .map(|(name, _)| name.clone())
            .collect();
        concerned
            .iter()
            .filter_map(|service| self.resolve(namespace, service, changes))
            .collect()
    }

    /// Which ConfigMaps its specs name now.
    pub(super) fn recompute_config_maps(
        &mut self,
        namespace: &str,
        changes: &mut Changes,
    ) -> Vec<Job> {
        let specs = self
            .entries
            .values()
            .filter_map(|entry| entry.wanted.as_ref()?.spec.as_ref());
        let named: BTreeSet<_> = specs
            .flat_map(|spec| spec.config_map_references())
            .map(|reference| reference.name.clone())
            .collect();
        let refused = self.config_maps.refused.clone();
        self.config_maps
            .set_named(namespace, named, &mut changes.config_maps);
        if self.config_maps.refused == refused {
            return Vec::new();
        }
        // Some got a place, or lost the hope for one.
        let all: Vec<_> = self.entries.keys().cloned().collect();
        all.iter()
            .filter_map(|service| self.resolve(namespace, service, changes))
            .collect()
    }

    /// Brings the newest spec of a service to the compiler, if it has all that it names and was not
    /// brought there like this before.
    pub(super) fn resolve(
        &mut self,
        namespace: &str,
        service: &str,
        changes: &mut Changes,
    ) -> Option<Job> {
        let key = ServiceKey {
            namespace: namespace.to_owned(),
            name: service.to_owned(),
        };
        let entry = self.entries.get_mut(service)?;
        let wanted = entry.wanted.as_mut()?;
        let spec = wanted.spec.clone()?;
        let references = spec.config_map_references();
        let (texts, versions) = match self.config_maps.texts(&references) {
            Ok(found) => found,
            Err(Unresolved::Waiting) => return None,
            Err(Unresolved::Wrong(reason, message)) => {
                // What is under way was compiled from what was there before.
                entry.ticket += 1;
                wanted.texts = None;
                entry.generation = wanted.generation;
                entry.verdict = Some(Verdict::Unresolved { reason, message });
                changes.dirty.insert(key);
                return None;
            }
        };
        let digest = sha256(&serde_json::to_vec(&texts).unwrap_or_default());
        let is_known = wanted.texts == Some(digest);
        wanted.texts = Some(digest);
        wanted.config_maps = versions;
        if is_known {
            // Something else in it changed.
            if matches!(entry.verdict, Some(Verdict::Good(_)))
                && let Some(policy) = &mut entry.policy
            {
                policy.config_maps = wanted.config_maps.clone();
                changes.dirty.insert(key);
            }
            return None;
        }
        if references.is_empty() {
            // Nothing will ever ask for it again.
            wanted.spec = None;
        }
        entry.ticket += 1;
        Some(Job {
            key,
            ticket: entry.ticket,
            input: Input::Newest {
                uid: entry.uid.clone(),
                generation: wanted.generation,
                source: Source { spec, texts },
            },
        })
    }
}
