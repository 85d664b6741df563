//! What becomes of a token that passed: claims as headers, UserInfo in other forms, the token taken out,
//! answers that are private, streams that end with it; and keys that the resource holds itself.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::backend::{Backend, Reply, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::proxy::{TestProxy, now, snapshot};
use crate::tokens::{Signer, key_set};

const ISSUER: &str = "https://issuer.example";

fn signer() -> Signer {
    Signer::new("ES256", "forwarded")
}

/// `/shelves` is closed, `/open` is not; `jwt`: its fields. The keys are in it.
fn under(jwt: &str) -> String {
    let keys = serde_json::to_string(&key_set(&[&signer()])).unwrap();
    format!(
        r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {{title: Books, version: "1"}}
    host: books.example.com
    securityDefinitions:
      issuer: {{type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "{ISSUER}"}}
    paths:
      /shelves:
        get: {{security: [{{issuer: []}}], responses: {{200: {{description: ok}}}}}}
        post: {{security: [{{issuer: []}}], responses: {{200: {{description: ok}}}}}}
      /open:
        get: {{responses: {{200: {{description: ok}}}}}}
        post: {{responses: {{200: {{description: ok}}}}}}
jwt:
  issuers: [{{issuer: "{ISSUER}", jwks: {keys}}}]
  {jwt}
"#
    )
}

async fn start(jwt: &str) -> (Backend, TestProxy) {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    proxy
        .policies
        .store(snapshot(&under(jwt), &Default::default()));
    (backend, proxy)
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "me", "aud": "https://books.example.com", "exp": now() + 3600,
        "email": "me@example.com", "admin": true, "level": 7, "roles": ["a", "b"], "name": "Zoë",
        "address": {"country": "DE"}})
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: books.example.com\r\n{headers}\r\n")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[tokio::test]
async fn keys_in_the_resource_let_in_and_keep_out() {
    let (backend, proxy) = start("").await;
    let good = ask(
        proxy.address,
        &get("/shelves", &bearer(&signer().token(&claims()))),
    )
    .await;
    assert_eq!(good.status, 200);
    let other = Signer::new("ES256", "other").token(&claims());
    let bad = ask(proxy.address, &get("/shelves", &bearer(&other))).await;
    assert_eq!((bad.status, &*bad.reason()), (401, "TokenKeyUnknown"));
    assert_eq!(backend.requests().len(), 1);
}

const CLAIMS: &str = "claimToHeaders: [{claim: sub, header: X-User}, {claim: admin, header: X-Admin}, {claim: level, header: X-Level}, {claim: roles, header: X-Roles}, {claim: name, header: X-Name}, {claim: address.country, header: X-Country}, {claim: none, header: X-None}]";

