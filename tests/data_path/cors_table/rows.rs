//! The rows: by what the policy says of CORS.

use super::{hold, reply, specification};
use crate::backend::Backend;
use crate::client::ask;
use crate::proxy::TestProxy;

pub(super) const SHOP: &str =
    "cors: {allowOrigins: [\"https://shop.example\", \"http://localhost:3000\"]}";

#[tokio::test]
async fn preflights_of_a_list_of_origins() {
    let rows = "
        OPTIONS /open      | https://shop.example      | GET     | 200 | https://shop.example  | preflight | -
        OPTIONS /open      | http://localhost:3000     | GET     | 200 | http://localhost:3000 | preflight | -
        OPTIONS /open      | https://shop.example      | POST    | 200 | https://shop.example  | preflight | -
        OPTIONS /open      | https://shop.example      | DELETE  | 200 | https://shop.example  | preflight | -
        OPTIONS /open      | https://shop.example      | patch   | 200 | https://shop.example  | preflight | -
        OPTIONS /open      | https://shop.example      | MADE-UP | 200 | https://shop.example  | preflight | -
        OPTIONS /open      | https://shop.example      | OPTIONS | 200 | https://shop.example  | preflight | -
        OPTIONS /open?a=b  | https://shop.example      | GET     | 200 | https://shop.example  | preflight | -
        OPTIONS /closed    | https://shop.example      | GET     | 200 | https://shop.example  | preflight | -
        OPTIONS /items/7   | https://shop.example      | DELETE  | 200 | https://shop.example  | preflight | -
        OPTIONS /nowhere   | https://shop.example      | GET     | 200 | https://shop.example  | preflight | -
        OPTIONS /%zz       | https://shop.example      | GET     | 200 | https://shop.example  | preflight | -
        OPTIONS /away      | https://shop.example      | GET     | 200 | https://shop.example  | preflight | -
        OPTIONS /declared  | https://shop.example      | GET     | 200 | https://shop.example  | preflight | -
        OPTIONS /declared  | https://shop.example      | OPTIONS | 200 | https://shop.example  | preflight | -
        OPTIONS /guarded   | https://shop.example      | GET     | 200 | https://shop.example  | preflight | -
        OPTIONS /open      | https://other.example     | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | http://shop.example       | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://shop.example:8443 | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://shop.example:443  | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://shop.example/     | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://shop.example.     | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://SHOP.example      | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | HTTPS://shop.example      | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://a.shop.example    | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://shop.example.evil | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://evil-shop.example | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | null                      | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | *                         | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | shop.example              | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://shop.example, https://shop.example  | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://shop.example & https://shop.example | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open      | https://shop.example & https://other.example | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /nowhere   | https://other.example     | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /declared  | https://other.example     | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /declared  | null                      | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /guarded   | https://other.example     | GET     | 400 PreflightRefused | - | preflight | -
        OPTIONS /%zz       | https://other.example     | GET     | 400 BadPath          | - | Origin    | -
    ";
    hold(&specification(SHOP, "", ""), rows).await;
}

#[tokio::test]
async fn other_options_requests_are_refused_unless_declared() {
    let rows = "
        OPTIONS /open     | -                     | -   | 400 PreflightRefused | - | Origin | -
        OPTIONS /open     | -                     | GET | 400 PreflightRefused | - | Origin | -
        OPTIONS /open     | ''                    | GET | 400 PreflightRefused | - | Origin | -
        OPTIONS /open     | https://shop.example  | -   | 400 PreflightRefused | https://shop.example | Origin | -
        OPTIONS /open     | https://shop.example  | ''  | 400 PreflightRefused | https://shop.example | Origin | -
        OPTIONS /open     | https://other.example | -   | 400 PreflightRefused | - | Origin | -
        OPTIONS /nowhere  | -                     | -   | 400 PreflightRefused | - | Origin | -
        OPTIONS /declared | -                     | -   | 200 | - | Accept + Origin | seen
        OPTIONS /declared | -                     | GET | 200 | - | Accept + Origin | seen
        OPTIONS /declared | https://shop.example  | -   | 200 | https://shop.example | Accept + Origin | seen
        OPTIONS /declared | https://other.example | -   | 200 | - | Accept + Origin | seen
        OPTIONS /guarded  | https://shop.example  | -   | 401 TokenMissing | https://shop.example | Origin | -
        OPTIONS /guarded token=good | https://shop.example | - | 200 | https://shop.example | Accept + Origin | seen
    ";
    hold(&specification(SHOP, "", ""), rows).await;
}

