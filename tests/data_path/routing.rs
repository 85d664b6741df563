//! The switches of `routing`, as clients and backends see them.

use crate::backend::Backend;
use crate::client::{Client, ask};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

/// Everything is open, under these fields of `routing`.
async fn under(routing: &str) -> (Backend, TestProxy) {
    let backend = Backend::start().await;
    let spec = OPEN.replace(
        "routing: {healthz: /healthz}",
        &format!("routing: {{healthz: /healthz, {routing}}}"),
    );
    let proxy = TestProxy::start(backend.address).under(&spec);
    (backend, proxy)
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[tokio::test]
async fn a_path_arrives_as_it_came_where_that_is_asked_for() {
    let (backend, proxy) = under("normalizePath: false").await;
    for (target, line) in [
        ("/v1/shelves/%7Eme?x=%2f", "/v1/shelves/%7Eme?x=%2f"),
        ("/v1/shelves/%c3%a9", "/v1/shelves/%c3%a9"),
        ("//v1/shelves", "/v1/shelves"),
    ] {
        assert_eq!(
            ask(proxy.address, &get(target)).await.status,
            200,
            "{target}"
        );
        let seen = backend.requests().last().expect("one").line().to_owned();
        assert_eq!(seen, format!("GET {line} HTTP/1.1"));
    }
    for target in [
        "/v1/shelves/../shelves",
        "/v1/x/../shelves",
        "/v1/%73helves",
        "/v1/shelves/%2e%2e/shelves",
        "/v1/shelves/..%2fshelves",
    ] {
        let answer = ask(proxy.address, &get(target)).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (400, "AmbiguousPath"),
            "{target}"
        );
    }
    assert_eq!(backend.requests().len(), 3);
}

#[tokio::test]
async fn slashes_stay_where_that_is_asked_for() {
    let (backend, proxy) = under("mergeSlashes: false").await;
    let answer = ask(proxy.address, &get("/v1//shelves")).await;
    assert_eq!((answer.status, &*answer.reason()), (400, "AmbiguousPath"));
    assert_eq!(ask(proxy.address, &get("/v2//shelves")).await.status, 404);
    assert_eq!(ask(proxy.address, &get("/v1/./shelves")).await.status, 200);
    assert_eq!(backend.only().line(), "GET /v1/shelves HTTP/1.1");
}

#[tokio::test]
async fn an_escaped_slash_is_redirected_on_this_host_or_refused() {
    let (backend, proxy) = under("escapedSlashes: Redirect").await;
    for (target, location) in [
        ("/v1%2Fshelves?a=%2F", "/v1/shelves?a=%2F"),
        ("/%2Fevil.example", "/evil.example"),
        ("/%5cevil.example/%2F..", "/evil.example/"),
    ] {
        let answer = ask(proxy.address, &get(target)).await;
        assert_eq!(
            (answer.status, answer.value("location")),
            (307, Some(location)),
            "{target}"
        );
        assert_eq!(answer.body, r#"{"code":307,"message":""}"#);
        assert_eq!(answer.value("content-type"), Some("application/json"));
    }
    let grpc = "POST /v1%2Fshelves HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n";
    let answer = ask(proxy.address, grpc).await;
    assert_ne!(answer.status, 307);
    assert_eq!(answer.value("location"), None);

    let (other, proxy) = under("escapedSlashes: Reject").await;
    let answer = ask(proxy.address, &get("/v1/shelves/a%2Fb")).await;
    assert_eq!((answer.status, &*answer.reason()), (400, "BadPath"));
    assert!(backend.requests().is_empty() && other.requests().is_empty());
}

#[tokio::test]
async fn a_colon_ends_no_wildcard_but_where_that_is_asked_for() {
    let (backend, proxy) = under("colonInWildcard: false").await;
    assert_eq!(
        ask(proxy.address, &get("/v1/shelves/a:b")).await.status,
        404
    );
    assert!(backend.requests().is_empty());
    let (backend, proxy) = under("colonInWildcard: true").await;
    assert_eq!(
        ask(proxy.address, &get("/v1/shelves/a:b")).await.status,
        200
    );
    assert_eq!(backend.only().line(), "GET /v1/shelves/a:b HTTP/1.1");
}

#[tokio::test]
async fn underscores_pass_where_that_is_asked_for_but_for_names_of_ours() {
    let (backend, proxy) = under("underscoresInHeaders: true").await;
    let request = concat!(
        "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX_Mine: 1\r\nX_Endpoint_API_UserInfo: forged\r\n",
        "X_Forwarded_For: 6.6.6.6\r\nContent_Length: 7\r\nTransfer_Encoding: chunked\r\n",
        "X_HTTP_Method_Override: DELETE\r\n\r\n"
    );
    assert_eq!(ask(proxy.address, request).await.status, 200);
    let seen = backend.only();
    assert_eq!(seen.values("x_mine"), ["1"]);
    let underscored: Vec<_> = seen
        .head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.contains('_'))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(underscored, ["x_mine"]);
}

#[tokio::test]
async fn a_method_override_that_is_off_is_neither_read_nor_passed_on() {
    for (routing, line) in [
        ("methodOverride: false", "POST /v1/shelves HTTP/1.1"),
        ("methodOverride: true", "PUT /v1/shelves HTTP/1.1"),
    ] {
        let (backend, proxy) = under(routing).await;
        let request = concat!(
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: PUT\r\n",
            "X-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(ask(proxy.address, request).await.status, 200);
        let seen = backend.only();
        assert_eq!(seen.line(), line);
        assert!(
            !seen.head.contains("DELETE") && !seen.head.contains("PUT\r\n"),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn the_health_path_is_never_forwarded_whatever_is_off() {
    for routing in [
        "normalizePath: true",
        "normalizePath: false",
        "mergeSlashes: false",
        "normalizePath: false, mergeSlashes: false",
        "escapedSlashes: Redirect",
    ] {
        let (backend, proxy) = under(routing).await;
        let mut client = Client::connect(proxy.address).await;
        for target in [
            "/healthz",
            "/healthz/",
            "/healthz?x=1",
            "//healthz",
            "/./healthz",
            "/x/../healthz",
            "/%68ealthz",
            "/healthz%2f",
            "http://other.example/healthz",
        ] {
            for method in ["GET", "POST", "DELETE", "PURGE", "OPTIONS"] {
                let request = get(target).replace("GET", method);
                let answer = client.ask(&request).await;
                assert_eq!(answer.status, 200, "{routing}: {method} {target}");
                assert_eq!(answer.body, r#"{"code":200,"message":""}"#);
            }
            let head = client.ask(&get(target).replace("GET", "HEAD")).await;
            assert_eq!(head.status, 200);
        }
        assert!(backend.requests().is_empty(), "{routing}");
    }
}
