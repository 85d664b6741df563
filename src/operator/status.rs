//! What an EndpointsService's status says: a pure function of what the index knows, the status
//! before, and the time.
//!
//! Each condition carries the generation that it speaks of, because that is what `kubectl wait`
//! compares: Accepted, Captured, Programmed and Ready speak of the newest spec; ResolvedRefs and
//! Enforced of the one whose policy sidecars are given (the last good one).

mod conditions;

use k8s_openapi::jiff::Timestamp;

use self::conditions::{accepted, captured, enforced, programmed, ready, resolved};
use super::capture::Capture;
use crate::api::EndpointsServiceStatus;
use crate::api::conditions::{ACCEPTED, CAPTURED, ENFORCED, PROGRAMMED, READY, RESOLVED_REFS};
use crate::api::endpoints_service::{PolicyStatus, SidecarStatus, Warning};
use crate::openapi::{Diagnostic, Severity};

#[cfg(test)]
mod tests;

/// The most warnings that a status lists; a last one counts the others.
const MAX_WARNINGS: usize = 50;
/// The most bytes of a message. The API server takes 32 KiB; people read a line.
pub(super) const MAX_MESSAGE: usize = 1024;

/// What a status is made of.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// `metadata.generation` of the newest spec.
    pub generation: i64,
    /// Whether that spec compiles.
    pub verdict: &'a Verdict,
    /// The policy that sidecars are given, if any was ever accepted.
    pub policy: Option<&'a PolicyStatus>,
    /// Whether that policy is only told, not enforced (`mode: Audit`).
    pub audits: bool,
    /// The Secrets that this policy has sidecars mount.
    pub secrets: Vec<&'a str>,
    /// The key sets that this policy names.
    pub keys: Keys,
    /// What the Services that select the pods do.
    pub capture: Capture,
    /// The sidecars.
    pub sidecars: Sidecars,
}

/// What compiling a spec gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A policy, and these warnings.
    Good(Vec<Diagnostic>),
    /// No policy: all findings.
    Broken(Vec<Diagnostic>),
    /// Not even a spec: why it does not parse.
    Unreadable(String),
    /// It cannot be judged: a ConfigMap that it names is not to be had.
    Unresolved {
        /// A reason of ResolvedRefs.
        reason: &'static str,
        /// Which one, why, and the remedy.
        message: String,
    },
    /// A defect of ours.
    Panicked,
}

/// The key sets that a policy names, as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// All are known; what is odd about it (a refresh that fails), if anything.
    Resolved(Option<String>),
    /// Some were not tried yet.
    Fetching,
    /// Some are not known, and why.
    Unavailable(String),
    /// An issuer is not the cluster's, and which one is.
    NotThisCluster(String),
}

/// The sidecars of a service, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecars {
    /// Live injected pods.
    pub total: u32,
    /// Those that run the policy given to them.
    pub current: u32,
    /// Those that refused it.
    pub rejected: u32,
    /// Pod and reason of the first refusal, by pod name.
    pub rejection: Option<(String, String)>,
    /// Those whose pods were made without a Secret that the policy needs.
    pub outdated: u32,
    /// The first of them, by pod name.
    pub outdated_pod: Option<OutdatedPod>,
}

/// A pod that was made before its EndpointsService named a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutdatedPod {
    /// Its name.
    pub pod: String,
    /// The field that names the Secret.
    pub field: &'static str,
    /// The Secret.
    pub secret: String,
}

/// The status to store. What did not change keeps its transition time from `previous`.
pub fn status(
    facts: &Facts<'_>,
    previous: &EndpointsServiceStatus,
    now: Timestamp,
) -> EndpointsServiceStatus {
    let accepted = accepted(facts.verdict, facts.policy);
    let resolved = resolved(facts);
    let captured = captured(&facts.capture, previous);
    let programmed = programmed(facts);
    let ready = ready(&[
        (ACCEPTED, &accepted),
        (RESOLVED_REFS, &resolved),
        (CAPTURED, &captured),
        (PROGRAMMED, &programmed),
    ]);
    let served = facts
        .policy
        .map_or(facts.generation, |policy| policy.source_version);
    // What cannot be read is named by the newest spec.
    let referring = match facts.verdict {
        Verdict::Unresolved { .. } => facts.generation,
        _ => served,
    };
    let conditions = [
        (ACCEPTED, accepted, facts.generation),
        (RESOLVED_REFS, resolved, referring),
        (CAPTURED, captured, facts.generation),
        (PROGRAMMED, programmed, facts.generation),
        (ENFORCED, enforced(facts), served),
        (READY, ready, facts.generation),
    ];
    EndpointsServiceStatus {
        observed_generation: Some(facts.generation),
        conditions: conditions
            .into_iter()
            .map(|(kind, state, generation)| state.condition(kind, generation, previous, now))
            .collect(),
        warnings: warnings(facts.verdict),
        policy: facts.policy.cloned(),
        sidecars: Some(sidecars(&facts.sidecars)),
    }
}

fn sidecars(counts: &Sidecars) -> SidecarStatus {
    let Sidecars {
        total,
        current,
        rejected,
        ..
    } = *counts;
    SidecarStatus {
        total,
        current,
        rejected,
        stale: total.saturating_sub(current).saturating_sub(rejected),
        summary: format!("{current}/{total}"),
    }
}

fn warnings(verdict: &Verdict) -> Vec<Warning> {
    let (Verdict::Good(findings) | Verdict::Broken(findings)) = verdict else {
        return Vec::new();
    };
    let all: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Warning)
        .collect();
    let mut warnings: Vec<_> = all
        .iter()
        .take(MAX_WARNINGS)
        .map(|finding| {
            let message = match &finding.help {
                Some(help) => format!("{} ({help})", finding.message),
                None => finding.message.clone(),
            };
            Warning {
                message: cut(&message),
                place: cut(&finding.place.to_string()),
            }
        })
        .collect();
    if let Some(more @ 1..) = all.len().checked_sub(MAX_WARNINGS) {
        warnings.push(Warning {
            message: format!("{more} more warnings"),
            place: String::new(),
        });
    }
    warnings
}

fn cut(text: &str) -> String {
    cut_to(text, MAX_MESSAGE)
}

/// At most so many bytes of a text, and whether there was more of it.
pub(super) fn cut_to(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    format!(
        "{}…",
        &text[..text.floor_char_boundary(limit - '…'.len_utf8())]
    )
}

/// Kubernetes stores times to the second: what was read back must equal what was written.
fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
