use serde_json::{Value, json};

use super::*;

#[test]
fn injected_pod_is_read() {
    let facts = read(pod()).unwrap();
    assert_eq!(
        (&*facts.namespace, &*facts.name, &*facts.uid),
        ("shop", "a", "1")
    );
    assert_eq!(facts.service, "bookstore");
    assert_eq!((facts.taken[0].listen, facts.taken[0].app), (14080, 8080));
    assert!(facts.live);
}

#[test]
fn only_pods_that_the_injector_marked_count() {
    let mut unmarked = pod();
    unmarked["metadata"]["labels"] = json!({});
    assert_eq!(read(unmarked), None);
    let mut unnamed = pod();
    unnamed["metadata"]["annotations"] = json!({});
    assert_eq!(read(unnamed), None);
}

#[test]
fn finished_and_deleted_pods_are_not_live() {
    for (phase, live) in [
        ("Pending", true),
        ("Running", true),
        ("Succeeded", false),
        ("Failed", false),
        ("Unknown", false),
    ] {
        let mut pod = pod();
        pod["status"]["phase"] = json!(phase);
        assert_eq!(read(pod).unwrap().live, live, "{phase}");
    }
    let mut deleted = pod();
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert!(!read(deleted).unwrap().live);
}

#[test]
fn status_that_does_not_parse_leaves_no_known_ports() {
    let mut pod = pod();
    pod["metadata"]["annotations"]["endpoints.dev/status"] = json!("}");
    assert!(read(pod).unwrap().taken.is_empty());
}

#[test]
fn forged_status_with_thousands_of_ports_leaves_no_known_ports() {
    let ports = |count: usize| {
        let port = json!({ "listen": 14080, "app": 8080 });
        json!({ "version": "0", "ports": vec![port; count] }).to_string()
    };
    let mut pod = pod();
    pod["metadata"]["annotations"]["endpoints.dev/status"] = ports(16).into();
    assert_eq!(read(pod.clone()).unwrap().taken.len(), 16);
    pod["metadata"]["annotations"]["endpoints.dev/status"] = ports(17).into();
    assert!(read(pod).unwrap().taken.is_empty());
}

#[test]
fn names_are_looked_up_as_kubernetes_does() {
    let mut pod = pod();
    pod["spec"] = json!({
        "initContainers": [
            { "name": "setup", "ports": [{ "name": "once", "containerPort": 1 }] },
            { "name": "sidecar", "restartPolicy": "Always",
              "ports": [{ "name": "http", "containerPort": 14080 }, { "name": "web", "containerPort": 2 }] }
        ],
        "containers": [{ "name": "app", "ports": [
            { "name": "web", "containerPort": 8080 },
            { "name": "dns", "containerPort": 53, "protocol": "UDP" },
            { "containerPort": 9 }
        ] }]
    });
    let facts = read(pod).unwrap();
    let ports = ["http", "web", "once", "dns"].map(|name| facts.port(name));
    assert_eq!(ports, [Some(14080), Some(8080), None, None]);
}

fn read(pod: Value) -> Option<InjectedPod> {
    InjectedPod::read(&serde_json::from_value(pod).unwrap())
}

fn pod() -> Value {
    json!({
        "metadata": {
            "namespace": "shop", "name": "a", "uid": "1",
            "labels": { "endpoints.dev/injected": "true" },
            "annotations": {
                "endpoints.dev/service": "bookstore",
                "endpoints.dev/status": r#"{"version":"0.1.0","ports":[{"name":"http","listen":14080,"app":8080}]}"#
            }
        },
        "status": { "phase": "Running" }
    })
}
