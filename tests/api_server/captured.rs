//! `Captured`: Services that lead to the sidecars, or around them.

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::api_server::{Cluster, Operator, SYSTEM, Test, create_namespace};
use crate::objects::{
    create_kube_service, create_pod, create_service, document, pod, wait_for, wait_for_sidecars,
};

#[tokio::test]
async fn service_without_target_port_goes_around_until_the_command_that_it_names_is_run() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    create_pod(&test, "a", "bookstore").await;
    wait_for(&test, "bookstore", "Captured", "Unknown", "NotSelected").await;
    let named = json!({ "port": 80, "targetPort": "http" });
    create_kube_service(&test, "named", "bookstore", named).await;
    wait_for(&test, "bookstore", "Captured", "True", "AllCaptured").await;

    create_kube_service(&test, "plain", "bookstore", json!({ "port": 8080 })).await;
    let captured = wait_for(&test, "bookstore", "Captured", "False", "NumericTargetPort").await;
    assert!(
        captured.message.contains("Service plain port 8080"),
        "{}",
        captured.message
    );
    assert!(
        captured.message.contains("set its targetPort to http"),
        "{}",
        captured.message
    );
    let ready = wait_for(&test, "bookstore", "Ready", "False", "NotReady").await;
    assert!(ready.message.contains("Service plain"), "{}", ready.message);

    run_fix(&test, &captured.message).await;
    wait_for(&test, "bookstore", "Captured", "True", "AllCaptured").await;
}

#[tokio::test]
async fn number_of_two_protocols_is_mended_by_its_command_and_the_other_one_kept() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    create_pod(&test, "a", "bookstore").await;
    let both = json!({
        "metadata": { "name": "both" },
        "spec": { "selector": { "app": "bookstore" }, "ports": [
            { "name": "u", "port": 8080, "protocol": "UDP" }, { "name": "t", "port": 8080 }
        ] }
    });
    test.create::<Service>(both).await.unwrap();
    let captured = wait_for(&test, "bookstore", "Captured", "False", "NumericTargetPort").await;
    run_fix(&test, &captured.message).await;
    wait_for(&test, "bookstore", "Captured", "True", "AllCaptured").await;
    let ports = test.api::<Service>().get("both").await.unwrap();
    let ports = json!(ports.spec.unwrap().ports);
    assert_eq!(ports[0]["targetPort"], 8080);
    assert_eq!(ports[1]["targetPort"], "http");
}

#[tokio::test]
async fn headless_service_goes_around_until_it_is_gone() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    create_pod(&test, "a", "bookstore").await;
    let headless = json!({
        "metadata": { "name": "headless" },
        "spec": {
            "clusterIP": "None", "selector": { "app": "bookstore" },
            "ports": [{ "port": 80, "targetPort": "http" }]
        }
    });
    test.create::<Service>(headless).await.unwrap();
    wait_for(&test, "bookstore", "Captured", "False", "HeadlessService").await;
    test.api::<Service>()
        .delete("headless", &DeleteParams::default())
        .await
        .unwrap();
    wait_for(&test, "bookstore", "Captured", "Unknown", "NotSelected").await;
}

#[tokio::test]
async fn pods_without_a_sidecar_behind_the_same_service_are_named_until_they_are_gone() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let named = json!({ "port": 80, "targetPort": "http" });
    create_kube_service(&test, "web", "bookstore", named).await;
    // Nobody controls endpoints here: the test does.
    let injected = create_pod(&test, "a", "bookstore").await;
    let old = bare_pod(&test, "old").await;
    let slice = slice(
        "web",
        "endpointslice-controller.k8s.io",
        14080,
        &[&injected],
    );
    test.create::<EndpointSlice>(slice).await.unwrap();
    wait_for(&test, "bookstore", "Captured", "True", "AllCaptured").await;
    let slice = self::slice("web", "endpointslice-controller.k8s.io", 8080, &[&old]);
    test.create::<EndpointSlice>(json!({ "metadata": {
        "name": "web-old", "labels": slice["metadata"]["labels"]
    }, "addressType": "IPv4", "ports": slice["ports"], "endpoints": slice["endpoints"] }))
        .await
        .unwrap();
    let captured = wait_for(&test, "bookstore", "Captured", "False", "MixedPods").await;
    assert!(captured.message.contains("pod old"), "{}", captured.message);

    run_fix(&test, &captured.message).await;
    let service = test.api::<Service>().get("web").await.unwrap();
    let selector = service.spec.unwrap().selector.unwrap();
    assert_eq!(selector["endpoints.dev/injected"], "true");
    // Which the endpoints' controller follows.
    test.api::<EndpointSlice>()
        .delete("web-old", &DeleteParams::default())
        .await
        .unwrap();
    wait_for(&test, "bookstore", "Captured", "True", "AllCaptured").await;
}

