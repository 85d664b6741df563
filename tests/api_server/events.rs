//! Events on pods.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::api_server::{Test, eventually};
use crate::objects::{create_pod, create_service, document, wait_for_sidecars};

#[tokio::test]
async fn pod_of_a_service_that_does_not_exist_is_injected_and_told_once() {
    let test = Test::start().await;
    let pod = create_pod(&test, "a", "missing").await;
    let labels = pod.metadata.labels.unwrap_or_default();
    assert_eq!(
        labels.get("endpoints.dev/injected").map(String::as_str),
        Some("true")
    );
    let event = eventually(|| async {
        let mut warnings = warnings(&test).await;
        warnings.pop().ok_or("no Event".to_owned())
    })
    .await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert_eq!(event.reason.as_deref(), Some("EndpointsServiceNotFound"));
    assert_eq!(event.regarding.as_ref().unwrap().uid, pod.metadata.uid);
    assert!(event.note.unwrap().contains("EndpointsService missing"));

    // A change of the pod is no news ...
    let label = Patch::Merge(json!({ "metadata": { "labels": { "x": "y" } } }));
    test.api::<Pod>()
        .patch("a", &PatchParams::default(), &label)
        .await
        .unwrap();
    // ... which is known once the operator has seen more than that.
    create_service(&test, "other", &document(&[])).await;
    create_pod(&test, "b", "other").await;
    wait_for_sidecars(&test, "other", "0/1").await;
    let events = warnings(&test).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].series, None, "published once");
}

/// `kubectl describe pod` says what was done; nobody reads the webhook's warnings about a ReplicaSet's pod.
#[tokio::test]
async fn a_pod_says_what_was_injected() {
    let test = Test::start().await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let event = eventually(|| async {
        let events = events(&test).await.into_iter();
        let mut events = events.filter(|event| event.reason.as_deref() == Some("Injected"));
        events.next().ok_or("no Event".to_owned())
    })
    .await;
    assert_eq!(event.type_.as_deref(), Some("Normal"));
    assert_eq!(event.regarding.as_ref().unwrap().uid, pod.metadata.uid);
    assert_eq!(
        event.note.as_deref(),
        Some(concat!(
            "sidecar ",
            env!("CARGO_PKG_VERSION"),
            " for EndpointsService bookstore, capture named: http (8080) by 14080"
        ))
    );
}

async fn warnings(test: &Test) -> Vec<Event> {
    let mut events = events(test).await;
    events.retain(|event| event.type_.as_deref() == Some("Warning"));
    events
}

async fn events(test: &Test) -> Vec<Event> {
    test.api::<Event>()
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
}
