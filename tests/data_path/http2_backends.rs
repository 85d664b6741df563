//! Backends that are spoken to in HTTP/2: gRPC with and without TLS, and `protocol: h2`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use endpoints::policy::format::BackendRule;
use endpoints::proxy::Limits;
use h2::server::{self, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::backend::{Backend, raw};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::{TestProxy, policy, ready};
use crate::remote_backends::{Authority, at, encrypted, with_backend};

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

pub type Asked = Request<RecvStream>;
pub type Answering = SendResponse<Bytes>;

/// A backend that serves each connection, with its number, as told.
pub async fn http2<F, R>(builder: server::Builder, serve: F) -> SocketAddr
where
    F: Fn(Connection<TcpStream, Bytes>, usize) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    raw(move |stream, number| {
        let (builder, serve) = (builder.clone(), serve.clone());
        async move {
            if let Ok(connection) = builder.handshake(stream).await {
                serve(connection, number).await;
            }
        }
    })
    .await
}

/// Gives every request of a connection to a task of its own.
pub async fn each<S, F, R>(mut connection: Connection<S, Bytes>, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Asked, Answering) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    while let Some(Ok((request, answering))) = connection.accept().await {
        tokio::spawn(answer(request, answering));
    }
}

fn answer_ok(mut answering: Answering, body: &'static str) {
    let mut sending = answering.send_response(Response::new(()), false).unwrap();
    sending
        .send_data(Bytes::from_static(body.as_bytes()), true)
        .unwrap();
}

/// A proxy whose `GET`, `POST` and `PUT /v1/shelves` go to this rule's backend.
fn all_to(proxy: &TestProxy, rule: BackendRule) {
    let mut policy = policy(OPEN);
    policy.format = 2;
    policy.backends = vec![rule];
    for operation in &mut policy.operations {
        operation.backend = Some(0);
    }
    proxy
        .policies
        .store(ready(policy, |_| panic!("nobody needs a token")));
}

/// A proxy whose own backend speaks HTTP/2.
pub fn own(address: SocketAddr) -> TestProxy {
    let named = format!("{OPEN}backend: {{address: \"grpc://{address}\"}}\n");
    TestProxy::start(address).under(&named)
}

pub fn grpc(address: SocketAddr) -> TestProxy {
    grpc_with(address, Limits::default())
}

pub fn grpc_with(address: SocketAddr, limits: Limits) -> TestProxy {
    let proxy = TestProxy::with(address, limits, 1);
    all_to(&proxy, at(format!("grpc://{address}")));
    proxy
}

