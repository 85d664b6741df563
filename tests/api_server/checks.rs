//! What `kubectl apply` says of an EndpointsService while it is written.

use endpoints::api::EndpointsService;
use serde_json::json;

use crate::api_server::{Test, eventually};
use crate::objects::{document, service, wait_for};

#[tokio::test]
async fn apply_of_a_bad_document_warns_with_place_and_remedy_and_stores_it() {
    let test = Test::start().await;
    let bad = document(&[]).replace("\"get\":{", "\"get\":{\"security\":[{\"nobody\":[]}],");
    let (said, stored) = apply(&test, "bad", &bad).await;
    assert!(
        said.contains("Warning: error[UnsupportedSecurity]: openapi#/paths/~1books/get/security/0"),
        "{said}"
    );
    assert!(said.contains("there is no security scheme"), "{said}");
    assert!(said.contains("define it"), "the remedy: {said}");
    assert!(stored);
    wait_for(&test, "bad", "Accepted", "False", "UnsupportedSecurity").await;
}

#[tokio::test]
async fn apply_of_a_good_document_says_nothing() {
    let test = Test::start().await;
    // The webhook is there: it warns of a bad one first.
    apply(&test, "bad", "swagger: '2.0'").await;
    let good = document(&[]).replace("\"get\":{", "\"get\":{\"security\":[],");
    let said = kubectl_apply(&test, "good", &good).await;
    assert_eq!(said, "");
}

/// Applies until the API server has learned of the webhook and its CA, which it does by a watch.
async fn apply(test: &Test, name: &str, document: &str) -> (String, bool) {
    let said = eventually(|| async {
        match kubectl_apply(test, name, document).await {
            said if said.contains("Warning: ") => Ok(said),
            said => Err(said),
        }
    })
    .await;
    let stored = test.api::<EndpointsService>().get(name).await.is_ok();
    (said, stored)
}

/// What `kubectl apply` prints beside its result.
async fn kubectl_apply(test: &Test, name: &str, document: &str) -> String {
    let mut object = service(name, json!({ "openapi": { "inline": document } }));
    object["apiVersion"] = json!("endpoints.dev/v1alpha1");
    object["kind"] = json!("EndpointsService");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), object.to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    let arguments = ["apply", "--server-side", "-n", &test.namespace, "-f", path];
    let output = test.cluster.kubectl(&arguments).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}
