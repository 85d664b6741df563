//! Server and client together, over TLS on loopback.

pub(super) mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio_rustls::TlsAcceptor;

use self::rig::{Authority, Rig, Seen, Sidecar, hello, soon};
use super::client::{self, session};
use super::server::Event;
use super::wire::{self, Hello, Keys, PodRef, ServiceKey, ToOperator, ToSidecar};
use crate::policy::format::{self, CorsMode, FORMAT, KeySource, Operation, Policy, Provider};

pub(super) const KEYS_URL: &str = "https://issuer.example/jwks";

pub(super) fn service() -> ServiceKey {
    ServiceKey {
        namespace: "shop".into(),
        name: "bookstore".into(),
    }
}

pub(super) fn pod(uid: &str) -> PodRef {
    PodRef {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: uid.into(),
    }
}

pub(super) fn policy(name: &str) -> Policy {
    Policy {
        format: FORMAT,
        service: name.into(),
        operations: vec![Operation {
            method: "GET".into(),
            path: "/shelves".into(),
            name: "ListShelves".into(),
            security: vec![],
            backend: None,
            cors: None,
        }],
        providers: BTreeMap::new(),
        cors: CorsMode::Off,
        required_claims: BTreeSet::new(),
        backend: None,
        healthz: None,
        backends: Vec::new(),
        cors_rules: Vec::new(),
        settings: crate::policy::format::Settings::default(),
    }
}

pub(super) fn policy_with_keys(name: &str) -> Policy {
    let provider = Provider {
        issuer: "https://issuer.example".into(),
        keys: KeySource::Url(KEYS_URL.into()),
        audiences: None,
        locations: Vec::new(),
    };
    Policy {
        providers: BTreeMap::from([("issuer".into(), provider)]),
        ..policy(name)
    }
}

pub(super) fn keys(version: &str) -> Keys {
    Keys {
        source: KeySource::Url(KEYS_URL.into()),
        version: version.into(),
        fetched_at: 1_700_000_000,
        set: r#"{"keys":[]}"#.into(),
    }
}

fn seen(name: &str) -> Seen {
    Seen::Policy(name.into())
}

fn applied(hash: &str) -> Event {
    Event::Applied { hash: hash.into() }
}

#[tokio::test]
async fn a_sidecar_gets_keys_then_the_policy_then_each_edit_and_says_so() {
    let mut rig = Rig::new().await;
    let mut sidecar = rig.sidecar("u1");
    assert_eq!(rig.event("u1").await, Event::Connected { hash: None });
    let hash = rig.publish(&policy_with_keys("one"));
    rig.hub.publish_keys(keys("v1")).unwrap();
    assert_eq!(sidecar.next().await, Seen::Keys("v1".into()));
    assert_eq!(sidecar.next().await, seen("one"));
    assert_eq!(rig.event("u1").await, applied(&hash));
    let hash = rig.publish(&policy_with_keys("two"));
    assert_eq!(sidecar.next().await, seen("two"));
    assert_eq!(rig.event("u1").await, applied(&hash));
}

#[tokio::test]
async fn a_policy_of_a_megabyte_arrives_whole() {
    let rig = Rig::new().await;
    let mut sidecar = rig.sidecar("u1");
    let mut large = policy("large");
    // Digests, as they do not compress well.
    let operation = |n: usize| Operation {
        path: format!("/{}", format::hash(&n.to_be_bytes())),
        ..large.operations[0].clone()
    };
    large.operations = (0..10_000).map(operation).collect();
    rig.publish(&large);
    assert_eq!(sidecar.next().await, seen("large"));
}

#[tokio::test]
async fn a_sidecar_outlives_its_operator_and_comes_back_to_what_it_has() {
    let mut rig = Rig::new().await;
    let mut sidecar = rig.sidecar("u1");
    let hash = rig.publish(&policy("one"));
    assert_eq!(sidecar.next().await, seen("one"));
    assert_eq!(rig.event("u1").await, Event::Connected { hash: None });
    assert_eq!(rig.event("u1").await, applied(&hash));
    let mut rig = rig.restart().await;
    assert_eq!(rig.publish(&policy("one")), hash);
    assert_eq!(rig.event("u1").await, Event::Connected { hash: Some(hash) });
    // Unchanged: what it sees next is the edit.
    rig.publish(&policy("two"));
    assert_eq!(sidecar.next().await, seen("two"));
}

