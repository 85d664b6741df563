use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::CronJob;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::facts::{Facts, Seen, misplaced};
use super::judge::judge;
use super::*;
use crate::operator::capture::ServiceFacts;

#[test]
fn nothing_is_found_where_all_is_well() {
    let facts = World::default().facts();
    assert_eq!(found(&facts), Vec::<String>::new());
}

#[test]
fn every_finding_has_a_section_and_every_section_a_finding() {
    let page = include_str!("../../../../docs/cluster-findings.md");
    let sections: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    assert_eq!(sections, codes::names().collect());
    assert!(codes::names().is_sorted());
}

#[test]
fn services_that_go_around_are_found_with_the_command() {
    let mut world = World::default();
    world.service["spec"]["ports"][0]["targetPort"] = json!(8080);
    let [finding] = &found(&world.facts())[..] else {
        panic!("one")
    };
    assert!(
        finding.starts_with("shop/service/bookstore error goes-around: Service bookstore port 80"),
        "{finding}"
    );
    assert!(
        finding
            .contains("help: set its targetPort to http: kubectl patch service bookstore -n shop"),
        "{finding}"
    );
}

#[test]
fn pods_that_nobody_leads_to_are_found_unless_services_could_not_be_listed() {
    let mut world = World::default();
    world.service["spec"]["selector"] = json!({ "app": "other" });
    assert_eq!(codes(&world.facts()), ["not-selected"]);
    let mut facts = world.facts();
    facts.seen.services = false;
    assert_eq!(codes(&facts), Vec::<String>::new());
}

#[test]
fn annotations_on_the_workload_itself_are_found_with_the_command() {
    let own = json!({ "endpoints.dev/service": "bookstore" });
    let deployment = |outer: &Value, inner: Value| {
        let object = json!({
            "metadata": { "namespace": "shop", "name": "web", "annotations": outer },
            "spec": { "selector": {}, "template": { "metadata": { "annotations": inner } } }
        });
        workload::<Deployment>(object)
    };
    let finding = deployment(&own, json!({}));
    assert!(
        finding[0].ends_with(
            "help: kubectl patch deployment web -n shop -p \
             '{\"spec\":{\"template\":{\"metadata\":{\"annotations\":\
             {\"endpoints.dev/service\":\"bookstore\"}}}}}'"
        ),
        "{finding:?}"
    );
    assert!(deployment(&own, own.clone()).is_empty(), "in both places");
    assert!(deployment(&json!({ "other": "x" }), json!({})).is_empty());
    let hostile = json!({ "endpoints.dev/service": "';reboot'" });
    let finding = deployment(&hostile, json!({}));
    assert!(
        !finding[0].contains("reboot"),
        "people paste it: {finding:?}"
    );

    let cronjob = workload::<CronJob>(json!({
        "metadata": { "namespace": "shop", "name": "nightly", "annotations": own },
        "spec": { "schedule": "", "jobTemplate": { "spec": { "template": {} } } }
    }));
    assert!(
        cronjob[0].contains("\"jobTemplate\":{\"spec\":{\"template\""),
        "{cronjob:?}"
    );
    let of_jobs = workload::<CronJob>(json!({
        "metadata": { "namespace": "shop", "name": "nightly" },
        "spec": { "schedule": "", "jobTemplate": { "metadata": { "annotations": own }, "spec": { "template": {} } } }
    }));
    assert_eq!(of_jobs, cronjob, "the Jobs pass them on no more");
}

#[test]
fn annotated_pods_without_a_sidecar_are_found_once_a_workload() {
    let mut world = World::default();
    for name in ["old-1", "old-2"] {
        let mut bare = pod(name);
        bare["spec"] = json!({ "containers": [{ "name": "app" }] });
        bare["metadata"]["labels"] = json!({ "pod-template-hash": "5d9c" });
        bare["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d9c", "uid": "2",
            "controller": true
        }]);
        world.pods.push(bare);
    }
    let mut finished = pod("done");
    finished["spec"] = json!({ "containers": [{ "name": "app" }] });
    finished["status"]["phase"] = json!("Succeeded");
    world.pods.push(finished);
    assert_eq!(
        found(&world.facts()),
        [
            "shop/deployment/web error pod-not-injected: annotated, but without a sidecar: pod old-1 and 1 \
          more help: what was made before the operator was installed has none: kubectl rollout restart \
          deployment web -n shop"
        ]
    );
}

