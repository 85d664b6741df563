//! What the backend gets, and what the client gets back.

use std::collections::BTreeMap;

use crate::backend::{Backend, Reply, ok};
use crate::client::{Client, ask};
use crate::proxy::{TestProxy, snapshot};

pub const OPEN: &str = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Books, version: "1"}
    host: books.example.com
    basePath: /v1
    paths:
      /shelves:
        get: {responses: {200: {description: ok}}}
        head: {responses: {200: {description: ok}}}
        post: {responses: {200: {description: ok}}}
        put: {responses: {200: {description: ok}}}
      /shelves/{shelf}:
        get: {responses: {200: {description: ok}}}
        delete: {responses: {200: {description: ok}}}
"#;

async fn open() -> (Backend, TestProxy) {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    (backend, proxy)
}

#[tokio::test]
async fn a_request_is_forwarded_and_its_answer_returned() {
    let backend = Backend::answering(|_| {
        let head = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Answer: a\r\nX-Answer: b\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nhello";
        Reply::Keep(head.into())
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let answer = ask(
        proxy.address,
        "POST /v1/shelves?x=%2f&y HTTP/1.1\r\nHost: books.example.com\r\nX-Mine: 1\r\nX-Mine: 2\r\nConnection: x-drop\r\nX-Drop: 1\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody",
    )
    .await;
    assert_eq!((answer.status, &*answer.body), (201, "hello"));
    assert_eq!(answer.values("x-answer"), ["a", "b"]);
    assert_eq!(answer.values("x-hop"), [""; 0]);

    let seen = backend.only();
    assert_eq!(seen.line(), "POST /v1/shelves?x=%2f&y HTTP/1.1");
    assert_eq!(seen.body, b"body");
    assert_eq!(seen.values("host"), ["books.example.com"]);
    assert_eq!(seen.values("x-mine"), ["1", "2"]);
    assert_eq!(seen.values("content-length"), ["4"]);
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.values("x-forwarded-host"), ["books.example.com"]);
    for gone in ["connection", "x-drop", "upgrade", "transfer-encoding"] {
        assert_eq!(seen.values(gone), [""; 0], "{gone}");
    }
}

#[tokio::test]
async fn without_a_policy_every_request_is_503() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let answer = ask(proxy.address, "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "NoPolicy"));
    proxy.policies.store(snapshot(OPEN, &BTreeMap::new()));
    assert_eq!(
        ask(proxy.address, "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .status,
        200
    );
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn connections_on_both_sides_are_kept() {
    let (backend, proxy) = open().await;
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..3 {
        let answer = client
            .ask("GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
    }
    let connections: Vec<_> = backend
        .requests()
        .iter()
        .map(|seen| seen.connection)
        .collect();
    assert_eq!(connections, [0, 0, 0]);
    let _ = ok("");
}
