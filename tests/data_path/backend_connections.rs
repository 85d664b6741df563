//! Connections to the backend: kept, found closed, refused, broken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::backend::{Backend, Reply, ok, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::forwarding::{OPEN, open};
use crate::proxy::TestProxy;

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";

#[tokio::test]
async fn connections_on_both_sides_are_kept() {
    let (backend, proxy) = open().await;
    let mut client = Client::connect(proxy.address).await;
    for request in [GET, POST, GET] {
        let answer = client.ask(request).await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
    }
    assert_eq!(ask(proxy.address, GET).await.status, 200);
    let connections: Vec<_> = backend
        .requests()
        .iter()
        .map(|seen| seen.connection)
        .collect();
    assert_eq!(connections, [0, 0, 0, 0]);
}

/// The backend closes after each answer without saying so. Whether the proxy sees that before it
/// sends the next request is a race, and no client may notice.
#[tokio::test]
async fn a_kept_connection_that_the_backend_closed_costs_no_request() {
    let backend = Backend::answering(|_| Reply::Close(ok("ok"))).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    for round in 0..200 {
        assert_eq!(client.ask(GET).await.status, 200, "{round}");
    }
}

/// The backend reads the next request and closes instead of answering: the worst case of the race.
#[tokio::test]
async fn a_request_on_a_kept_connection_is_repeated_only_when_it_does_no_harm() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let backend = raw(move |mut stream, _| {
        let served = count.clone();
        async move {
            let mut buffer = Vec::new();
            if read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = stream.write_all(&ok("ok")).await;
            }
            if read_request(&mut stream, &mut buffer).await.is_some() {
                served.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.status, 200);
    assert_eq!(
        client.ask(GET).await.status,
        200,
        "repeated over a new connection"
    );
    assert_eq!(served.load(Ordering::SeqCst), 1);
    let answer = client.ask(POST).await;
    assert_eq!((answer.status, &*answer.reason()), (502, "BackendReset"));
    assert_eq!(served.load(Ordering::SeqCst), 2, "it came once");
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_503_and_named() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("bound")
    };
    let proxy = TestProxy::start(nobody).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    for request in [GET, POST] {
        let answer = client.ask(request).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (503, "BackendUnreachable")
        );
        assert!(answer.body.contains(&nobody.to_string()), "{answer:?}");
        assert!(answer.body.contains("connection refused"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_503() {
    let (_backend, proxy) = open().await;
    let named = OPEN.replace(
        "routing:",
        "backend: {address: \"http://does-not-exist.invalid:80\"}\nrouting:",
    );
    let proxy = proxy.under(&named);
    let answer = ask(proxy.address, GET).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (503, "BackendUnreachable")
    );
    let sentence = "no healthy upstream, backend does-not-exist.invalid:80";
    assert!(answer.body.contains(sentence), "{answer:?}");
}

/// Envoy's bounds.
#[tokio::test]
async fn an_answer_with_a_head_over_the_bounds_is_502_and_says_so() {
    let head = |fields: usize, bytes: usize| {
        let mut head = String::from("HTTP/1.1 200 OK\r\n");
        for field in 1..fields {
            head.push_str(&format!("x-{field}: 1\r\n"));
        }
        let rest = bytes - head.len() - "content-length: 0\r\n\r\n".len();
        if rest > 8 {
            head.push_str(&format!("x: {}\r\n", "a".repeat(rest - 5)));
        }
        head + "content-length: 0\r\n\r\n"
    };
    for (fields, bytes, status) in [
        (100, 2_000, 200),
        (101, 2_000, 502),
        (3, 59 * 1024, 200),
        (3, 61 * 1024, 502),
    ] {
        let answer = head(fields - 1, bytes);
        let backend = Backend::answering(move |_| Reply::Keep(answer.clone().into())).await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let answer = ask(proxy.address, GET).await;
        assert_eq!(answer.status, status, "{fields} fields, {bytes} bytes");
        if status == 502 {
            assert_eq!(answer.reason(), "BackendMalformed");
            assert!(answer.body.contains("60 KiB or 100 fields"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_policys_backend_takes_the_place_of_the_listeners() {
    let (first, proxy) = open().await;
    let second = Backend::start().await;
    let named = format!(
        "{OPEN}backend: {{address: \"http://localhost:{}\"}}\n",
        second.address.port()
    );
    let proxy = proxy.under(&named);
    assert_eq!(ask(proxy.address, GET).await.status, 200);
    assert_eq!((first.requests().len(), second.requests().len()), (0, 1));
}

#[tokio::test]
async fn a_backend_that_breaks_off_or_talks_nonsense_is_502() {
    for (answer, reason) in [
        ("", "BackendReset"),
        ("HTTP/1.1 200 OK\r\nContent-", "BackendReset"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "BackendMalformed"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "BackendMalformed",
        ),
    ] {
        let backend = Backend::answering(move |_| Reply::Close(answer.into())).await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let answer = ask(proxy.address, GET).await;
        assert_eq!((answer.status, &*answer.reason()), (502, reason));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_complete() {
    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let backend = Backend::answering(move |_| {
            Reply::Close(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nab").into())
        })
        .await;
        let proxy = TestProxy::start(backend.address).under(OPEN);
        let mut client = Client::connect(proxy.address).await;
        client.send(GET).await;
        // How much of it arrives before the connection is cut is a matter of timing.
        let came = String::from_utf8(client.rest().await).expect("text");
        assert!(!came.contains(" 502 "), "{came}");
        assert!(!came.ends_with("0\r\n\r\n"), "{came}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let (sender, mut gone) = tokio::sync::mpsc::channel(1);
    let backend = raw(move |mut stream, _| {
        let sender = sender.clone();
        async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            let _ = sender.send("asked").await;
            // Ends when the proxy closes.
            let _ = stream.read(&mut [0; 1]).await;
            let _ = sender.send("gone").await;
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    assert_eq!(patient(gone.recv()).await, Some("asked"));
    drop(client);
    assert_eq!(patient(gone.recv()).await, Some("gone"));
}

#[tokio::test]
async fn bodies_are_streamed_in_both_directions_at_once() {
    // Echoes each piece as it comes, so that neither side ever has the whole.
    let backend = raw(|mut stream, _| async move {
        let mut buffer = vec![0; 1024];
        let mut head = Vec::new();
        while crate::backend::find(&head, b"\r\n\r\n").is_none() {
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => head.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        }
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        loop {
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => {
                    // The request's own chunks are well-formed: they are the answer's as well.
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    assert_eq!(client.answer_to_head().await.status, 200);
    for word in ["one", "two", "three"] {
        client.send(format!("{:x}\r\n{word}\r\n", word.len())).await;
        let echoed = client.some().await;
        assert!(
            String::from_utf8_lossy(&echoed).contains(word),
            "{word}: {echoed:?}"
        );
    }
    client.send("0\r\n\r\n").await;
    assert!(client.some().await.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn a_slow_reader_slows_the_sender() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 2_000;
    let backend = raw(move |mut stream, _| {
        let sent = count.clone();
        async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                PIECE * PIECES
            );
            let _ = stream.write_all(head.as_bytes()).await;
            for _ in 0..PIECES {
                if stream.write_all(&[b'x'; PIECE]).await.is_err() {
                    return;
                }
                sent.fetch_add(PIECE, Ordering::SeqCst);
            }
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    assert_eq!(client.answer_to_head().await.status, 200);
    // Nothing is read: what is sent comes to rest, held by sockets and small buffers.
    let mut before = usize::MAX;
    while before != sent.load(Ordering::SeqCst) {
        before = sent.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(
        before < PIECE * PIECES / 2,
        "{before} bytes were taken without a reader"
    );
    let rest = async {
        let mut got = 0;
        while got < PIECE * PIECES {
            got += client.some().await.len();
        }
        got
    };
    assert_eq!(patient(rest).await, PIECE * PIECES);
}