#[tokio::test]
async fn a_grpc_call_goes_there_and_back_with_its_trailers() {
    /// Head, body, trailers.
    type Call = (http::request::Parts, Vec<u8>, Option<HeaderMap>);
    let seen: Arc<Mutex<Vec<Call>>> = Arc::default();
    let note = seen.clone();
    let backend = http2(server::Builder::new(), move |connection, _| {
        let note = note.clone();
        each(connection, move |request, mut answering| {
            let note = note.clone();
            async move {
                let (head, mut body) = request.into_parts();
                let mut bytes = Vec::new();
                while let Some(Ok(data)) = body.data().await {
                    let _ = body.flow_control().release_capacity(data.len());
                    bytes.extend_from_slice(&data);
                }
                let trailers = body.trailers().await.unwrap();
                note.lock().unwrap().push((head, bytes, trailers));
                let response = Response::builder()
                    .header("content-type", "application/grpc")
                    .body(())
                    .unwrap();
                let mut sending = answering.send_response(response, false).unwrap();
                sending
                    .send_data(Bytes::from_static(b"reply"), false)
                    .unwrap();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                trailers.insert("x-unannounced", "1".parse().unwrap());
                sending.send_trailers(trailers).unwrap();
            }
        })
    })
    .await;
    let proxy = grpc(backend);
    let answer = ask(
        proxy.address,
        concat!(
            "POST /v1/shelves?a=b HTTP/1.1\r\nHost: api.example.com\r\n",
            "Content-Type: application/grpc\r\nTE: trailers\r\nConnection: TE\r\n",
            "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n",
            "3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
        ),
    )
    .await;
    assert_eq!((answer.status, &*answer.body), (200, "reply"));
    assert_eq!(answer.trailers, ["grpc-status: 0", "x-unannounced: 1"]);

    let seen = seen.lock().unwrap();
    let [(head, body, trailers)] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (&head.method, head.version),
        (&Method::POST, Version::HTTP_2)
    );
    assert_eq!(
        head.uri,
        format!("http://{backend}/v1/shelves?a=b").as_str()
    );
    assert_eq!(head.headers["te"], "trailers");
    assert_eq!(head.headers["x-forwarded-host"], "api.example.com");
    for gone in ["connection", "transfer-encoding", "host"] {
        assert!(!head.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(body, b"abc");
    assert_eq!(trailers.as_ref().unwrap()["x-sum"], "6");
}

#[tokio::test]
async fn http2_is_agreed_on_where_there_is_tls() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost", &["h2", "http/1.1"]);
    let server = encrypted(acceptor, |stream, _| async move {
        let connection = server::handshake(stream).await.unwrap();
        each(connection, |request, answering| async move {
            assert_eq!(request.uri().scheme_str(), Some("https"));
            answer_ok(answering, "h2");
        })
        .await;
    })
    .await;
    let proxy = authority.proxy(server);
    let plain = at(format!("https://localhost:{}", server.port()));
    let http2 = BackendRule {
        http2: true,
        ..plain
    };
    for rule in [http2, at(format!("grpcs://localhost:{}", server.port()))] {
        proxy.policies.store(with_backend(rule));
        let answer = ask(proxy.address, GET).await;
        assert_eq!((answer.status, &*answer.body), (200, "h2"));
    }
}

#[tokio::test]
async fn who_does_not_speak_http2_is_told() {
    let authority = Authority::new();
    for (protocols, why) in [
        (&["http/1.1"][..], "TLS: the protocol is not spoken there"),
        (&[], "TLS: HTTP/2 is not spoken there"),
    ] {
        let acceptor = authority.acceptor("localhost", protocols);
        let server = encrypted(acceptor, |_, _| async {}).await;
        let proxy = authority.proxy(server);
        let address = format!("grpcs://localhost:{}", server.port());
        proxy.policies.store(with_backend(at(&address)));
        let answer = ask(proxy.address, GET).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (503, "BackendUnreachable")
        );
        assert!(answer.body.contains(why), "{answer:?}");
        assert!(answer.body.contains(&address), "{answer:?}");
    }
    let plain = Backend::start().await;
    let answer = ask(grpc(plain.address).address, GET).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (502, "BackendMalformed")
    );
}