#[test]
fn services_and_pods_that_miss_each_other_are_found() {
    let mut world = World {
        entries: vec![entry("book-store", json!([]))],
        ..World::default()
    };
    world.entries[0]["status"] = accepted();
    let facts = world.facts();
    assert_eq!(
        codes(&facts),
        ["endpoints-service-unused", "endpoints-service-missing"]
    );
    let mut blind = world.facts();
    blind.seen.entries = false;
    assert!(
        !codes(&blind).contains(&"endpoints-service-missing".to_owned()),
        "it may exist"
    );
    let mut blind = world.facts();
    blind.seen.pods = false;
    assert!(
        !codes(&blind).contains(&"endpoints-service-unused".to_owned()),
        "it may be used"
    );
}

#[test]
fn conditions_that_are_false_are_found_and_old_ones_are_none() {
    let told = |conditions: Value| {
        let world = World {
            entries: vec![entry("bookstore", conditions)],
            ..World::default()
        };
        codes(&world.facts())
    };
    let condition = |kind: &str, status: &str, reason: &str, generation: i64| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "why",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"
        })
    };
    let good = || condition("Accepted", "True", "Valid", 3);
    assert_eq!(told(json!([])), ["not-observed"]);
    assert_eq!(
        told(json!([condition("Accepted", "True", "Valid", 2)])),
        ["not-observed"]
    );
    assert_eq!(told(json!([good()])), Vec::<String>::new());
    assert_eq!(
        told(json!([
            condition("Accepted", "False", "InvalidSpec", 3),
            condition("Programmed", "False", "NotAccepted", 3)
        ])),
        ["not-accepted"]
    );
    assert_eq!(
        told(json!([
            good(),
            condition("ResolvedRefs", "False", "KeySetUnavailable", 3),
            condition("Programmed", "False", "Rejected", 3)
        ])),
        ["not-resolved", "not-programmed"]
    );
}

