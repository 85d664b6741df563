//! `mode: Audit`: everything is decided, nothing but the malformed is refused.

use std::collections::BTreeMap;

use serde_json::json;

use crate::admin::metrics;
use crate::backend::{Backend, ok, raw, read_request};
use crate::client::{Client, ask};
use crate::proxy::{TestProxy, now, snapshot};
use crate::tokens::{Signer, key_set};

const KEYS: &str = "https://issuer.example/keys";

/// The operation has a backend of its own; what is no operation goes to the service's.
fn document(backend: &str) -> String {
    format!(
        r#"
mode: Audit
cors: {{allowOrigins: ["https://shop.example"]}}
openapi:
  inline: |
    swagger: "2.0"
    info: {{title: Books, version: "1"}}
    host: books.example.com
    securityDefinitions:
      issuer: {{type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "{KEYS}", x-google-audiences: "mine"}}
    security: [{{issuer: []}}]
    paths:
      /shelves:
        get: {{operationId: list, x-google-backend: {{address: "{backend}", disable_auth: true}}}}
"#
    )
}

async fn start(signer: Option<&Signer>) -> (Backend, Backend, TestProxy) {
    let (service, operations) = (Backend::start().await, Backend::start().await);
    let proxy = TestProxy::start(service.address);
    let spec = document(&format!("http://{}", operations.address));
    let keys = signer.map(|signer| (KEYS.to_owned(), key_set(&[signer])));
    proxy.policies.store(snapshot(
        &spec,
        &keys.into_iter().collect::<BTreeMap<_, _>>(),
    ));
    (service, operations, proxy)
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: books.example.com\r\n{fields}\r\n")
}

#[tokio::test]
async fn missing_and_failed_tokens_are_let_through_counted_and_believed_in_nothing() {
    let signer = Signer::new("ES256", "1");
    let (_service, operations, proxy) = start(Some(&signer)).await;
    let claims = json!({"iss": "https://issuer.example", "sub": "me", "aud": "mine", "iat": now() - 10, "exp": now() + 3600});
    let mut expired = claims.clone();
    expired["exp"] = json!(now() - 3600);
    let mut client = Client::connect(proxy.address).await;
    for fields in [
        String::new(),
        "X-Endpoint-API-UserInfo: forged\r\n".to_owned(),
        "Authorization: Bearer x.y.z\r\nX-Endpoint-API-UserInfo: forged\r\n".to_owned(),
        format!("Authorization: Bearer {}\r\n", signer.token(&expired)),
    ] {
        assert_eq!(
            client.ask(&get("/shelves", &fields)).await.status,
            200,
            "{fields}"
        );
        let seen = operations.requests().last().expect("one").clone();
        assert_eq!(seen.values("x-endpoint-api-userinfo"), [""; 0], "{fields}");
    }
    let good = format!("Authorization: Bearer {}\r\n", signer.token(&claims));
    assert_eq!(client.ask(&get("/shelves", &good)).await.status, 200);
    let seen = operations.requests().last().expect("one").clone();
    assert_eq!(seen.values("x-endpoint-api-userinfo").len(), 1);

    let metrics = metrics(&proxy).await;
    for line in [
        "endpoints_audited_total{reason=\"TokenMissing\"} 2",
        "endpoints_audited_total{reason=\"TokenMalformed\"} 1",
        "endpoints_audited_total{reason=\"TokenExpired\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(!metrics.contains("endpoints_refusals_total{"), "{metrics}");
}

#[tokio::test]
async fn keys_that_are_not_known_let_through_too() {
    let signer = Signer::new("ES256", "1");
    let (_service, operations, proxy) = start(None).await;
    let claims = json!({"iss": "https://issuer.example", "sub": "me", "aud": "mine", "iat": now() - 10, "exp": now() + 3600});
    let fields = format!("Authorization: Bearer {}\r\n", signer.token(&claims));
    assert_eq!(
        ask(proxy.address, &get("/shelves", &fields)).await.status,
        200
    );
    assert_eq!(operations.only().values("x-endpoint-api-userinfo"), [""; 0]);
}

#[tokio::test]
async fn what_no_operation_defines_goes_to_the_services_own_backend() {
    let (service, operations, proxy) = start(None).await;
    let mut client = Client::connect(proxy.address).await;
    for (request, line) in [
        (get("/nothing/%41/../x?y", ""), "GET /nothing/x?y HTTP/1.1"),
        (
            get("/shelves", "").replace("GET", "DELETE"),
            "DELETE /shelves HTTP/1.1",
        ),
    ] {
        assert_eq!(client.ask(&request).await.status, 200, "{line}");
        assert_eq!(service.requests().last().expect("one").line(), line);
    }
    assert!(operations.requests().is_empty());
    let metrics = metrics(&proxy).await;
    for line in [
        "endpoints_audited_total{reason=\"RouteNotFound\"} 1",
        "endpoints_audited_total{reason=\"MethodNotAllowed\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn the_malformed_is_refused_and_cors_is_what_it_is() {
    let (service, operations, proxy) = start(None).await;
    for (request, status, reason) in [
        (get("/shelves/%zz", ""), 400, "BadPath"),
        (get("/x/..%2fshelves", ""), 400, "AmbiguousPath"),
        (get("/shelves", "X_A: b\r\n"), 400, "UnderscoreHeader"),
        (get("/shelves", "Host: b\r\n"), 400, "BadHost"),
        (get("/shelves", "Expect: else\r\n"), 417, "BadExpect"),
        (
            get("/shelves", "").replace("GET", "TRACE"),
            405,
            "MethodRefused",
        ),
        (get("/shelves", "A : b\r\n"), 400, "BadFraming"),
        (
            get(
                "/shelves",
                "Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n",
            )
            .replace("GET /", "OPTIONS /"),
            400,
            "PreflightRefused",
        ),
    ] {
        let answer = ask(proxy.address, &request).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (status, reason),
            "{request}"
        );
    }
    assert!(service.requests().is_empty() && operations.requests().is_empty());
    // What is let through is decorated as always.
    let answer = ask(
        proxy.address,
        &get("/nothing", "Origin: https://shop.example\r\n"),
    )
    .await;
    assert_eq!(
        answer.value("access-control-allow-origin"),
        Some("https://shop.example")
    );
}

#[tokio::test]
async fn a_backend_that_fails_fails_as_always() {
    let broken = raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        let _ = read_request(&mut stream, &mut buffer).await;
        drop(ok("never sent"));
    })
    .await;
    let proxy = TestProxy::start(broken);
    let spec = document("http://127.0.0.1:1");
    proxy.policies.store(snapshot(&spec, &BTreeMap::new()));
    let answer = ask(proxy.address, &get("/nothing", "")).await;
    assert_eq!((answer.status, &*answer.reason()), (502, "BackendReset"));
}
