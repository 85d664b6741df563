//! Probes and metrics.

use std::collections::BTreeMap;

use crate::backend::Backend;
use crate::client::ask;
use crate::forwarding::{OPEN, open};
use crate::proxy::{TestProxy, snapshot};

/// The text of `/metrics`.
pub async fn metrics(proxy: &TestProxy) -> String {
    let answer = ask(proxy.admin, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    answer.body
}

async fn probe(proxy: &TestProxy, path: &str) -> (u16, String) {
    let answer = ask(
        proxy.admin,
        &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
    )
    .await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let pending = proxy.readiness.pending("keys");
    assert_eq!(probe(&proxy, "/livez").await.0, 200);
    assert_eq!(
        probe(&proxy, "/readyz").await,
        (503, "not ready: keys, no policy yet\n".to_owned())
    );
    drop(pending);
    assert_eq!(
        probe(&proxy, "/readyz").await,
        (503, "not ready: no policy yet\n".to_owned())
    );
    proxy.policies.store(snapshot(OPEN, &BTreeMap::new()));
    assert_eq!(probe(&proxy, "/readyz").await, (200, "ok\n".to_owned()));
    assert_eq!(probe(&proxy, "/else").await.0, 404);
    let posted = ask(
        proxy.admin,
        "POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(
        (posted.status, posted.value("allow")),
        (405, Some("GET, HEAD"))
    );
}

#[tokio::test]
async fn requests_are_counted_by_operation_and_by_who_answered() {
    let (_backend, proxy) = open().await;
    for path in ["/v1/shelves", "/v1/shelves", "/nowhere"] {
        ask(
            proxy.address,
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
        .await;
    }
    let hash = proxy.policies.load().expect("stored").hash().to_owned();
    let text = metrics(&proxy).await;
    for line in [
        r#"endpoints_requests_total{operation="listShelves",method="GET",code="200",source="backend"} 2"#,
        r#"endpoints_requests_total{operation="",method="GET",code="404",source="proxy"} 1"#,
        r#"endpoints_request_duration_seconds_count{operation="listShelves",method="GET"} 2"#,
        r#"endpoints_request_duration_seconds_bucket{le="+Inf",operation="listShelves",method="GET"} 2"#,
        r#"endpoints_refusals_total{reason="RouteNotFound"} 1"#,
        r#"endpoints_draining 0"#,
        r#"endpoints_connections_total 3"#,
        r#"endpoints_panics_total 0"#,
        &format!(r#"endpoints_policy_info{{hash="{hash}",service="books.example.com"}} 1"#),
    ] {
        assert!(
            text.lines().any(|have| have == line),
            "{line} is not in\n{text}"
        );
    }
}