/// `backend.address`: under the client's host.
#[tokio::test]
async fn the_services_own_backend_may_speak_http2() {
    let backend = http2(server::Builder::new(), |connection, _| {
        each(connection, |request, answering| async move {
            let authority = request.uri().authority().unwrap();
            assert_eq!(authority, "api.example.com");
            answer_ok(answering, "own");
        })
    })
    .await;
    let proxy = own(backend);
    assert_eq!(ask(proxy.address, GET).await.body, "own");
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let (gate, count) = (Arc::new(Semaphore::new(0)), connections.clone());
    let (waiting, held) = (Arc::new(Semaphore::new(0)), gate.clone());
    let tell = waiting.clone();
    let backend = http2(server::Builder::new(), move |connection, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let (gate, waiting) = (held.clone(), tell.clone());
        each(connection, move |_, answering| {
            let (gate, waiting) = (gate.clone(), waiting.clone());
            async move {
                waiting.add_permits(1);
                gate.acquire().await.unwrap().forget();
                answer_ok(answering, "ok");
            }
        })
    })
    .await;
    let proxy = grpc(backend);
    let clients: Vec<_> = (0..50)
        .map(|_| tokio::spawn(ask(proxy.address, GET)))
        .collect();
    // All of them are at the backend at once.
    patient(waiting.acquire_many(50)).await.unwrap().forget();
    gate.add_permits(50);
    for client in clients {
        assert_eq!(patient(client).await.unwrap().status, 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_more_streams_are_opened_than_the_backend_allows_but_more_connections() {
    let most = Arc::new(AtomicUsize::new(0));
    let connections = Arc::new(AtomicUsize::new(0));
    let (note, count) = (most.clone(), connections.clone());
    let mut builder = server::Builder::new();
    builder.max_concurrent_streams(2);
    let backend = http2(builder, move |connection, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let (note, open) = (note.clone(), Arc::new(AtomicUsize::new(0)));
        each(connection, move |_, answering| {
            let (note, open) = (note.clone(), open.clone());
            async move {
                let now = open.fetch_add(1, Ordering::SeqCst) + 1;
                note.fetch_max(now, Ordering::SeqCst);
                sleep(Duration::from_millis(20)).await;
                open.fetch_sub(1, Ordering::SeqCst);
                answer_ok(answering, "ok");
            }
        })
    })
    .await;
    let proxy = grpc(backend);
    // What is allowed is told with the first answer at the latest.
    assert_eq!(ask(proxy.address, GET).await.status, 200);
    let clients: Vec<_> = (0..30)
        .map(|_| tokio::spawn(ask(proxy.address, GET)))
        .collect();
    for client in clients {
        assert_eq!(patient(client).await.unwrap().status, 200);
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert!(connections.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    const PIECES: usize = 40;
    let backend = http2(server::Builder::new(), |connection, _| {
        each(connection, |_, mut answering| async move {
            let mut sending = answering.send_response(Response::new(()), false).unwrap();
            for _ in 0..PIECES {
                let piece = Bytes::from(vec![b'x'; 100_000]);
                sending.send_data(piece, false).unwrap();
            }
            sending.send_data(Bytes::new(), true).unwrap();
        })
    })
    .await;
    let proxy = grpc(backend);
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..2 {
        let answer = client.ask(GET).await;
        assert_eq!(answer.body.len(), PIECES * 100_000);
    }
}

/// Its pauses are bounded, not its length.
#[tokio::test]
async fn a_grpc_stream_may_last_longer_than_the_deadline() {
    let backend = http2(server::Builder::new(), |connection, _| {
        each(connection, |_, mut answering| async move {
            let response = Response::builder().header("content-type", "application/grpc+proto");
            let mut sending = answering
                .send_response(response.body(()).unwrap(), false)
                .unwrap();
            for _ in 0..6 {
                sleep(Duration::from_millis(100)).await;
                if sending.send_data(Bytes::from_static(b"x"), false).is_err() {
                    return;
                }
            }
            sending.send_trailers(HeaderMap::new()).unwrap();
        })
    })
    .await;
    let limits = Limits {
        backend_deadline: Duration::from_millis(300),
        ..Limits::default()
    };
    let proxy = grpc_with(backend, limits);
    assert_eq!(ask(proxy.address, GET).await.body, "xxxxxx");
}

/// The backend takes nothing of the body: the client cannot send more than fits on the way.
#[tokio::test]
async fn a_backend_that_reads_slowly_slows_the_client() {
    let (gate, got) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (wait, count) = (gate.clone(), got.clone());
    let backend = http2(server::Builder::new(), move |connection, _| {
        let (gate, count) = (wait.clone(), count.clone());
        each(connection, move |request, answering| {
            let (gate, count) = (gate.clone(), count.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                let mut body = request.into_body();
                while let Some(data) = body.data().await {
                    let data = data.unwrap();
                    count.fetch_add(data.len(), Ordering::SeqCst);
                    body.flow_control().release_capacity(data.len()).unwrap();
                }
                answer_ok(answering, "read");
            }
        })
    })
    .await;
    let proxy = grpc(backend);
    const BYTES: usize = 24 << 20;
    let mut client = Client::connect(proxy.address).await;
    client
        .send(format!(
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n"
        ))
        .await;
    let mut sent = 0;
    let piece = vec![b'x'; 1 << 20];
    while sent < BYTES {
        use tokio::io::AsyncWriteExt as _;
        let write = client.stream.write(&piece[..piece.len().min(BYTES - sent)]);
        match tokio::time::timeout(Duration::from_millis(500), write).await {
            Ok(written) => sent += written.unwrap(),
            Err(_) => break,
        }
    }
    assert!(sent < BYTES / 2, "{sent} bytes were taken from the client");
    gate.add_permits(1);
    while sent < BYTES {
        use tokio::io::AsyncWriteExt as _;
        let write = client.stream.write(&piece[..piece.len().min(BYTES - sent)]);
        sent += patient(write).await.unwrap();
    }
    assert_eq!(client.answer().await.body, "read");
    assert_eq!(got.load(Ordering::SeqCst), BYTES);
}

/// The client takes nothing of the answer, and another one's is not held up by that.
#[tokio::test]
async fn a_client_that_reads_slowly_slows_the_backend_and_nobody_else() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let backend = http2(server::Builder::new(), move |connection, _| {
        let count = count.clone();
        each(connection, move |request, mut answering| {
            let count = count.clone();
            async move {
                if request.method() == Method::PUT {
                    return answer_ok(answering, "quick");
                }
                let mut sending = answering.send_response(Response::new(()), false).unwrap();
                let piece = Bytes::from(vec![b'x'; 16 << 10]);
                while count.load(Ordering::SeqCst) < 64 << 20 {
                    sending.reserve_capacity(piece.len());
                    while sending.capacity() < piece.len() {
                        let capacity = std::future::poll_fn(|cx| sending.poll_capacity(cx)).await;
                        if !matches!(capacity, Some(Ok(_))) {
                            return;
                        }
                    }
                    if sending.send_data(piece.clone(), false).is_err() {
                        return;
                    }
                    count.fetch_add(piece.len(), Ordering::SeqCst);
                }
            }
        })
    })
    .await;
    let proxy = grpc(backend);
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(proxy.address).await;
        client.send(GET).await;
        slow.push(client);
    }
    let mut before = usize::MAX;
    while before != sent.load(Ordering::SeqCst) {
        before = sent.load(Ordering::SeqCst);
        sleep(Duration::from_millis(200)).await;
    }
    assert!(before < 32 << 20, "{before} bytes were sent");
    let put = "PUT /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(proxy.address, put).await.body, "quick");
}

#[tokio::test]
async fn a_request_that_was_refused_unread_is_sent_again_whatever_it_is() {
    let times = Arc::new(AtomicUsize::new(0));
    let count = times.clone();
    let backend = http2(server::Builder::new(), move |connection, _| {
        let count = count.clone();
        each(connection, move |_, mut answering| {
            let first = count.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                match first {
                    true => answering.send_reset(Reason::REFUSED_STREAM),
                    false => answer_ok(answering, "second"),
                }
            }
        })
    })
    .await;
    let proxy = grpc(backend);
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(proxy.address, post).await.body, "second");
    assert_eq!(times.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_that_was_reset_is_not_sent_again() {
    let times = Arc::new(AtomicUsize::new(0));
    let count = times.clone();
    let backend = http2(server::Builder::new(), move |connection, _| {
        let count = count.clone();
        each(connection, move |_, mut answering| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { answering.send_reset(Reason::INTERNAL_ERROR) }
        })
    })
    .await;
    let proxy = grpc(backend);
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let answer = ask(proxy.address, post).await;
    assert_eq!((answer.status, &*answer.reason()), (502, "BackendReset"));
    assert_eq!(times.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_is_reset_half_way_is_broken_off() {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR] {
        let backend = http2(server::Builder::new(), move |connection, _| {
            each(connection, move |_, mut answering| async move {
                let response = Response::builder().header("content-length", "10");
                let mut sending = answering
                    .send_response(response.body(()).unwrap(), false)
                    .unwrap();
                sending
                    .send_data(Bytes::from_static(b"half"), false)
                    .unwrap();
                sleep(Duration::from_millis(50)).await;
                sending.send_reset(reason);
            })
        })
        .await;
        let proxy = grpc(backend);
        let mut client = Client::connect(proxy.address).await;
        client.send(GET).await;
        let head = client.answer_to_head().await;
        assert_eq!(head.value("content-length"), Some("10"));
        assert_eq!(client.rest().await, b"half", "{reason}");
    }
}

/// As a server does that restarts: GOAWAY, what it has begun ends, then it closes.
#[tokio::test]
async fn a_backend_that_goes_away_costs_no_request() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let backend = http2(server::Builder::new(), move |mut connection, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut served = 0;
            while let Some(Ok((_, answering))) = connection.accept().await {
                answer_ok(answering, "ok");
                served += 1;
                if served == 3 {
                    connection.graceful_shutdown();
                }
            }
        }
    })
    .await;
    let proxy = grpc(backend);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let address = proxy.address;
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                for round in 0..25 {
                    assert_eq!(client.ask(GET).await.status, 200, "{round}");
                }
            })
        })
        .collect();
    for client in clients {
        patient(client).await.unwrap();
    }
    assert!(connections.load(Ordering::SeqCst) >= 10);
}

