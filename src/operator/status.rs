//! What an EndpointsService's status says: a pure function of what the index knows, the status
//! before, and the time.
//!
//! Each condition carries the generation that it speaks of, because that is what `kubectl wait`
//! compares: Accepted, Captured, Programmed and Ready speak of the newest spec; ResolvedRefs and
//! Enforced of the one whose policy sidecars are given (the last good one).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::capture::Capture;
use crate::api::EndpointsServiceStatus;
use crate::api::conditions::{
    ACCEPTED, CAPTURED, ENFORCED, PROGRAMMED, READY, RESOLVED_REFS, reason,
};
use crate::api::endpoints_service::{PolicyStatus, SidecarStatus, Warning};
use crate::openapi::diagnostic::Origin;
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

/// A condition before it has a type, a generation and a time.
#[derive(Debug)]
struct State {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl State {
    fn yes(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: "True",
            reason,
            message: message.into(),
        }
    }

    fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: "False",
            reason,
            message: message.into(),
        }
    }

    fn unknown(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: "Unknown",
            reason,
            message: message.into(),
        }
    }

    fn condition(
        self,
        kind: &str,
        generation: i64,
        previous: &EndpointsServiceStatus,
        now: Timestamp,
    ) -> Condition {
        let since = previous
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind && condition.status == self.status)
            .map(|condition| condition.last_transition_time.clone());
        Condition {
            type_: kind.to_owned(),
            status: self.status.to_owned(),
            reason: self.reason.to_owned(),
            message: cut(&self.message),
            observed_generation: Some(generation),
            last_transition_time: since.unwrap_or_else(|| Time(whole_seconds(now))),
        }
    }
}

fn accepted(verdict: &Verdict, policy: Option<&PolicyStatus>) -> State {
    let stays = stays(policy);
    match verdict {
        Verdict::Good(_) => State::yes(reason::VALID, "the spec compiles"),
        Verdict::Broken(findings) => {
            let errors: Vec<_> = findings
                .iter()
                .filter(|finding| finding.is_error())
                .collect();
            let Some(first) = errors.first() else {
                return State::no(
                    reason::INVALID_SPEC,
                    format!("the spec does not compile{stays}"),
                );
            };
            let more = match errors.len() - 1 {
                0 => String::new(),
                1 => ". 1 more error".to_owned(),
                more => format!(". {more} more errors"),
            };
            // The first finding may quote a long text: what follows it must survive the cut.
            let first_text = cut_to(&first.to_string(), MAX_MESSAGE - 128);
            State::no(accepted_reason(first), format!("{first_text}{more}{stays}"))
        }
        Verdict::Unreadable(error) => {
            let error = cut_to(error, MAX_MESSAGE - 128);
            State::no(
                reason::INVALID_SPEC,
                format!("the resource does not parse: {error}{stays}"),
            )
        }
        Verdict::Unresolved { message, .. } => State::unknown(
            reason::UNRESOLVED,
            format!("nobody can tell before all is there that the spec names: {message}{stays}"),
        ),
        Verdict::Panicked => State::no(
            reason::INVALID_SPEC,
            format!("a defect of the operator: compiling this spec panicked (see its log){stays}"),
        ),
    }
}

/// What becomes of the sidecars of a spec that is of no use.
fn stays(policy: Option<&PolicyStatus>) -> &'static str {
    match policy {
        Some(policy) if policy.source_version == 0 => {
            ". The last good policy of the deleted EndpointsService of this name stays in force"
        }
        Some(_) => ". The last good policy stays in force",
        None => "",
    }
}

/// A finding's reason, where it is one of Accepted.
fn accepted_reason(finding: &Diagnostic) -> &'static str {
    const KNOWN: [&str; 5] = [
        reason::INVALID_OPENAPI,
        reason::INVALID_SPEC,
        reason::UNSUPPORTED_FEATURE,
        reason::UNSUPPORTED_SECURITY,
        reason::CONFLICTING_ROUTES,
    ];
    match KNOWN.into_iter().find(|known| *known == finding.reason()) {
        Some(known) => known,
        None if finding.place.origin == Origin::Document => reason::INVALID_OPENAPI,
        None => reason::INVALID_SPEC,
    }
}

fn resolved(facts: &Facts<'_>) -> State {
    if let Verdict::Unresolved { reason, message } = facts.verdict {
        return State::no(reason, format!("{message}{}", stays(facts.policy)));
    }
    if facts.policy.is_none() {
        return State::unknown(reason::NO_POLICY, "no policy was accepted yet");
    }
    match &facts.keys {
        Keys::Resolved(note) => {
            let note = note.as_deref().unwrap_or("every key set is known");
            State::yes(
                reason::RESOLVED,
                format!("{note}{}", mounted(&facts.secrets)),
            )
        }
        Keys::Fetching => State::unknown(reason::FETCHING, "key sets are being fetched"),
        Keys::Unavailable(why) => State::no(reason::KEY_SET_UNAVAILABLE, why),
        Keys::NotThisCluster(why) => State::no(reason::NOT_THIS_CLUSTER, why),
    }
}

