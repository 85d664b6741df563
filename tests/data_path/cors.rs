//! CORS as the proxy does it: preflights, actual requests, and its own errors.

use crate::backend::{Backend, Reply};
use crate::client::ask;
use crate::proxy::TestProxy;

fn document(rest: &str, endpoint: &str) -> String {
    format!(
        r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {{title: Books, version: "1"}}
    host: books.example.com
    {endpoint}
    securityDefinitions:
      issuer: {{type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "https://issuer.example/keys"}}
    paths:
      /open: {{get: {{responses: {{200: {{description: ok}}}}}}}}
      /closed: {{get: {{security: [{{issuer: []}}], responses: {{200: {{description: ok}}}}}}}}
{rest}
"#
    )
}

/// A backend with CORS headers of its own.
async fn backend() -> Backend {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: https://backend\r\nVary: Accept\r\n\r\nok";
    Backend::answering(move |_| Reply::Keep(answer.into())).await
}

const PREFLIGHT: &str =
    "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n";

fn request(method: &str, path: &str, origin: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: books.example.com\r\nOrigin: {origin}\r\n{more}\r\n")
}

#[tokio::test]
async fn a_matched_preflight_is_answered_and_never_forwarded() {
    let backend = backend().await;
    let cors =
        "cors: {allowOrigins: [\"https://shop.example\"], allowCredentials: true, maxAge: 1h}";
    let proxy = TestProxy::start(backend.address).under(&document(cors, ""));
    for path in ["/open", "/closed", "/nowhere"] {
        let answer = ask(
            proxy.address,
            &request("OPTIONS", path, "https://shop.example", PREFLIGHT),
        )
        .await;
        assert_eq!((answer.status, &*answer.body), (200, ""), "{path}");
        assert_eq!(
            answer.value("access-control-allow-origin"),
            Some("https://shop.example")
        );
        assert_eq!(
            answer.value("access-control-allow-credentials"),
            Some("true")
        );
        assert_eq!(answer.value("access-control-max-age"), Some("3600"));
        assert!(
            answer
                .value("access-control-allow-methods")
                .expect("sent")
                .contains("PATCH")
        );
        assert!(
            answer
                .value("access-control-allow-headers")
                .expect("sent")
                .contains("Authorization")
        );
        assert!(answer.value("vary").expect("sent").contains("Origin"));
    }
    let other = ask(
        proxy.address,
        &request("OPTIONS", "/open", "https://other.example", PREFLIGHT),
    )
    .await;
    assert_eq!((other.status, &*other.reason()), (400, "PreflightRefused"));
    assert_eq!(other.value("access-control-allow-origin"), None);
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn every_answer_to_a_matched_origin_carries_the_headers() {
    let backend = backend().await;
    let cors = "cors: {allowOrigins: [\"https://shop.example\"]}";
    let proxy = TestProxy::start(backend.address).under(&document(cors, ""));
    for (method, path, more, status) in [
        ("GET", "/open", "", 200),
        ("GET", "/closed", "", 401),
        ("GET", "/nowhere", "", 404),
        ("PATCH", "/open", "", 405),
        ("GET", "/%zz", "", 400),
        ("GET", "/open", "a_b: c\r\n", 400),
        ("GET", "/open", "Host: again\r\n", 400),
        ("GET", "/open", "Expect: tea\r\n", 417),
    ] {
        let answer = ask(
            proxy.address,
            &request(method, path, "https://shop.example", more),
        )
        .await;
        assert_eq!(answer.status, status, "{method} {path} {answer:?}");
        assert_eq!(
            answer.value("access-control-allow-origin"),
            Some("https://shop.example"),
            "{method} {path}"
        );
        let vary = answer.values("vary").join(", ");
        assert!(vary.contains("Origin"), "{method} {path}: {vary}");
        assert_eq!(
            vary.contains("Accept"),
            status == 200,
            "the backend's own is kept"
        );
    }
    // Fetch decides by these headers: an unmatched origin gets none, not even the backend's.
    let answer = ask(
        proxy.address,
        &request("GET", "/open", "https://other.example", ""),
    )
    .await;
    assert_eq!(
        (answer.status, answer.value("access-control-allow-origin")),
        (200, None)
    );
}

#[tokio::test]
async fn errors_of_the_backends_connection_carry_the_headers() {
    let backend = Backend::answering(|_| Reply::Close(Vec::new())).await;
    let proxy = TestProxy::start(backend.address).under(&document("cors: {}", ""));
    let answer = ask(
        proxy.address,
        &request("GET", "/open", "https://shop.example", ""),
    )
    .await;
    assert_eq!((answer.status, &*answer.reason()), (502, "BackendReset"));
    assert_eq!(answer.value("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn allow_cors_leaves_preflights_to_the_backend() {
    let backend = backend().await;
    let endpoint = "x-google-endpoints: [{name: books.example.com, allowCors: true}]";
    let proxy = TestProxy::start(backend.address).under(&document("", endpoint));
    let answer = ask(
        proxy.address,
        &request("OPTIONS", "/closed", "https://shop.example", PREFLIGHT),
    )
    .await;
    assert_eq!(
        (answer.status, answer.value("access-control-allow-origin")),
        (200, Some("https://backend"))
    );
    assert_eq!(backend.only().line(), "OPTIONS /closed HTTP/1.1");

    // A script must be able to read why it was refused.
    let answer = ask(
        proxy.address,
        &request("GET", "/closed", "https://shop.example", ""),
    )
    .await;
    assert_eq!(
        (answer.status, answer.value("access-control-allow-origin")),
        (401, Some("*"))
    );
}

#[tokio::test]
async fn without_cors_nothing_is_added_and_nothing_taken() {
    let backend = backend().await;
    let proxy = TestProxy::start(backend.address).under(&document("", ""));
    let answer = ask(
        proxy.address,
        &request("GET", "/open", "https://shop.example", ""),
    )
    .await;
    assert_eq!(
        answer.value("access-control-allow-origin"),
        Some("https://backend")
    );
    let answer = ask(
        proxy.address,
        &request("OPTIONS", "/open", "https://shop.example", PREFLIGHT),
    )
    .await;
    assert_eq!(
        (answer.status, answer.value("access-control-allow-origin")),
        (405, None)
    );
}
