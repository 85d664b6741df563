//! What a client sees through the Service of `examples/bookstore`.

use serde_json::{Value, json};

use crate::cluster::kubectl;
use crate::http::Request;
use crate::shop::{self, AUDIENCE, ORIGIN};

#[test]
fn the_annotated_deployment_runs_with_a_sidecar_in_every_pod() {
    let (shop, _installation) = shop::shared();
    let sidecars = shop.sidecars();
    assert_eq!(sidecars.len(), 3);
    let deployment = shop.namespace.get(&["deployment", "bookstore"]);
    assert_eq!(deployment["status"]["readyReplicas"], 3);
}

#[test]
fn kubectl_get_shows_the_service_and_its_sidecars() {
    let (shop, _installation) = shop::shared();
    let table = shop.namespace.kubectl(&["get", "eps"]);
    let mut lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        lines.next().expect("a head")[..5],
        ["NAME", "SERVICE", "OPERATIONS", "SIDECARS", "PROGRAMMED"]
    );
    assert_eq!(
        lines.next().expect("a row")[..5],
        ["bookstore", "bookstore.e2e-shop.svc", "9", "3/3", "True"]
    );
    let resource = shop.resource();
    let status = &resource["status"];
    assert_eq!(
        status["observedGeneration"],
        resource["metadata"]["generation"]
    );
    assert_eq!(
        status["sidecars"],
        json!({"total": 3, "current": 3, "rejected": 0, "stale": 0, "summary": "3/3"})
    );
    for kind in [
        "Accepted",
        "ResolvedRefs",
        "Captured",
        "Programmed",
        "Enforced",
        "Ready",
    ] {
        let condition = shop.condition(kind);
        assert_eq!(condition["status"], "True", "{kind}: {condition:#}");
        assert_eq!(
            condition["observedGeneration"],
            resource["metadata"]["generation"]
        );
    }
}

#[test]
fn a_preflight_is_answered_with_the_services_cors_headers() {
    let (shop, _installation) = shop::shared();
    let preflight = Request::preflight("/v1/shelves", ORIGIN, "POST", "authorization,content-type");
    let response = shop.send(&preflight);
    assert_eq!(response.status, 200, "{response:#?}");
    assert_eq!(response.header("Access-Control-Allow-Origin"), Some(ORIGIN));
    let methods = response.list("Access-Control-Allow-Methods");
    assert!(methods.contains(&"post".to_owned()), "{response:#?}");
    let headers = response.list("Access-Control-Allow-Headers");
    for header in ["authorization", "content-type", "x-api-key"] {
        assert!(headers.contains(&header.to_owned()), "{response:#?}");
    }
    assert_eq!(response.header("Access-Control-Max-Age"), Some("1728000"));
    assert!(
        response.list("Vary").contains(&"origin".to_owned()),
        "{response:#?}"
    );
}

#[test]
fn a_preflight_of_another_origin_is_refused() {
    let (shop, _installation) = shop::shared();
    let response = shop.send(&Request::preflight(
        "/v1/shelves",
        "https://evil.example",
        "POST",
        "",
    ));
    assert_eq!(response.status, 400, "{response:#?}");
    assert_eq!(response.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn a_request_without_a_token_is_refused_so_that_a_script_can_read_why() {
    let (shop, _installation) = shop::shared();
    let response = shop.send(&Request::get("/v1/me").header("Origin", ORIGIN));
    assert_eq!(response.status, 401, "{response:#?}");
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    assert_eq!(
        response.json(),
        json!({"code": 401, "message": "Jwt is missing", "reason": "TokenMissing"})
    );
    assert_eq!(response.header("Access-Control-Allow-Origin"), Some(ORIGIN));
    assert!(
        response.header("Access-Control-Expose-Headers").is_some(),
        "{response:#?}"
    );
    let challenge = response.header("WWW-Authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer realm="), "{challenge}");
}

#[test]
fn a_token_for_another_audience_is_refused() {
    let (shop, _installation) = shop::shared();
    let token = shop.namespace.token("somebody-else");
    let response = shop.send(
        &Request::get("/v1/me")
            .bearer(&token)
            .header("Origin", ORIGIN),
    );
    assert_eq!(response.status, 403, "{response:#?}");
    assert_eq!(
        response.json()["message"],
        "Audiences in Jwt are not allowed"
    );
    assert_eq!(response.header("Access-Control-Allow-Origin"), Some(ORIGIN));
}

#[test]
fn a_token_of_this_cluster_is_let_in_and_the_backend_sees_its_claims() {
    let (shop, _installation) = shop::shared();
    // The audience that the document adds, and the one that is always accepted.
    for audience in [AUDIENCE, "https://bookstore.e2e-shop.svc"] {
        let token = shop.namespace.token(audience);
        let response = shop.send(
            &Request::get("/v1/me")
                .bearer(&token)
                .header("Origin", ORIGIN),
        );
        assert_eq!(response.status, 200, "{response:#?}");
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some(ORIGIN));
        let seen = response.json();
        assert_eq!(seen["path"], "/v1/me");
        let user = format!("system:serviceaccount:{}:default", shop.namespace.name);
        assert_eq!(seen["userInfo"]["sub"], json!(user), "{seen:#}");
        assert_eq!(
            seen["userInfo"]["iss"],
            "https://kubernetes.default.svc.cluster.local"
        );
        assert!(
            seen["headers"]["x-endpoint-api-userinfo"].is_string(),
            "{seen:#}"
        );
    }
}

#[test]
fn a_public_operation_needs_no_token_and_nobody_can_pretend_to_have_one() {
    let (shop, _installation) = shop::shared();
    let pretended = "eyJzdWIiOiJhZG1pbiJ9";
    let request = Request::get("/v1/shelves").header("X-Endpoint-API-UserInfo", pretended);
    let response = shop.send(&request);
    assert_eq!(response.status, 200, "{response:#?}");
    let seen = response.json();
    assert_eq!(seen["method"], "GET");
    assert_eq!(seen["userInfo"], Value::Null);
    assert_eq!(seen["headers"]["x-endpoint-api-userinfo"], Value::Null);
}

#[test]
fn what_the_document_does_not_have_is_not_served() {
    let (shop, _installation) = shop::shared();
    assert_eq!(shop.send(&Request::get("/v1/secrets")).status, 404);
    let response = shop.send(&Request::new("DELETE", "/v1/shelves"));
    assert_eq!(response.status, 405);
    assert_eq!(response.list("Allow"), ["get", "post"]);
}

#[test]
fn the_health_path_is_answered_by_the_sidecar() {
    let (shop, _installation) = shop::shared();
    let response = shop.send(&Request::get("/healthz"));
    assert_eq!(response.status, 200, "{response:#?}");
    // The backend would have told what it received.
    assert!(!response.body.contains("userInfo"), "{response:#?}");
}

#[test]
fn the_resource_is_listed_with_the_clusters_other_kinds() {
    let (_shop, _installation) = shop::shared();
    let kinds = kubectl(&["api-resources", "--api-group=endpoints.dev", "--no-headers"]);
    let words: Vec<_> = kinds.split_whitespace().collect();
    assert_eq!(
        words,
        [
            "endpointsservices",
            "eps",
            "endpoints.dev/v1alpha1",
            "true",
            "EndpointsService"
        ]
    );
}
