//! Tokens: who is let in, what the backend learns, what the others are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use endpoints::jwks::{AddressRule, HttpFetcher, KeyStore, Keys, Refresher};
use endpoints::policy::format::KeySource;
use endpoints::policy::key_set::KeySet;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::backend::{Backend, ok, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::proxy::{TestProxy, now, snapshot, snapshot_with};
use crate::tokens::{Signer, key_set};

const KEYS: &str = "https://issuer.example/keys";

fn document(audiences: &str) -> String {
    format!(
        r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {{title: Books, version: "1"}}
    host: books.example.com
    securityDefinitions:
      issuer: {{type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "{KEYS}", x-google-audiences: "{audiences}"}}
    security: [{{issuer: []}}]
    paths:
      /shelves:
        get: {{responses: {{200: {{description: ok}}}}}}
        post: {{responses: {{200: {{description: ok}}}}}}
jwt: {{audiences: Exclusive}}
"#
    )
}

fn claims(audience: &str) -> Value {
    json!({"iss": "https://issuer.example", "sub": "me", "aud": audience, "iat": now() - 10, "exp": now() + 3600})
}

fn request(token: &str) -> String {
    format!(
        "GET /shelves?key=secret HTTP/1.1\r\nHost: books.example.com\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
}

fn keys(signers: &[&Signer]) -> BTreeMap<String, String> {
    BTreeMap::from([(KEYS.to_owned(), key_set(signers))])
}

async fn start(signer: &Signer) -> (Backend, TestProxy) {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    proxy
        .policies
        .store(snapshot(&document("mine"), &keys(&[signer])));
    (backend, proxy)
}

#[tokio::test]
async fn a_good_token_is_let_in_and_the_backend_learns_its_claims() {
    let signer = Signer::new("ES256", "1");
    let (backend, proxy) = start(&signer).await;
    let claims = claims("mine");
    let token = signer.token(&claims);
    let mut client = Client::connect(proxy.address).await;
    for round in 0..3 {
        let answer = client.ask(&request(&token)).await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
        let seen = backend.requests()[round].clone();
        let [user_info] = seen.values("x-endpoint-api-userinfo")[..] else {
            panic!("{seen:?}")
        };
        let user_info = URL_SAFE_NO_PAD.decode(user_info).expect("base64url");
        let user_info: Value = serde_json::from_slice(&user_info).expect("JSON");
        assert_eq!(user_info, claims);
        assert_eq!(seen.values("authorization"), [format!("Bearer {token}")]);
    }
}

#[tokio::test]
async fn a_forged_user_info_is_replaced() {
    let signer = Signer::new("ES256", "1");
    let (backend, proxy) = start(&signer).await;
    let token = signer.token(&claims("mine"));
    let forged = request(&token).replace("\r\n\r\n", "\r\nX-Endpoint-API-UserInfo: forged\r\n\r\n");
    assert_eq!(ask(proxy.address, &forged).await.status, 200);
    let seen = backend.only();
    assert_eq!(seen.values("x-endpoint-api-userinfo").len(), 1);
    assert!(!seen.head.contains("forged"));
}

#[tokio::test]
async fn others_are_told_why_not() {
    let signer = Signer::new("ES256", "1");
    let (backend, proxy) = start(&signer).await;
    let mut expired = claims("mine");
    expired["exp"] = json!(now() - 3600);
    let stranger = Signer::new("ES256", "unknown");
    let realm = "Bearer realm=\"http://books.example.com/shelves\"";
    for (name, token, status, reason) in [
        ("expired", signer.token(&expired), 401, "TokenExpired"),
        (
            "audience",
            signer.token(&claims("yours")),
            403,
            "TokenAudience",
        ),
        (
            "unknown key",
            stranger.token(&claims("mine")),
            401,
            "TokenKeyUnknown",
        ),
        ("garbage", "garbage".to_owned(), 401, "TokenMalformed"),
    ] {
        let answer = ask(proxy.address, &request(&token)).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (status, reason),
            "{name}"
        );
        let challenge = answer.value("www-authenticate").expect("a challenge");
        assert!(
            challenge.starts_with(&format!("{realm}, error=\"invalid_token\"")),
            "{challenge}"
        );
        assert!(
            !answer.head.contains("secret") && !answer.body.contains("secret"),
            "{answer:?}"
        );
    }
    let none = ask(
        proxy.address,
        "GET /shelves?key=secret HTTP/1.1\r\nHost: books.example.com\r\n\r\n",
    )
    .await;
    assert_eq!(
        none.body,
        r#"{"code":401,"message":"Jwt is missing","reason":"TokenMissing"}"#
    );
    assert_eq!(none.value("www-authenticate"), Some(realm));
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn without_keys_the_answer_is_503() {
    let signer = Signer::new("ES256", "1");
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(&document("mine"));
    let answer = ask(proxy.address, &request(&signer.token(&claims("mine")))).await;
    assert_eq!((answer.status, &*answer.reason()), (503, "KeysUnavailable"));
}

/// What the refresher leaves of a dead issuer, in its own virtual-time tests, as a client sees it:
/// the clock is moved by the age of the keys.
#[tokio::test]
async fn keys_of_a_dead_issuer_still_answer_200_in_minute_6_and_503_after_a_day() {
    let signer = Signer::new("ES256", "one");
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let token = signer.token(&claims("me"));
    for (age, status) in [(6 * 60, 200), (25 * 3600, 503)] {
        proxy
            .policies
            .store(snapshot_with(&document("me"), |source| {
                let slot = endpoints::jwks::KeySlot::new(source.clone());
                let set = KeySet::parse(key_set(&[&signer]).as_bytes()).unwrap();
                slot.replace(Keys {
                    set: Arc::new(set),
                    fetched_at: now() - age,
                });
                Arc::new(slot)
            }));
        let answer = ask(proxy.address, &request(&token)).await;
        assert_eq!(answer.status, status, "keys of {age} s ago");
    }
}

#[tokio::test]
async fn removing_the_audience_or_the_key_refuses_the_next_request() {
    let (first, second) = (Signer::new("ES256", "1"), Signer::new("ES256", "2"));
    let (_backend, proxy) = start(&first).await;
    let token = first.token(&claims("mine"));
    let mut client = Client::connect(proxy.address).await;
    // Twice, so that the token is in the cache.
    for _ in 0..2 {
        assert_eq!(client.ask(&request(&token)).await.status, 200);
    }
    proxy
        .policies
        .store(snapshot(&document("yours"), &keys(&[&first])));
    let answer = client.ask(&request(&token)).await;
    assert_eq!((answer.status, &*answer.reason()), (403, "TokenAudience"));

    proxy
        .policies
        .store(snapshot(&document("mine"), &keys(&[&first])));
    assert_eq!(client.ask(&request(&token)).await.status, 200);
    proxy
        .policies
        .store(snapshot(&document("mine"), &keys(&[&second])));
    let answer = client.ask(&request(&token)).await;
    assert_eq!((answer.status, &*answer.reason()), (401, "TokenKeyUnknown"));
}

#[tokio::test]
async fn no_100_continue_is_sent_before_the_token_has_passed() {
    let signer = Signer::new("ES256", "1");
    let (backend, proxy) = start(&signer).await;
    let mut client = Client::connect(proxy.address).await;
    let request =
        "POST /shelves HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let answer = client.ask(request).await;
    assert_eq!((answer.status, &*answer.reason()), (401, "TokenMissing"));
    assert!(backend.requests().is_empty());
    // Whether a body follows is not known: no further request is read, and the client hears of it.
    assert_eq!(answer.value("connection"), Some("close"));
}

#[tokio::test]
async fn a_refused_body_that_is_here_costs_no_connection_and_one_to_come_does() {
    let signer = Signer::new("ES256", "1");
    let (_backend, proxy) = start(&signer).await;
    let mut client = Client::connect(proxy.address).await;
    let head = "POST /shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    for _ in 0..2 {
        let answer = client.ask(&format!("{head}body")).await;
        assert_eq!((answer.status, answer.value("connection")), (401, None));
    }
    let answer = client.ask(head).await;
    assert_eq!(
        (answer.status, answer.value("connection")),
        (401, Some("close"))
    );
}

#[tokio::test]
async fn a_refused_upload_can_read_its_answer() {
    let signer = Signer::new("ES256", "1");
    let (_backend, proxy) = start(&signer).await;
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.reason()), (401, "TokenMissing"));
    // It came at once. A client that goes on sending is not reset: it might not have read yet.
    for _ in 0..20 {
        client.send(vec![b'x'; 10_000]).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An issuer that answers with this key set when it is let: where, whether it was asked, and what lets
/// it answer.
async fn held_back(key_set: String) -> (String, Arc<Semaphore>, Arc<Semaphore>) {
    let (asked, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (asked.clone(), gate.clone());
    let issuer = raw(move |mut stream, _| {
        let (asked, gate, key_set) = (tell.clone(), wait.clone(), key_set.clone());
        async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            asked.add_permits(1);
            if gate.acquire().await.is_ok() {
                let _ = stream.write_all(&ok(&key_set)).await;
            }
        }
    })
    .await;
    (format!("http://{issuer}/keys"), asked, gate)
}

fn refresher(store: KeyStore) -> tokio::task::JoinHandle<()> {
    let fetcher = HttpFetcher::new(AddressRule::development(), endpoints::tls::built_in_roots());
    let refresher = Refresher::new(store, Arc::new(fetcher.expect("TLS")), |_| {});
    tokio::spawn(refresher.run())
}

/// The issuer signs with a key that the proxy has not seen: the request waits for the fetch that is
/// in flight, and is let in by what it brings.
#[tokio::test]
async fn a_token_of_a_new_key_waits_for_the_fetch_in_flight() {
    let (old, new) = (Signer::new("ES256", "1"), Signer::new("ES256", "2"));
    let (url, asked, gate) = held_back(key_set(&[&old, &new])).await;
    let yaml = document("mine").replace(KEYS, &url);

    let store = KeyStore::default();
    let slot = store.slot(&KeySource::Url(url));
    let set = KeySet::parse(key_set(&[&old]).as_bytes()).expect("keys");
    slot.replace(Keys {
        set: Arc::new(set),
        fetched_at: now(),
    });
    let refresher = refresher(store);
    patient(asked.acquire()).await.expect("open").forget();

    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    proxy.policies.store(snapshot_with(&yaml, |_| slot.clone()));
    let mut client = Client::connect(proxy.address).await;
    client.send(request(&new.token(&claims("mine")))).await;
    // Others are served meanwhile, and the one that waits waits.
    assert_eq!(
        ask(proxy.address, &request(&old.token(&claims("mine"))))
            .await
            .status,
        200
    );
    assert_eq!(backend.requests().len(), 1);
    gate.add_permits(1);
    assert_eq!(client.answer().await.status, 200);
    refresher.abort();
}

/// A start is no outage: who comes before the first keys waits for them a little, instead of a 503.
#[tokio::test]
async fn a_token_waits_for_the_very_first_keys() {
    let signer = Signer::new("ES256", "1");
    let (url, asked, gate) = held_back(key_set(&[&signer])).await;
    let yaml = document("mine").replace(KEYS, &url);
    let store = KeyStore::default();
    let slot = store.slot(&KeySource::Url(url));
    let refresher = refresher(store);
    patient(asked.acquire()).await.expect("open").forget();

    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    proxy.policies.store(snapshot_with(&yaml, |_| slot.clone()));
    let mut client = Client::connect(proxy.address).await;
    client.send(request(&signer.token(&claims("mine")))).await;
    // Who could not be let in by any keys does not wait for them.
    let answer = ask(proxy.address, &request(&signer.token(&claims("yours")))).await;
    assert_eq!((answer.status, &*answer.reason()), (403, "TokenAudience"));
    assert!(backend.requests().is_empty());
    gate.add_permits(1);
    assert_eq!(client.answer().await.status, 200);
    refresher.abort();
}
