//! Compiles specs beside the index: what takes long, and needs nothing but its input.
//!
//! ```text
//! Index ── Job ──► Queue (fair between namespaces) ──► a thread ── Outcome ──► Index::compiled
//! ```

mod cache;
mod queue;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

pub use self::cache::Cache;
pub use self::queue::Queue;
use super::admission::SidecarSettings;
use super::revisions::{Kept, Stored};
use super::status::Verdict;
use crate::api::endpoints_service::PolicyStatus;
use crate::api::{EndpointsServiceSpec, conditions};
use crate::jwks::Pace;
use crate::openapi::{Diagnostic, Place};
use crate::policy::format::KeySource;
use crate::policy::{self, ConfigMapTexts, Policy, ServiceIdentity};
use crate::push::server::Snapshot;
use crate::push::wire::ServiceKey;

#[cfg(test)]
mod tests;

/// The compiler, as an argument: tests give another.
pub type Compile = fn(
    &EndpointsServiceSpec,
    &ConfigMapTexts,
    &ServiceIdentity,
) -> Result<policy::Compiled, Vec<Diagnostic>>;

/// What a policy is compiled from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The spec.
    pub spec: Arc<EndpointsServiceSpec>,
    /// What the keys of ConfigMaps hold that it names.
    pub texts: ConfigMapTexts,
}

/// A compilation that is wanted.
#[derive(Debug)]
pub struct Job {
    /// The EndpointsService.
    pub key: ServiceKey,
    /// Which of its compilations: an outcome counts only while no later one was wanted.
    pub ticket: u64,
    /// What is compiled.
    pub input: Input,
}

/// What is compiled.
#[derive(Debug)]
pub enum Input {
    /// What the API server has now.
    Newest {
        /// `metadata.uid` of the object.
        uid: String,
        /// Its `metadata.generation`.
        generation: i64,
        /// Its spec.
        source: Source,
    },
    /// What was accepted once.
    Revision {
        /// The name of the ControllerRevision.
        name: String,
        /// The digest of what it holds.
        digest: String,
        /// What it holds, or why that cannot be known.
        encoded: Result<String, String>,
    },
}

/// What came of a [`Job`].
#[derive(Debug)]
pub struct Outcome {
    /// The EndpointsService.
    pub key: ServiceKey,
    /// [`Job::ticket`].
    pub ticket: u64,
    /// The name of the ControllerRevision, if it was one.
    pub revision: Option<String>,
    /// `metadata.uid` of the object that it was compiled from.
    pub uid: String,
    /// Its `metadata.generation`.
    pub generation: i64,
    /// Whether it compiles.
    pub verdict: Verdict,
    /// The policy, if it does.
    pub good: Option<Good>,
}

/// A policy, and what the control plane needs to know of it.
#[derive(Debug)]
pub struct Good {
    /// The policy, ready to send.
    pub snapshot: Snapshot,
    /// What the status says of it.
    pub policy: PolicyStatus,
    /// Whether it is only told, not enforced.
    pub audits: bool,
    /// Where its keys are fetched.
    pub sources: BTreeSet<KeySource>,
    /// How often it wants them fetched.
    pub pace: Pace,
    /// What the spec says about the sidecars themselves.
    pub settings: SidecarSettings,
    /// What it was compiled from, to be kept.
    pub kept: Arc<Kept>,
}

impl Job {
    /// Does it. A panic of the compiler is a verdict.
    pub fn run(self, compile: Compile, cache: &Cache) -> Outcome {
        let Self { key, ticket, input } = self;
        let guarded = |judge: &dyn Fn() -> (Verdict, Option<Good>)| {
            std::panic::catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| {
                tracing::error!(service = %key, "compiling an EndpointsService panicked");
                (Verdict::Panicked, None)
            })
        };
        let (revision, uid, generation, (verdict, good)) = match input {
            Input::Newest {
                uid,
                generation,
                source,
            } => {
                let judged = guarded(&|| judge(&key, &uid, generation, &source, compile, cache));
                (None, uid, generation, judged)
            }
            Input::Revision {
                name,
                digest,
                encoded,
            } => {
                let decode = |encoded: String| Stored::decode(&encoded, &digest, &key);
                let (uid, generation, judged) = match encoded.and_then(decode) {
                    Ok(stored) => {
                        let (uid, generation) = (stored.uid.clone(), stored.generation);
                        let source = stored.into();
                        let judged =
                            guarded(&|| judge(&key, &uid, generation, &source, compile, cache));
                        (uid, generation, judged)
                    }
                    Err(why) => (String::new(), 0, (Verdict::Unreadable(why), None)),
                };
                (Some(name), uid, generation, judged)
            }
        };
        Outcome {
            key,
            ticket,
            revision,
            uid,
            generation,
            verdict,
            good,
        }
    }

    fn is_revision(&self) -> bool {
        matches!(self.input, Input::Revision { .. })
    }
}

fn judge(
    key: &ServiceKey,
    uid: &str,
    generation: i64,
    source: &Source,
    compile: Compile,
    cache: &Cache,
) -> (Verdict, Option<Good>) {
    let identity = ServiceIdentity {
        name: key.name.clone(),
        namespace: key.namespace.clone(),
    };
    let compiled = match cache.compile(source, &identity, compile) {
        Ok(compiled) => compiled,
        Err(findings) => return (Verdict::Broken(findings), None),
    };
    let policy::Compiled { policy, warnings } = &*compiled;
    let mut warnings = warnings.clone();
    let snapshot = match Snapshot::new(uid.to_owned(), generation, &policy.canonical_bytes()) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            let finding = Diagnostic::error(
                conditions::reason::INVALID_SPEC,
                Place::resource("/spec/openapi"),
                format!("the compiled policy cannot be sent to sidecars: {error}"),
            );
            return (Verdict::Broken(vec![finding]), None);
        }
    };
    let kept = Kept::new(key, uid, generation, source);
    warnings.extend(kept.warning());
    let jwt = &policy.settings.jwt;
    let good = Good {
        policy: summary(policy, snapshot.hash(), generation),
        snapshot,
        audits: policy.settings.routing.audit,
        sources: policy
            .providers
            .values()
            .map(|provider| &provider.keys)
            .filter(|source| source.is_fetched())
            .cloned()
            .collect(),
        pace: Pace {
            every: jwt.key_refresh(),
            retries: jwt.fetch_retries,
        },
        settings: SidecarSettings::of(&source.spec),
        kept: Arc::new(kept),
    };
    (Verdict::Good(warnings), Some(good))
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
        config_maps: Vec::new(),
    }
}
