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
fn secrets_are_those_of_the_sidecars_own_volumes() {
    let mut given = pod();
    given["spec"]["volumes"] = json!([
        { "name": "endpoints-listener-tls", "secret": { "secretName": "cert", "optional": true } },
        { "name": "backend-tls", "secret": { "secretName": "the app's" } },
    ]);
    let secrets = read(given).unwrap().secrets;
    let expected = MountedSecrets {
        listener: Some("cert".into()),
        backend: None,
    };
    assert_eq!(secrets, expected);
    assert_eq!(read(pod()).unwrap().secrets, MountedSecrets::default());
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
        "containers": [{ "name": "endpoints-proxy" }, { "name": "app", "ports": [
            { "name": "web", "containerPort": 8080 },
            { "name": "dns", "containerPort": 53, "protocol": "UDP" },
            { "containerPort": 9 }
        ] }]
    });
    let facts = read(pod).unwrap();
    let ports = ["http", "web", "once", "dns"].map(|name| facts.port(name));
    assert_eq!(ports, [Some(14080), Some(8080), None, None]);
}

#[test]
fn label_without_the_sidecar_makes_no_sidecar() {
    let mut labelled = pod();
    labelled["spec"] = json!({ "containers": [{ "name": "app" }] });
    assert_eq!(read(labelled), None);
    let mut native = pod();
    native["spec"] = json!({
        "initContainers": [{ "name": "endpoints-proxy", "restartPolicy": "Always" }],
        "containers": [{ "name": "app" }]
    });
    assert!(read(native).is_some());
}

#[test]
fn sidecar_that_is_ready_is_told_from_one_that_is_not() {
    for (list, name, ready, expected) in [
        ("containerStatuses", "endpoints-proxy", true, true),
        ("initContainerStatuses", "endpoints-proxy", true, true),
        ("containerStatuses", "endpoints-proxy", false, false),
        ("containerStatuses", "app", true, false),
    ] {
        let mut pod = pod();
        pod["status"][list] = json!([{
            "name": name, "ready": ready, "image": "", "imageID": "", "restartCount": 0
        }]);
        assert_eq!(
            read(pod).unwrap().was_ready,
            expected,
            "{list} {name} {ready}"
        );
    }
}

#[test]
fn capture_mode_is_read_and_named_unless_told() {
    assert_eq!(read(pod()).unwrap().capture, CaptureMode::Named);
    let mut redirected = pod();
    redirected["metadata"]["annotations"]["endpoints.dev/status"] =
        json!(r#"{"version":"0.1.0","capture":"redirect","ports":[]}"#);
    assert_eq!(read(redirected).unwrap().capture, CaptureMode::Redirect);
}

#[test]
fn workload_is_the_object_whose_template_people_edit() {
    let workload = |kind: &str, name: &str| {
        let mut pod = pod();
        pod["metadata"]["labels"]["pod-template-hash"] = json!("5d9c");
        pod["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "2", "controller": true
        }]);
        let workload = read(pod).unwrap().workload;
        workload.map(|it| format!("{}/{}", it.kind.resource(), it.name))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(workload("ReplicaSet", "shop-5d9c"), some("deployment/shop"));
    assert_eq!(workload("ReplicaSet", "shop"), None, "a bare ReplicaSet");
    assert_eq!(workload("StatefulSet", "db"), some("statefulset/db"));
    assert_eq!(workload("DaemonSet", "edge"), some("daemonset/edge"));
    assert_eq!(workload("Job", "once"), None);
    let hostile = workload("StatefulSet", "x; rm -rf ~");
    assert_eq!(hostile, None, "people paste it");
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
        "spec": { "containers": [{ "name": "endpoints-proxy" }, { "name": "app" }] },
        "status": { "phase": "Running" }
    })
}
