//! Conditions of good, broken and mended specs.

use endpoints::api::EndpointsService;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::api_server::Test;
use crate::objects::{create_pod, create_service, document, edit, wait_for};
use crate::sidecars::Sidecar;

#[tokio::test]
async fn good_spec_is_accepted_and_summed_up() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&["/shelves"])).await;
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    wait_for(&test, "bookstore", "ResolvedRefs", "True", "Resolved").await;
    wait_for(&test, "bookstore", "Enforced", "True", "Enforcing").await;
    wait_for(&test, "bookstore", "Programmed", "Unknown", "NoSidecars").await;
    wait_for(&test, "bookstore", "Captured", "Unknown", "NoSidecars").await;
    wait_for(&test, "bookstore", "Ready", "Unknown", "NotReady").await;
    let service = test
        .api::<EndpointsService>()
        .get("bookstore")
        .await
        .unwrap();
    let policy = service.status.unwrap().policy.unwrap();
    assert_eq!((&*policy.service, policy.operations), ("books.example", 2));
    let output = test
        .cluster
        .kubectl(&["get", "eps", "-n", &test.namespace, "--no-headers"])
        .await;
    let text = String::from_utf8(output.stdout).unwrap();
    let columns: Vec<_> = text.split_whitespace().take(5).collect();
    assert_eq!(
        columns,
        ["bookstore", "books.example", "2", "0/0", "Unknown"]
    );
}

#[tokio::test]
async fn pod_made_before_a_secret_was_named_is_named_until_it_is_made_anew() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let old = create_pod(&test, "old", "bookstore").await;
    let _old = Sidecar::start(&test, &old, "bookstore").await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    let listener = json!({ "listener": { "tls": { "secretRef": { "name": "cert" } } } });
    edit(&test, "bookstore", listener).await;
    let programmed = wait_for(&test, "bookstore", "Programmed", "False", "PodsOutdated").await;
    let message = programmed.message;
    assert!(
        message.contains("Secret `cert` of listener.tls"),
        "{message}"
    );
    assert!(message.contains("pod old: delete it"), "{message}");

    let new = create_pod(&test, "new", "bookstore").await;
    let _new = Sidecar::start(&test, &new, "bookstore").await;
    let now = DeleteParams::default().grace_period(0);
    test.api::<Pod>().delete("old", &now).await.unwrap();
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
}

#[tokio::test]
async fn broken_edit_keeps_the_last_good_policy_and_says_why() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    let good = test
        .api::<EndpointsService>()
        .get("bookstore")
        .await
        .unwrap();
    let good = good.status.unwrap().policy.unwrap();

    let generation = edit(
        &test,
        "bookstore",
        json!({ "openapi": { "inline": "swagger: '2.0\n" } }),
    )
    .await;
    let accepted = wait_for(&test, "bookstore", "Accepted", "False", "InvalidOpenAPI").await;
    assert!(
        accepted.message.contains("line"),
        "with its place: {}",
        accepted.message
    );
    assert!(
        accepted.message.contains("last good policy stays"),
        "{}",
        accepted.message
    );
    wait_for(&test, "bookstore", "Programmed", "False", "NotAccepted").await;
    wait_for(&test, "bookstore", "Ready", "False", "NotReady").await;
    let service = test
        .api::<EndpointsService>()
        .get("bookstore")
        .await
        .unwrap();
    let status = service.status.unwrap();
    assert_eq!(status.policy, Some(good));
    assert_eq!(status.observed_generation, Some(generation));

    edit(
        &test,
        "bookstore",
        json!({ "openapi": { "inline": document(&["/shelves"]) } }),
    )
    .await;
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
}

#[tokio::test]
async fn broken_service_stops_no_other() {
    let test = Test::start().await;
    create_service(&test, "broken", "[]").await;
    create_service(&test, "conflicting", &conflicting()).await;
    let unknown = document(&[]).replace("\"get\":{", "\"get\":{\"security\":[{\"who\":[]}],");
    create_service(&test, "unknown-scheme", &unknown).await;
    create_service(&test, "good", &document(&[])).await;
    wait_for(&test, "broken", "Accepted", "False", "InvalidOpenAPI").await;
    wait_for(&test, "broken", "Enforced", "False", "NoPolicy").await;
    wait_for(
        &test,
        "conflicting",
        "Accepted",
        "False",
        "ConflictingRoutes",
    )
    .await;
    let told = wait_for(
        &test,
        "unknown-scheme",
        "Accepted",
        "False",
        "UnsupportedSecurity",
    )
    .await;
    assert!(told.message.contains("who"), "{}", told.message);
    wait_for(&test, "good", "Accepted", "True", "Valid").await;
}

/// As text, the API server refuses it already; of a structure it does not know the size.
#[tokio::test]
async fn document_over_the_limit_is_told_and_stops_no_other() {
    let test = Test::start().await;
    let mut large: serde_json::Value = serde_json::from_str(&document(&[])).unwrap();
    large["info"]["description"] = json!("x".repeat(1 << 20));
    let spec = json!({ "openapi": { "document": large } });
    test.create::<EndpointsService>(crate::objects::service("large", spec))
        .await
        .unwrap();
    create_service(&test, "good", &document(&[])).await;
    wait_for(&test, "good", "Accepted", "True", "Valid").await;
    let accepted = wait_for(&test, "large", "Accepted", "False", "InvalidOpenAPI").await;
    assert!(accepted.message.contains("1 MiB"), "{}", accepted.message);
    assert!(accepted.message.len() < 1024, "{}", accepted.message);
}

#[tokio::test]
async fn unchanged_status_is_not_written_again() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    let before = test
        .api::<EndpointsService>()
        .get("bookstore")
        .await
        .unwrap();
    // Another service's whole life, seen by the same operator, ...
    create_service(&test, "other", &document(&[])).await;
    wait_for(&test, "other", "Accepted", "True", "Valid").await;
    // ... is enough time for a loop to show.
    let after = test
        .api::<EndpointsService>()
        .get("bookstore")
        .await
        .unwrap();
    assert_eq!(
        before.metadata.resource_version,
        after.metadata.resource_version
    );
}

#[tokio::test]
async fn status_that_somebody_else_changed_is_put_right() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let before = wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    let api = test.api::<EndpointsService>();
    let emptied = json!({ "status": { "conditions": [], "policy": null } });
    api.patch_status(
        "bookstore",
        &PatchParams::default(),
        &Patch::Merge(&emptied),
    )
    .await
    .unwrap();
    let after = wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    assert_eq!(before, after, "also the time of its last transition");
    let healed = api.get("bookstore").await.unwrap();
    assert!(healed.status.unwrap().policy.is_some());
    // Another service's whole life, seen by the same operator, is enough time for a loop to show.
    create_service(&test, "other", &document(&[])).await;
    wait_for(&test, "other", "Accepted", "True", "Valid").await;
    let later = api.get("bookstore").await.unwrap();
    assert_eq!(
        healed.metadata.resource_version,
        later.metadata.resource_version
    );
}

fn conflicting() -> String {
    let get = json!({ "get": { "responses": {} } });
    json!({
        "swagger": "2.0", "info": { "title": "t", "version": "1" },
        "paths": { "/books/{a}": get, "/books/{b}": get }
    })
    .to_string()
}
