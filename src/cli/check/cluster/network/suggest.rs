//! NetworkPolicies that would close what was found.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::NAMESPACE_NAME;
use crate::api::annotations::INJECTED;
use crate::cli::check::cluster::Suggestion;

/// Labels that tell pods of one workload from one another, or change with its revisions.
const VOLATILE: [&str; 10] = [
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// The labels that pods have in common for as long as their workload lives.
pub(in crate::cli::check::cluster) fn common_labels<'a>(
    mut labels: impl Iterator<Item = &'a BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let mut common = labels.next().cloned().unwrap_or_default();
    for other in labels {
        common.retain(|key, value| other.get(key) == Some(value));
    }
    common.retain(|key, _| !VOLATILE.contains(&key.as_str()));
    common.insert(INJECTED.to_owned(), "true".to_owned());
    common
}

/// Lets requests in through the sidecar alone; `ports`: also to what else the pods declare.
pub(in crate::cli::check::cluster) fn through_sidecar(
    namespace: &str,
    service: &str,
    labels: &BTreeMap<String, String>,
    ports: &[u16],
) -> Suggestion {
    let ports: Vec<_> = ports.iter().map(|port| port_of("TCP", *port)).collect();
    let name = name(service, "-through-sidecar");
    suggestion(
        format!("NetworkPolicy {name}: requests come in through the sidecars of {service} alone"),
        namespace,
        &name,
        json!({
            "podSelector": { "matchLabels": labels },
            "policyTypes": ["Ingress"],
            "ingress": [{ "ports": ports }]
        }),
    )
}

/// Lets every sidecar of a namespace out to the operator, and to DNS.
pub(in crate::cli::check::cluster) fn to_operator(
    namespace: &str,
    operator_namespace: &str,
    port: u16,
) -> Suggestion {
    let name = "endpoints-sidecars-to-operator";
    suggestion(
        format!("NetworkPolicy {name}: sidecars reach the operator, and resolve its name"),
        namespace,
        name,
        json!({
            "podSelector": { "matchLabels": { INJECTED: "true" } },
            "policyTypes": ["Egress"],
            "egress": [
                {
                    "to": [{ "namespaceSelector": {
                        "matchLabels": { NAMESPACE_NAME: operator_namespace }
                    } }],
                    "ports": [port_of("TCP", port)]
                },
                { "ports": [port_of("UDP", 53), port_of("TCP", 53)] }
            ]
        }),
    )
}

fn port_of(protocol: &str, port: u16) -> Value {
    json!({ "protocol": protocol, "port": port })
}

/// What Kubernetes allows as a name.
fn name(service: &str, ending: &str) -> String {
    const LONGEST: usize = 253;
    let start: String = service.chars().take(LONGEST - ending.len()).collect();
    format!("{start}{ending}")
}

fn suggestion(purpose: String, namespace: &str, name: &str, spec: Value) -> Suggestion {
    let object = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": name, "namespace": namespace },
        "spec": spec
    });
    Suggestion {
        purpose,
        manifest: serde_yaml::to_string(&object).expect("names and numbers are YAML"),
    }
}