#[tokio::test]
async fn a_kept_connection_that_broke_costs_no_request_that_may_be_repeated() {
    let backend = http2(
        server::Builder::new(),
        |mut connection, number| async move {
            if let Some(Ok((_, answering))) = connection.accept().await {
                answer_ok(answering, "ok");
            }
            if number > 0 {
                while connection.accept().await.is_some() {}
            }
            // Let the answer out, read the next request, and break off.
            let _ = connection.accept().await;
        },
    )
    .await;
    let proxy = grpc(backend);
    let mut client = Client::connect(proxy.address).await;
    for round in 0..2 {
        assert_eq!(client.ask(GET).await.status, 200, "{round}");
    }
}

#[tokio::test]
async fn a_client_that_goes_resets_its_stream_and_no_other() {
    let (begun, reset) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, gone) = (begun.clone(), reset.clone());
    let backend = http2(server::Builder::new(), move |connection, _| {
        let (begun, reset) = (tell.clone(), gone.clone());
        each(connection, move |request, mut answering| {
            let (begun, reset) = (begun.clone(), reset.clone());
            async move {
                if request.method() == Method::PUT {
                    begun.add_permits(1);
                    sleep(Duration::from_millis(300)).await;
                    return answer_ok(answering, "other");
                }
                begun.add_permits(1);
                let reason = std::future::poll_fn(|cx| answering.poll_reset(cx)).await;
                assert_eq!(reason.unwrap(), Reason::CANCEL);
                reset.add_permits(1);
            }
        })
    })
    .await;
    let proxy = grpc(backend);
    let put = "PUT /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let other = tokio::spawn(ask(proxy.address, put));
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    patient(begun.acquire_many(2)).await.unwrap().forget();
    drop(client);
    patient(reset.acquire()).await.unwrap().forget();
    assert_eq!(patient(other).await.unwrap().body, "other");
}

