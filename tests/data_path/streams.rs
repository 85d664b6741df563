//! Server-sent events and other answers that last: each piece at once, for as long as pieces come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use endpoints::proxy::Limits;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::backend::{raw, read_request};
use crate::client::{Client, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

/// Short enough for a test, long enough for a busy machine to do what is in time.
const SHORT: Duration = Duration::from_millis(300);

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
const EVENT: &str = "data: 1\n\n";

/// A backend that sends an event for each permit, in chunks or until it closes; `gone` when the proxy
/// has closed its connection.
struct Events {
    address: SocketAddr,
    next: Arc<Semaphore>,
    gone: Arc<Semaphore>,
}

async fn events(chunked: bool, kind: &'static str) -> Events {
    let (next, gone) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (wait, left) = (next.clone(), gone.clone());
    let address = raw(move |mut stream, _| {
        let (wait, left) = (wait.clone(), left.clone());
        async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            let framing = if chunked {
                "Transfer-Encoding: chunked"
            } else {
                "Connection: close"
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            loop {
                tokio::select! {
                    permit = wait.acquire() => permit.unwrap().forget(),
                    _ = stream.read_u8() => break,
                }
                let event = if chunked {
                    format!("{:x}\r\n{EVENT}\r\n", EVENT.len())
                } else {
                    EVENT.to_owned()
                };
                if stream.write_all(event.as_bytes()).await.is_err() {
                    break;
                }
            }
            left.add_permits(1);
        }
    })
    .await;
    Events {
        address,
        next,
        gone,
    }
}

#[tokio::test]
async fn every_event_comes_at_once() {
    for chunked in [true, false] {
        let backend = events(chunked, "text/event-stream").await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let mut client = Client::connect(proxy.address).await;
        client.send(GET).await;
        // The head does not wait for the first of them either.
        assert_eq!(client.answer_to_head().await.status, 200);
        for _ in 0..3 {
            backend.next.add_permits(1);
            let came = client.some().await;
            assert_eq!(
                String::from_utf8(came).unwrap(),
                format!("{:X}\r\n{EVENT}\r\n", EVENT.len()),
            );
        }
    }
}

#[tokio::test]
async fn every_event_comes_at_once_over_http2_too() {
    let backend = events(true, "text/event-stream").await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let get = Request::get("http://a/v1/shelves").body(()).unwrap();
    let (answer, _) = sender.send_request(get, true).unwrap();
    let mut body = patient(answer).await.unwrap().into_body();
    for _ in 0..3 {
        backend.next.add_permits(1);
        let came: Bytes = patient(body.data()).await.unwrap().unwrap();
        assert_eq!(came, EVENT);
    }
}

#[tokio::test]
async fn events_outlast_the_deadline_and_end_with_silence() {
    for chunked in [true, false] {
        let backend = events(chunked, "Text/Event-Stream; charset=utf-8").await;
        let limits = Limits {
            backend_deadline: SHORT,
            backend_idle_timeout: SHORT * 2,
            ..Limits::default()
        };
        let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
        let mut client = Client::connect(proxy.address).await;
        client.send(GET).await;
        assert_eq!(client.answer_to_head().await.status, 200);
        let began = Instant::now();
        for _ in 0..4 {
            sleep(SHORT).await;
            backend.next.add_permits(1);
            assert!(!client.some().await.is_empty());
        }
        let rest = client.rest().await;
        assert!(began.elapsed() >= SHORT * 6, "{:?}", began.elapsed());
        // It must not look complete.
        assert_eq!(rest, b"");
        patient(backend.gone.acquire()).await.unwrap().forget();
    }
}

#[tokio::test]
async fn an_endless_answer_of_another_kind_ends_with_the_deadline() {
    let backend = events(true, "application/json").await;
    let limits = Limits {
        backend_deadline: SHORT * 2,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    assert_eq!(client.answer_to_head().await.status, 200);
    backend.next.add_permits(1);
    assert!(!client.some().await.is_empty());
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_client_that_has_heard_enough_ends_it_for_the_backend() {
    let backend = events(true, "text/event-stream").await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    assert_eq!(client.answer_to_head().await.status, 200);
    drop(client);
    patient(backend.gone.acquire()).await.unwrap().forget();
}
