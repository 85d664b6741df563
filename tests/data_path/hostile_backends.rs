//! Answers that backends should not give: taken in the one way that RFC 9112 allows, or refused.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::backend::{Backend, Reply, find, ok, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_head_with_two_readings_is_502_and_nothing_of_it_is_passed_on() {
    for answer in [
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nA: b\rContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nA: b\0\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n A: b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nA b: c\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "ok",
    ] {
        let backend = Backend::answering(move |_| Reply::Close(answer.into())).await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let got = ask(proxy.address, GET).await;
        assert_eq!(
            (got.status, &*got.reason()),
            (502, "BackendMalformed"),
            "{answer:?}"
        );
        assert!(got.body.contains("protocol error"), "{got:?}");
        assert_eq!(backend.requests().len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn what_has_one_reading_passes_in_one_spelling() {
    for (answer, length, body) in [
        (
            "HTTP/1.1 200\r\nContent-Length:2\r\n\r\nok",
            Some("2"),
            "ok",
        ),
        (
            "HTTP/1.1 200 \r\nContent-Length: \t2 \r\n\r\nok",
            Some("2"),
            "ok",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
            Some("2"),
            "ok",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            Some("2"),
            "ok",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok",
            Some("2"),
            "ok",
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Some("2"),
            "ok",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nok", None, "ok"),
        ("HTTP/1.1 200 OK\r\n\r\nok", None, "ok"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n2  ;x=y\r\nok\r\n0\r\n\r\n",
            None,
            "ok",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            Some("2"),
            "ok",
        ),
    ] {
        let backend = Backend::answering(move |_| Reply::Close(answer.into())).await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let got = ask(proxy.address, GET).await;
        assert_eq!((got.status, &*got.body), (200, body), "{answer:?}");
        assert_eq!(got.value("content-length"), length, "{answer:?}");
        assert_eq!(got.value("link"), None);
    }
}

/// Bytes behind an answer are nobody's answer: least of all the next client's.
#[tokio::test]
async fn what_stands_behind_an_answer_is_never_the_next_ones() {
    for behind in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        "x",
        "\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{behind}");
        let backend = Backend::answering(move |_| Reply::Keep(answer.clone().into())).await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        for _ in 0..5 {
            let mut client = Client::connect(proxy.address).await;
            assert_eq!(client.ask(GET).await.body, "ok");
            assert_eq!(client.ask(GET).await.body, "ok");
        }
        let connections: Vec<_> = backend.requests().iter().map(|it| it.connection).collect();
        assert_eq!(connections, (0..10).collect::<Vec<_>>(), "{behind:?}");
    }
}

#[tokio::test]
async fn what_a_backend_says_unasked_is_nobodys_answer() {
    let (sender, mut said) = tokio::sync::mpsc::channel(1);
    let backend = raw(move |mut stream, _| {
        let sender = sender.clone();
        async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            let _ = stream.write_all(&ok("ok")).await;
            // When the connection waits in the pool.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let _ = stream.write_all(&ok("forged")).await;
            let _ = sender.send(()).await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    for _ in 0..3 {
        assert_eq!(ask(proxy.address, GET).await.body, "ok");
        patient(said.recv()).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn informational_answers_come_to_an_end() {
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
    let backend = Backend::answering(move |_| Reply::Close(flood.clone().into())).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let got = ask(proxy.address, GET).await;
    assert_eq!((got.status, &*got.reason()), (502, "BackendMalformed"));
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_502() {
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let backend = Backend::answering(move |_| Reply::Close(switch.into())).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let got = ask(proxy.address, GET).await;
    assert_eq!((got.status, &*got.reason()), (502, "BackendMalformed"));
}

/// To HTTP/1.0 an answer is over when the connection is: then it must not end as if all had come.
#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_whole_to_http_1_0() {
    for answer in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nZZ\r\n",
    ] {
        let backend = Backend::answering(move |_| Reply::Close(answer.into())).await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let mut stream = patient(TcpStream::connect(proxy.address)).await.unwrap();
        let get = b"GET /v1/shelves HTTP/1.0\r\nHost: a\r\n\r\n";
        patient(stream.write_all(get)).await.unwrap();
        let ended = patient(stream.read_to_end(&mut Vec::new())).await;
        let kind = ended.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::ConnectionReset), "{answer:?}");
    }
}

/// Old servers pad each size with spaces, however long the body.
#[tokio::test]
async fn a_long_answer_of_padded_chunks_arrives_whole() {
    const CHUNKS: usize = 20_000;
    let body = "4  \r\nabcd\r\n".repeat(CHUNKS);
    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n");
    let backend = Backend::answering(move |_| Reply::Keep(answer.clone().into())).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let got = ask(proxy.address, GET).await;
    assert_eq!((got.status, got.body.len()), (200, 4 * CHUNKS));
}

#[tokio::test]
async fn chunks_that_are_none_break_the_answer_off() {
    for body in [
        "x\r\n",
        "2\nok\r\n0\r\n\r\n",
        "2\r\nokk\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nok",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let backend = Backend::answering(move |_| Reply::Stall(answer.clone().into())).await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let mut client = Client::connect(proxy.address).await;
        client.send(GET).await;
        let came = client.rest().await;
        assert!(
            find(&came, b"\r\n0\r\n\r\n").is_none(),
            "{body:?}: {came:?}"
        );
    }
}

/// The answer to a request that is still being sent reaches the client at once, and the connection is
/// not used again: the rest of the request would be taken for another.
#[tokio::test]
async fn an_answer_before_the_end_of_its_request_arrives_and_ends_the_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let backend = raw(move |mut stream, _| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut head = vec![0; 4096];
            let _ = stream.read(&mut head).await;
            let early = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
            let _ = stream.write_all(early.as_bytes()).await;
            while matches!(stream.read(&mut head).await, Ok(1..)) {}
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nfirst";
    for round in 1..4 {
        let mut client = Client::connect(proxy.address).await;
        let answer = client.ask(post).await;
        assert_eq!((answer.status, &*answer.body), (403, "no"));
        assert_eq!(connections.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn trailers_arrive_without_being_announced_but_none_that_only_a_head_may_say() {
    let backend = Backend::answering(|_| {
        Reply::Keep(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\
             Content-Length: 9\r\nTransfer-Encoding: gzip\r\nConnection: x\r\n\
             Access-Control-Allow-Origin: *\r\nSet-Cookie: a=b\r\nContent-Type: text/html\r\n\
             Location: /\r\nCache-Control: public\r\nVary: x\r\n\r\n"
                .into(),
        )
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let with = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
    let mut client = Client::connect(proxy.address).await;
    for (request, trailers) in [(with, &["x-sum: 1"][..]), (GET, &[])] {
        let answer = client.ask(request).await;
        assert_eq!(answer.body, "ok");
        assert_eq!(answer.trailers, trailers);
    }
}
