//! `Captured`: Services that lead to the sidecars, or around them.

use k8s_openapi::api::core::v1::Service;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::api_server::Test;
use crate::objects::{create_kube_service, create_pod, create_service, document, wait_for};

#[tokio::test]
async fn service_without_target_port_goes_around_until_it_is_mended() {
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
        captured.message.contains("Service plain"),
        "{}",
        captured.message
    );
    assert!(
        captured.message.contains("set its targetPort to http"),
        "{}",
        captured.message
    );
    wait_for(&test, "bookstore", "Ready", "False", "NotReady").await;

    let mended = json!({ "spec": { "ports": [{ "port": 8080, "targetPort": "http" }] } });
    let services = test.api::<Service>();
    services
        .patch("plain", &PatchParams::default(), &Patch::Merge(mended))
        .await
        .unwrap();
    wait_for(&test, "bookstore", "Captured", "True", "AllCaptured").await;
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
