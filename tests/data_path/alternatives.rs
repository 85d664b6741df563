//! What an operation may demand beside one token: several, none, scopes, at places of its own.

use std::sync::Arc;

use endpoints::jwks::{KeySlot, Keys};
use endpoints::policy::Policy;
use endpoints::policy::format::TokenLocation;
use endpoints::policy::key_set::KeySet;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::client::{Answer, Client, ask};
use crate::proxy::{TestProxy, now, policy, ready};
use crate::tokens::{Signer, certificates, key_set};

const DOCUMENT: &str = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Books, version: "1"}
    host: books.example.com
    securityDefinitions:
      one: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://one.example", x-google-jwks_uri: "https://one.example/keys"}
      two: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://two.example", x-google-jwks_uri: "https://two.example/keys"}
    paths:
      /both: {get: {security: [{one: [], two: []}], responses: {200: {description: ok}}}}
      /maybe: {get: {security: [{one: []}, {}], responses: {200: {description: ok}}}}
      /write: {post: {security: [{one: [books.write, books.read]}], responses: {200: {description: ok}}}}
      /read: {get: {security: [{one: [books.read]}], responses: {200: {description: ok}}}}
jwt: {audiences: Unchecked}
"#;

/// Both issuers sign with this key.
fn signer() -> Signer {
    Signer::new("ES256", "1")
}

fn token(issuer: &str, more: Value) -> String {
    let mut claims = json!({"iss": format!("https://{issuer}.example"), "exp": now() + 3600});
    if let (Some(claims), Value::Object(more)) = (claims.as_object_mut(), more) {
        claims.extend(more);
    }
    signer().token(&claims)
}

async fn start(edit: impl FnOnce(&mut Policy), keys: &str) -> (Backend, TestProxy) {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let mut policy = policy(DOCUMENT);
    edit(&mut policy);
    policy.format = policy.needed_format();
    let set = Arc::new(KeySet::parse(keys.as_bytes()).expect("the test's keys"));
    proxy.policies.store(ready(policy, |source| {
        let slot = KeySlot::new(source.clone());
        let (set, fetched_at) = (set.clone(), now());
        slot.replace(Keys { set, fetched_at });
        Arc::new(slot)
    }));
    (backend, proxy)
}

async fn as_written() -> (Backend, TestProxy) {
    start(|_| (), &key_set(&[&signer()])).await
}

fn request(line: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{line} HTTP/1.1\r\nHost: books.example.com\r\n{fields}\r\n")
}

fn told(answer: &Answer) -> (u16, String) {
    match answer.status {
        200 => (200, String::new()),
        status => (status, answer.reason()),
    }
}

#[tokio::test]
async fn two_schemes_together_need_two_tokens() {
    let (backend, proxy) = as_written().await;
    let (one, two) = (token("one", json!({})), token("two", json!({})));
    let bearer = |token: &str| format!("Bearer {token}");
    let (first, second) = (bearer(&one), bearer(&two));
    let expired = bearer(&token("two", json!({"exp": 1})));
    for (fields, query, status, reason) in [
        (vec![&*first, &*second], "", 200, ""),
        (vec![&*second], &*format!("?access_token={one}"), 200, ""),
        (vec![&*first], "", 401, "TokenMissing"),
        (vec![&*first, &*first], "", 401, "TokenMissing"),
        (
            vec![&*first],
            &*format!("?access_token={one}"),
            401,
            "TokenMissing",
        ),
        (vec![&*first, &*second, &*expired], "", 401, "TokenExpired"),
        (vec![&*first, &*expired], "", 401, "TokenExpired"),
        (vec![&*first; 9], "", 401, "TokenMalformed"),
        (vec![], "", 401, "TokenMissing"),
    ] {
        let fields: Vec<_> = fields
            .iter()
            .map(|value| ("Authorization", *value))
            .collect();
        let line = format!("GET /both{query}");
        let answer = ask(proxy.address, &request(&line, &fields)).await;
        assert_eq!(
            told(&answer),
            (status, reason.to_owned()),
            "{fields:?} {query}"
        );
    }
    // Whatever the order, the backend learns of the scheme that is written first.
    for seen in backend.requests() {
        let payload = one.split('.').nth(1).expect("three sections");
        assert_eq!(seen.values("x-endpoint-api-userinfo"), [payload]);
    }
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test]
async fn an_optional_token_may_be_missing_but_not_be_bad() {
    let (backend, proxy) = as_written().await;
    let forged = [("X-Endpoint-API-UserInfo", "forged")];
    assert_eq!(
        ask(proxy.address, &request("GET /maybe", &forged))
            .await
            .status,
        200
    );
    assert!(backend.only().values("x-endpoint-api-userinfo").is_empty());

    let good = format!("Bearer {}", token("one", json!({})));
    let answer = ask(
        proxy.address,
        &request("GET /maybe", &[("Authorization", &good)]),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        backend.requests()[1]
            .values("x-endpoint-api-userinfo")
            .len(),
        1
    );
    for (bad, reason) in [
        (token("one", json!({"exp": 1})), "TokenExpired"),
        (token("three", json!({})), "TokenIssuer"),
        ("x".to_owned(), "TokenMalformed"),
    ] {
        let line = format!("GET /maybe?access_token={bad}");
        let answer = ask(proxy.address, &request(&line, &[])).await;
        assert_eq!(told(&answer), (401, reason.to_owned()));
        assert!(answer.value("www-authenticate").is_some());
    }
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test]
async fn a_missing_scope_is_403_and_named() {
    let (backend, proxy) = as_written().await;
    let mut client = Client::connect(proxy.address).await;
    let reader = format!("Bearer {}", token("one", json!({"scope": "books.read"})));
    let writer = format!(
        "Bearer {}",
        token("one", json!({"scp": ["books.write", "books.read"]}))
    );
    let odd = format!("Bearer {}", token("one", json!({"scope": 7})));
    let mut asked = async |line: &str, bearer: &str| {
        let request = request(line, &[("Authorization", bearer), ("Content-Length", "0")]);
        client.ask(&request).await
    };
    // Twice: remembered tokens are asked for their scopes as well.
    for _ in 0..2 {
        assert_eq!(asked("GET /read", &reader).await.status, 200);
        assert_eq!(asked("POST /write", &writer).await.status, 200);
        let answer = asked("POST /write", &reader).await;
        assert_eq!(
            answer.body,
            r#"{"code":403,"message":"Jwt does not have the scopes required","reason":"TokenScope"}"#
        );
        assert_eq!(
            answer.value("www-authenticate"),
            Some(
                r#"Bearer realm="http://books.example.com/write", error="insufficient_scope", error_description="Jwt does not have the scopes required", scope="books.read books.write""#
            )
        );
        assert_eq!(
            told(&asked("GET /read", &odd).await),
            (403, "TokenScope".to_owned())
        );
    }
    assert_eq!(backend.requests().len(), 4);
}