#[tokio::test]
async fn every_answer_that_a_script_may_read_says_so() {
    let rows = "
        GET  /open                       | https://shop.example | -   | 200 | https://shop.example | Accept + Origin | seen
        GET  /open                       | https://shop.example | GET | 200 | https://shop.example | Accept + Origin | seen
        POST /open                       | https://shop.example | -   | 200 | https://shop.example | Accept + Origin | seen
        GET  /vary-star                  | https://shop.example | -   | 200 | https://shop.example | * | seen
        GET  /vary-origin                | https://shop.example | -   | 200 | https://shop.example | accept, ORIGIN | seen
        GET  /vary-two                   | https://shop.example | -   | 200 | https://shop.example | Accept + Cookie + Origin | seen
        GET  /plain                      | https://shop.example | -   | 200 | https://shop.example | Origin | seen
        GET  /moved                      | https://shop.example | -   | 302 | https://shop.example | Accept + Origin | seen
        GET  /fails                      | https://shop.example | -   | 500 | https://shop.example | Accept + Origin | seen
        GET  /unchanged                  | https://shop.example | -   | 304 | https://shop.example | Accept + Origin | seen
        GET  /closed                     | https://shop.example | -   | 401 TokenMissing    | https://shop.example | Origin | -
        GET  /closed token=junk          | https://shop.example | -   | 401 TokenMalformed  | https://shop.example | Origin | -
        GET  /closed token=expired       | https://shop.example | -   | 401 TokenExpired    | https://shop.example | Origin | -
        GET  /closed token=forged        | https://shop.example | -   | 401 TokenKeyUnknown | https://shop.example | Origin | -
        GET  /closed token=audience      | https://shop.example | -   | 403 TokenAudience   | https://shop.example | Origin | -
        GET  /closed token=good          | https://shop.example | -   | 200 | https://shop.example | Accept + Origin | seen
        GET  /nowhere                    | https://shop.example | -   | 404 RouteNotFound     | https://shop.example | Origin | -
        PUT  /open                       | https://shop.example | -   | 405 MethodNotAllowed  | https://shop.example | Origin | -
        TRACE /open                      | https://shop.example | -   | 405 MethodRefused     | https://shop.example | Origin | -
        GET  /%zz                        | https://shop.example | -   | 400 BadPath           | https://shop.example | Origin | -
        GET  /open a_b=c                 | https://shop.example | -   | 400 UnderscoreHeader  | https://shop.example | Origin | -
        GET  /open X-HTTP-Method-Override=PUT | https://shop.example | - | 400 BadMethodOverride | https://shop.example | Origin | -
        GET  /open Host=again            | https://shop.example | -   | 400 BadHost           | https://shop.example | Origin | -
        GET  /open Expect=tea            | https://shop.example | -   | 417 BadExpect         | https://shop.example | Origin | -
        GET  /broken                     | https://shop.example | -   | 502 BackendReset       | https://shop.example | Origin | seen
        GET  /garbage                    | https://shop.example | -   | 502 BackendMalformed   | https://shop.example | Origin | seen
        GET  /away                       | https://shop.example | -   | 503 BackendUnreachable | https://shop.example | Origin | -
        GET  /late                       | https://shop.example | -   | 504 BackendTimeout     | https://shop.example | Origin | seen
    ";
    hold(&specification(SHOP, "", ""), rows).await;
}