#[tokio::test]
async fn a_policy_that_cannot_run_is_rejected_and_the_next_one_is_not() {
    let mut rig = Rig::new().await;
    let mut sidecar = rig.sidecar("u1");
    assert_eq!(rig.event("u1").await, Event::Connected { hash: None });
    let hash = rig.publish(&policy("bad"));
    assert_eq!(
        rig.event("u1").await,
        Event::Rejected {
            hash,
            reason: "it is bad".into()
        }
    );
    let hash = rig.publish(&policy("panics"));
    let reason = "the sidecar panicked over the policy".into();
    assert_eq!(rig.event("u1").await, Event::Rejected { hash, reason });
    rig.publish(&policy("good"));
    assert_eq!(sidecar.next().await, seen("good"));
}

#[tokio::test]
async fn a_bad_token_is_refused_with_a_reason_and_a_renewed_one_is_read() {
    let mut rig = Rig::new().await;
    let (_writer, response) = {
        let hello = wire::encode(&ToOperator::Hello(hello("u1"))).unwrap();
        rig.request(wire::PATH, "u2", hello).await.unwrap()
    };
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, r#"{"reason":"a bad token"}"#);

    rig.publish(&policy("one"));
    let mut sidecar = rig.sidecar("u1");
    assert_eq!(sidecar.next().await, seen("one"));
    rig.event("u1").await;
    rig.event("u1").await;
    std::fs::write(&sidecar.token, "an old token").unwrap();
    let mut rig = rig.restart().await;
    rig.publish(&policy("two"));
    soon(rig.authenticator.refused.notified()).await;
    assert_eq!(rig.hub.streams(), 0);
    std::fs::write(&sidecar.token, "token-of-u1").unwrap();
    assert_eq!(sidecar.next().await, seen("two"));
    assert!(matches!(
        rig.event("u1").await,
        Event::Connected { hash: Some(_) }
    ));
}

#[tokio::test]
async fn a_pod_that_may_not_is_refused_until_it_may() {
    let rig = Rig::new().await;
    rig.publish(&policy("one"));
    rig.authenticator
        .forbidden
        .lock()
        .unwrap()
        .insert("u1".into());
    let mut sidecar = rig.sidecar("u1");
    soon(rig.authenticator.refused.notified()).await;
    let (_writer, response) = rig.peer("u1").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(sidecar.seen.try_recv().is_err());
    rig.authenticator.forbidden.lock().unwrap().clear();
    assert_eq!(sidecar.next().await, seen("one"));
}

