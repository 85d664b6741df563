//! HTTP/2 from clients, with prior knowledge, on the port that serves HTTP/1.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use endpoints::proxy::Limits;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::backend::{Backend, Reply, ok, raw, read_request};
use crate::client::{Client, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const SHORT: Duration = Duration::from_millis(300);

type Content = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// A connection, and how it ends.
pub struct Connection {
    sender: SendRequest<Content>,
    ended: JoinHandle<hyper::Result<()>>,
}

impl Connection {
    async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(64 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        Self {
            sender,
            ended: tokio::spawn(connection),
        }
    }

    async fn send(&mut self, request: Request<Content>) -> hyper::Result<Response<Incoming>> {
        patient(self.sender.send_request(request)).await
    }

    /// Status and body of the answer.
    async fn ask(&mut self, request: Request<Content>) -> (StatusCode, String) {
        let answer = self.send(request).await.unwrap();
        let status = answer.status();
        (status, text(answer).await)
    }
}

fn request(address: SocketAddr, method: Method, path: &str) -> http::request::Builder {
    let uri = format!("http://{address}{path}");
    Request::builder().method(method).uri(uri)
}

fn empty() -> Content {
    full("")
}

fn full(text: &str) -> Content {
    Full::from(text.to_owned()).boxed()
}

/// What is sent, and no end after it.
fn endless(text: &'static str) -> Content {
    let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(text.as_bytes())))]);
    let rest = futures_util::stream::pending();
    StreamBody::new(futures_util::StreamExt::chain(first, rest)).boxed()
}

async fn text(answer: Response<Incoming>) -> String {
    let body = patient(answer.into_body().collect()).await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn both_protocols_are_served_on_one_port() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let get = request(proxy.address, Method::GET, "/v1/shelves")
        .body(empty())
        .unwrap();
    let answer = connection.send(get).await.unwrap();
    assert_eq!(
        (answer.status(), answer.version()),
        (StatusCode::OK, Version::HTTP_2)
    );
    assert_eq!(text(answer).await, "ok");
    let mut old = Client::connect(proxy.address).await;
    let answer = old.ask("GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 200);

    // The backend saw HTTP/1.1 with the authority as its host.
    let head = backend.requests()[0].head.clone();
    assert!(head.starts_with("GET /v1/shelves HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: {}\r\n", proxy.address)),
        "{head}"
    );
}

#[tokio::test]
async fn streams_of_one_connection_are_served_side_by_side() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let connection = Connection::to(proxy.address).await;
    let asking = (0..50).map(|number| {
        let mut sender = connection.sender.clone();
        let path = format!("/v1/shelves/{number}");
        let get = request(proxy.address, Method::GET, &path)
            .body(empty())
            .unwrap();
        async move { patient(sender.send_request(get)).await.unwrap().status() }
    });
    let answers = futures_util::future::join_all(asking).await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(backend.requests().len(), 50);
}

#[tokio::test]
async fn a_request_body_is_streamed_with_its_framing_made_for_the_backend() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let streamed = [
        Ok(Frame::data(Bytes::from_static(b"to"))),
        Ok(Frame::data(Bytes::from_static(b"ld"))),
    ];
    let streamed = StreamBody::new(futures_util::stream::iter(streamed)).boxed();
    for body in [full("told"), streamed, full("")] {
        let post = request(proxy.address, Method::POST, "/v1/shelves")
            .body(body)
            .unwrap();
        assert_eq!(connection.ask(post).await.0, StatusCode::OK);
    }
    let records = backend.requests();
    assert_eq!(records[0].body, b"told");
    assert!(
        records[0].head.contains("content-length: 4\r\n"),
        "{records:?}"
    );
    assert_eq!(records[1].body, b"told");
    assert!(
        records[1].head.contains("transfer-encoding: chunked\r\n"),
        "{records:?}"
    );
    // HTTP/2 has another way to say so.
    assert!(
        records[2].head.contains("content-length: 0\r\n"),
        "{records:?}"
    );
}