#[tokio::test]
async fn claims_reach_the_backend_as_headers_and_forged_ones_never_do() {
    let (backend, proxy) = start(CLAIMS).await;
    let forged = "X-User: root\r\nX-User: admin\r\nX-Name: forged\r\nX-None: forged\r\nConnection: X-User, X-Level\r\n";
    let token = bearer(&signer().token(&claims()));
    for round in 0..2 {
        let answer = ask(proxy.address, &get("/shelves", &format!("{forged}{token}"))).await;
        assert_eq!(answer.status, 200);
        let seen = backend.requests()[round].clone();
        for (name, expected) in [
            ("x-user", vec!["me"]),
            ("x-admin", vec!["true"]),
            ("x-level", vec!["7"]),
            ("x-roles", vec![&*URL_SAFE_NO_PAD.encode(r#"["a","b"]"#)]),
            ("x-country", vec!["DE"]),
            ("x-name", vec![]),
            ("x-none", vec![]),
        ] {
            assert_eq!(seen.values(name), expected, "{name}");
        }
    }
    let open = ask(proxy.address, &get("/open", &format!("{forged}{token}"))).await;
    assert_eq!(open.status, 200);
    let seen = backend.requests()[2].clone();
    assert!(
        !seen.head.contains("forged") && !seen.head.contains("root"),
        "{seen:?}"
    );
    assert!(seen.values("x-level").is_empty());
    let metrics = ask(proxy.admin, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        metrics.body.contains("claims_omitted_total 2"),
        "{}",
        metrics.body
    );
}

#[tokio::test]
async fn a_claims_header_in_trailers_never_arrives() {
    let (backend, proxy) = start(CLAIMS).await;
    let request = "POST /open HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-User, X-Other\r\n\r\n1\r\na\r\n0\r\nX-User: root\r\nX_User: root\r\nX-Other: b\r\n\r\n";
    assert_eq!(ask(proxy.address, request).await.status, 200);
    let trailers = backend.only().trailers;
    assert!(
        !trailers.iter().any(|line| line.contains("root")),
        "{trailers:?}"
    );
    assert!(
        trailers
            .iter()
            .any(|line| line.eq_ignore_ascii_case("x-other: b")),
        "{trailers:?}"
    );
}

#[tokio::test]
async fn user_info_has_the_form_that_is_asked_for() {
    let token = signer().token(&claims());
    let section = token.split('.').nth(1).unwrap().to_owned();
    for jwt in [
        "forwardPayload: {}",
        "forwardPayload: {pad: true}",
        "forwardPayload: {format: esp}",
    ] {
        let (backend, proxy) = start(jwt).await;
        assert_eq!(
            ask(proxy.address, &get("/shelves", &bearer(&token)))
                .await
                .status,
            200
        );
        let seen = backend.only();
        let [user_info] = seen.values("x-endpoint-api-userinfo")[..] else {
            panic!("{seen:?}")
        };
        if jwt.ends_with("{}") {
            assert_eq!(user_info, section);
            continue;
        }
        let decoded = URL_SAFE.decode(user_info).expect("padded");
        let value: Value = serde_json::from_slice(&decoded).unwrap();
        if jwt.contains("esp") {
            assert_eq!(
                (&value["id"], &value["email"]),
                (&json!("me"), &json!("me@example.com"))
            );
            assert_eq!(value["audiences"], json!(["https://books.example.com"]));
            let inner: Value = serde_json::from_str(value["claims"].as_str().unwrap()).unwrap();
            assert_eq!(inner["sub"], "me");
        } else {
            assert_eq!(value["sub"], "me");
        }
    }
}

#[tokio::test]
async fn a_stripped_token_reaches_nobody() {
    let (backend, proxy) = start("stripToken: true").await;
    let token = signer().token(&claims());
    let second = signer().token(&claims());
    for (target, headers, expected) in [
        (
            "/shelves?a=%2f&b",
            bearer(&token),
            "GET /shelves?a=%2f&b HTTP/1.1",
        ),
        (
            &*format!("/shelves?access_token={token}"),
            String::new(),
            "GET /shelves HTTP/1.1",
        ),
        (
            &*format!("/shelves?a=1&access%5ftoken={token}&b=2&access_token="),
            format!("{}Authorization: Basic abc\r\n", bearer(&second)),
            "GET /shelves?a=1&b=2 HTTP/1.1",
        ),
    ] {
        let answer = ask(proxy.address, &get(target, &headers)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = backend.requests().pop().unwrap();
        assert_eq!(seen.line(), expected);
        assert!(
            !seen.head.contains(&token) && !seen.head.contains(&second),
            "{seen:?}"
        );
        let left: Vec<&str> = if headers.contains("Basic") {
            vec!["Basic abc"]
        } else {
            vec![]
        };
        assert_eq!(seen.values("authorization"), left);
        assert_eq!(seen.values("x-endpoint-api-userinfo").len(), 1);
    }
    // Where nobody asks for a token, it is not ours to take.
    assert_eq!(
        ask(proxy.address, &get("/open", &bearer(&token)))
            .await
            .status,
        200
    );
    assert_eq!(
        backend
            .requests()
            .pop()
            .unwrap()
            .values("authorization")
            .len(),
        1
    );
}

#[tokio::test]
async fn an_answer_to_a_token_in_the_query_is_private() {
    for (given, expected) in [
        ("", "private"),
        (
            "Cache-Control: public, max-age=60\r\n",
            "private, max-age=60",
        ),
        (
            "Cache-Control: s-maxage=5\r\nCache-Control: must-revalidate\r\n",
            "private, must-revalidate",
        ),
        ("Cache-Control: private=\"set-cookie\"\r\n", "private"),
        ("Cache-Control: no-store\r\n", "no-store"),
    ] {
        let backend = Backend::answering(move |_| {
            Reply::Keep(
                format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{given}\r\nok").into_bytes(),
            )
        })
        .await;
        let proxy = TestProxy::start(backend.address);
        proxy
            .policies
            .store(snapshot(&under(""), &Default::default()));
        let token = signer().token(&claims());
        // Verified, and remembered.
        for _ in 0..2 {
            let answer = ask(
                proxy.address,
                &get(&format!("/shelves?access_token={token}"), ""),
            )
            .await;
            assert_eq!(
                (answer.status, answer.value("cache-control")),
                (200, Some(expected))
            );
        }
        let answer = ask(proxy.address, &get("/shelves", &bearer(&token))).await;
        let says_so = answer.head.contains("private") && !given.contains("private");
        assert!(!says_so, "{answer:?}");
        let answer = ask(proxy.address, &get("/shelves?access_token=a.b.c", "")).await;
        assert_eq!(
            (answer.status, answer.value("cache-control")),
            (401, Some("private"))
        );
    }
}

#[tokio::test]
async fn without_a_memory_tokens_pass_all_the_same() {
    let (_backend, proxy) = start("tokenCacheSize: 0").await;
    let token = signer().token(&claims());
    for _ in 0..3 {
        assert_eq!(
            ask(proxy.address, &get("/shelves", &bearer(&token)))
                .await
                .status,
            200
        );
    }
}

/// A backend whose answer goes on for ever.
async fn endless(head: &'static str) -> std::net::SocketAddr {
    raw(move |mut stream, _| async move {
        let _ = read_request(&mut stream, &mut Vec::new()).await;
        let _ = stream.write_all(head.as_bytes()).await;
        while stream.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires_and_only_where_that_is_asked_for() {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (jwt, ends) in [
        ("closeStreamsAtExpiry: true\n  clockSkew: 0s", true),
        ("clockSkew: 0s", false),
    ] {
        let proxy = TestProxy::start(endless(head).await);
        proxy
            .policies
            .store(snapshot(&under(jwt), &Default::default()));
        let mut brief = claims();
        let expires = now() + 2;
        brief["exp"] = json!(expires);
        let mut client = Client::connect(proxy.address).await;
        client
            .send(get("/shelves", &bearer(&signer().token(&brief))))
            .await;
        assert_eq!(client.answer_to_head().await.status, 200);
        if ends {
            let rest = patient(client.rest()).await;
            assert!(now() >= expires, "not before its time");
            assert!(!rest.ends_with(b"0\r\n\r\n"), "nobody takes it for whole");
        } else {
            while now() < expires + 2 {
                assert!(!client.some().await.is_empty(), "it goes on");
            }
        }
    }
}
