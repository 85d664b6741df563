//! The conditions, each a function of the facts.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::{Facts, Keys, MAX_MESSAGE, OutdatedPod, Sidecars, Verdict, cut, cut_to, whole_seconds};
use crate::api::EndpointsServiceStatus;
use crate::api::conditions::{CAPTURED, reason};
use crate::api::endpoints_service::PolicyStatus;
use crate::openapi::Diagnostic;
use crate::openapi::diagnostic::Origin;
use crate::operator::capture::Capture;

/// A condition before it has a type, a generation and a time.
#[derive(Debug)]
pub(super) struct State {
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

    pub(super) fn condition(
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

pub(super) fn accepted(verdict: &Verdict, policy: Option<&PolicyStatus>) -> State {
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

pub(super) fn resolved(facts: &Facts<'_>) -> State {
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

pub(super) fn captured(capture: &Capture, previous: &EndpointsServiceStatus) -> State {
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

pub(super) fn programmed(facts: &Facts<'_>) -> State {
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

pub(super) fn enforced(facts: &Facts<'_>) -> State {
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
pub(super) fn ready(parts: &[(&str, &State)]) -> State {
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