#[tokio::test]
async fn tokens_come_where_the_scheme_says_and_nowhere_else() {
    let named = |policy: &mut Policy| {
        let one = policy.providers.get_mut("one").expect("of the document");
        one.locations = vec![
            TokenLocation::Header {
                name: "x-session".to_owned(),
                value_prefix: "Session ".to_owned(),
            },
            TokenLocation::Query("session".to_owned()),
        ];
    };
    let (backend, proxy) = start(named, &key_set(&[&signer()])).await;
    let token = token("one", json!({"scope": "books.read"}));
    let (session, bearer) = (format!("session {token}"), format!("Bearer {token}"));
    let in_query = format!("GET /read?%73ession={token}");
    let both = format!("{in_query}&session=x");
    for (line, fields, told_is) in [
        ("GET /read", vec![("X-Session", &*session)], (200, "")),
        (&*in_query, vec![], (200, "")),
        (
            "GET /read",
            vec![("X-Session", &*bearer)],
            (401, "TokenMissing"),
        ),
        (
            "GET /read",
            vec![("Authorization", &*bearer)],
            (401, "TokenMissing"),
        ),
        (&*both, vec![], (401, "TokenMalformed")),
        (
            "GET /read",
            vec![("X_Session", &*session)],
            (400, "UnderscoreHeader"),
        ),
        // `Connection` takes it out before anybody looks at it.
        (
            "GET /read",
            vec![("X-Session", &*session), ("Connection", "X-Session")],
            (401, "TokenMissing"),
        ),
    ] {
        let answer = ask(proxy.address, &request(line, &fields)).await;
        assert_eq!(
            told(&answer),
            (told_is.0, told_is.1.to_owned()),
            "{line} {fields:?}"
        );
    }
    assert_eq!(backend.requests().len(), 2);

    // A trailer of that name was not checked, so it does not arrive.
    let upload = format!(
        "POST /write HTTP/1.1\r\nHost: a\r\nX-Session: session {}\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Session, X-Sum\r\n\r\n1\r\nx\r\n0\r\nX-Session: session forged\r\nX-Sum: 1\r\n\r\n",
        self::token("one", json!({"scope": "books.write books.read"}))
    );
    assert_eq!(ask(proxy.address, &upload).await.status, 200);
    assert_eq!(backend.requests()[2].trailers, ["x-sum: 1"]);
}

#[tokio::test]
async fn keys_may_come_as_a_map_of_certificates() {
    let (_backend, proxy) = start(|_| (), &certificates(&[&signer()])).await;
    let bearer = format!("Bearer {}", token("one", json!({"scope": "books.read"})));
    let good = [("Authorization", bearer.as_str())];
    assert_eq!(
        ask(proxy.address, &request("GET /read", &good))
            .await
            .status,
        200
    );
    let claims = json!({"iss": "https://one.example", "exp": now() + 3600});
    let stranger = format!("Bearer {}", Signer::new("ES256", "2").token(&claims));
    let answer = ask(
        proxy.address,
        &request("GET /read", &[("Authorization", &stranger)]),
    )
    .await;
    assert_eq!(told(&answer), (401, "TokenKeyUnknown".to_owned()));
}
