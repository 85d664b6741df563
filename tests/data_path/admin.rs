//! Probes and metrics.

use std::collections::BTreeMap;

use endpoints::proxy::{Limits, LogOutput};
use endpoints::tls;
use tokio::io::AsyncWriteExt as _;

use crate::backend::Backend;
use crate::client::{Client, ask, patient};
use crate::forwarding::{OPEN, open};
use crate::proxy::{TestProxy, snapshot};
use crate::tokens::{Signer, key_set};

/// The text of `/metrics`.
pub async fn metrics(proxy: &TestProxy) -> String {
    let answer = ask(proxy.admin, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    answer.body
}

async fn probe(proxy: &TestProxy, path: &str) -> (u16, String) {
    let answer = ask(
        proxy.admin,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    )
    .await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn readiness_is_withheld_with_its_reason_until_it_was_reached_once() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    proxy.readiness.withhold(Some("Service web goes around it"));
    proxy.policies.store(snapshot(OPEN, &BTreeMap::new()));
    assert_eq!(
        probe(&proxy, "/readyz").await,
        (503, "not ready: Service web goes around it\n".to_owned())
    );
    // Requests that come all the same are served: only Services wait for readiness.
    let request = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(ask(proxy.address, request).await.status, 200);
    proxy.readiness.withhold(None);
    assert_eq!(probe(&proxy, "/readyz").await.0, 200);
    proxy.readiness.withhold(Some("Service web goes around it"));
    assert_eq!(probe(&proxy, "/readyz").await.0, 200, "it was ready once");
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

const KEYS: &str = "https://issuer.example/keys?tenant=secret";
const PROTECTED: &str = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Books, version: "1"}
    host: books.example.com
    securityDefinitions:
      issuer: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "https://issuer.example/keys?tenant=secret"}
    paths:
      /shelves:
        get: {operationId: listShelves, security: [{issuer: []}], responses: {200: {description: ok}}}
        post: {operationId: createShelf, responses: {200: {description: ok}}}
headers: {request: {set: {X-Api-Key: secret}}}
"#;

#[tokio::test]
async fn the_policy_in_force_is_told_without_a_secret() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    assert_eq!(
        probe(&proxy, "/policy").await,
        (404, "no policy yet\n".to_owned())
    );
    let signer = Signer::new("ES256", "the-kid");
    let keys = BTreeMap::from([(KEYS.to_owned(), key_set(&[&signer]))]);
    proxy
        .policies
        .store(snapshot(PROTECTED, &keys).of_generation(7));
    let (status, body) = probe(&proxy, "/policy").await;
    assert_eq!(status, 200);
    let told: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let hash = proxy.policies.load().expect("stored").hash().to_owned();
    assert_eq!(told["service"], "books.example.com");
    assert_eq!(told["hash"], hash);
    assert_eq!(told["generation"], 7);
    assert!(told["ageSeconds"].as_u64().is_some_and(|age| age < 60));
    assert_eq!(told["operations"][0]["operation"], "listShelves");
    assert_eq!(told["operations"][0]["template"], "/shelves");
    assert_eq!(
        told["operations"][0]["security"],
        serde_json::json!([["issuer"]])
    );
    assert_eq!(told["operations"][1].get("security"), None, "open");
    let provider = &told["providers"][0];
    assert_eq!(provider["issuer"], "https://issuer.example");
    assert_eq!(provider["source"], "https://issuer.example/keys");
    assert_eq!(provider["keys"], 1);
    assert!(
        provider["keyAgeSeconds"]
            .as_u64()
            .is_some_and(|age| age < 60)
    );
    for secret in ["secret", "the-kid"] {
        assert!(!body.contains(secret), "{body}");
    }
}

/// The filter is the process's: one test changes it, and puts it back.
#[tokio::test]
async fn the_log_is_changed_while_it_runs() {
    let filter = endpoints::telemetry::init("error").expect("a filter");
    let backend = Backend::start().await;
    let proxy = TestProxy::telling(
        LogOutput::nowhere(),
        Some(filter),
        tls::built_in_roots(),
        backend.address,
        Limits::default(),
        1,
    );
    let put = |body: &str| {
        let length = body.len();
        format!("PUT /log HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    assert_eq!(probe(&proxy, "/log").await, (200, "error\n".to_owned()));
    let answer = ask(proxy.admin, &put("warn,endpoints=debug\n")).await;
    assert_eq!(
        (answer.status, &*answer.body),
        (200, "warn,endpoints=debug\n")
    );
    assert!(tracing::enabled!(target: "endpoints", tracing::Level::DEBUG));
    assert!(!tracing::enabled!(target: "else", tracing::Level::INFO));
    for bad in ["endpoints=loud", "\u{fffd}=", &"x".repeat(2000)] {
        let answer = ask(proxy.admin, &put(bad)).await;
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
    }
    assert_eq!(probe(&proxy, "/log").await.1, "warn,endpoints=debug\n");
    let answer = ask(proxy.admin, &put("error")).await;
    assert_eq!(answer.status, 200);
    assert!(!tracing::enabled!(target: "endpoints", tracing::Level::DEBUG));
}

#[tokio::test]
async fn what_is_only_for_the_pod_is_told_to_nobody_else() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    // A page whose name was pointed at a forwarded port.
    for path in ["/policy", "/log"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        let answer = ask(proxy.admin, &request).await;
        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("kubectl port-forward"), "{answer:?}");
    }
    // Without a filter there is no log to change.
    assert_eq!(probe(&proxy, "/log").await.0, 404);
}

/// From another address than loopback's; which one, only the machine knows.
#[tokio::test]
async fn only_probes_and_metrics_are_on_the_pods_own_address() {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // Nothing is sent: the system only chooses where it would be sent from.
    let chosen = socket
        .connect("192.0.2.1:9")
        .and_then(|()| socket.local_addr());
    let Some(own) = chosen.ok().filter(|own| !own.ip().is_loopback()) else {
        return;
    };
    let backend = Backend::start().await;
    let proxy = TestProxy::with_admin_on(backend.address, "0.0.0.0:0".parse().expect("an address"));
    let proxy = proxy.under(OPEN);
    let admin = (own.ip(), proxy.admin.port()).into();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/policy", 403),
        ("/log", 403),
    ] {
        assert_eq!(ask(admin, &get(path)).await.status, status, "{path}");
    }
    let loopback = ([127, 0, 0, 1], proxy.admin.port()).into();
    assert_eq!(ask(loopback, &get("/policy")).await.status, 200);
}

#[tokio::test]
async fn a_head_without_end_and_a_crowd_do_not_keep_the_admin_server_busy() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let endless = format!(
        "GET /livez HTTP/1.1\r\nHost: a\r\nX: {}",
        "x".repeat(64 * 1024)
    );
    let mut client = Client::connect(proxy.admin).await;
    // The server may have closed before it took it all.
    let _ = client.stream.write_all(endless.as_bytes()).await;
    let answered = client.rest().await;
    assert!(!answered.starts_with(b"HTTP/1.1 200"), "{answered:?}");
    // More than one address may have: those before stay, the others are closed.
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(Client::connect(proxy.admin).await);
    }
    let mut closed = 0;
    for client in crowd.iter_mut().skip(16) {
        closed += usize::from(client.rest().await.is_empty());
    }
    assert_eq!(closed, 4);
    drop(crowd);
    patient(async {
        while Client::connect(proxy.admin)
            .await
            .try_ask("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .is_none()
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