#[test]
fn sidecars_older_than_the_operator_or_this_command_are_found() {
    let mut world = World::default();
    world.pods[0]["metadata"]["annotations"]["endpoints.dev/status"] =
        json!(r#"{"version":"0.0.9","ports":[{"name":"http","listen":14080,"app":8080}]}"#);
    let finding = &found(&world.facts())[0];
    assert!(finding.contains("older than this command's"), "{finding}");
    let mut facts = world.facts();
    facts.operator_version = Some("0.0.9".to_owned());
    assert_eq!(codes(&facts), Vec::<String>::new());
    facts.operator_version = Some("0.0.10".to_owned());
    let finding = &found(&facts)[0];
    assert!(
        finding.contains("sidecar-outdated") && finding.contains("the operator's 0.0.10"),
        "{finding}"
    );
}

#[test]
fn app_that_anybody_reaches_is_found_with_a_policy_that_closes_it() {
    let mut world = World::default();
    world.policies.clear();
    let facts = world.facts();
    let finding = &found(&facts)[0];
    assert!(
        finding.starts_with("shop/pod/a warning reachable-around-sidecar"),
        "{finding}"
    );
    assert!(
        finding.contains("unless it listens on 127.0.0.1 only"),
        "{finding}"
    );
    let suggestions = judge(&facts).suggestions;
    assert_eq!(
        suggestions[0].manifest,
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: bookstore-through-sidecar
  namespace: shop
spec:
  ingress:
  - ports:
    - port: 14080
      protocol: TCP
    - port: 14070
      protocol: TCP
    - port: 9090
      protocol: TCP
  podSelector:
    matchLabels:
      app: bookstore
      endpoints.dev/injected: 'true'
  policyTypes:
  - Ingress
"
    );
    // What is suggested is enough.
    world.policies = vec![serde_yaml::from_str(&suggestions[0].manifest).unwrap()];
    assert_eq!(codes(&world.facts()), Vec::<String>::new());
}

#[test]
fn probe_at_the_pods_address_proves_that_the_app_is_reachable() {
    for (probe, proves) in [
        (json!({ "httpGet": { "port": 8080 } }), true),
        (json!({ "tcpSocket": { "port": "app-http" } }), true),
        (json!({ "grpc": { "port": 8080 } }), true),
        (
            json!({ "httpGet": { "port": 8080, "host": "127.0.0.1" } }),
            false,
        ),
        (json!({ "httpGet": { "port": 9090 } }), false),
    ] {
        let mut world = World::default();
        world.policies.clear();
        world.pods[0]["spec"]["containers"][0]["readinessProbe"] = probe.clone();
        let finding = &found(&world.facts())[0];
        assert_eq!(
            finding.contains("kubelet probes it there"),
            proves,
            "{probe}: {finding}"
        );
    }
}

#[test]
fn policy_by_the_apps_number_blocks_the_sidecar_and_leaves_the_app_open() {
    let mut world = World {
        policies: vec![json!({
            "metadata": { "namespace": "shop", "name": "web" },
            "spec": { "podSelector": {}, "ingress": [{ "ports": [{ "port": 8080 }] }] }
        })],
        ..World::default()
    };
    let facts = world.facts();
    assert_eq!(
        codes(&facts),
        ["network-policy-blocks-sidecar", "reachable-around-sidecar"]
    );
    let both = found(&facts).join("\n");
    assert_eq!(
        both.matches("kubectl edit networkpolicy web -n shop")
            .count(),
        2,
        "{both}"
    );
    assert!(
        judge(&facts).suggestions.is_empty(),
        "another policy would close nothing"
    );
    // Redirected behind the policies: they see the app's port.
    world.pods[0]["metadata"]["annotations"]["endpoints.dev/status"] = status("redirect");
    assert_eq!(codes(&world.facts()), Vec::<String>::new());
}

#[test]
fn pods_with_capture_none_are_not_asked_for_a_policy() {
    let mut world = World::default();
    world.policies.clear();
    world.pods[0]["metadata"]["annotations"]["endpoints.dev/status"] = status("none");
    assert_eq!(codes(&world.facts()), Vec::<String>::new());
    world.service["spec"]["ports"][0]["targetPort"] = json!(8080);
    assert_eq!(codes(&world.facts()), ["capture-none"]);
}

#[test]
fn default_deny_of_egress_is_found_with_a_policy_that_opens_what_is_needed() {
    let mut world = World::default();
    let deny = json!({
        "metadata": { "namespace": "shop", "name": "deny" },
        "spec": { "podSelector": {}, "policyTypes": ["Egress"] }
    });
    world.policies.push(deny);
    let facts = world.facts();
    assert_eq!(codes(&facts), ["network-policy-blocks-operator"]);
    let finding = &found(&facts)[0];
    assert!(
        finding.contains("TCP 9444 of namespace endpoints-system"),
        "{finding}"
    );
    assert!(finding.contains("nor to UDP 53"), "{finding}");
    let suggested = judge(&facts).suggestions.remove(0).manifest;
    world
        .policies
        .push(serde_yaml::from_str(&suggested).unwrap());
    assert_eq!(codes(&world.facts()), Vec::<String>::new(), "{suggested}");
}

#[test]
fn findings_are_bounded() {
    let entries = (0..2000).map(|n| entry(&format!("s{n}"), json!([])));
    let world = World {
        entries: entries.collect(),
        ..World::default()
    };
    assert_eq!(found(&world.facts()).len(), 1000);
}

#[test]
fn operators_address_names_its_service() {
    let service = |address| read::service_of(address);
    let found = service("endpoints-operator.endpoints-system.svc:9444");
    assert_eq!(
        found,
        Some(("endpoints-operator".into(), "endpoints-system".into()))
    );
    assert_eq!(service("10.96.0.12:9444"), None);
    assert_eq!(service("localhost:9444"), None);
}

/// One service, well installed: an EndpointsService, a pod with its sidecar, a Service, a NetworkPolicy.
struct World {
    entries: Vec<Value>,
    pods: Vec<Value>,
    service: Value,
    policies: Vec<Value>,
}

impl Default for World {
    fn default() -> Self {
        let mut entry = entry("bookstore", json!([]));
        entry["status"] = accepted();
        Self {
            entries: vec![entry],
            pods: vec![pod("a")],
            service: json!({
                "metadata": { "namespace": "shop", "name": "bookstore" },
                "spec": {
                    "selector": { "app": "bookstore" },
                    "ports": [{ "port": 80, "targetPort": "http" }]
                }
            }),
            policies: vec![json!({
                "metadata": { "namespace": "shop", "name": "sidecar-only" },
                "spec": {
                    "podSelector": {},
                    "ingress": [{ "ports": [{ "port": "http" }, { "port": 9090 }] }]
                }
            })],
        }
    }
}

impl World {
    fn facts(&self) -> Facts {
        let mut facts = Facts {
            seen: Seen {
                entries: true,
                pods: true,
                services: true,
                slices: true,
                policies: true,
            },
            ..Facts::default()
        };
        for entry in &self.entries {
            facts.add_entry(&serde_json::from_value(entry.clone()).unwrap());
        }
        for pod in &self.pods {
            facts.add_pod(&serde_json::from_value(pod.clone()).unwrap());
        }
        let service = ServiceFacts::read(&serde_json::from_value(self.service.clone()).unwrap());
        let shop = facts.namespace(Some("shop".into()));
        shop.slices.entry(service.name.clone()).or_default().listed = true;
        shop.services.insert(service.name.clone(), service);
        for policy in &self.policies {
            shop.policies
                .push(serde_json::from_value(policy.clone()).unwrap());
        }
        facts
    }
}

/// `OBJECT SEVERITY CODE: MESSAGE help: HELP` of each.
fn found(facts: &Facts) -> Vec<String> {
    let checked = judge(facts).checked;
    let all = checked.iter().flat_map(|checked| {
        checked.findings.iter().map(|located| {
            let finding = &located.finding;
            format!(
                "{} {} {}: {} help: {}",
                checked.file,
                finding.severity.name(),
                finding.code,
                finding.message,
                finding.help.as_deref().expect("each has a remedy")
            )
        })
    });
    all.collect()
}

fn codes(facts: &Facts) -> Vec<String> {
    let checked = judge(facts).checked;
    let all = checked.iter().flat_map(|checked| &checked.findings);
    all.map(|located| located.finding.code.to_owned()).collect()
}

fn workload<W>(object: Value) -> Vec<String>
where
    W: facts::HasTemplate + Resource + DeserializeOwned,
{
    let workload: W = serde_json::from_value(object).unwrap();
    let mut facts = Facts::default();
    facts.add_workload(misplaced(workload.meta(), &workload));
    found(&facts)
}

fn entry(name: &str, conditions: Value) -> Value {
    json!({
        "apiVersion": "endpoints.dev/v1alpha1", "kind": "EndpointsService",
        "metadata": { "namespace": "shop", "name": name, "generation": 3 },
        "status": { "conditions": conditions }
    })
}

fn accepted() -> Value {
    json!({ "conditions": [{
        "type": "Accepted", "status": "True", "reason": "Valid", "message": "",
        "observedGeneration": 3, "lastTransitionTime": "2026-01-01T00:00:00Z"
    }] })
}

fn status(mode: &str) -> Value {
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"), "capture": mode,
        "ports": [{ "name": "http", "listen": 14080, "app": 8080 }]
    });
    json!(status.to_string())
}

/// An injected pod, as Kubernetes stores it.
pub(super) fn pod(name: &str) -> Value {
    json!({
        "metadata": {
            "namespace": "shop", "name": name, "uid": name,
            "labels": { "app": "bookstore", "endpoints.dev/injected": "true", "pod-template-hash": "x" },
            "annotations": {
                "endpoints.dev/service": "bookstore", "endpoints.dev/status": status("named")
            }
        },
        "spec": {
            "initContainers": [{
                "name": "endpoints-proxy", "restartPolicy": "Always",
                "ports": [{ "name": "http", "containerPort": 14080 }, { "containerPort": 14070 }],
                "env": [{
                    "name": "ENDPOINTS_OPERATOR_ADDRESS",
                    "value": "endpoints-operator.endpoints-system.svc:9444"
                }]
            }],
            "containers": [{ "name": "app", "ports": [
                { "name": "app-http", "containerPort": 8080 },
                { "name": "metrics", "containerPort": 9090 }
            ] }]
        },
        "status": { "phase": "Running", "podIPs": [{ "ip": "10.0.0.1" }] }
    })
}
