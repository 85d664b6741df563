//! The injector's label, set by hand: the operator watches by it, so it must not count by itself.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::api_server::Test;
use crate::objects::{
    create_kube_service, create_pod, create_service, document, edit, wait_for_sidecars,
};

#[tokio::test]
async fn pod_that_only_has_the_label_is_no_sidecar_and_cannot_become_one() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let labels = json!({ "app": "other", "endpoints.dev/injected": "true" });
    let pod = json!({
        "metadata": { "name": "claims", "labels": labels },
        "spec": { "containers": [{ "name": "app", "image": "app" }] }
    });
    test.create::<Pod>(pod).await.unwrap();
    create_pod(&test, "a", "bookstore").await;
    wait_for_sidecars(&test, "bookstore", "0/1").await;

    // The annotation afterwards, which would make it count for ever as a sidecar that does not answer.
    let annotation =
        json!({ "metadata": { "annotations": { "endpoints.dev/service": "bookstore" } } });
    let refused = test
        .api::<Pod>()
        .patch("claims", &PatchParams::default(), &Patch::Merge(annotation))
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("cannot be changed on a running pod"),
        "{refused}"
    );
    let port = json!({ "port": 80, "targetPort": "http" });
    create_kube_service(&test, "b", "bookstore", port).await;
    let more = json!({ "openapi": { "inline": document(&["/shelves"]) } });
    edit(&test, "bookstore", more).await;
    wait_for_sidecars(&test, "bookstore", "0/1").await;
}
