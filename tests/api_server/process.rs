//! The operator as a process: how it starts, refuses to start, ends, and starts again.

use std::path::Path;

use endpoints::api::EndpointsService;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use crate::api_server::{Cluster, Guarded, Operator, SYSTEM, Test, create_namespace};
use crate::objects::{create_service, document, wait_for};

#[tokio::test]
async fn operator_ends_in_order_and_starts_again_where_it_was() {
    let cluster = Cluster::own();
    let test = Test::on(cluster).await;
    create_namespace(&test.client, SYSTEM).await;
    let operator = Operator::install(cluster).await;
    create_service(&test, "bookstore", &document(&[])).await;
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    let (authority, stored) = (authority(&test).await, version(&test, "bookstore").await);

    let (code, log) = operator.stop();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("shutting down"), "{log}");

    let operator = Operator::install(cluster).await;
    assert_eq!(self::authority(&test).await, authority);
    create_service(&test, "other", &document(&[])).await;
    wait_for(&test, "other", "Accepted", "True", "Valid").await;
    assert_eq!(
        version(&test, "bookstore").await,
        stored,
        "what is stored is not written again"
    );
    let (code, log) = operator.stop();
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
}

#[tokio::test]
async fn broken_secret_ends_it_with_the_remedy() {
    let test = Test::without_operator().await;
    let broken = json!({ "metadata": { "name": "ca" }, "stringData": { "ca.crt": "mine" } });
    test.create::<Secret>(broken).await.unwrap();
    let process = Guarded::spawn(
        Path::new(env!("CARGO_BIN_EXE_endpoints")),
        &[
            &[
                "operator",
                "--namespace",
                &test.namespace,
                "--ca-secret",
                "ca",
            ],
            &[
                "--sidecar-image",
                "x",
                "--webhook-port",
                "0",
                "--push-port",
                "0",
            ][..],
            &["--admin-port", "0"],
        ]
        .concat(),
        &test.cluster.kubeconfig,
    );
    let line = process.wait_for_line(|line| line.contains("usable CA").then(|| line.to_owned()));
    assert!(
        line.contains(&format!("Secret {}/ca", test.namespace)),
        "{line}"
    );
    assert!(line.contains("delete it to have a new one made"), "{line}");
    assert_eq!(process.ended(), 1);
}

#[tokio::test]
async fn admin_port_tells_health_and_counts() {
    let test = Test::start().await;
    let operator = test.cluster.operator();
    assert_eq!(operator.admin("/livez").0, 200);
    assert_eq!(operator.admin("/readyz"), (200, "ok\n".to_owned()));
    let (status, metrics) = operator.admin("/metrics");
    assert_eq!(status, 200);
    for name in [
        "endpoints_operator_reconciles_total",
        "endpoints_operator_compile_panics_total 0",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
}

async fn authority(test: &Test) -> Vec<u8> {
    let secrets = kube::Api::<Secret>::namespaced(test.client.clone(), SYSTEM);
    secrets
        .get("endpoints-operator-ca")
        .await
        .unwrap()
        .data
        .unwrap()["ca.crt"]
        .0
        .clone()
}

async fn version(test: &Test, name: &str) -> Option<String> {
    test.api::<EndpointsService>()
        .get(name)
        .await
        .unwrap()
        .metadata
        .resource_version
}
