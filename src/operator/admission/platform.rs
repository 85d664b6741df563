//! Where and as whom a pod runs, as far as it says.

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, PodSpec};

/// The labels of nodes that name their system; the second is the first's name of old.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// Whether a pod says that it runs, or may run, on Windows nodes alone. One of several terms of a node
/// affinity is enough: the scheduler may choose by it.
pub(super) fn is_windows(spec: &PodSpec) -> bool {
    let named = spec.os.as_ref().is_some_and(|os| is_its_name(&os.name));
    let mut labels = spec.node_selector.iter().flatten();
    let selected = labels.any(|(label, os)| OS_LABELS.contains(&label.as_str()) && is_its_name(os));
    named || selected || required(spec).any(leaves_windows_alone)
}

/// Whether every container that says nothing else runs as root.
pub(super) fn is_root(spec: &PodSpec) -> bool {
    let context = spec.security_context.as_ref();
    context.and_then(|context| context.run_as_user) == Some(0)
}

fn is_its_name(system: &str) -> bool {
    system.eq_ignore_ascii_case("windows")
}

/// What the pod's node affinity requires of a node's labels, of all its terms.
fn required(spec: &PodSpec) -> impl Iterator<Item = &NodeSelectorRequirement> {
    let affinity = spec.affinity.as_ref();
    let affinity = affinity.and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| {
        affinity
            .required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    let terms = required.into_iter().flat_map(|it| &it.node_selector_terms);
    terms.flat_map(|term| term.match_expressions.iter().flatten())
}

fn leaves_windows_alone(requirement: &NodeSelectorRequirement) -> bool {
    let systems = requirement.values.as_deref().unwrap_or_default();
    OS_LABELS.contains(&requirement.key.as_str())
        && match requirement.operator.as_str() {
            "In" => !systems.is_empty() && systems.iter().all(|os| is_its_name(os)),
            "NotIn" => systems.iter().any(|os| os == "linux"),
            _ => false,
        }
}