#[tokio::test]
async fn garbage_ends_its_own_stream_and_no_other() {
    let mut rig = Rig::new().await;
    let mut sidecar = rig.sidecar("u1");
    assert_eq!(rig.event("u1").await, Event::Connected { hash: None });
    let garbage = [
        &b"\xff\xff\xff\xff"[..],
        b"\0\0\0\x02[]",
        b"\0\0\0\x04\xf0\x28\x8c\x28",
        b"\0\0\0\x10{\"type\":\"steal\"}",
    ];
    for bytes in garbage {
        let (writer, response) = rig.peer("u2").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(rig.event("u2").await, Event::Connected { hash: None });
        writer.write(Bytes::from_static(bytes)).await.unwrap();
        assert_eq!(rig.event("u2").await, Event::Gone);
        // The end of the body, or of the connection.
        let rest = soon(response.into_body().collect()).await;
        assert!(rest.map_or(true, |rest| rest.to_bytes().is_empty()));
        let answer = rig
            .request(wire::PATH, "u2", Bytes::from_static(bytes))
            .await;
        let (_writer, response) = answer.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
    let hash = rig.publish(&policy("one"));
    assert_eq!(sidecar.next().await, seen("one"));
    assert_eq!(rig.event("u1").await, applied(&hash));
}

/// Kilobytes of them, from a few dozen pods, made a replica's report longer than the leader takes: it ended,
/// was begun anew, and ended again, and the replica's sidecars were stale for everybody.
#[tokio::test]
async fn a_hello_that_names_no_version_or_hash_but_a_text_is_refused() {
    let rig = Rig::new().await;
    let long = "1".repeat(wire::MAX_NAMED + 1);
    for (version, hash) in [
        (&*long, None),
        ("0.1.0", Some(&*long)),
        ("0.1.0\n0.2.0", None),
    ] {
        let hello = ToOperator::Hello(Hello {
            version: version.to_owned(),
            hash: hash.map(str::to_owned),
            ..hello("u1")
        });
        let first = wire::encode(&hello).unwrap();
        let (_writer, response) = rig.request(wire::PATH, "u1", first).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(rig.hub.streams(), 0);
}

#[tokio::test]
async fn a_peer_that_reads_nothing_delays_nobody() {
    let mut rig = Rig::new().await;
    let (_writer, silent) = rig.peer("u2").await;
    assert_eq!(silent.status(), StatusCode::OK);
    let mut sidecar = rig.sidecar("u1");
    for name in ["one", "two", "three"] {
        let hash = rig.publish(&policy(name));
        assert_eq!(sidecar.next().await, seen(name));
        while rig.event("u1").await != applied(&hash) {}
    }
}

#[tokio::test]
async fn whoever_says_nothing_is_closed_after_5_s() {
    let rig = Rig::new().await;
    let mut no_tls = TcpStream::connect(rig.address).await.unwrap();
    let no_hello = rig.request(wire::PATH, "u1", Bytes::new());
    let (end, answer) = tokio::join!(soon(no_tls.read_u8()), no_hello);
    assert!(end.is_err(), "{end:?}");
    assert_eq!(answer.unwrap().1.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let rig = Rig::new().await;
    let (_writer, response) = rig.request("/", "u1", Bytes::new()).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_operator_of_another_authority_is_not_believed() {
    let mut rig = Rig::new().await;
    rig.publish(&policy("one"));
    let mut deceived = Sidecar::new(rig.address, &Authority::new().pem, pod("u1"));
    let mut sidecar = rig.sidecar("u2");
    assert_eq!(sidecar.next().await, seen("one"));
    assert_eq!(rig.event("u2").await, Event::Connected { hash: None });
    assert!(deceived.seen.try_recv().is_err());
    assert_eq!(rig.hub.streams(), 1);
}

/// Whoever has another certificate of that authority: the webhooks', were it one of their own.
#[tokio::test]
async fn an_operator_of_the_right_authority_with_another_name_is_not_believed() {
    for (name, believed) in [
        (wire::TLS_NAME, true),
        ("endpoints-operator.endpoints-system.svc", false),
        ("other.endpoints.dev", false),
    ] {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let rig = Rig::at(address, Arc::new(Authority::naming(name))).await;
        let tls = Arc::new(client::tls_config(&rig.authority.pem).unwrap());
        let dialled = session::dial(&rig.address.to_string(), tls).await;
        assert_eq!(dialled.is_ok(), believed, "{name}: {:?}", dialled.err());
    }
}

#[tokio::test]
async fn a_sidecar_learns_a_new_authority_before_it_is_needed_and_forgets_none_of_its_pod() {
    let mut rig = Rig::new().await;
    let (old, new) = (rig.authority.clone(), Arc::new(Authority::new()));
    let mut sidecar = Sidecar::that_tells_all(rig.address, &old.pem, pod("u1"));
    assert_eq!(rig.event("u1").await, Event::Connected { hash: None });
    rig.hub.publish_trust("-----BEGIN NONSENSE");
    rig.hub.publish_trust("");
    rig.hub.publish_trust(&new.pem);
    assert_eq!(sidecar.next().await, Seen::Trust(new.pem.clone()));
    // A policy as well, so that it comes back at once.
    rig.publish(&policy("one"));
    assert_eq!(sidecar.next().await, Seen::Withhold(None));
    assert_eq!(sidecar.next().await, seen("one"));

    let (address, _) = rig.stop().await;
    let rig = Rig::at(address, new).await;
    rig.publish(&policy("two"));
    assert_eq!(sidecar.next().await, Seen::Withhold(None));
    assert_eq!(sidecar.next().await, seen("two"));
    // Rolled back: the pod's own bundle counts for as long as the pod lives.
    let (address, _) = rig.stop().await;
    let rig = Rig::at(address, old).await;
    rig.publish(&policy("three"));
    assert_eq!(sidecar.next().await, Seen::Withhold(None));
    assert_eq!(sidecar.next().await, seen("three"));
}

#[tokio::test]
async fn a_sidecar_is_told_to_withhold_its_readiness_before_the_policy_that_would_make_it_ready() {
    let rig = Rig::new().await;
    let why = || Some("Service web goes around the sidecar".to_owned());
    rig.publish(&policy("one"));
    rig.hub.withhold(&service(), None, why());
    let mut sidecar = Sidecar::that_tells_all(rig.address, &rig.authority.pem, pod("u1"));
    assert_eq!(sidecar.next().await, Seen::Withhold(why()));
    assert_eq!(sidecar.next().await, seen("one"));
    rig.hub.withhold(&service(), None, None);
    assert_eq!(sidecar.next().await, Seen::Withhold(None));
}

#[tokio::test]
async fn a_sidecar_that_lacks_a_key_asks_for_it_and_gets_what_is_published_then() {
    let mut rig = Rig::new().await;
    rig.hub.publish_keys(keys("v1")).unwrap();
    let hash = rig.publish(&policy_with_keys("one"));
    let mut sidecar = rig.sidecar("u1");
    assert_eq!(rig.event("u1").await, Event::Connected { hash: None });
    assert_eq!(rig.event("u1").await, applied(&hash));
    let source = keys("v1").source;
    sidecar.wants.send(source.clone()).unwrap();
    assert_eq!(rig.event("u1").await, Event::KeysWanted { source });
    rig.hub.publish_keys(keys("v2")).unwrap();
    assert_eq!(sidecar.next().await, Seen::Keys("v1".into()));
    assert_eq!(sidecar.next().await, seen("one"));
    assert_eq!(sidecar.next().await, Seen::Keys("v2".into()));
}

/// A fake operator that answers every stream with these bytes; tells of each.
async fn liar(authority: Arc<Authority>, body: Bytes) -> (Sidecar, Liar) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sidecar = Sidecar::new(listener.local_addr().unwrap(), &authority.pem, pod("u1"));
    let mut tls = rustls::ServerConfig::clone(&authority.server);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let (sender, answered) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let service = service_fn(|_| {
                let response =
                    http::Response::new(http_body_util::Full::<Bytes>::from(body.clone()));
                let _ = sender.send(());
                async { Ok::<_, std::convert::Infallible>(response) }
            });
            let _ = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    });
    (sidecar, answered)
}

type Liar = tokio::sync::mpsc::UnboundedReceiver<()>;

#[tokio::test]
async fn a_sidecar_is_handed_nothing_of_a_lie_and_tries_again() {
    let authority = Arc::new(Authority::new());
    let canonical = policy("one").canonical_bytes();
    let snapshot = |hash: &str, body: String| {
        let (service_uid, hash) = ("uid".into(), hash.into());
        let snapshot = wire::Snapshot {
            service_uid,
            generation: 1,
            hash,
            body,
        };
        wire::encode(&ToSidecar::Snapshot(snapshot)).unwrap()
    };
    let whole = snapshot(&format::hash(&canonical), wire::pack(&canonical).unwrap());
    let lies = [
        Bytes::from_static(b"\xff\xff\xff\xff"),
        Bytes::from_static(b"\0\0\0\x02[]"),
        whole.slice(..whole.len() - 1),
        snapshot(&format::hash(b"another"), wire::pack(&canonical).unwrap()),
        snapshot(&format::hash(&canonical), "not packed".into()),
        snapshot(&format::hash(b"{}"), wire::pack(b"{}").unwrap()),
    ];
    for lie in lies {
        let (mut sidecar, mut answered) = liar(authority.clone(), lie).await;
        for _ in 0..3 {
            soon(answered.recv()).await.unwrap();
        }
        assert!(sidecar.seen.try_recv().is_err());
    }
    // Told the truth in the same way, it is handed the policy.
    let (mut sidecar, _answered) = liar(authority, whole).await;
    assert_eq!(sidecar.next().await, seen("one"));
}
