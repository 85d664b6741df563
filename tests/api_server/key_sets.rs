//! `ResolvedRefs`: the cluster's own keys, keys behind URLs, and what goes wrong with them.

use std::net::TcpListener;

use endpoints::api::EndpointsService;
use serde_json::json;

use crate::api_server::{ISSUER, Test};
use crate::objects::{create_service, protected_document, service, wait_for};
use crate::serve::{always, http};

#[tokio::test]
async fn this_clusters_keys_are_read_from_its_api_server() {
    let test = Test::start().await;
    create_with_cluster_issuer(&test, ISSUER).await;
    wait_for(&test, "bookstore", "ResolvedRefs", "True", "Resolved").await;
}

#[tokio::test]
async fn issuer_of_another_cluster_is_told_the_real_one() {
    let test = Test::start().await;
    create_with_cluster_issuer(&test, "https://elsewhere.example").await;
    let resolved = wait_for(
        &test,
        "bookstore",
        "ResolvedRefs",
        "False",
        "NotThisCluster",
    )
    .await;
    assert!(resolved.message.contains(ISSUER), "{}", resolved.message);
    wait_for(&test, "bookstore", "Ready", "False", "NotReady").await;
}

#[tokio::test]
async fn key_set_that_is_none_is_told_by_its_class() {
    let test = Test::start().await;
    for (name, answer, told) in [
        ("not-json", http(200, "hello secret"), "not JSON"),
        ("empty", http(200, r#"{"keys":[]}"#), "key"),
        (
            "huge",
            http(200, &format!("\"{}\"", "a".repeat(1_100_000))),
            "larger than 1 MiB",
        ),
        ("error", http(500, "secret"), "status 500"),
        (
            "redirect",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\n\r\n".into(),
            "redirects",
        ),
    ] {
        let uri = always(&answer);
        create_service(
            &test,
            name,
            &protected_document("https://issuer.example", Some(&uri)),
        )
        .await;
        let resolved = wait_for(&test, name, "ResolvedRefs", "False", "KeySetUnavailable").await;
        assert!(
            resolved.message.contains(told),
            "{name}: {}",
            resolved.message
        );
        assert!(
            !resolved.message.contains("secret"),
            "{name}: {}",
            resolved.message
        );
    }
    create_with_cluster_issuer(&test, ISSUER).await;
    wait_for(&test, "bookstore", "ResolvedRefs", "True", "Resolved").await;
}

#[tokio::test]
async fn key_set_that_does_not_come_is_told_and_holds_up_no_other() {
    let test = Test::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/keys", listener.local_addr().unwrap());
    // Connected by the kernel, and never answered.
    let document = protected_document("https://issuer.example", Some(&uri));
    create_service(&test, "slow", &document).await;
    create_with_cluster_issuer(&test, ISSUER).await;
    wait_for(&test, "bookstore", "ResolvedRefs", "True", "Resolved").await;
    let resolved = wait_for(&test, "slow", "ResolvedRefs", "False", "KeySetUnavailable").await;
    assert!(
        resolved.message.contains("within 5 seconds"),
        "{}",
        resolved.message
    );
    drop(listener);
}

#[tokio::test]
async fn metadata_address_is_refused() {
    let test = Test::start().await;
    let uri = "http://169.254.169.254/latest/meta-data";
    create_service(
        &test,
        "bookstore",
        &protected_document("https://issuer.example", Some(uri)),
    )
    .await;
    let resolved = wait_for(
        &test,
        "bookstore",
        "ResolvedRefs",
        "False",
        "KeySetUnavailable",
    )
    .await;
    assert!(
        resolved.message.contains("link-local"),
        "{}",
        resolved.message
    );
}

async fn create_with_cluster_issuer(test: &Test, issuer: &str) {
    let spec = json!({
        "openapi": { "inline": protected_document(issuer, None) },
        "jwt": { "issuers": [{ "issuer": issuer, "kubernetes": true }] }
    });
    test.create::<EndpointsService>(service("bookstore", spec))
        .await
        .unwrap();
}