#[tokio::test]
async fn a_deadline_holds_and_a_connection_that_went_silent_is_left() {
    let backend = http2(
        server::Builder::new(),
        |mut connection, number| async move {
            let mut kept = Vec::new();
            while let Some(Ok((_, answering))) = connection.accept().await {
                match number {
                    0 => kept.push(answering),
                    _ => answer_ok(answering, "second"),
                }
            }
        },
    )
    .await;
    let limits = Limits {
        backend_deadline: Duration::from_millis(200),
        ..Limits::default()
    };
    let proxy = grpc_with(backend, limits);
    let begun = Instant::now();
    let answer = ask(proxy.address, GET).await;
    assert_eq!((answer.status, &*answer.reason()), (504, "BackendTimeout"));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(ask(proxy.address, GET).await.body, "second");
}

#[tokio::test]
async fn a_body_may_come_for_longer_than_the_backend_may_take() {
    const SHORT: Duration = Duration::from_millis(300);
    let backend = http2(server::Builder::new(), |connection, _| {
        each(connection, |request, answering| async move {
            let mut body = request.into_body();
            let mut came = 0;
            while let Some(Ok(data)) = body.data().await {
                came += data.len();
            }
            match came {
                4 => answer_ok(answering, "ok"),
                // Never answered.
                _ => std::future::pending().await,
            }
        })
    })
    .await;
    let limits = Limits {
        backend_deadline: SHORT,
        body_progress_timeout: SHORT * 4,
        ..Limits::default()
    };
    let proxy = grpc_with(backend, limits);
    let mut client = Client::connect(proxy.address).await;
    let post = |length: usize| {
        format!("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
    };
    client.send(post(4)).await;
    for pause in [SHORT * 2, SHORT / 2, SHORT / 2, SHORT / 2] {
        sleep(pause).await;
        client.send("x").await;
    }
    assert_eq!(client.answer().await.status, 200);
    client.send(post(1)).await;
    sleep(SHORT * 2).await;
    client.send("x").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.reason()), (504, "BackendTimeout"));
    client.send(post(4)).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.reason()), (408, "BadBody"));
}