#[tokio::test]
async fn an_origin_that_does_not_match_is_served_and_told_nothing() {
    let rows = "
        GET /open        | https://other.example | - | 200 | - | Accept + Origin | seen
        GET /open        | null                  | - | 200 | - | Accept + Origin | seen
        GET /open        | HTTPS://SHOP.EXAMPLE  | - | 200 | - | Accept + Origin | seen
        GET /open        | https://shop.example & https://shop.example | - | 200 | - | Accept + Origin | seen
        GET /open        | ''                    | - | 200 | - | Accept + Origin | seen
        GET /open        | -                     | - | 200 | - | Accept + Origin | seen
        GET /vary-star   | -                     | - | 200 | - | * | seen
        GET /vary-origin | -                     | - | 200 | - | accept, ORIGIN | seen
        GET /closed      | https://other.example | - | 401 TokenMissing  | - | Origin | -
        GET /nowhere     | https://other.example | - | 404 RouteNotFound | - | Origin | -
        GET /nowhere     | -                     | - | 404 RouteNotFound | - | Origin | -
        GET /away        | -                     | - | 503 BackendUnreachable | - | Origin | -
    ";
    hold(&specification(SHOP, "", ""), rows).await;
}

#[tokio::test]
async fn any_origin_is_a_literal_star_without_vary() {
    let rows = "
        OPTIONS /open     | https://shop.example | GET | 200 | * | - | -
        OPTIONS /open     | null                 | GET | 200 | * | - | -
        OPTIONS /nowhere  | https://any.example  | GET | 200 | * | - | -
        OPTIONS /declared | https://any.example  | GET | 200 | * | - | -
        OPTIONS /open     | -                    | GET | 400 PreflightRefused | * | - | -
        OPTIONS /open     | https://any.example  | -   | 400 PreflightRefused | * | - | -
        OPTIONS /open     | https://a.example & https://b.example | GET | 400 PreflightRefused | - | - | -
        GET     /open     | https://shop.example | -   | 200 | * | Accept | seen
        GET     /open     | null                 | -   | 200 | * | Accept | seen
        GET     /open     | -                    | -   | 200 | * | Accept | seen
        GET     /plain    | https://shop.example | -   | 200 | * | -      | seen
        GET     /vary-star | https://shop.example | -  | 200 | * | *      | seen
        GET     /closed   | https://shop.example | -   | 401 TokenMissing | * | - | -
        GET     /nowhere  | -                    | -   | 404 RouteNotFound | * | - | -
        GET     /broken   | https://shop.example | -   | 502 BackendReset | * | - | seen
    ";
    hold(&specification("cors: {}", "", ""), rows).await;
}

#[tokio::test]
async fn credentials_go_to_listed_origins_only() {
    let listed =
        "cors: {allowOrigins: [\"https://shop.example\", \"null\"], allowCredentials: true}";
    let rows = "
        OPTIONS /open   | https://shop.example  | GET | 200 | https://shop.example +c | preflight | -
        OPTIONS /open   | null                  | GET | 200 | null +c | preflight | -
        OPTIONS /open   | NULL                  | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open   | https://other.example | GET | 400 PreflightRefused | - | preflight | -
        GET     /open   | https://shop.example  | -   | 200 | https://shop.example +c | Accept + Origin | seen
        GET     /open   | null                  | -   | 200 | null +c | Accept + Origin | seen
        GET     /open   | https://other.example | -   | 200 | - | Accept + Origin | seen
        GET     /closed | https://shop.example  | -   | 401 TokenMissing | https://shop.example +c | Origin | -
    ";
    hold(&specification(listed, "", ""), rows).await;

    let everybody = "cors: {allowCredentials: true, allowAnyOriginWithCredentials: true}";
    let rows = "
        OPTIONS /open    | https://any.example | GET | 200 | https://any.example +c | preflight | -
        OPTIONS /open    | null                | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open    | *                   | GET | 400 PreflightRefused | - | preflight | -
        GET     /open    | https://any.example | -   | 200 | https://any.example +c | Accept + Origin | seen
        GET     /open    | null                | -   | 200 | - | Accept + Origin | seen
        GET     /open    | *                   | -   | 200 | - | Accept + Origin | seen
        GET     /open    | -                   | -   | 200 | - | Accept + Origin | seen
        GET     /nowhere | https://any.example | -   | 404 RouteNotFound | https://any.example +c | Origin | -
    ";
    hold(&specification(everybody, "", ""), rows).await;
}

