//! Each field of the resource, from what a user applies to what a client of the sidecar sees. (No token
//! of a cluster lacks a claim that `requiredClaims` can name: that one is the policy's own test.)

use std::net::TcpListener;

use endpoints::api::EndpointsService;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::api_server::{ISSUER, Test, ask, free_ports};
use crate::objects::{create_pod, edit, service, wait_for};
use crate::serve;
use crate::sidecar_process::{backend, start, token_file};

#[tokio::test]
async fn every_field_of_the_resource_reaches_the_clients_of_the_sidecar() {
    let test = Test::start().await;
    let (_backend, app) = backend(&test);
    test.create::<EndpointsService>(service("bookstore", every_field(app)))
        .await
        .unwrap();
    let pod = create_pod(&test, "a", "bookstore").await;
    let token = token_file(&test, &pod).await;
    let [traffic, admin] = free_ports();
    // Behind the listener is nothing: only backend.address leads to the app.
    let _sidecar = start(&test, &pod, token.path(), &format!("{traffic}=9"), admin);
    programmed(&test).await;
    let stored = test.api::<EndpointsService>().get("bookstore").await;
    let policy = stored.unwrap().status.unwrap().policy.unwrap();
    assert_eq!(policy.service, "shop.example");
    assert_eq!(
        (policy.operations, policy.protected, policy.issuers),
        (4, 2, 1)
    );

    // routing.healthz, backend.address
    assert_eq!(ask(traffic, "GET", "/healthz", &[]).0, 200);
    let (status, answer) = ask(traffic, "GET", "/open", &[]);
    assert_eq!(status, 200, "{answer}");

    // headers, routing
    assert!(answer.contains("x-told: 200"), "{answer}");
    assert_eq!(ask(traffic, "GET", "/open%2Fx", &[]).0, 400);

    // cors
    let from = |origin| [("origin", origin), ("access-control-request-method", "GET")];
    let (status, answer) = ask(
        traffic,
        "OPTIONS",
        "/books",
        &from("https://shop.example.com"),
    );
    assert_eq!(status, 200, "{answer}");
    for header in [
        "access-control-allow-origin: https://shop.example.com",
        "access-control-allow-methods: GET",
        "access-control-allow-headers: X-A",
        "access-control-allow-credentials: true",
        "access-control-max-age: 600",
    ] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    let (_, answer) = ask(
        traffic,
        "GET",
        "/open",
        &from("https://shop.example.com")[..1],
    );
    assert!(
        answer.contains("access-control-expose-headers: X-B"),
        "{answer}"
    );
    assert_eq!(
        ask(traffic, "OPTIONS", "/books", &from("https://a.example.org")).0,
        400
    );
    let regex = json!({ "allowOrigins": null, "allowOriginRegex": r"https://\w+\.example\.org" });
    edit(&test, "bookstore", json!({ "cors": regex })).await;
    programmed(&test).await;
    assert_eq!(
        ask(traffic, "OPTIONS", "/books", &from("https://a.example.org")).0,
        200
    );

    // jwt.audiences: the document's list alone, then the service's name, too
    let listed = cluster_token(&test, "shop-app").await;
    let named = cluster_token(&test, "https://shop.example").await;
    let call = |token: &str| {
        ask(
            traffic,
            "GET",
            "/books",
            &[("authorization", &bearer(token))],
        )
    };
    assert_eq!(ask(traffic, "GET", "/books", &[]).0, 401);
    let (status, answer) = call(&listed);
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer.contains("\"sub\": \"system:serviceaccount:"),
        "UserInfo: {answer}"
    );
    assert_eq!(call(&named).0, 403);
    edit(
        &test,
        "bookstore",
        json!({ "jwt": { "audiences": "Additive" } }),
    )
    .await;
    programmed(&test).await;
    assert_eq!((call(&named).0, call(&listed).0), (200, 200));

    // jwt.scopes: no token of a cluster has any
    let scoped = || {
        ask(
            traffic,
            "GET",
            "/scoped",
            &[("authorization", &bearer(&listed))],
        )
    };
    let (status, answer) = scoped();
    assert_eq!(status, 403, "{answer}");
    assert!(answer.contains("insufficient_scope"), "{answer}");
    edit(&test, "bookstore", json!({ "jwt": { "scopes": "Ignore" } })).await;
    programmed(&test).await;
    assert_eq!(scoped().0, 200);

    // backend.overrideAddresses: the app answers for an address where nobody listens
    let elsewhere = || ask(traffic, "GET", "/elsewhere", &[]).0;
    assert_eq!(elsewhere(), 200);
    let listed_ones = json!({ "backend": { "overrideAddresses": false } });
    edit(&test, "bookstore", listed_ones).await;
    programmed(&test).await;
    assert_eq!(elsewhere(), 503);

    // backend.deadline: whoever accepts and says nothing
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let impatient = json!({ "address": format!("http://{address}"), "deadline": "10ms" });
    edit(&test, "bookstore", json!({ "backend": impatient })).await;
    programmed(&test).await;
    assert_eq!(ask(traffic, "GET", "/open", &[]).0, 504);
    let app_again = json!({ "address": format!("http://127.0.0.1:{app}"), "deadline": null });
    edit(&test, "bookstore", json!({ "backend": app_again })).await;

    // jwt.issuers: keys from a URL, then from one with no key of this issuer
    let keys = http::Request::get("/openid/v1/jwks")
        .body(Vec::new())
        .unwrap();
    let keys = test.client.request_text(keys).await.unwrap();
    let from_url =
        |uri: String| json!({ "jwt": { "issuers": [{ "issuer": ISSUER, "jwksUri": uri }] } });
    edit(
        &test,
        "bookstore",
        from_url(serve::always(&serve::http(200, &keys))),
    )
    .await;
    programmed(&test).await;
    assert_eq!(call(&listed).0, 200);
    edit(
        &test,
        "bookstore",
        from_url(serve::always(&serve::http(500, ""))),
    )
    .await;
    wait_for(
        &test,
        "bookstore",
        "ResolvedRefs",
        "False",
        "KeySetUnavailable",
    )
    .await;
    programmed(&test).await;
    assert_eq!(
        call(&listed).0,
        503,
        "never open, and not the client's fault"
    );
}

