//! Documents that stand in ConfigMaps.

use endpoints::api::EndpointsService;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api_server::{Cluster, Operator, SYSTEM, Test, create_namespace, eventually};
use crate::objects::{create_pod, create_service, document, service, wait_for, wait_for_sidecars};
use crate::sidecars::Sidecar;

fn referring() -> Value {
    json!({ "openapi": { "configMapKeyRef": { "name": "docs", "key": "api.json" } } })
}

async fn edit(test: &Test, data: Value) -> String {
    let patch = Patch::Merge(json!({ "data": data }));
    let edited = test
        .api::<ConfigMap>()
        .patch("docs", &PatchParams::default(), &patch)
        .await;
    edited.unwrap().metadata.resource_version.unwrap()
}

/// Waits until the policy in force is of this version of the ConfigMap.
async fn wait_for_version(test: &Test, version: &str) {
    eventually(|| async {
        let service = test
            .api::<EndpointsService>()
            .get("bookstore")
            .await
            .unwrap();
        let policy = service.status.and_then(|status| status.policy);
        let versions = policy.map(|policy| policy.config_maps).unwrap_or_default();
        match versions.first().map(|it| &*it.resource_version) {
            Some(found) if found == version => Ok(()),
            found => Err(format!("{found:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn document_in_a_config_map_is_followed_from_edit_to_edit() {
    let test = Test::start().await;
    test.create::<EndpointsService>(service("bookstore", referring()))
        .await
        .unwrap();
    let missing = wait_for(
        &test,
        "bookstore",
        "ResolvedRefs",
        "False",
        "ConfigMapNotFound",
    )
    .await;
    assert!(
        missing.message.contains("no ConfigMap `docs`"),
        "{}",
        missing.message
    );
    wait_for(&test, "bookstore", "Accepted", "Unknown", "Unresolved").await;

    let config_map = json!({
        "metadata": { "name": "docs" }, "data": { "api.json": document(&[]) }
    });
    test.create::<ConfigMap>(config_map).await.unwrap();
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    wait_for(&test, "bookstore", "ResolvedRefs", "True", "Resolved").await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let port = test.cluster.operator().push_port;
    let sidecar = Sidecar::dial(port, &test, &pod, "bookstore", Ok(())).await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;

    let begun = Instant::now();
    let version = edit(&test, json!({ "api.json": document(&["/shelves"]) })).await;
    eventually(|| async {
        let operations = sidecar.operations();
        (operations == 2)
            .then_some(())
            .ok_or(format!("{operations}"))
    })
    .await;
    println!("edit of a ConfigMap to policy: {:?}", begun.elapsed());
    wait_for_version(&test, &version).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;

    // What is of no use is named, and the last good policy goes on.
    edit(&test, json!({ "api.json": null, "other": "x" })).await;
    let missing = wait_for(
        &test,
        "bookstore",
        "ResolvedRefs",
        "False",
        "ConfigMapNotFound",
    )
    .await;
    assert!(
        missing.message.contains("it has `other`"),
        "{}",
        missing.message
    );
    edit(&test, json!({ "api.json": "swagger: [" })).await;
    let broken = wait_for(&test, "bookstore", "Accepted", "False", "InvalidOpenAPI").await;
    assert!(broken.message.contains("line"), "{}", broken.message);
    test.api::<ConfigMap>()
        .delete("docs", &DeleteParams::default())
        .await
        .unwrap();
    wait_for(
        &test,
        "bookstore",
        "ResolvedRefs",
        "False",
        "ConfigMapNotFound",
    )
    .await;
    wait_for(&test, "bookstore", "Programmed", "False", "NotAccepted").await;
    assert_eq!(sidecar.operations(), 2);
}

#[tokio::test]
async fn without_the_right_to_read_them_the_status_has_the_remedy() {
    let cluster = Cluster::own();
    let test = Test::on(cluster).await;
    create_namespace(&test.client, SYSTEM).await;
    let operator = Operator::install_with(cluster, &["--read-config-maps", "false"]).await;
    test.create::<EndpointsService>(service("bookstore", referring()))
        .await
        .unwrap();
    let told = wait_for(
        &test,
        "bookstore",
        "ResolvedRefs",
        "False",
        "ConfigMapsNotRead",
    )
    .await;
    assert!(told.message.contains("configMaps.read"), "{}", told.message);
    create_service(&test, "other", &document(&[])).await;
    wait_for(&test, "other", "Accepted", "True", "Valid").await;
    operator.stop();
}