#[tokio::test]
async fn an_expression_matches_whole_origins() {
    let regex = r#"cors: {preset: cors_with_regex, allowOriginRegex: "https://([a-z0-9-]+\\.)?shop\\.example|.*null"}"#;
    let endless = format!("https://{}.shop.example", "a".repeat(600));
    let rows = format!("
        OPTIONS /open | https://shop.example        | GET | 200 | https://shop.example   | preflight | -
        OPTIONS /open | https://a.shop.example      | GET | 200 | https://a.shop.example | preflight | -
        OPTIONS /open | https://a.b.shop.example    | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open | https://A.shop.example      | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open | https://shopXexample        | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open | https://a.shop.example.evil | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open | https://evil/https://shop.example | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open | null                        | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open | {endless}                   | GET | 400 PreflightRefused | - | preflight | -
        GET     /open | https://a.shop.example      | -   | 200 | https://a.shop.example | Accept + Origin | seen
        GET     /open | https://other.example       | -   | 200 | - | Accept + Origin | seen
        GET     /open | null                        | -   | 200 | - | Accept + Origin | seen
    ");
    hold(&specification(regex, "", ""), &rows).await;
}

#[tokio::test]
async fn an_operation_may_have_its_own_rule() {
    let paths = "
      /public: {x-endpoints-cors: {}, get: {responses: {200: {description: ok}}}, post: {security: [{issuer: []}], x-endpoints-cors: {allowOrigins: [\"https://admin.example\"], allowCredentials: true}, responses: {200: {description: ok}}}}
      /hidden: {get: {x-endpoints-cors: false, responses: {200: {description: ok}}}, post: {responses: {200: {description: ok}}}}";
    let rows = "
        OPTIONS /public | https://any.example   | GET    | 200 | * | - | -
        OPTIONS /public | https://any.example   | POST   | 400 PreflightRefused | - | preflight | -
        OPTIONS /public | https://admin.example | POST   | 200 | https://admin.example +c | preflight | -
        OPTIONS /public | https://shop.example  | POST   | 400 PreflightRefused | - | preflight | -
        GET     /public | https://any.example   | -      | 200 | * | Accept | seen
        POST    /public | https://admin.example | -      | 401 TokenMissing | https://admin.example +c | Origin | -
        POST    /public | https://any.example   | -      | 401 TokenMissing | - | Origin | -
        PUT     /public | https://any.example   | -      | 405 MethodNotAllowed | * | - | -
        OPTIONS /hidden | https://shop.example  | GET    | 405 MethodNotAllowed | - | - | -
        OPTIONS /hidden | https://shop.example  | POST   | 200 | https://shop.example | preflight | -
        GET     /hidden | https://shop.example  | -      | 200 | theirs | Accept | seen
        POST    /hidden | https://shop.example  | -      | 200 | https://shop.example | Accept + Origin | seen
        OPTIONS /open   | https://shop.example  | GET    | 200 | https://shop.example | preflight | -
        OPTIONS /open   | https://admin.example | GET    | 400 PreflightRefused | - | preflight | -
    ";
    hold(&specification(SHOP, "", paths), rows).await;

    // An empty method announces nothing: that is no preflight, but a request of the declared operation.
    let paths = "
      /both: {delete: {x-endpoints-cors: {}, responses: {200: {description: ok}}}, options: {responses: {200: {description: ok}}}}";
    let rows = "
        OPTIONS /both | https://any.example  | DELETE | 200 | * | - | -
        OPTIONS /both | https://shop.example | ''     | 200 | https://shop.example | Accept + Origin | seen
        OPTIONS /both | https://any.example  | ''     | 200 | - | Accept + Origin | seen
        OPTIONS /both | https://any.example  | -      | 200 | - | Accept + Origin | seen
    ";
    hold(&specification(SHOP, "", paths), rows).await;

    // Only one operation has CORS at all.
    let paths = "
      /public: {x-endpoints-cors: {allowOrigins: [\"https://shop.example\"]}, get: {responses: {200: {description: ok}}}}";
    let rows = "
        OPTIONS /public  | https://shop.example  | GET | 200 | https://shop.example | preflight | -
        OPTIONS /public  | https://other.example | GET | 400 PreflightRefused | - | preflight | -
        GET     /public  | https://shop.example  | -   | 200 | https://shop.example | Accept + Origin | seen
        OPTIONS /open    | https://shop.example  | GET | 405 MethodNotAllowed | - | - | -
        OPTIONS /nowhere | https://shop.example  | GET | 404 RouteNotFound | - | - | -
        GET     /open    | https://shop.example  | -   | 200 | theirs | Accept | seen
    ";
    hold(&specification("", "", paths), rows).await;
}

/// Also what is refused before it is routed is read by the sites of the operation that it was meant for.
#[tokio::test]
async fn an_operations_sites_read_why_its_requests_are_refused() {
    let paths = "
      /public/{id}: {get: {responses: {200: {description: ok}}}, post: {x-endpoints-cors: {allowOrigins: [\"https://shop.example\"]}, responses: {200: {description: ok}}}}";
    let rows = "
        POST    /public/1 a_b=c | https://shop.example  | - | 400 UnderscoreHeader | https://shop.example | Origin | -
        POST    /public/1 a_b=c | https://other.example | - | 400 UnderscoreHeader | - | Origin | -
        GET     /public/1 a_b=c | https://shop.example  | - | 400 UnderscoreHeader | - | - | -
        GET     /nowhere a_b=c  | https://shop.example  | - | 400 UnderscoreHeader | - | - | -
        POST    /public/1 X-HTTP-Method-Override=TRACE | https://shop.example | - | 400 BadMethodOverride | https://shop.example | Origin | -
        POST    /public/a%2fb   | https://shop.example  | - | 400 BadPath | https://shop.example | Origin | -
        OPTIONS /public/a%2fb   | https://shop.example  | POST | 200 | https://shop.example | preflight | -
        OPTIONS /public/a%2fb   | https://shop.example  | GET  | 400 BadPath | - | - | -
        POST    /%zz            | https://shop.example  | - | 400 BadPath | - | - | -
    ";
    let reject = "routing: {escapedSlashes: Reject}";
    hold(&specification(reject, "", paths), rows).await;
}

const ALLOW_CORS: &str = "x-google-endpoints: [{name: books.example.com, allowCors: true}]";

#[tokio::test]
async fn allow_cors_leaves_cors_to_the_backend() {
    let rows = "
        OPTIONS /open            | https://any.example | GET    | 200 | theirs | Accept | seen
        OPTIONS /open            | -                   | -      | 200 | theirs | Accept | seen
        OPTIONS /closed          | https://any.example | GET    | 200 | theirs | Accept | seen
        OPTIONS /items/7         | https://any.example | DELETE | 200 | theirs | Accept | seen
        OPTIONS /items/7         | https://any.example | PUT    | 200 | theirs | Accept | seen
        OPTIONS /declared        | https://any.example | GET    | 200 | theirs | Accept | seen
        OPTIONS /guarded         | https://any.example | GET    | 401 TokenMissing  | bare * | - | -
        OPTIONS /guarded token=good | https://any.example | GET | 200 | theirs | Accept | seen
        OPTIONS /nowhere         | https://any.example | GET    | 404 RouteNotFound | bare * | - | -
        OPTIONS /away            | https://any.example | GET    | 503 BackendUnreachable | bare * | - | -
        GET     /open            | https://any.example | -      | 200 | theirs | Accept | seen
        GET     /fails           | https://any.example | -      | 500 | theirs | Accept | seen
        GET     /closed          | https://any.example | -      | 401 TokenMissing     | bare * | - | -
        GET     /closed          | -                   | -      | 401 TokenMissing     | bare * | - | -
        PUT     /open            | https://any.example | -      | 405 MethodNotAllowed | bare * | - | -
        GET     /nowhere         | https://any.example | -      | 404 RouteNotFound    | bare * | - | -
        GET     /broken          | https://any.example | -      | 502 BackendReset     | bare * | - | seen
    ";
    hold(&specification("", ALLOW_CORS, ""), rows).await;

    // With `cors` no preflight reaches the backend, whatever the document says.
    let rows = "
        OPTIONS /open | https://shop.example  | GET | 200 | https://shop.example | preflight | -
        OPTIONS /open | https://other.example | GET | 400 PreflightRefused | - | preflight | -
        OPTIONS /open | -                     | -   | 400 PreflightRefused | - | Origin | -
        GET     /open | https://other.example | -   | 200 | - | Accept + Origin | seen
    ";
    hold(&specification(SHOP, ALLOW_CORS, ""), rows).await;
}

#[tokio::test]
async fn without_cors_nothing_is_added_and_nothing_taken() {
    let rows = "
        OPTIONS /open     | https://shop.example | GET | 405 MethodNotAllowed | - | - | -
        OPTIONS /open     | -                    | -   | 405 MethodNotAllowed | - | - | -
        OPTIONS /nowhere  | https://shop.example | GET | 404 RouteNotFound    | - | - | -
        OPTIONS /declared | https://shop.example | GET | 200 | theirs | Accept | seen
        GET     /open     | https://shop.example | -   | 200 | theirs | Accept | seen
        GET     /closed   | https://shop.example | -   | 401 TokenMissing | - | - | -
    ";
    hold(&specification("", "", ""), rows).await;
}

/// A preflight that is passed on goes where the request would go that it announces: its backend, by
/// its path, within its deadline.
#[tokio::test]
async fn a_passed_on_preflight_takes_the_way_of_the_request_it_announces() {
    let [reads, writes] = [
        Backend::answering(reply).await,
        Backend::answering(reply).await,
    ];
    let own = Backend::answering(reply).await;
    let paths = format!(
        "
      /split/{{id}}: {{get: {{x-google-backend: {{address: \"http://{}/reads\"}}, responses: {{200: {{description: ok}}}}}}, put: {{x-google-backend: {{address: \"http://{}/base\", path_translation: APPEND_PATH_TO_ADDRESS}}, responses: {{200: {{description: ok}}}}}}}}",
        reads.address, writes.address
    );
    let proxy = TestProxy::start(own.address).under(&specification("", ALLOW_CORS, &paths));
    let preflight = |path: &str, method: &str| {
        format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: books.example.com\r\nOrigin: https://shop.example\r\nAccess-Control-Request-Method: {method}\r\n\r\n"
        )
    };
    for (method, backend, line) in [
        ("GET", &reads, "OPTIONS /reads?id=7 HTTP/1.1"),
        ("PUT", &writes, "OPTIONS /base/split/7 HTTP/1.1"),
    ] {
        assert_eq!(
            ask(proxy.address, &preflight("/split/7", method))
                .await
                .status,
            200
        );
        assert_eq!(backend.only().line(), line);
        assert_eq!(backend.only().values("origin"), ["https://shop.example"]);
    }
    // One that no operation fits goes the way of the first.
    assert_eq!(
        ask(proxy.address, &preflight("/split/7", "PURGE"))
            .await
            .status,
        200
    );
    assert_eq!(reads.requests().len(), 2);
    // The deadline of GET /late.
    let late = ask(proxy.address, &preflight("/late", "GET")).await;
    assert_eq!((late.status, &*late.reason()), (504, "BackendTimeout"));
    assert_eq!(own.only().line(), "OPTIONS /late HTTP/1.1");
}

/// A head that is too long is not read: nobody knows its origin, and only `*` can be said.
#[tokio::test]
async fn a_head_that_is_not_read_has_no_origin() {
    let target = "a".repeat(9000);
    let rows = |cors: &str, vary: &str| {
        format!(
            "
        GET     /{target}        | https://shop.example | -   | 414 UriTooLong   | {cors} | {vary} | -
        OPTIONS /{target}        | https://shop.example | GET | 414 UriTooLong   | {cors} | {vary} | -
        GET     /open x={}       | https://shop.example | -   | 431 HeadTooLarge | {cors} | {vary} | -
        GET     /open :x=y       | https://shop.example | -   | 400              | {cors} | {vary} | -
    ",
            "a".repeat(70_000)
        )
    };
    hold(&specification(SHOP, "", ""), &rows("-", "Origin")).await;
    hold(&specification("cors: {}", "", ""), &rows("*", "-")).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_aloud() {
    let limited = format!("{SHOP}\nlimits: {{bodyBytes: 4}}");
    let rows = "
        POST /open   Content-Length=9 | https://shop.example  | - | 413 BodyTooLarge | https://shop.example | Origin | -
        POST /open   Content-Length=9 | https://other.example | - | 413 BodyTooLarge | - | Origin | -
        POST /public Content-Length=9 | https://any.example   | - | 413 BodyTooLarge | * | - | -
    ";
    let paths = "
      /public: {x-endpoints-cors: {}, post: {responses: {200: {description: ok}}}}";
    hold(&specification(&limited, "", paths), rows).await;
}

#[tokio::test]
async fn what_cors_came_to_is_counted() {
    let backend = Backend::answering(reply).await;
    let proxy = TestProxy::start(backend.address).under(&specification(SHOP, "", ""));
    let asked = "Access-Control-Request-Method: GET\r\n";
    let (good, bad) = (
        "Origin: https://shop.example\r\n",
        "Origin: https://other.example\r\n",
    );
    for (method, fields) in [
        ("OPTIONS", format!("{good}{asked}")),
        ("OPTIONS", format!("{bad}{asked}")),
        ("OPTIONS", format!("{bad}{asked}")),
        ("OPTIONS", asked.to_owned()),
        ("OPTIONS", good.to_owned()),
        ("GET", good.to_owned()),
        ("GET", good.to_owned()),
        ("PUT", bad.to_owned()),
        ("GET", String::new()),
        ("GET", "Host: again\r\n".to_owned()),
    ] {
        let head = format!("{method} /open HTTP/1.1\r\nHost: books.example.com\r\n{fields}\r\n");
        ask(proxy.address, &head).await;
    }
    let text = crate::admin::metrics(&proxy).await;
    for (verdict, count) in [
        ("PreflightAnswered", 1),
        ("PreflightOriginUnmatched", 2),
        ("PreflightOriginMissing", 1),
        ("PreflightMethodMissing", 1),
        ("OriginMatched", 2),
        ("OriginUnmatched", 1),
        ("OriginAbsent", 2),
        ("NotOurs", 0),
    ] {
        let line = format!("cors_verdicts_total{{verdict=\"{verdict}\"}} {count}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
}

/// Headers that the policy adds to every answer take nothing from those of CORS.
#[tokio::test]
async fn no_other_header_plan_takes_the_place_of_cors() {
    let paths = "
      /public: {x-endpoints-cors: {allowOrigins: [\"https://shop.example\"]}, get: {responses: {200: {description: ok}}}}";
    let headers =
        "headers: {response: {set: {Vary: Accept-Language, Access-Control-Allow-Origin: \"*\"}}}";
    let rows = "
        OPTIONS /public | https://shop.example  | GET | 200 | https://shop.example | Accept-Language + Origin, Access-Control-Request-Method, Access-Control-Request-Headers | -
        OPTIONS /public | https://other.example | GET | 400 PreflightRefused | - | Accept-Language + Origin, Access-Control-Request-Method, Access-Control-Request-Headers | -
        GET     /public | https://shop.example  | -   | 200 | https://shop.example | Accept-Language + Origin | seen
        GET     /public | https://other.example | -   | 200 | - | Accept-Language + Origin | seen
    ";
    hold(&specification(headers, "", paths), rows).await;
}
