//! Readiness that is withheld while a Service goes around the sidecar: our binary as the sidecar, as
//! kubelet would run it.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::json;

use crate::api_server::{Guarded, Test, eventually, free_ports, get};
use crate::captured::{bare_pod, run_fix, slice};
use crate::objects::{create_kube_service, create_pod, create_service, document, wait_for};
use crate::sidecar_process::{backend, start, token_file};

#[tokio::test]
async fn first_readiness_waits_for_the_fix_of_a_service_and_is_never_taken_away() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    create_kube_service(&test, "plain", "bookstore", json!({ "port": 8080 })).await;
    let running = Running::start(&test).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    let captured = wait_for(&test, "bookstore", "Captured", "False", "NumericTargetPort").await;
    let (status, reason) = get(running.admin, "/readyz");
    assert_eq!(status, 503, "it has its policy, and waits");
    assert!(reason.contains("Service plain port 8080"), "{reason}");
    assert_eq!(
        get(running.traffic, "/books").0,
        200,
        "it serves all the same"
    );
    let event = eventually(|| async { withheld(&test).await.pop().ok_or("no Event".into()) }).await;
    let note = event.note.unwrap();
    assert!(note.contains("set its targetPort to http"), "{note}");

    run_fix(&test, &captured.message).await;
    running.wait_until_ready().await;
    wait_for(&test, "bookstore", "Captured", "True", "AllCaptured").await;

    create_kube_service(&test, "another", "bookstore", json!({ "port": 8080 })).await;
    wait_for(&test, "bookstore", "Captured", "False", "NumericTargetPort").await;
    assert_eq!(get(running.admin, "/readyz").0, 200, "it was ready");
}

#[tokio::test]
async fn pods_without_a_sidecar_behind_the_same_service_hold_no_roll_out_back() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let named = json!({ "port": 80, "targetPort": "http" });
    create_kube_service(&test, "web", "bookstore", named).await;
    let old = bare_pod(&test, "old").await;
    let old = slice("web", "endpointslice-controller.k8s.io", 8080, &[&old]);
    test.create::<EndpointSlice>(old).await.unwrap();
    let running = Running::start(&test).await;
    wait_for(&test, "bookstore", "Captured", "False", "MixedPods").await;
    running.wait_until_ready().await;
    assert!(withheld(&test).await.is_empty());
}

#[tokio::test]
async fn headless_service_withholds_until_it_is_gone() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let headless = json!({
        "metadata": { "name": "peers" },
        "spec": { "clusterIP": "None", "selector": { "app": "bookstore" }, "ports": [{ "port": 80 }] }
    });
    test.create::<k8s_openapi::api::core::v1::Service>(headless)
        .await
        .unwrap();
    let running = Running::start(&test).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    let (status, reason) = get(running.admin, "/readyz");
    assert_eq!(status, 503);
    assert!(reason.contains("Service peers is headless"), "{reason}");
    test.api::<k8s_openapi::api::core::v1::Service>()
        .delete("peers", &Default::default())
        .await
        .unwrap();
    // Nobody selects it now, which is no reason to wait.
    running.wait_until_ready().await;
}

/// A pod's sidecar, and the stand-in app behind it.
struct Running {
    traffic: u16,
    admin: u16,
    _processes: [Guarded; 2],
    _token: tempfile::NamedTempFile,
}

impl Running {
    async fn start(test: &Test) -> Self {
        let pod: Pod = create_pod(test, "a", "bookstore").await;
        let (backend, app) = backend(test);
        let token = token_file(test, &pod).await;
        let [traffic, admin] = free_ports();
        let listeners = format!("{traffic}={app}");
        let sidecar = start(test, &pod, token.path(), &listeners, admin);
        sidecar.wait_for_line(|line| line.contains("the sidecar listens").then_some(()));
        Self {
            traffic,
            admin,
            _processes: [backend, sidecar],
            _token: token,
        }
    }

    async fn wait_until_ready(&self) {
        eventually(|| async {
            match get(self.admin, "/readyz") {
                (200, _) => Ok(()),
                (_, reason) => Err(reason),
            }
        })
        .await;
    }
}

async fn withheld(test: &Test) -> Vec<Event> {
    let events = test.api::<Event>().list(&ListParams::default()).await;
    let mut events = events.unwrap().items;
    events.retain(|event| event.reason.as_deref() == Some("ReadinessWithheld"));
    events
}
