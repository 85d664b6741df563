//! CORS as the proxy does it: preflights, actual requests, and its own errors.

use endpoints::policy::format::CorsMode;

use crate::backend::{Backend, Reply};
use crate::client::ask;
use crate::proxy::{TestProxy, policy, ready};

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

/// A policy whose operation has the rule of another service, or none.
fn with_rule(yaml: &str, path: &str, rule: CorsMode) -> endpoints::proxy::Snapshot {
    let mut policy = policy(yaml);
    policy.cors_rules = vec![rule];
    let operation = policy.operations.iter_mut().find(|own| own.path == path);
    operation.expect("of the document").cors = Some(0);
    policy.format = policy.needed_format();
    ready(policy, |source| {
        std::sync::Arc::new(endpoints::jwks::KeySlot::new(source.clone()))
    })
}

#[tokio::test]
async fn an_operation_answers_by_its_own_rule() {
    let backend = backend().await;
    let proxy = TestProxy::start(backend.address);
    let shop = document("cors: {allowOrigins: [\"https://shop.example\"]}", "");
    let admin = policy(&shop.replace("shop.example", "admin.example")).cors;
    proxy.policies.store(with_rule(&shop, "/closed", admin));
    for (method, path, origin, more, status, allowed) in [
        (
            "OPTIONS",
            "/closed",
            "https://admin.example",
            PREFLIGHT,
            200,
            true,
        ),
        (
            "OPTIONS",
            "/closed",
            "https://shop.example",
            PREFLIGHT,
            400,
            false,
        ),
        (
            "OPTIONS",
            "/open",
            "https://shop.example",
            PREFLIGHT,
            200,
            true,
        ),
        (
            "OPTIONS",
            "/open",
            "https://admin.example",
            PREFLIGHT,
            400,
            false,
        ),
        (
            "OPTIONS",
            "/nowhere",
            "https://shop.example",
            PREFLIGHT,
            200,
            true,
        ),
        // Our own errors, too.
        ("GET", "/closed", "https://admin.example", "", 401, true),
        ("GET", "/closed", "https://shop.example", "", 401, false),
        ("PUT", "/closed", "https://admin.example", "", 405, true),
        ("GET", "/open", "https://shop.example", "", 200, true),
        ("GET", "/open", "https://admin.example", "", 200, false),
        ("GET", "/nowhere", "https://shop.example", "", 404, true),
    ] {
        let answer = ask(proxy.address, &request(method, path, origin, more)).await;
        assert_eq!(answer.status, status, "{method} {path} {origin}");
        assert_eq!(
            answer.value("access-control-allow-origin"),
            allowed.then_some(origin),
            "{method} {path} {origin}"
        );
        let vary = answer.values("vary").join(", ");
        assert!(vary.contains("Origin"), "{method} {path} {origin}");
    }
}

#[tokio::test]
async fn an_operation_may_have_cors_off() {
    let backend = backend().await;
    let proxy = TestProxy::start(backend.address);
    let shop = document("cors: {}", "");
    proxy
        .policies
        .store(with_rule(&shop, "/open", CorsMode::Off));
    let answer = ask(
        proxy.address,
        &request("GET", "/open", "https://shop.example", ""),
    )
    .await;
    assert_eq!(
        answer.value("access-control-allow-origin"),
        Some("https://backend")
    );
    let preflight = request("OPTIONS", "/open", "https://shop.example", PREFLIGHT);
    let answer = ask(proxy.address, &preflight).await;
    assert_eq!(
        (answer.status, answer.value("access-control-allow-origin")),
        (405, None)
    );
}