#[tokio::test]
async fn endpoints_written_by_hand_go_around_until_the_command_that_it_names_is_run() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let injected = create_pod(&test, "a", "bookstore").await;
    let legacy = json!({
        "metadata": { "name": "legacy" }, "spec": { "ports": [{ "port": 80 }] }
    });
    test.create::<Service>(legacy).await.unwrap();
    let slice = slice("legacy", "me", 8080, &[&injected]);
    test.create::<EndpointSlice>(slice).await.unwrap();
    let captured = wait_for(&test, "bookstore", "Captured", "False", "ManualEndpoints").await;
    assert!(
        captured.message.contains("Service legacy"),
        "{}",
        captured.message
    );
    run_fix(&test, &captured.message).await;
    wait_for(&test, "bookstore", "Captured", "True", "AllCaptured").await;
}

#[tokio::test]
async fn several_ways_around_are_all_named_and_stay_in_order() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    create_pod(&test, "a", "bookstore").await;
    let headless = json!({
        "metadata": { "name": "a-headless" },
        "spec": { "clusterIP": "None", "selector": { "app": "bookstore" }, "ports": [{ "port": 80 }] }
    });
    test.create::<Service>(headless).await.unwrap();
    wait_for(&test, "bookstore", "Captured", "False", "HeadlessService").await;
    create_kube_service(&test, "numeric", "bookstore", json!({ "port": 8080 })).await;
    let captured = wait_for(&test, "bookstore", "Captured", "False", "NumericTargetPort").await;
    assert!(
        captured.message.contains("Service a-headless"),
        "{}",
        captured.message
    );
    run_fix(&test, &captured.message).await;
    wait_for(&test, "bookstore", "Captured", "False", "HeadlessService").await;
}

/// Annotated before there was an operator, and labelled by somebody who wanted to help.
#[tokio::test]
async fn pod_that_has_the_label_and_no_sidecar_is_not_waited_for() {
    let cluster = Cluster::own();
    let test = Test::on(cluster).await;
    create_namespace(&test.client, SYSTEM).await;
    let mut labelled = pod("labelled", "bookstore");
    labelled["metadata"]["labels"]["endpoints.dev/injected"] = json!("true");
    test.create::<Pod>(labelled).await.unwrap();
    let _operator = Operator::install(cluster).await;
    create_service(&test, "bookstore", &document(&[])).await;
    wait_for_sidecars(&test, "bookstore", "0/0").await;
    wait_for(&test, "bookstore", "Programmed", "Unknown", "NoSidecars").await;
}

/// A pod that nobody injects.
pub async fn bare_pod(test: &Test, name: &str) -> Pod {
    let mut bare = pod(name, "bookstore");
    bare["metadata"]["annotations"] = json!({});
    test.create::<Pod>(bare).await.unwrap()
}

pub fn slice(service: &str, managed_by: &str, port: u16, pods: &[&Pod]) -> Value {
    let endpoint = |pod: &&Pod| {
        json!({
            "addresses": ["10.0.0.9"],
            "targetRef": { "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid }
        })
    };
    json!({
        "metadata": { "name": format!("{service}-1"), "labels": {
            "kubernetes.io/service-name": service,
            "endpointslice.kubernetes.io/managed-by": managed_by
        } },
        "addressType": "IPv4",
        "ports": [{ "name": "", "port": port, "protocol": "TCP" }],
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>()
    })
}

/// Does what people do with the command that a message names: pastes it.
pub async fn run_fix(test: &Test, message: &str) {
    let command = message.split(": kubectl ").nth(1).unwrap();
    // Another finding may follow.
    let command = command.split("'. ").next().unwrap();
    let closed = command.matches('\'').count().is_multiple_of(2);
    let command = format!("kubectl {command}{}", if closed { "" } else { "'" });
    let output = tokio::process::Command::new("sh")
        .args(["-c", &command])
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", test.cluster.tools.display()),
        )
        .env("KUBECONFIG", &test.cluster.kubeconfig)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}
