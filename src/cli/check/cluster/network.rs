//! What NetworkPolicies let through, as the API documents it: a pod that none selects is open; one that
//! some select gets what any of them lets through.
//! <https://kubernetes.io/docs/concepts/services-networking/network-policies/>

pub(super) mod suggest;

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::operator::pod::InjectedPod;

#[cfg(test)]
mod tests;

/// The label that every namespace has with its own name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Who may connect to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// No rule lets anybody in.
    Nobody,
    /// Rules that name whom.
    Some,
    /// Every pod of the cluster, or of the namespace.
    Everyone,
}

/// The policies of one direction that select a pod.
pub(super) fn selecting<'p>(
    policies: &'p [NetworkPolicy],
    pod: &InjectedPod,
    direction: &str,
) -> Vec<&'p NetworkPolicy> {
    policies
        .iter()
        .filter(|policy| {
            policy.spec.as_ref().is_some_and(|spec| {
                has_direction(spec, direction)
                    && spec
                        .pod_selector
                        .as_ref()
                        .is_none_or(|selector| matches(selector, &pod.labels))
            })
        })
        .collect()
}

/// Absent types mean ingress, and egress where there are rules of it.
fn has_direction(spec: &NetworkPolicySpec, direction: &str) -> bool {
    match &spec.policy_types {
        Some(types) if !types.is_empty() => types.iter().any(|it| it == direction),
        _ => direction == "Ingress" || spec.egress.is_some(),
    }
}

/// Who may connect to a TCP port of a pod that these policies select, and the policy that says so.
pub(super) fn ingress<'p>(
    policies: &[&'p NetworkPolicy],
    pod: &InjectedPod,
    port: u16,
) -> (Reach, Option<&'p NetworkPolicy>) {
    if policies.is_empty() {
        return (Reach::Everyone, None);
    }
    let mut best = (Reach::Nobody, None);
    for policy in policies {
        let rules = policy
            .spec
            .iter()
            .flat_map(|spec| spec.ingress.iter().flatten());
        for rule in rules {
            let ports = rule.ports.as_deref().unwrap_or_default();
            if !has_port(ports, "TCP", port, Some(pod)) {
                continue;
            }
            let peers = rule.from.as_deref().unwrap_or_default();
            let reach = match peers.is_empty() || peers.iter().any(is_everyone) {
                true => Reach::Everyone,
                false => Reach::Some,
            };
            if reach > best.0 {
                best = (reach, Some(*policy));
            }
        }
    }
    best
}

/// Whether a pod that these policies select may connect to a port of pods in a namespace. What cannot
/// be told from here (addresses, other labels) counts as yes.
pub(super) fn egress(
    policies: &[&NetworkPolicy],
    protocol: &str,
    port: u16,
    namespace: Option<&str>,
) -> bool {
    policies.is_empty()
        || policies
            .iter()
            .flat_map(|policy| policy.spec.iter())
            .flat_map(|spec| spec.egress.iter().flatten())
            .any(|rule| {
                let peers = rule.to.as_deref().unwrap_or_default();
                let may = |peer: &NetworkPolicyPeer| match (&peer.namespace_selector, namespace) {
                    (Some(selector), Some(namespace)) => may_match(selector, namespace),
                    (None, Some(_)) => peer.ip_block.is_some(),
                    (_, None) => true,
                };
                has_port(
                    rule.ports.as_deref().unwrap_or_default(),
                    protocol,
                    port,
                    None,
                ) && (peers.is_empty() || peers.iter().any(may))
            })
}

/// No ports: all of them.
fn has_port(
    ports: &[NetworkPolicyPort],
    protocol: &str,
    number: u16,
    pod: Option<&InjectedPod>,
) -> bool {
    ports.is_empty()
        || ports.iter().any(|port| {
            let number = i32::from(number);
            port.protocol.as_deref().unwrap_or("TCP") == protocol
                && match (&port.port, port.end_port) {
                    (None, _) => true,
                    (Some(IntOrString::Int(first)), None) => *first == number,
                    (Some(IntOrString::Int(first)), Some(last)) => {
                        (*first..=last).contains(&number)
                    }
                    // Of the pods that are connected to: only known where that is this one.
                    (Some(IntOrString::String(name)), _) => pod.is_none_or(|pod| {
                        pod.port(name).is_some_and(|port| i32::from(port) == number)
                    }),
                }
        })
}

/// Whether a peer stands for anybody, at least in the same namespace.
fn is_everyone(peer: &NetworkPolicyPeer) -> bool {
    let block = peer.ip_block.as_ref();
    if let Some(block) = block {
        return block.cidr.ends_with("/0");
    }
    let all =
        |selector: &LabelSelector| *selector == LabelSelector::default() || is_empty(selector);
    peer.pod_selector.as_ref().is_none_or(all) && peer.namespace_selector.as_ref().is_none_or(all)
}

fn is_empty(selector: &LabelSelector) -> bool {
    selector
        .match_labels
        .as_ref()
        .is_none_or(BTreeMap::is_empty)
        && selector
            .match_expressions
            .as_ref()
            .is_none_or(Vec::is_empty)
}

/// Whether a namespace of this name can have what a selector asks for: of its labels only one is known.
fn may_match(selector: &LabelSelector, namespace: &str) -> bool {
    let known = BTreeMap::from([(NAMESPACE_NAME.to_owned(), namespace.to_owned())]);
    let only_known = LabelSelector {
        match_labels: selector.match_labels.clone().map(|mut labels| {
            labels.retain(|key, _| key == NAMESPACE_NAME);
            labels
        }),
        match_expressions: selector.match_expressions.clone().map(|mut expressions| {
            expressions.retain(|expression| expression.key == NAMESPACE_NAME);
            expressions
        }),
    };
    matches(&only_known, &known)
}

/// Whether labels are what a selector asks for; an operator that is not known matches nothing.
pub(super) fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|wanted| {
            let value = labels.get(&wanted.key);
            let values = wanted.values.as_deref().unwrap_or_default();
            match wanted.operator.as_str() {
                "In" => value.is_some_and(|value| values.contains(value)),
                "NotIn" => value.is_none_or(|value| !values.contains(value)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}
