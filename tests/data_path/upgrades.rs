//! Upgrades, WebSocket's above all: the handshake is a request like any other, what follows a pipe.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use endpoints::policy::format::BackendRule;
use endpoints::proxy::Limits;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::backend::{Backend, Recorded, Reply, ok, raw, read_request};
use crate::client::{Answer, Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::{TestProxy, now, policy, ready, snapshot};
use crate::tokens::{Signer, key_set};

/// Short enough for a test, long enough for a busy machine to do what is in time.
const SHORT: Duration = Duration::from_millis(300);

/// RFC 6455's own example.
const HANDSHAKE: &str = concat!(
    "GET /v1/shelves?room=1 HTTP/1.1\r\nHost: books.example.com\r\nUpgrade: websocket\r\n",
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Version: 13\r\n\r\n"
);
const SWITCH: &str = concat!(
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: upgrade\r\n",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
);
/// What would be a request, if somebody took it for one.
const SMUGGLED: &str = "DELETE /v1/shelves/1 HTTP/1.1\r\nHost: books.example.com\r\n\r\n";

/// A backend that switches, says hello, and gives back what it gets until its end comes.
struct Echo {
    address: SocketAddr,
    handshakes: Arc<Mutex<Vec<Recorded>>>,
}

impl Echo {
    async fn start() -> Self {
        let handshakes: Arc<Mutex<Vec<Recorded>>> = Arc::default();
        let noted = handshakes.clone();
        let address = raw(move |mut stream, _| {
            let noted = noted.clone();
            async move {
                let mut early = Vec::new();
                let Some(handshake) = read_request(&mut stream, &mut early).await else {
                    return;
                };
                noted.lock().unwrap().push(handshake);
                let greeting = format!("{SWITCH}hello ");
                let _ = stream.write_all(greeting.as_bytes()).await;
                let _ = stream.write_all(&early).await;
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            }
        })
        .await;
        Self {
            address,
            handshakes,
        }
    }

    fn seen(&self) -> Vec<Recorded> {
        self.handshakes.lock().unwrap().clone()
    }
}

/// A backend that switches, then does as told with its connection.
async fn switching<F, R>(then: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    raw(move |mut stream, _| {
        let then = then.clone();
        async move {
            if read_request(&mut stream, &mut Vec::new()).await.is_some() {
                let _ = stream.write_all(SWITCH.as_bytes()).await;
                then(stream).await;
            }
        }
    })
    .await
}

/// A client whose handshake was answered by 101.
async fn switched(proxy: &TestProxy) -> (Client, Answer) {
    let mut client = Client::connect(proxy.address).await;
    client.send(HANDSHAKE).await;
    let answer = client.answer_to_head().await;
    assert_eq!(answer.status, 101, "{answer:?}");
    (client, answer)
}

/// Reads until this has come.
async fn expect(client: &mut Client, expected: &[u8]) {
    let mut came = Vec::new();
    while came.len() < expected.len() {
        let piece = client.some().await;
        assert!(!piece.is_empty(), "closed after {came:?}");
        came.extend(piece);
    }
    assert_eq!(came, expected);
}

async fn metric(proxy: &TestProxy, line: &str) {
    patient(async {
        while !crate::admin::metrics(proxy).await.contains(line) {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_websocket_is_let_through_and_its_bytes_are_nobodys_business() {
    let backend = Echo::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let (mut client, answer) = switched(&proxy).await;
    assert_eq!(answer.value("connection"), Some("Upgrade"));
    assert_eq!(answer.value("upgrade"), Some("websocket"));
    assert_eq!(
        answer.value("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    for framing in ["content-length", "transfer-encoding"] {
        assert_eq!(answer.value(framing), None);
    }

    let [handshake] = &backend.seen()[..] else {
        panic!("one handshake")
    };
    assert_eq!(handshake.line(), "GET /v1/shelves?room=1 HTTP/1.1");
    assert_eq!(handshake.values("connection"), ["Upgrade"]);
    assert_eq!(handshake.values("upgrade"), ["websocket"]);
    assert_eq!(
        handshake.values("sec-websocket-key"),
        ["dGhlIHNhbXBsZSBub25jZQ=="]
    );
    assert_eq!(handshake.values("sec-websocket-protocol"), ["chat"]);
    assert_eq!(handshake.values("x-forwarded-for"), ["127.0.0.1"]);

    expect(&mut client, b"hello ").await;
    for message in [SMUGGLED.as_bytes(), b"\0\xff\r\n\r\n", &[b'x'; 200_000]] {
        client.send(message).await;
        expect(&mut client, message).await;
    }
    metric(&proxy, "endpoints_upgrades_open 1").await;
    drop(client);
    metric(&proxy, "endpoints_upgrades_open 0").await;
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn what_is_sent_before_the_101_is_neither_lost_nor_a_request() {
    let backend = Echo::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(format!("{HANDSHAKE}{SMUGGLED}")).await;
    assert_eq!(client.answer_to_head().await.status, 101);
    expect(&mut client, format!("hello {SMUGGLED}").as_bytes()).await;
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_other_than_101_is_ordinary_and_the_last() {
    let backend = Backend::answering(|_| {
        Reply::Keep(
            "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 4\r\nUpgrade: websocket\r\n\r\nnope"
                .into(),
        )
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(format!("{HANDSHAKE}{SMUGGLED}")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.body), (426, "nope"));
    assert_eq!(answer.value("connection"), Some("close"));
    assert_eq!(client.rest().await, b"");
    // It was asked to switch, and saw nothing of what came behind.
    assert_eq!(backend.only().values("upgrade"), ["websocket"]);
}

#[tokio::test]
async fn a_refused_handshake_takes_what_follows_with_it() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    let nowhere = HANDSHAKE.replace("/v1/shelves", "/nowhere");
    client.send(format!("{nowhere}{SMUGGLED}")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.reason()), (404, "RouteNotFound"));
    assert_eq!(answer.value("connection"), Some("close"));
    client.send(SMUGGLED).await;
    assert_eq!(client.rest().await, b"");
    assert!(backend.requests().is_empty());
}

/// `OPEN`, each operation of which demands a token.
fn protected() -> String {
    OPEN
        .replace(
            "    paths:",
            concat!(
                "    securityDefinitions:\n      issuer: {type: oauth2, flow: implicit, authorizationUrl: \"\", ",
                "x-google-issuer: \"https://issuer.example\", ",
                "x-google-jwks_uri: \"https://issuer.example/keys\", x-google-audiences: mine}\n",
                "    security: [{issuer: []}]\n    paths:"
            ),
        )
}

#[tokio::test]
async fn a_handshake_needs_the_operations_token() {
    let document = protected();
    let signer = Signer::new("ES256", "1");
    let keys = BTreeMap::from([(
        "https://issuer.example/keys".to_owned(),
        key_set(&[&signer]),
    )]);
    let backend = Echo::start().await;
    let proxy = TestProxy::start(backend.address);
    proxy.policies.store(snapshot(&document, &keys));

    let answer = ask(proxy.address, HANDSHAKE).await;
    assert_eq!((answer.status, &*answer.reason()), (401, "TokenMissing"));
    assert!(backend.seen().is_empty());

    let token = signer.token(
        &json!({"iss": "https://issuer.example", "sub": "me", "aud": "mine", "exp": now() + 60}),
    );
    // Scripts cannot set headers of a handshake: the query is where browsers put it.
    let handshake = HANDSHAKE.replace("room=1", &format!("access_token={token}"));
    let mut client = Client::connect(proxy.address).await;
    client.send(handshake).await;
    assert_eq!(client.answer_to_head().await.status, 101);
    assert_eq!(backend.seen()[0].values("x-endpoint-api-userinfo").len(), 1);
}

#[tokio::test]
async fn an_upgrade_ends_with_its_token_where_that_is_asked_for() {
    let signer = Signer::new("ES256", "1");
    let keys = BTreeMap::from([(
        "https://issuer.example/keys".to_owned(),
        key_set(&[&signer]),
    )]);
    let backend = Echo::start().await;
    for ends in [true, false] {
        let settings = format!("jwt: {{closeStreamsAtExpiry: {ends}, clockSkew: 0s}}\n");
        let proxy = TestProxy::start(backend.address);
        proxy
            .policies
            .store(snapshot(&(protected() + &settings), &keys));
        let token = signer.token(
            &json!({"iss": "https://issuer.example", "sub": "me", "aud": "mine", "exp": now() + 2}),
        );
        let handshake = HANDSHAKE.replace("room=1", &format!("access_token={token}"));
        let mut client = Client::connect(proxy.address).await;
        client.send(handshake).await;
        assert_eq!(client.answer_to_head().await.status, 101);
        expect(&mut client, b"hello ").await;
        if ends {
            assert_eq!(client.rest().await, b"");
        } else {
            sleep(Duration::from_secs(3)).await;
            client.send("still here").await;
            expect(&mut client, b"still here").await;
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_where_cors_names_them() {
    let backend = Echo::start().await;
    let owned = OPEN.to_owned() + "cors: {allowOrigins: [\"https://app.example\"]}\n";
    let any = OPEN.to_owned() + "cors: {}\n";
    let from = |origin: &str| {
        HANDSHAKE.replace(
            "Sec-WebSocket-Version",
            &format!("{origin}Sec-WebSocket-Version"),
        )
    };
    let theirs = "Origin: https://evil.example\r\n";
    let ours = "Origin: https://app.example\r\n";
    for (document, origin, admitted) in [
        (owned.as_str(), "", true),
        (&owned, ours, true),
        (&owned, theirs, false),
        (&owned, "Origin: null\r\n", false),
        (
            &owned,
            "Origin: https://app.example.evil.example\r\n",
            false,
        ),
        (
            &owned,
            "Origin: https://app.example\r\nOrigin: https://evil.example\r\n",
            false,
        ),
        (&any, theirs, true),
        (OPEN, theirs, true),
    ] {
        let before = backend.seen().len();
        let proxy = TestProxy::start(backend.address).under(document);
        let mut client = Client::connect(proxy.address).await;
        client.send(from(origin)).await;
        if admitted {
            assert_eq!(client.answer_to_head().await.status, 101, "{origin}");
            continue;
        }
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (403, "OriginRefused"),
            "{origin}"
        );
        assert_eq!(answer.value("access-control-allow-origin"), None);
        assert_eq!(backend.seen().len(), before, "{origin}");
    }
}

#[tokio::test]
async fn what_asks_for_no_one_protocol_is_an_ordinary_request() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let ask = |fields: &str| format!("GET /v1/shelves HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for request in [
        ask("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        ask("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: other\r\n"),
        ask("Connection: Upgrade\r\nUpgrade: other, websocket\r\n"),
        ask("Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"),
        ask("Upgrade: websocket\r\n"),
        ask("Connection: Upgrade\r\n"),
        "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody".to_owned(),
        "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n".to_owned(),
    ] {
        let mut client = Client::connect(proxy.address).await;
        for _ in 0..2 {
            // What follows is the next request, as ever.
            let answer = client.ask(&request).await;
            assert_eq!((answer.status, &*answer.body), (200, "ok"), "{request}");
            assert_eq!(answer.value("connection"), None, "{request}");
        }
    }
    let old =
        "GET /v1/shelves HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(crate::client::ask(proxy.address, old).await.status, 200);
    for request in backend.requests() {
        assert_eq!(request.values("upgrade"), [""; 0], "{request:?}");
        assert_eq!(request.values("http2-settings"), [""; 0], "{request:?}");
    }
}

#[tokio::test]
async fn an_ignored_upgrade_does_not_end_in_a_reset() {
    // hyper leaves the closing of such a connection to whoever would take it over.
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /nowhere HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n")
        .await;
    client.send([b'x'; 100_000]).await;
    assert_eq!(client.answer().await.status, 404);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_switch_to_what_nobody_asked_for_is_502() {
    for head in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nUpgrade: other\r\n\r\n",
    ] {
        let backend = Backend::answering(move |_| Reply::Keep(head.into())).await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let answer = ask(proxy.address, HANDSHAKE).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (502, "BackendMalformed"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn a_backend_that_does_not_answer_the_handshake_is_504() {
    let backend = Backend::answering(|_| Reply::Stall(Vec::new())).await;
    let limits = Limits {
        backend_deadline: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let answer = ask(proxy.address, HANDSHAKE).await;
    assert_eq!((answer.status, &*answer.reason()), (504, "BackendTimeout"));
}

#[tokio::test]
async fn a_handshake_goes_over_a_kept_connection_and_keeps_it() {
    let connections = Arc::new(Semaphore::new(0));
    let counted = connections.clone();
    let backend = raw(move |mut stream, _| {
        counted.add_permits(1);
        async move {
            let mut buffer = Vec::new();
            let _ = read_request(&mut stream, &mut buffer).await;
            let _ = stream.write_all(&ok("ok")).await;
            let _ = read_request(&mut stream, &mut buffer).await;
            let _ = stream.write_all(SWITCH.as_bytes()).await;
            let _ = stream.read_u8().await;
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let get = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(ask(proxy.address, get).await.status, 200);
    let (_websocket, _) = switched(&proxy).await;
    assert_eq!(connections.available_permits(), 1);
    // It is no longer one for requests.
    assert_eq!(ask(proxy.address, get).await.status, 200);
    assert_eq!(connections.available_permits(), 2);
}

#[tokio::test]
async fn the_backends_close_is_passed_on_at_once_and_it_still_listens() {
    let (heard, hearing) = tokio::sync::oneshot::channel();
    let heard = Arc::new(Mutex::new(Some(heard)));
    let backend = switching(move |mut stream| {
        let heard = heard.clone();
        async move {
            stream.write_all(b"bye").await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            let heard = heard.lock().unwrap().take().unwrap();
            heard.send(rest).unwrap();
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let (mut client, _) = switched(&proxy).await;
    assert_eq!(client.rest().await, b"bye");
    client.send("goodbye").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(patient(hearing).await.unwrap(), b"goodbye");
}

#[tokio::test]
async fn the_clients_close_is_passed_on_at_once_and_it_still_listens() {
    let backend = switching(|mut stream| async move {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        stream.write_all(&said).await.unwrap();
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let (mut client, _) = switched(&proxy).await;
    client.send("last words").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, b"last words");
    metric(&proxy, "endpoints_upgrades_open 0").await;
}

#[tokio::test]
async fn a_client_that_goes_before_the_101_takes_the_backends_connection_along() {
    let (asked, gone) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (ask, leave) = (asked.clone(), gone.clone());
    let backend = raw(move |mut stream, _| {
        let (ask, leave) = (ask.clone(), leave.clone());
        async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            ask.add_permits(1);
            assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
            leave.add_permits(1);
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(HANDSHAKE).await;
    patient(asked.acquire()).await.unwrap().forget();
    drop(client);
    patient(gone.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn a_reader_that_is_slow_slows_the_writer_and_loses_nothing() {
    const ALL: usize = 16 * 1024 * 1024;
    let (counting, counted) = tokio::sync::watch::channel(0_usize);
    let counting = Arc::new(counting);
    let backend = switching(move |mut stream| {
        let counting = counting.clone();
        async move {
            let piece = [7; 64 * 1024];
            for sent in 0..ALL / piece.len() {
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
                counting.send_replace((sent + 1) * piece.len());
            }
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let (mut client, _) = switched(&proxy).await;
    // Until the writer stands still.
    let mut before = usize::MAX;
    while before != *counted.borrow() {
        before = *counted.borrow();
        sleep(SHORT).await;
    }
    assert!(before < ALL, "all of it went somewhere");
    assert_eq!(client.rest().await.len(), ALL);
}

#[tokio::test]
async fn the_deadline_ends_with_the_101_and_silence_ends_the_rest() {
    let backend = Echo::start().await;
    let limits = Limits {
        backend_deadline: SHORT,
        idle_timeout: SHORT,
        backend_idle_timeout: SHORT * 3,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let (mut client, _) = switched(&proxy).await;
    expect(&mut client, b"hello ").await;
    let began = Instant::now();
    for _ in 0..4 {
        sleep(SHORT).await;
        client.send("x").await;
        expect(&mut client, b"x").await;
    }
    assert_eq!(client.rest().await, b"");
    assert!(began.elapsed() >= SHORT * 7, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_upgrade_goes_on_under_the_policy_that_let_it_in() {
    let backend = Echo::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let (mut client, _) = switched(&proxy).await;
    expect(&mut client, b"hello ").await;
    let without = OPEN.replace("/shelves:", "/others:");
    proxy.policies.store(snapshot(&without, &BTreeMap::new()));
    assert_eq!(ask(proxy.address, HANDSHAKE).await.status, 404);
    client.send("still here").await;
    expect(&mut client, b"still here").await;
}

#[tokio::test]
async fn a_drain_holds_upgrades_until_its_grace_is_over() {
    let backend = Echo::start().await;
    let limits = Limits {
        drain_grace: SHORT * 3,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let (mut staying, _) = switched(&proxy).await;
    expect(&mut staying, b"hello ").await;
    let began = Instant::now();
    proxy.trigger.start();
    sleep(SHORT).await;
    staying.send("still here").await;
    expect(&mut staying, b"still here").await;
    assert_eq!(staying.rest().await, b"");
    assert!(began.elapsed() >= SHORT * 3, "{:?}", began.elapsed());
    patient(proxy.stop()).await;
}

#[tokio::test]
async fn a_drain_is_over_when_the_last_upgrade_is() {
    let backend = Echo::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let (mut client, _) = switched(&proxy).await;
    expect(&mut client, b"hello ").await;
    proxy.trigger.start();
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, b"");
    patient(proxy.stop()).await;
}

#[tokio::test]
async fn a_backend_that_speaks_http2_gets_an_ordinary_request() {
    let backend = raw(|stream, _| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut answering))) = connection.accept().await {
            for name in ["upgrade", "connection"] {
                assert!(!request.headers().contains_key(name));
            }
            let answer = http::Response::builder().status(400).body(()).unwrap();
            answering.send_response(answer, true).unwrap();
        }
    })
    .await;
    let proxy = TestProxy::start(backend);
    let mut policy = policy(OPEN);
    policy.backend = Some(format!("grpc://{backend}"));
    policy.format = policy.needed_format();
    proxy
        .policies
        .store(ready(policy, |_| panic!("nobody needs a token")));
    let answer = ask(proxy.address, HANDSHAKE).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.value("connection"), Some("close"));
}

#[tokio::test]
async fn other_protocols_are_let_through_with_whatever_method_they_have() {
    let backend = raw(|mut stream, _| async move {
        let _ = read_request(&mut stream, &mut Vec::new()).await;
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
        .await;
    let answer = client.answer_to_head().await;
    assert_eq!(
        (answer.status, answer.value("upgrade")),
        (101, Some("SPDY/3.1"))
    );
    client.send("frames").await;
    expect(&mut client, b"frames").await;
}

#[tokio::test]
async fn an_encrypted_backend_is_switched_too() {
    let authority = crate::remote_backends::Authority::new();
    let acceptor = authority.acceptor("localhost", &["http/1.1"]);
    let backend = crate::remote_backends::encrypted(acceptor, |mut stream, _| async move {
        let _ = read_request(&mut stream, &mut Vec::new()).await;
        let _ = stream.write_all(SWITCH.as_bytes()).await;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    })
    .await;
    let proxy = authority.proxy(backend);
    let rule: BackendRule =
        crate::remote_backends::at(format!("https://localhost:{}", backend.port()));
    proxy
        .policies
        .store(crate::remote_backends::with_backend(rule));
    let (mut client, _) = switched(&proxy).await;
    let message = vec![b'y'; 300_000];
    client.send(&message).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, message);
}