fn every_field(app: u16) -> Value {
    json!({
        "openapi": { "document": {
            "swagger": "2.0", "info": { "title": "t", "version": "1" }, "host": "books.example",
            "securityDefinitions": { "cluster": {
                "type": "oauth2", "flow": "implicit", "authorizationUrl": "",
                "x-google-issuer": ISSUER, "x-google-audiences": "shop-app"
            } },
            "paths": {
                "/books": { "get": { "security": [{ "cluster": [] }], "responses": {} } },
                "/open": { "get": { "responses": {} } },
                "/scoped": { "get": {
                    "security": [{ "cluster": ["books.read"] }], "responses": {}
                } },
                "/elsewhere": { "get": {
                    "x-google-backend": { "address": "http://127.0.0.1:1/x", "disable_auth": true },
                    "responses": {}
                } }
            }
        } },
        "serviceName": "shop.example",
        "cors": {
            "allowOrigins": ["https://shop.example.com"], "allowMethods": ["GET"],
            "allowHeaders": ["X-A"], "exposeHeaders": ["X-B"], "allowCredentials": true,
            "maxAge": "10m"
        },
        "jwt": {
            "issuers": [{ "issuer": ISSUER, "kubernetes": true }], "audiences": "Exclusive",
            "requiredClaims": ["exp", "sub"], "scopes": "Enforce"
        },
        "backend": {
            "address": format!("http://127.0.0.1:{app}"), "overrideAddresses": true,
            "deadline": "10s"
        },
        "routing": { "healthz": "/healthz", "colonInWildcard": false, "escapedSlashes": "Reject" },
        "headers": { "response": { "set": { "X-Told": "%RESPONSE_CODE% %OPERATION%" } } },
        "mode": "Enforce"
    })
}

/// Waits until the sidecar runs the newest edit.
async fn programmed(test: &Test) {
    wait_for(test, "bookstore", "Programmed", "True", "AllCurrent").await;
}

/// A token of this cluster's own issuer, as `kubectl create token` makes it.
async fn cluster_token(test: &Test, audience: &str) -> String {
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![audience.to_owned()],
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let accounts = test.api::<ServiceAccount>();
    let token = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await;
    token.unwrap().status.unwrap().token
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
