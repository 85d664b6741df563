//! What ConfigMaps make of the specs that name them: brought to the compiler when everything is there.

mod known;

use std::collections::BTreeSet;

pub(super) use self::known::ConfigMaps;
use self::known::Unresolved;
pub use self::known::{ConfigMapChanges, ConfigMapFacts, ConfigMapState, MAX_CONFIG_MAPS};
use super::entry::sha256;
use super::{Changes, Entry, Namespace};
use crate::operator::compiler::{Input, Job, Source};
use crate::operator::status::Verdict;
use crate::push::wire::ServiceKey;

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
