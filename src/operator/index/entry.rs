//! One EndpointsService and one sidecar, as the index keeps them.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use k8s_openapi::jiff::Timestamp;

use super::Compile;
use crate::api::endpoints_service::PolicyStatus;
use crate::api::{EndpointsServiceSpec, EndpointsServiceStatus, conditions};
use crate::jwks::Pace;
use crate::openapi::{Diagnostic, Place};
use crate::operator::admission::SidecarSettings;
use crate::operator::status::Verdict;
use crate::policy::format::KeySource;
use crate::policy::{self, Policy, ServiceIdentity};
use crate::push::server::Snapshot;
use crate::push::wire::ServiceKey;

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
    pub(super) uid: String,
    pub(super) generation: i64,
    /// `metadata.resourceVersion` of the newest object known: a status is written to this one, or not.
    pub(super) version: String,
    /// None only before the first [`Entry::apply`].
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
}

/// What sidecars are to be given after an [`Entry::apply`].
#[derive(Debug)]
pub(super) enum Compiled {
    /// What they have.
    Kept,
    /// This.
    Publish(Snapshot),
    /// The object was re-created: nothing of the one before, and this, if its spec is good.
    Replaced(Option<Snapshot>),
}

impl Entry {
    /// Whether the spec may differ from the one that was compiled.
    pub(super) fn is_news(&self, object: &ServiceObject) -> bool {
        self.verdict.is_none()
            || self.uid != object.uid
            || self.generation < object.generation
            // A schema change can make the same generation (un)readable.
            || object.spec.is_ok() == matches!(self.verdict, Some(Verdict::Unreadable(_)))
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
            condition.type_ == conditions::PROGRAMMED
                && condition.status == "True"
                && condition.observed_generation == Some(self.generation)
        })?;
        let same = stored.hash == self.policy.as_ref()?.hash;
        same.then_some(programmed.last_transition_time.0)
    }

    /// Compiles the spec. Only a good one replaces the policy before.
    pub(super) fn apply(
        &mut self,
        key: &ServiceKey,
        object: ServiceObject,
        compile: Compile,
    ) -> Compiled {
        let replaced = self.verdict.is_some() && self.uid != object.uid;
        if replaced || self.verdict.is_none() {
            *self = Self {
                stored: object.status,
                ..Self::default()
            };
        }
        self.uid = object.uid;
        self.generation = object.generation;
        self.version = object.version;
        let (verdict, good) = match object.spec {
            Ok(spec) => {
                let outcome = run(compile, &spec, key);
                if outcome.1.is_some() {
                    self.settings = SidecarSettings::of(&spec);
                }
                outcome
            }
            Err(error) => (Verdict::Unreadable(error), None),
        };
        self.verdict = Some(verdict);
        let snapshot = good.and_then(|policy| self.accept(&policy));
        match snapshot {
            snapshot if replaced => Compiled::Replaced(snapshot),
            Some(snapshot) => Compiled::Publish(snapshot),
            None => Compiled::Kept,
        }
    }

    /// How often the policy in force wants its keys fetched.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// The sources that the policy in force names.
    pub(super) fn sources(&self) -> &BTreeSet<KeySource> {
        &self.sources
    }

    /// Makes a policy the one in force. None: it is the same one, or cannot be sent.
    fn accept(&mut self, policy: &Policy) -> Option<Snapshot> {
        let canonical = policy.canonical_bytes();
        let snapshot = match Snapshot::new(self.uid.clone(), self.generation, &canonical) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                let finding = Diagnostic::error(
                    conditions::reason::INVALID_SPEC,
                    Place::resource("/spec/openapi"),
                    format!("the compiled policy cannot be sent to sidecars: {error}"),
                );
                self.verdict = Some(Verdict::Broken(vec![finding]));
                return None;
            }
        };
        let before = self
            .policy
            .replace(summary(policy, snapshot.hash(), self.generation));
        let jwt = &policy.settings.jwt;
        self.pace = Pace {
            every: jwt.key_refresh(),
            retries: jwt.fetch_retries,
        };
        self.audits = policy.settings.routing.audit;
        self.sources = policy
            .providers
            .values()
            .map(|provider| &provider.keys)
            .filter(|source| source.is_fetched())
            .cloned()
            .collect();
        // An edit that changes nothing is acknowledged already.
        (before.is_none_or(|before| before.hash != snapshot.hash())).then_some(snapshot)
    }
}

/// Runs the compiler; a panic is a verdict, never the end of the controller.
fn run(
    compile: Compile,
    spec: &EndpointsServiceSpec,
    key: &ServiceKey,
) -> (Verdict, Option<Policy>) {
    let identity = ServiceIdentity {
        name: key.name.clone(),
        namespace: key.namespace.clone(),
    };
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| compile(spec, &identity)));
    match result {
        Ok(Ok(policy::Compiled { policy, warnings })) => (Verdict::Good(warnings), Some(policy)),
        Ok(Err(findings)) => (Verdict::Broken(findings), None),
        Err(_) => {
            tracing::error!(service = %key, "compiling an EndpointsService panicked");
            (Verdict::Panicked, None)
        }
    }
}

fn summary(policy: &Policy, hash: &str, generation: i64) -> PolicyStatus {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let protected = policy
        .operations
        .iter()
        .filter(|operation| operation.demands_token());
    let issuers: BTreeSet<_> = policy.providers.values().map(|p| &p.issuer).collect();
    PolicyStatus {
        hash: hash.to_owned(),
        service: policy.service.clone(),
        operations: count(policy.operations.len()),
        protected: count(protected.count()),
        issuers: count(issuers.len()),
        source_version: generation,
    }
}