#[tokio::test]
async fn a_body_that_ends_early_is_the_clients_fault_and_resets_the_stream() {
    let reset = Arc::new(Semaphore::new(0));
    let tell = reset.clone();
    let backend = http2(server::Builder::new(), move |connection, _| {
        let reset = tell.clone();
        each(connection, move |request, _answering| {
            let reset = reset.clone();
            async move {
                let mut body = request.into_body();
                while let Some(data) = body.data().await {
                    if data.is_err() {
                        return reset.add_permits(1);
                    }
                }
            }
        })
    })
    .await;
    let proxy = grpc(backend);
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.reason()), (400, "BadBody"));
    patient(reset.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn answers_without_a_body_and_to_head_arrive() {
    let backend = http2(server::Builder::new(), |connection, _| {
        each(connection, |request, mut answering| async move {
            let response = match *request.method() {
                Method::HEAD => Response::builder().header("content-length", "5"),
                _ => Response::builder().status(StatusCode::NO_CONTENT),
            };
            answering
                .send_response(response.body(()).unwrap(), true)
                .unwrap();
        })
    })
    .await;
    let proxy = grpc(backend);
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.status, 204);
    let head = "HEAD /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = client.ask(head).await;
    assert_eq!(
        (answer.status, answer.value("content-length")),
        (200, Some("5"))
    );
    assert_eq!(client.ask(GET).await.status, 204);
}

/// HTTP/2 hides what HTTP/1.1 could not hold: it must not come out here.
#[tokio::test]
async fn a_host_that_cannot_be_an_authority_is_refused() {
    let backend = http2(server::Builder::new(), |connection, _| {
        each(connection, |_, answering| async move {
            answer_ok(answering, "ok")
        })
    })
    .await;
    let proxy = own(backend);
    let answer = ask(
        proxy.address,
        "GET /v1/shelves HTTP/1.1\r\nHost: a:b:c:d\r\n\r\n",
    )
    .await;
    assert_eq!((answer.status, &*answer.reason()), (400, "BadHost"));
}

#[tokio::test]
async fn a_head_over_the_bounds_is_502() {
    for (fields, bytes, status) in [
        (100, 10, 200),
        (101, 10, 502),
        (2, 29_000, 200),
        (3, 29_000, 502),
    ] {
        let backend = http2(server::Builder::new(), move |connection, _| {
            each(connection, move |_, mut answering| async move {
                let mut response = Response::builder();
                for field in 0..fields {
                    response = response.header(format!("x-{field}"), "a".repeat(bytes));
                }
                let _ = answering.send_response(response.body(()).unwrap(), true);
            })
        })
        .await;
        let proxy = grpc(backend);
        let answer = ask(proxy.address, GET).await;
        assert_eq!(answer.status, status, "{fields} of {bytes}: {answer:?}");
        if status == 502 {
            assert_eq!(answer.reason(), "BackendMalformed");
        }
    }
}