/// What is known of Secrets: the operator has no right to read one.
fn mounted(secrets: &[&str]) -> String {
    match secrets {
        [] => String::new(),
        [one] => format!(
            "; Secret `{one}` is mounted by kubelet and not seen here: without it, sidecars serve nothing that needs it"
        ),
        all => format!(
            "; Secrets `{}` are mounted by kubelet and not seen here: without them, sidecars serve nothing that needs them",
            all.join("` and `")
        ),
    }
}

fn captured(capture: &Capture, previous: &EndpointsServiceStatus) -> State {
    match capture {
        Capture::Checking => checking(previous),
        Capture::Exempt { pods, around } => State::yes(
            reason::EXEMPT,
            match around {
                Some(around) => format!("capture is none in all {pods} pods. {around}"),
                None => format!(
                    "capture is none in all {pods} pods: no Service is seen to go around the sidecars"
                ),
            },
        ),
        Capture::NoSidecars => State::unknown(reason::NO_SIDECARS, "no pod has a sidecar"),
        Capture::NotSelected => State::unknown(
            reason::NOT_SELECTED,
            "no Service leads to the sidecars: is its selector right, and its targetPort the name \
             of the protected port?",
        ),
        Capture::All { services: 1 } => State::yes(
            reason::ALL_CAPTURED,
            "the Service that selects the pods leads to sidecars",
        ),
        Capture::All { services } => State::yes(
            reason::ALL_CAPTURED,
            format!("all {services} Services that select the pods lead to sidecars"),
        ),
        Capture::Around(around) => State::no(around.reason, &around.message),
    }
}

/// What can be seen is in order, and the rest is listed within a moment. A verdict of before a restart
/// stays until then: it would flap otherwise.
fn checking(previous: &EndpointsServiceStatus) -> State {
    let before = previous
        .conditions
        .iter()
        .find(|condition| condition.type_ == CAPTURED);
    match before {
        Some(before) if before.reason == reason::ALL_CAPTURED => {
            State::yes(reason::ALL_CAPTURED, &before.message)
        }
        Some(before) if before.reason == reason::MIXED_PODS => {
            State::no(reason::MIXED_PODS, &before.message)
        }
        _ => State::unknown(reason::CHECKING, "EndpointSlices are being listed"),
    }
}

fn programmed(facts: &Facts<'_>) -> State {
    let Sidecars {
        total,
        current,
        rejected,
        rejection,
        outdated,
        outdated_pod,
    } = &facts.sidecars;
    if !matches!(facts.verdict, Verdict::Good(_)) {
        let message = match facts.policy {
            Some(policy) => format!(
                "generation {} is not accepted; {current}/{total} sidecars run generation {}",
                facts.generation, policy.source_version
            ),
            None => format!("generation {} is not accepted", facts.generation),
        };
        return State::no(reason::NOT_ACCEPTED, message);
    }
    if *total == 0 {
        return State::unknown(reason::NO_SIDECARS, "no pod has a sidecar");
    }
    if let Some((pod, why)) = rejection {
        let message = format!("{rejected}/{total} sidecars refused this policy; pod {pod}: {why}");
        return State::no(reason::REJECTED, message);
    }
    if let Some(OutdatedPod { pod, field, secret }) = outdated_pod {
        let message = format!(
            "{outdated}/{total} pods were made without Secret `{secret}` of {field}, which no policy can \
             bring them; pod {pod}: delete it, so that it is made anew (`kubectl rollout restart` of the \
             workload)"
        );
        return State::no(reason::PODS_OUTDATED, message);
    }
    if current == total {
        return State::yes(
            reason::ALL_CURRENT,
            format!("{current}/{total} sidecars run this policy"),
        );
    }
    State::no(
        reason::PENDING,
        format!("{current}/{total} sidecars run this policy"),
    )
}

fn enforced(facts: &Facts<'_>) -> State {
    match facts.policy {
        Some(_) if facts.audits => State::no(
            reason::AUDITING,
            "mode is Audit: sidecars let through what the policy forbids, and count it",
        ),
        Some(_) => State::yes(reason::ENFORCING, "sidecars refuse what the policy forbids"),
        None => State::no(
            reason::NO_POLICY,
            "no policy was ever accepted: sidecars answer every request 503",
        ),
    }
}

/// The conjunction: the first that is false, else the first that is unknown.
fn ready(parts: &[(&str, &State)]) -> State {
    let find = |status| parts.iter().find(|(_, state)| state.status == status);
    let say = |(kind, state): &(&str, &State)| {
        format!(
            "{kind} is {}, {}: {}",
            state.status, state.reason, state.message
        )
    };
    if let Some(part) = find("False") {
        return State::no(reason::NOT_READY, say(part));
    }
    match find("Unknown") {
        Some(part) => State::unknown(reason::NOT_READY, say(part)),
        None => State::yes(reason::READY, "accepted, resolved, captured and programmed"),
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
