//! The operator's metrics, as they are scraped, are in `docs/metrics.md`, and the other way round.

use k8s_openapi::api::core::v1::Pod;

use crate::api_server::Test;
use crate::exposition::{assert_documented, rows};
use crate::objects::{create_pod, create_service, document};

#[tokio::test]
async fn the_table_of_metrics_is_what_a_scrape_holds() {
    assert_documented(&scrape().await, "Metrics of the operator");
}

#[tokio::test]
async fn names_and_labels_keep_to_the_conventions() {
    for (name, kind, labels, help) in rows(&scrape().await) {
        assert!(name.starts_with("endpoints_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        assert_eq!(
            name.ends_with("_seconds"),
            help.contains("seconds") || kind == "histogram",
            "{name}"
        );
        for label in labels {
            assert!(
                label.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{name}: {label}"
            );
        }
    }
}

/// What a scrape holds once a pod was admitted, one denied, and an EndpointsService checked.
async fn scrape() -> String {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    create_pod(&test, "a", "bookstore").await;
    let mut mistyped = crate::objects::pod("b", "bookstore");
    mistyped["metadata"]["annotations"]["endpoints.dev/servce"] = "x".into();
    test.create::<Pod>(mistyped).await.unwrap_err();
    let (status, text) = test.cluster.operator().admin("/metrics");
    assert_eq!(status, 200);
    text
}
