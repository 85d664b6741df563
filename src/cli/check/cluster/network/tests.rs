use serde_json::{Value, json};

use super::*;
use crate::operator::pod::InjectedPod;

#[test]
fn pod_that_no_policy_selects_is_open() {
    let other = policy(json!({ "podSelector": { "matchLabels": { "app": "other" } } }));
    let egress_only = policy(json!({ "podSelector": {}, "policyTypes": ["Egress"] }));
    let all = [other, egress_only];
    let found = selecting(&all, &pod(), "Ingress");
    assert_eq!(ingress(&found, &pod(), 8080).0, Reach::Everyone);
}

#[test]
fn types_that_are_left_out_mean_ingress_and_egress_only_with_rules() {
    let ingress_only = [policy(json!({ "podSelector": {} }))];
    assert_eq!(selecting(&ingress_only, &pod(), "Ingress").len(), 1);
    assert_eq!(selecting(&ingress_only, &pod(), "Egress").len(), 0);
    let both = [policy(json!({ "podSelector": {}, "egress": [] }))];
    assert_eq!(selecting(&both, &pod(), "Egress").len(), 1);
}

#[test]
fn ports_are_compared_by_number_range_and_name() {
    for (ports, at_8080, at_14080) in [
        (json!([]), Reach::Everyone, Reach::Everyone),
        (json!([{ "port": 8080 }]), Reach::Everyone, Reach::Nobody),
        (
            json!([{ "port": 8000, "endPort": 9000 }]),
            Reach::Everyone,
            Reach::Nobody,
        ),
        (json!([{ "port": "http" }]), Reach::Nobody, Reach::Everyone),
        (
            json!([{ "port": "app-http" }]),
            Reach::Everyone,
            Reach::Nobody,
        ),
        (
            json!([{ "protocol": "UDP", "port": 8080 }]),
            Reach::Nobody,
            Reach::Nobody,
        ),
        (
            json!([{ "protocol": "TCP" }]),
            Reach::Everyone,
            Reach::Everyone,
        ),
    ] {
        let all = [policy(
            json!({ "podSelector": {}, "ingress": [{ "ports": ports }] }),
        )];
        let found = selecting(&all, &pod(), "Ingress");
        let reach = [8080, 14080].map(|port| ingress(&found, &pod(), port).0);
        assert_eq!(reach, [at_8080, at_14080], "{ports}");
    }
}

#[test]
fn rules_add_up_and_those_that_name_whom_are_told_from_others() {
    for (peers, reach) in [
        (json!([]), Reach::Everyone),
        (json!([{ "podSelector": {} }]), Reach::Everyone),
        (json!([{ "namespaceSelector": {} }]), Reach::Everyone),
        (
            json!([{ "ipBlock": { "cidr": "0.0.0.0/0" } }]),
            Reach::Everyone,
        ),
        (
            json!([{ "ipBlock": { "cidr": "10.0.0.0/8" } }]),
            Reach::Some,
        ),
        (
            json!([{ "podSelector": { "matchLabels": { "app": "gateway" } } }]),
            Reach::Some,
        ),
        (
            json!([{ "namespaceSelector": {}, "podSelector": { "matchLabels": { "app": "gateway" } } }]),
            Reach::Some,
        ),
    ] {
        let rule = json!({ "from": peers, "ports": [{ "port": 8080 }] });
        let all = [
            policy(json!({ "podSelector": {} })),
            policy(json!({ "podSelector": {}, "ingress": [rule] })),
        ];
        let found = selecting(&all, &pod(), "Ingress");
        assert_eq!(ingress(&found, &pod(), 8080).0, reach, "{peers}");
    }
}

#[test]
fn way_out_to_the_operator_is_closed_only_where_that_is_certain() {
    for (rule, open) in [
        (json!({}), true),
        (json!({ "ports": [{ "port": 9444 }] }), true),
        (json!({ "ports": [{ "port": 443 }] }), false),
        (
            json!({ "ports": [{ "protocol": "UDP", "port": 9444 }] }),
            false,
        ),
        (json!({ "to": [{ "podSelector": {} }] }), false),
        (
            json!({ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] }),
            true,
        ),
        (json!({ "to": [{ "namespaceSelector": {} }] }), true),
        (json!({ "to": [in_namespace("endpoints-system")] }), true),
        (json!({ "to": [in_namespace("kube-system")] }), false),
        (
            json!({ "to": [{ "namespaceSelector": { "matchLabels": { "team": "platform" } } }] }),
            true,
        ),
    ] {
        let all = [policy(
            json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [rule] }),
        )];
        let found = selecting(&all, &pod(), "Egress");
        let may = egress(&found, "TCP", 9444, Some("endpoints-system"));
        assert_eq!(may, open, "{rule}");
    }
    let denied = [policy(
        json!({ "podSelector": {}, "policyTypes": ["Egress"] }),
    )];
    let found = selecting(&denied, &pod(), "Egress");
    assert!(!egress(&found, "UDP", 53, None));
}

#[test]
fn selectors_match_as_the_api_documents() {
    for (expression, expected) in [
        (
            json!({ "key": "app", "operator": "In", "values": ["a", "bookstore"] }),
            true,
        ),
        (
            json!({ "key": "app", "operator": "NotIn", "values": ["bookstore"] }),
            false,
        ),
        (
            json!({ "key": "no", "operator": "NotIn", "values": ["x"] }),
            true,
        ),
        (json!({ "key": "app", "operator": "Exists" }), true),
        (json!({ "key": "app", "operator": "DoesNotExist" }), false),
        (json!({ "key": "app", "operator": "Near" }), false),
    ] {
        let selector = json!({ "matchExpressions": [expression] });
        let selector = serde_json::from_value(selector).unwrap();
        assert_eq!(matches(&selector, &pod().labels), expected, "{expression}");
    }
}

fn in_namespace(name: &str) -> Value {
    json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } } })
}

fn policy(spec: Value) -> NetworkPolicy {
    let policy = json!({ "metadata": { "namespace": "shop", "name": "p" }, "spec": spec });
    serde_json::from_value(policy).unwrap()
}

fn pod() -> InjectedPod {
    let pod = crate::cli::check::cluster::tests::pod("a");
    InjectedPod::read(&serde_json::from_value(pod).unwrap()).unwrap()
}
