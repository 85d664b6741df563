//! The life of a client's connection: half closed, old, abused; both address families.

use std::net::SocketAddr;
use std::time::Duration;

use endpoints::proxy::{Config, Limits, Listener};
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use crate::backend::{Backend, Reply, ok, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::frames::{
    ACK, CANCEL, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, NO_ERROR, PING,
    RST_STREAM, frame, head,
};
use crate::proxy::TestProxy;

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

/// A backend that takes its time.
async fn slow() -> SocketAddr {
    raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while read_request(&mut stream, &mut buffer).await.is_some() {
            sleep(Duration::from_millis(300)).await;
            let _ = stream.write_all(&ok("slow")).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_client_that_closes_its_half_gets_its_answer() {
    let proxy = TestProxy::start(slow().await).under(OPEN);
    for request in [GET, "GET /v1/shelves HTTP/1.0\r\n\r\n"] {
        let mut client = Client::connect(proxy.address).await;
        client.send(request).await;
        client.stream.shutdown().await.unwrap();
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.body), (200, "slow"));
        assert_eq!(client.rest().await, b"", "and then it is over");
    }
}

#[tokio::test]
async fn a_client_that_ends_inside_its_request_gets_none() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    for request in [
        "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n",
        "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc",
    ] {
        let mut client = Client::connect(proxy.address).await;
        client.send(request).await;
        client.stream.shutdown().await.unwrap();
        let rest = client.rest().await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn an_old_connection_is_closed_with_an_answer() {
    let backend = Backend::start().await;
    let limits = Limits {
        connection_age: Duration::from_millis(200),
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.value("connection"), None);
    sleep(Duration::from_millis(250)).await;
    let answer = client.ask(GET).await;
    assert_eq!(
        (answer.status, answer.value("connection")),
        (200, Some("close"))
    );
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn an_old_connection_of_streams_says_goaway_and_finishes_them() {
    let limits = Limits {
        connection_age: Duration::from_millis(100),
        write_progress_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let proxy = TestProxy::with(slow().await, limits, 1).under(OPEN);
    let mut frames = Frames::connect(proxy.address).await;
    frames.get(1, "/v1/shelves").await;
    let goaway = frames.next_of(GOAWAY).await.unwrap();
    assert_eq!(goaway.error(), NO_ERROR);
    assert_eq!(frames.next_of(HEADERS).await.unwrap().status(), 200);
    while frames.next().await.is_some() {}
}

#[tokio::test]
async fn a_client_that_gives_up_what_it_begins_is_let_go_and_others_are_not() {
    let backend = Backend::answering(|_| Reply::Stall(Vec::new())).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut frames = Frames::connect(proxy.address).await;
    let get = head("GET", "/v1/shelves", &[]);
    let mut open = true;
    for number in 0..2000_u32 {
        let stream = 2 * number + 1;
        open = frames
            .send(HEADERS, END_HEADERS | END_STREAM, stream, &get)
            .await;
        // Taken up before it is given up, as the library does not count.
        open &= frames.send(PING, 0, 0, &[0; 8]).await;
        let mut answered = false;
        while open && !answered {
            match frames.next().await {
                Some(frame) => answered = frame.kind == PING && frame.flags & ACK != 0,
                None => open = false,
            }
        }
        open = open
            && frames
                .send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
                .await;
        if !open {
            assert!(number >= 400, "not before many were given up: {number}");
            break;
        }
    }
    assert!(!open, "it went on for ever");

    // Some that are given up among many that are not.
    let good = Backend::start().await;
    let proxy = TestProxy::start(good.address).under(OPEN);
    let mut frames = Frames::connect(proxy.address).await;
    for number in 0..1200_u32 {
        let stream = 2 * number + 1;
        assert!(
            frames
                .send(HEADERS, END_HEADERS | END_STREAM, stream, &get)
                .await
        );
        if number % 3 == 0 {
            assert!(
                frames
                    .send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
                    .await
            );
        } else {
            while frames.next_of(DATA).await.expect("it is served").stream != stream {}
        }
    }
}

#[tokio::test]
async fn a_client_whose_answers_the_backend_breaks_off_is_not_let_go() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    let backend = Backend::answering(|_| Reply::Close(half.to_vec())).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut frames = Frames::connect(proxy.address).await;
    for number in 0..600 {
        let stream = 2 * number + 1;
        assert!(frames.get(stream, "/v1/shelves").await, "{number}");
        let reset = frames.next_of(RST_STREAM).await;
        let reset = reset.unwrap_or_else(|| panic!("let go after {number}"));
        assert_eq!(reset.stream, stream);
    }
}

#[tokio::test]
async fn a_length_said_twice_is_refused_in_streams_too() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut frames = Frames::connect(proxy.address).await;
    let twice = [("content-length", "3"), ("content-length", "5")];
    let post = head("POST", "/v1/shelves", &twice);
    let mut bytes = frame(HEADERS, END_HEADERS, 1, &post);
    bytes.extend(frame(DATA, END_STREAM, 1, b"abc"));
    frames.write(&bytes).await;
    // 400 from us, or a reset from the library: never forwarded.
    loop {
        let next = frames.next().await.expect("some answer");
        match next.kind {
            HEADERS => break assert_eq!(next.status(), 400),
            RST_STREAM => break,
            _ => {}
        }
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn extended_connect_is_not_offered_and_reset_by_name() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut frames = Frames::connect(proxy.address).await;
    let connect = head("CONNECT", "/v1/shelves", &[(":protocol", "websocket")]);
    frames.send(HEADERS, END_HEADERS, 1, &connect).await;
    let reset = frames.next_of(RST_STREAM).await.unwrap();
    assert_eq!(
        (reset.stream, reset.error()),
        (1, crate::frames::PROTOCOL_ERROR)
    );
    frames.get(3, "/v1/shelves").await;
    assert_eq!(frames.next_of(HEADERS).await.unwrap().status(), 200);
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn both_families_of_addresses_are_served_on_one_port() {
    let backend = Backend::start().await;
    let proxy = TestProxy::run(Config {
        listeners: vec![Listener {
            address: "[::]:0".parse().unwrap(),
            backend: backend.address.into(),
        }],
        ..TestProxy::config(backend.address)
    })
    .under(OPEN);
    let port = proxy.address.port();
    for ip in ["127.0.0.1", "[::1]"] {
        let address = format!("{ip}:{port}").parse().unwrap();
        assert_eq!(patient(ask(address, GET)).await.status, 200, "{ip}");
    }
    let peers: Vec<_> = backend
        .requests()
        .iter()
        .map(|seen| seen.values("x-forwarded-for")[0].to_owned())
        .collect();
    assert_eq!(peers, ["127.0.0.1", "::1"], "not as a mapped address");
}
