//! One EndpointsService and one sidecar, as the index keeps them.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use k8s_openapi::jiff::Timestamp;

use crate::api::conditions::PROGRAMMED;
use crate::api::endpoints_service::{ConfigMapVersion, PolicyStatus};
use crate::api::{EndpointsServiceSpec, EndpointsServiceStatus};
use crate::jwks::Pace;
use crate::operator::admission::SidecarSettings;
use crate::operator::compiler::{Good, Outcome};
use crate::operator::revisions::Kept;
use crate::operator::status::Verdict;
use crate::policy::format::KeySource;
use crate::push::server::Snapshot;

/// An EndpointsService as the API server has it.
#[derive(Clone, Debug)]
pub struct ServiceObject {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// The spec, or why it does not parse.
    pub spec: Result<EndpointsServiceSpec, String>,
    /// The stored status.
    pub status: EndpointsServiceStatus,
}

/// What the index keeps of an EndpointsService.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Of the newest object; empty where none was ever seen.
    pub(super) uid: String,
    /// There is an object. Without one, an entry is kept for the pods that still use its policy.
    pub(super) exists: bool,
    /// The generation that the verdict speaks of.
    pub(super) generation: i64,
    /// `metadata.resourceVersion` of the newest object known: a status is written to this one, or not.
    pub(super) version: String,
    /// None until the first spec was judged.
    pub(super) verdict: Option<Verdict>,
    /// What sidecars are given: the last good policy.
    pub(super) policy: Option<PolicyStatus>,
    /// What the last good spec says about the sidecars themselves.
    pub(super) settings: SidecarSettings,
    /// The status as last stored by us, at first as found.
    pub(super) stored: EndpointsServiceStatus,
    /// How often the API server showed another status than the one stored: somebody else's, or an
    /// earlier one of ours, late. Ours is written once more, which changes nothing where it is there
    /// already.
    pub(super) overwritten: u64,
    /// How many of those the stored one comes after.
    pub(super) mended: u64,
    sources: BTreeSet<KeySource>,
    /// How often the policy wants its keys fetched.
    pace: Pace,
    /// Whether that policy is only told, not enforced.
    pub(super) audits: bool,
    /// What that policy was compiled from.
    pub(super) kept: Option<Arc<Kept>>,
    /// The newest spec.
    pub(super) wanted: Option<Wanted>,
    /// Counts the compilations; only the newest one's outcome counts.
    pub(super) ticket: u64,
    /// Revisions that were of no use, and the one that is being read.
    pub(super) tried: BTreeSet<String>,
    /// A revision is being read or compiled.
    pub(super) restoring: bool,
}

/// The newest spec of an EndpointsService.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) generation: i64,
    /// Tells specs apart, whatever their generation: a store that was restored counts anew.
    pub(super) fingerprint: [u8; 32],
    /// None where it does not parse, or was handed to the compiler and names no ConfigMap.
    pub(super) spec: Option<Arc<EndpointsServiceSpec>>,
    /// The texts that were handed to the compiler, by their digest.
    pub(super) texts: Option<[u8; 32]>,
    /// Which versions of ConfigMaps those are.
    pub(super) config_maps: Vec<ConfigMapVersion>,
}

impl Entry {
    /// Whether the spec may differ from the one that was compiled.
    pub(super) fn is_news(&self, object: &ServiceObject, fingerprint: &[u8; 32]) -> bool {
        self.uid != object.uid
            || !self.exists
            || self.wanted.as_ref().is_none_or(|wanted| {
                wanted.generation != object.generation || wanted.fingerprint != *fingerprint
            })
    }

    /// Whether the status of an object that is no news is not the one that we stored.
    pub(super) fn is_foreign(&self, object: &ServiceObject) -> bool {
        // One that does not parse has a status that is not known.
        self.uid == object.uid && object.spec.is_ok() && self.stored != object.status
    }

    /// The time since when the stored status says, of this very policy, that every sidecar runs it.
    pub(super) fn programmed_since(&self) -> Option<Timestamp> {
        let stored = self.stored.policy.as_ref()?;
        let programmed = self.stored.conditions.iter().find(|condition| {
            condition.type_ == PROGRAMMED
                && condition.status == "True"
                && condition.observed_generation == Some(self.generation)
        })?;
        let same = stored.hash == self.policy.as_ref()?.hash;
        same.then_some(programmed.last_transition_time.0)
    }

    /// How often the policy in force wants its keys fetched.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// The sources that the policy in force names.
    pub(super) fn sources(&self) -> &BTreeSet<KeySource> {
        &self.sources
    }

    /// The Secrets that its sidecars mount.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let settings = &self.settings;
        let secrets = [&settings.listener_secret, &settings.backend_secret];
        secrets.into_iter().flatten().map(String::as_str).collect()
    }

    /// Whether a spec was judged, or none can be.
    pub(super) fn is_settled(&self) -> bool {
        !self.restoring && (self.verdict.is_some() || !self.exists)
    }

    /// Takes what the compiler found out about the newest spec. A policy to publish: it is another one.
    pub(super) fn judged(&mut self, outcome: Outcome) -> Option<Snapshot> {
        self.generation = outcome.generation;
        self.verdict = Some(outcome.verdict);
        let good = outcome.good?;
        let before = self.policy.as_ref();
        let is_new = before.is_none_or(|before| before.hash != good.policy.hash)
            // A predecessor's: pods to come shall be told whose it is.
            || self.kept.as_ref().is_none_or(|kept| kept.uid != outcome.uid);
        let snapshot = self.accept(good);
        if let (Some(policy), Some(wanted)) = (&mut self.policy, &self.wanted) {
            policy.config_maps = wanted.config_maps.clone();
        }
        is_new.then_some(snapshot)
    }

    /// Makes the policy of a revision the one in force.
    pub(super) fn restored(&mut self, good: Good) -> Snapshot {
        let snapshot = self.accept(good);
        if self.exists {
            self.mark_predecessor();
        }
        snapshot
    }

    /// A policy of another life of the service has none of this one's generations.
    pub(super) fn mark_predecessor(&mut self) {
        let uid = &self.uid;
        if self.kept.as_ref().is_some_and(|kept| kept.uid != *uid)
            && let Some(policy) = &mut self.policy
        {
            policy.source_version = 0;
            policy.config_maps.clear();
        }
    }

    fn accept(&mut self, good: Good) -> Snapshot {
        let Good {
            snapshot,
            policy,
            audits,
            sources,
            pace,
            settings,
            kept,
        } = good;
        self.policy = Some(policy);
        self.audits = audits;
        self.sources = sources;
        self.pace = pace;
        self.settings = settings;
        self.kept = Some(kept);
        snapshot
    }
}

/// Tells specs apart.
pub(super) fn fingerprint(spec: &Result<EndpointsServiceSpec, String>) -> [u8; 32] {
    let text = match spec {
        Ok(spec) => serde_json::to_vec(spec).unwrap_or_default(),
        Err(error) => error.clone().into_bytes(),
    };
    sha256(&text)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest(&SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
