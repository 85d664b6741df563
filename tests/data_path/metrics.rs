//! Every metric, as it is scraped, is in `docs/metrics.md`, and the other way round.

use std::collections::BTreeMap;
use std::time::Duration;

use h2::server;
use http::Response;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::admin::metrics;
use crate::backend::{Backend, Reply, ok};
use crate::client::{Client, ask};
use crate::exposition::{assert_documented, rows};
use crate::forwarding::OPEN;
use crate::http2_backends::{each, grpc, http2};
use crate::proxy::{TestProxy, now, snapshot};
use crate::tokens::{Signer, key_set};

const KEYS: &str = "https://issuer.example/keys";
const DOCUMENT: &str = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Books, version: "1"}
    host: books.example.com
    securityDefinitions:
      issuer: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "https://issuer.example/keys", x-google-audiences: "mine"}
    security: [{issuer: []}]
    paths:
      /shelves:
        get: {operationId: listShelves, responses: {200: {description: ok}}}
cors: {}
"#;

fn get(headers: &str) -> String {
    format!("GET /shelves HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
}

/// What a scrape holds after one request of each kind.
async fn scrape() -> String {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let signer = Signer::new("ES256", "1");
    let keys = BTreeMap::from([(KEYS.to_owned(), key_set(&[&signer]))]);
    proxy.policies.delivery().connected(true);
    let policy = |fields: &str| snapshot(&format!("{fields}\n{DOCUMENT}"), &keys);
    let claims = json!({"iss": "https://issuer.example", "aud": "mine", "exp": now() + 3600});
    let bearer = format!("Authorization: Bearer {}\r\n", signer.token(&claims));
    proxy.policies.store(policy("mode: Audit").of_generation(3));
    assert_eq!(ask(proxy.address, &get("")).await.status, 200);
    proxy.policies.store(policy("").of_generation(4));
    assert_eq!(ask(proxy.address, &get(&bearer)).await.status, 200);
    assert_eq!(ask(proxy.address, &get("")).await.status, 401);
    let preflight = "OPTIONS /shelves HTTP/1.1\r\nHost: a\r\nOrigin: https://b.example\r\n\
                     Access-Control-Request-Method: GET\r\n\r\n";
    assert_eq!(ask(proxy.address, preflight).await.status, 200);
    metrics(&proxy).await
}

#[tokio::test]
async fn the_table_of_metrics_is_what_a_scrape_holds() {
    assert_documented(&scrape().await, "Metrics of the sidecar");
}

/// The short way of a remembered token, which most requests take, once counted nothing.
#[tokio::test]
async fn each_token_is_counted_as_remembered_or_verified() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let signer = Signer::new("ES256", "1");
    let keys = BTreeMap::from([(KEYS.to_owned(), key_set(&[&signer]))]);
    proxy.policies.store(snapshot(DOCUMENT, &keys));
    let claims = json!({"iss": "https://issuer.example", "aud": "mine", "exp": now() + 3600});
    let bearer = format!("Authorization: Bearer {}\r\n", signer.token(&claims));
    let twice = format!("{bearer}{bearer}");
    for headers in [&bearer, &bearer, &bearer, &twice] {
        assert_eq!(ask(proxy.address, &get(headers)).await.status, 200);
    }
    let text = metrics(&proxy).await;
    for line in [
        "endpoints_token_cache_misses_total 1\n",
        "endpoints_token_cache_hits_total 3\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn names_and_labels_keep_to_the_conventions() {
    for (name, kind, labels, _) in rows(&scrape().await) {
        assert!(name.starts_with("endpoints_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        let of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(of_name), "{name}");
        for part in ["_ms", "_milliseconds", "_kb", "_minutes"] {
            assert!(!name.contains(part), "{name} is in no base unit");
        }
        assert!(
            !labels.contains("path") && !labels.contains("token"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn verdicts_name_the_issuer_of_the_policy_and_nothing_that_a_client_made_up() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let signer = Signer::new("ES256", "1");
    let keys = BTreeMap::from([(KEYS.to_owned(), key_set(&[&signer]))]);
    proxy.policies.store(snapshot(DOCUMENT, &keys));
    let token = |issuer: &str, expires: u64| {
        let claims = json!({"iss": issuer, "aud": "mine", "exp": expires});
        get(&format!(
            "Authorization: Bearer {}\r\n",
            signer.token(&claims)
        ))
    };
    let good = token("https://issuer.example", now() + 3600);
    let old = token("https://issuer.example", now() - 3600);
    let strange = token("https://made-up.example", now() + 3600);
    for (request, status) in [(&good, 200), (&good, 200), (&old, 401), (&strange, 401)] {
        assert_eq!(ask(proxy.address, request).await.status, status);
    }
    let text = metrics(&proxy).await;
    for line in [
        r#"endpoints_jwt_verdicts_total{issuer="https://issuer.example",verdict="Verified"} 2"#,
        r#"endpoints_jwt_verdicts_total{issuer="https://issuer.example",verdict="TokenExpired"} 1"#,
        r#"endpoints_jwt_verdicts_total{issuer="",verdict="TokenIssuer"} 1"#,
        r#"endpoints_jwks_keys{issuer="https://issuer.example",source="https://issuer.example/keys"} 1"#,
        r#"endpoints_refusals_total{reason="TokenExpired"} 1"#,
    ] {
        assert!(
            text.lines().any(|have| have == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!text.contains("made-up"), "{text}");
}

#[tokio::test]
async fn bytes_and_what_is_in_flight_are_counted() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(crate::forwarding::OPEN);
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for _ in 0..2 {
        assert_eq!(ask(proxy.address, post).await.status, 200);
    }
    let text = metrics(&proxy).await;
    let backend = backend.address;
    for line in [
        r#"endpoints_request_body_bytes_total{operation="post_v1_shelves",method="POST"} 10"#,
        r#"endpoints_response_body_bytes_total{operation="post_v1_shelves",method="POST"} 4"#,
        "endpoints_requests_in_flight 0",
        &format!(r#"endpoints_backend_requests_in_flight{{backend="{backend}"}} 0"#),
        &format!(r#"endpoints_backend_connects_total{{backend="{backend}"}} 1"#),
    ] {
        assert!(
            text.lines().any(|have| have == line),
            "{line} is not in\n{text}"
        );
    }
}

/// Cardinality: what clients invent has no label of its own.
#[tokio::test]
async fn methods_that_clients_make_up_share_a_label() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(crate::forwarding::OPEN);
    for number in 0..50 {
        let request = format!("X{number} /nowhere{number} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(ask(proxy.address, &request).await.status, 404);
    }
    let text = metrics(&proxy).await;
    let line =
        r#"endpoints_requests_total{operation="",method="OTHER",code="404",source="proxy"} 50"#;
    assert!(text.lines().any(|have| have == line), "{text}");
    assert!(!text.contains("X1") && !text.contains("nowhere"), "{text}");
}

/// What is no HTTP past our own guard is answered by the library, and counted all the same.
#[tokio::test]
async fn a_connection_that_ends_by_what_is_no_http_is_counted() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(crate::forwarding::OPEN);
    let mut client = crate::client::Client::connect(proxy.address).await;
    client
        .send("GET /v1/shelves HTTP/9.9\r\nHost: a\r\n\r\n")
        .await;
    client.rest().await;
    let text = metrics(&proxy).await;
    let refused = text.contains("endpoints_refusals_total{reason=\"BadFraming\"} 1");
    let parsed = text.contains("endpoints_parser_errors_total 1");
    assert!(refused || parsed, "{text}");
}

#[tokio::test]
async fn connections_to_a_backend_are_counted_while_they_are_open() {
    let stalling = Backend::answering(|request| match request.line().starts_with("PUT") {
        true => Reply::Stall(Vec::new()),
        false => Reply::Keep(ok("ok")),
    })
    .await;
    let at_http1 = stalling.address;
    let of_http1 = TestProxy::start(at_http1).under(OPEN);
    let at_http2 = http2(server::Builder::new(), |connection, _| {
        each(connection, |request, mut answering| async move {
            if request.method() == "PUT" {
                let _ = std::future::poll_fn(|cx| answering.poll_reset(cx)).await;
                return;
            }
            let _ = answering.send_response(Response::new(()), true);
        })
    })
    .await;
    let of_http2 = grpc(at_http2);
    for (proxy, backend, is_kept) in [
        // What was begun cannot be taken back: the connection goes.
        (of_http1, at_http1.to_string(), false),
        (of_http2, format!("grpc://{at_http2}"), true),
    ] {
        let counts = async |open: u32, idle: u32| {
            let name = |what: &str| format!("endpoints_backend_connections_{what}");
            let line = |what, n| format!("{}{{backend=\"{backend}\"}} {n}", name(what));
            let want = [line("open", open), line("idle", idle)];
            let come = async {
                loop {
                    let text = metrics(&proxy).await;
                    let lines: Vec<_> = text.lines().collect();
                    if want.iter().all(|line| lines.contains(&&**line)) {
                        return;
                    }
                    sleep(Duration::from_millis(10)).await;
                }
            };
            timeout(Duration::from_secs(10), come)
                .await
                .unwrap_or_else(|_| panic!("never {want:?}"));
        };
        let get = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(ask(proxy.address, get).await.status, 200);
        counts(1, 1).await;
        let mut client = Client::connect(proxy.address).await;
        client
            .send("PUT /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            .await;
        counts(1, 0).await;
        drop(client);
        match is_kept {
            true => counts(1, 1).await,
            false => counts(0, 0).await,
        }
    }
}
