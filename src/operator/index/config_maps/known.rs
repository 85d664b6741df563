//! The ConfigMaps of a namespace that specs name: which are to be known, and what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::conditions::reason;
use crate::api::endpoints_service::{ConfigMapKeyReference, ConfigMapVersion, MAX_DOCUMENT_BYTES};
use crate::policy::ConfigMapTexts;

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
pub(in crate::operator::index) struct ConfigMaps {
    pub(super) known: BTreeMap<String, ConfigMapState>,
    /// Named beyond what is watched for one namespace.
    pub(super) refused: BTreeSet<String>,
}

/// Why a spec cannot be compiled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// Something is not known yet.
    Waiting,
    /// What a status says: reason and message.
    Wrong(&'static str, String),
}

impl ConfigMaps {
    /// Replaces what is named. Over the quota, those that are known go first: a newcomer never takes a
    /// working one's place.
    pub(super) fn set_named(
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

    pub(in crate::operator::index) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.refused.is_empty()
    }

    /// The texts that are named, and the versions of the ConfigMaps that they are of.
    pub(super) fn texts(
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