#[tokio::test]
async fn the_answers_head_loses_what_ends_at_a_hop_and_trailers_go_through() {
    let backend = Backend::answering(|_| {
        Reply::Keep(
            b"HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTrailer: x-sum\r\n\
              Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let get = request(proxy.address, Method::GET, "/v1/shelves")
        .header("te", "trailers")
        .body(empty())
        .unwrap();
    let answer = connection.send(get).await.unwrap();
    for name in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    let body = patient(answer.into_body().collect()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-sum"], "7");
    assert_eq!(body.to_bytes(), "ok");
}

/// RFC 9110 section 8.6. Over HTTP/2 a length without a body would break the stream.
#[tokio::test]
async fn an_answer_without_content_has_no_length() {
    let backend = Backend::answering(|_| {
        Reply::Keep("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n".into())
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Connection::to(proxy.address).await;
    let get = request(proxy.address, Method::GET, "/v1/shelves").body(empty());
    let answer = client.send(get.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert!(!answer.headers().contains_key("content-length"));
}

/// RFC 9110 section 9.3.2. A client ends a stream on which content comes for it.
#[tokio::test]
async fn an_answer_to_head_has_no_content_whoever_makes_it() {
    let backend = Backend::answering(|_| {
        Reply::Keep("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n".into())
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Connection::to(proxy.address).await;
    for (path, status) in [
        ("/v1/shelves", 200),
        ("/v1/shelves/1", 405),
        ("/nothing", 404),
        ("/healthz", 200),
        ("/v1/%00", 400),
    ] {
        let head = request(proxy.address, Method::HEAD, path).body(empty());
        let answer = client.send(head.unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let length = answer.headers()["content-length"].clone();
        assert_eq!(text(answer).await, "", "{path}");
        let mut old = Client::connect(proxy.address).await;
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let same = old.ask(&head).await;
        assert_eq!(same.value("content-length"), length.to_str().ok(), "{path}");
    }
}

#[tokio::test]
async fn split_cookies_reach_the_backend_as_one() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let get = request(proxy.address, Method::GET, "/v1/shelves")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("cookie", "c=3")
        .body(empty())
        .unwrap();
    assert_eq!(connection.ask(get).await.0, StatusCode::OK);
    let head = backend.requests()[0].head.clone();
    assert!(head.contains("cookie: a=1; b=2; c=3\r\n"), "{head}");
    assert_eq!(head.matches("cookie").count(), 1, "{head}");
}

#[tokio::test]
async fn a_host_other_than_the_authority_is_400_and_the_same_one_is_fine() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let with_host = |host: &str| {
        request(proxy.address, Method::GET, "/v1/shelves")
            .header("host", host)
            .body(empty())
            .unwrap()
    };
    let (status, body) = connection.ask(with_host("other.example")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("BadHost"), "{body}");
    let same = proxy.address.to_string();
    assert_eq!(connection.ask(with_host(&same)).await.0, StatusCode::OK);
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn limits_on_heads_hold_as_in_http1() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let long = format!("/v1/shelves/{}", "x".repeat(9000));
    let long = request(proxy.address, Method::GET, &long)
        .body(empty())
        .unwrap();
    assert_eq!(connection.ask(long).await.0, StatusCode::URI_TOO_LONG);
    let mut many = request(proxy.address, Method::GET, "/v1/shelves");
    for number in 0..150 {
        many = many.header(format!("x-{number}"), "1");
    }
    let many = many.body(empty()).unwrap();
    assert_eq!(
        connection.ask(many).await.0,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    );
    let large = request(proxy.address, Method::GET, "/v1/shelves")
        .header("x-large", "x".repeat(70_000))
        .body(empty())
        .unwrap();
    // Refused by the peer's own settings, or with 431: never forwarded.
    if let Ok(answer) = connection.send(large).await {
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    assert_eq!(backend.requests().len(), 0);
}

#[tokio::test]
async fn a_stalled_body_is_408_and_other_streams_go_on() {
    let backend = Backend::start().await;
    let limits = Limits {
        body_progress_timeout: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let stalled = request(proxy.address, Method::POST, "/v1/shelves")
        .body(endless("some"))
        .unwrap();
    let (status, body) = connection.ask(stalled).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{body}");
    let get = request(proxy.address, Method::GET, "/v1/shelves")
        .body(empty())
        .unwrap();
    assert_eq!(connection.ask(get).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_the_connection() {
    let large = vec![b'x'; 4 * 1024 * 1024];
    let backend = Backend::answering(move |_| {
        let mut reply =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", large.len()).into_bytes();
        reply.extend_from_slice(&large);
        Reply::Keep(reply)
    })
    .await;
    let limits = Limits {
        write_progress_timeout: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let get = request(proxy.address, Method::GET, "/v1/shelves")
        .body(empty())
        .unwrap();
    let unread = connection.send(get).await.unwrap();
    let _ = patient(connection.ended).await;
    drop(unread);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let backend = Backend::start().await;
    let limits = Limits {
        idle_timeout: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let get = request(proxy.address, Method::GET, "/v1/shelves")
        .body(empty())
        .unwrap();
    assert_eq!(connection.ask(get).await.0, StatusCode::OK);
    // GOAWAY, then the end: not an error.
    patient(connection.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_draining_proxy_finishes_its_streams_and_says_goaway() {
    let (arrived, mut arrivals) = tokio::sync::mpsc::channel(1);
    let backend = raw(move |mut stream, _| {
        let arrived = arrived.clone();
        async move {
            read_request(&mut stream, &mut Vec::new()).await.unwrap();
            arrived.send(()).await.unwrap();
            tokio::time::sleep(SHORT).await;
            stream.write_all(&ok("slow")).await.unwrap();
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut connection = Connection::to(proxy.address).await;
    let get = request(proxy.address, Method::GET, "/v1/shelves")
        .body(empty())
        .unwrap();
    let mut sender = connection.sender.clone();
    let asked = tokio::spawn(async move {
        let answer = patient(sender.send_request(get)).await.unwrap();
        (
            answer.headers().contains_key("connection"),
            text(answer).await,
        )
    });
    patient(arrivals.recv()).await.unwrap();
    proxy.stop().await;
    assert_eq!(asked.await.unwrap(), (false, "slow".to_owned()));
    patient(&mut connection.ended).await.unwrap().unwrap();
    assert!(
        connection.sender.ready().await.is_err(),
        "no further stream"
    );
}

#[tokio::test]
async fn streams_that_are_reset_at_once_do_not_stop_others() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    for _ in 0..20 {
        let connection = Connection::to(proxy.address).await;
        for _ in 0..200 {
            let get = request(proxy.address, Method::GET, "/v1/shelves")
                .body(empty())
                .unwrap();
            let mut sender = connection.sender.clone();
            // Dropped while it is under way: RST_STREAM.
            let _ = tokio::time::timeout(Duration::ZERO, sender.send_request(get)).await;
        }
    }
    let mut connection = Connection::to(proxy.address).await;
    let get = request(proxy.address, Method::GET, "/v1/shelves")
        .body(empty())
        .unwrap();
    assert_eq!(connection.ask(get).await.0, StatusCode::OK);
}
