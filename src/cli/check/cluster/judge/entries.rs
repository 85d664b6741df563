//! EndpointsServices: what their conditions say, and who uses them.

use super::Found;
use crate::api::conditions::{ACCEPTED, PROGRAMMED, RESOLVED_REFS, reason};
use crate::cli::check::cluster::codes;
use crate::cli::check::cluster::facts::{Entry, Namespace, Seen};
use crate::openapi::Diagnostic;
use crate::openapi::diagnostic::Place;

pub(super) fn judge(namespace: &str, facts: &Namespace, seen: Seen, found: &mut Found) {
    for (name, entry) in &facts.entries {
        let object = format!("endpointsservice/{name}");
        for finding in conditions(namespace, name, entry) {
            found.push(namespace, &object, finding);
        }
        if seen.pods && !facts.pods.values().any(|pod| pod.service == *name) {
            let finding = Diagnostic::warning(
                codes::ENDPOINTS_SERVICE_UNUSED,
                Place::resource(""),
                "no pod has a sidecar for this EndpointsService",
            )
            .help(format!(
                "put the annotation endpoints.dev/service: {name} into a pod template of namespace \
                 {namespace}"
            ));
            found.push(namespace, &object, finding);
        }
    }
}

fn conditions(namespace: &str, name: &str, entry: &Entry) -> Vec<Diagnostic> {
    let condition = |kind: &str| entry.conditions.iter().find(|it| it.type_ == kind);
    let is_current = condition(ACCEPTED)
        .and_then(|condition| condition.observed_generation)
        .is_some_and(|generation| generation >= entry.generation);
    if !is_current {
        let finding = Diagnostic::warning(
            codes::NOT_OBSERVED,
            Place::resource("/status"),
            format!(
                "the operator has not said anything about generation {} yet",
                entry.generation
            ),
        )
        .help("is it running? kubectl get pods -A -l app.kubernetes.io/name=endpoints-operator");
        return vec![finding];
    }
    let remedies = [
        (
            ACCEPTED,
            codes::NOT_ACCEPTED,
            format!(
                "kubectl get eps {name} -n {namespace} -o yaml | endpoints check - (says where)"
            ),
        ),
        (
            RESOLVED_REFS,
            codes::NOT_RESOLVED,
            "is the address right, and does the operator's network reach it?".to_owned(),
        ),
        (
            PROGRAMMED,
            codes::NOT_PROGRAMMED,
            "if it stays: the logs of container endpoints-proxy say why".to_owned(),
        ),
    ];
    remedies
        .into_iter()
        .filter_map(|(kind, code, remedy)| {
            let condition = condition(kind).filter(|it| it.status == "False")?;
            // Said by Accepted already.
            if condition.reason == reason::NOT_ACCEPTED {
                return None;
            }
            let message = format!(
                "{kind} is False, {}: {}",
                condition.reason, condition.message
            );
            Some(Diagnostic::error(code, Place::resource("/status"), message).help(remedy))
        })
        .collect()
}
