//! Every wait has an end, and says who was slow.

use std::time::Duration;

use endpoints::proxy::Limits;
use tokio::time::{Instant, sleep};

use crate::backend::{Backend, Reply, ok, raw};
use crate::client::{Client, ask};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

/// Short enough for a test, long enough for a busy machine to do what is in time.
const SHORT: Duration = Duration::from_millis(300);

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_head_that_trickles_in_is_408_however_steady() {
    let backend = Backend::start().await;
    let limits = Limits {
        head_timeout: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.status, 200);
    let started = Instant::now();
    let (mut reader, mut writer) = client.stream.into_split();
    let trickle = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let head = format!(
            "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX: {}",
            "y".repeat(10_000)
        );
        for byte in head.bytes() {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    let mut answer = Vec::new();
    crate::client::patient(tokio::io::AsyncReadExt::read_to_end(
        &mut reader,
        &mut answer,
    ))
    .await
    .ok();
    trickle.abort();
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_silent_connection_is_closed_without_a_word() {
    let backend = Backend::start().await;
    let limits = Limits {
        idle_timeout: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut silent = Client::connect(proxy.address).await;
    assert_eq!(silent.rest().await, b"");
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.status, 200);
    let answered = Instant::now();
    assert_eq!(client.rest().await, b"");
    assert!(
        answered.elapsed() >= SHORT - Duration::from_millis(50),
        "{:?}",
        answered.elapsed()
    );
}

#[tokio::test]
async fn a_request_in_flight_is_not_silence() {
    let backend = Backend::answering(|_| {
        std::thread::sleep(SHORT * 3);
        Reply::Keep(ok("late"))
    })
    .await;
    let limits = Limits {
        idle_timeout: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.body, "late");
}

#[tokio::test]
async fn a_body_that_stalls_is_408() {
    let backend = Backend::start().await;
    let limits = Limits {
        body_progress_timeout: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    let answer = client
        .ask("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfive!")
        .await;
    assert_eq!((answer.status, &*answer.reason()), (408, "BadBody"));
    assert!(backend.requests().is_empty());
}

/// The backend's time begins when it has the request, as Envoy's does: a client's own is
/// `timeouts.bodyProgress`.
#[tokio::test]
async fn a_body_may_come_for_longer_than_the_backend_may_take() {
    const POST: &str = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    let limits = Limits {
        backend_deadline: SHORT,
        body_progress_timeout: SHORT * 4,
        ..Limits::default()
    };
    let backend = Backend::start().await;
    let proxy = TestProxy::with(backend.address, limits.clone(), 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    // Steadily, and with one long pause.
    for pauses in [[SHORT / 2; 4], [SHORT * 2, SHORT / 4, SHORT / 4, SHORT / 4]] {
        client.send(POST).await;
        for pause in pauses {
            sleep(pause).await;
            client.send("x").await;
        }
        assert_eq!(client.answer().await.status, 200, "{pauses:?}");
    }

    // Who stops for good is to blame, not the backend.
    client.send(POST).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.reason()), (408, "BadBody"));
    let line = &proxy.log.wait_for(1).await[0];
    assert_eq!(line["fault"], "client", "{line}");

    let stalling = Backend::answering(|_| Reply::Stall(Vec::new())).await;
    let proxy = TestProxy::with(stalling.address, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(POST).await;
    sleep(SHORT * 2).await;
    client.send("xxxx").await;
    let sent = Instant::now();
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.reason()), (504, "BackendTimeout"));
    let waited = sent.elapsed();
    assert!(waited >= SHORT - Duration::from_millis(20), "{waited:?}");
    assert!(waited < SHORT * 3, "{waited:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let megabytes = "x".repeat(1024 * 1024);
    let backend = raw(move |mut stream, _| {
        let megabytes = megabytes.clone();
        async move {
            let _ = crate::backend::read_request(&mut stream, &mut Vec::new()).await;
            use tokio::io::AsyncWriteExt as _;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await;
            let chunk = format!("{:x}\r\n{megabytes}\r\n", megabytes.len());
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        }
    })
    .await;
    let limits = Limits {
        write_progress_timeout: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    crate::client::patient(async {
        while !crate::admin::metrics(&proxy)
            .await
            .contains("endpoints_connections_failed_total 1")
        {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_backend_that_does_not_answer_in_time_is_504() {
    let backend = Backend::answering(|_| Reply::Stall(Vec::new())).await;
    let limits = Limits {
        backend_deadline: SHORT,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..2 {
        let started = Instant::now();
        let answer = client.ask(GET).await;
        assert_eq!((answer.status, &*answer.reason()), (504, "BackendTimeout"));
        assert!(answer.body.contains("upstream request timeout"));
        assert!(started.elapsed() >= SHORT);
    }
    let connections: Vec<_> = backend
        .requests()
        .iter()
        .map(|seen| seen.connection)
        .collect();
    assert_eq!(
        connections,
        [0, 1],
        "a connection that owes an answer is not used again"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_over_in_time_is_broken_off() {
    for head in ["Content-Length: 10", "Transfer-Encoding: chunked"] {
        let backend = Backend::answering(move |_| {
            Reply::Stall(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\n").into())
        })
        .await;
        let limits = Limits {
            backend_deadline: SHORT,
            ..Limits::default()
        };
        let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
        let mut client = Client::connect(proxy.address).await;
        client.send(GET).await;
        assert_eq!(client.answer_to_head().await.status, 200);
        let rest = client.rest().await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it must not look complete");
    }
}

#[tokio::test]
async fn a_stream_of_events_may_last_longer_than_the_deadline() {
    let backend = raw(|mut stream, _| async move {
        use tokio::io::AsyncWriteExt as _;
        let _ = crate::backend::read_request(&mut stream, &mut Vec::new()).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        for _ in 0..6 {
            sleep(SHORT / 3).await;
            let _ = stream.write_all(b"1\r\n:\r\n").await;
        }
        let _ = stream.write_all(b"0\r\n\r\n").await;
    })
    .await;
    let limits = Limits {
        backend_deadline: SHORT,
        backend_idle_timeout: SHORT * 10,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend, limits, 1).under(OPEN);
    assert_eq!(ask(proxy.address, GET).await.body, "::::::");
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_and_places_come_free() {
    let backend = Backend::start().await;
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend.address, limits, 1).under(OPEN);
    let mut first = Client::connect(proxy.address).await;
    let mut second = Client::connect(proxy.address).await;
    assert_eq!(first.ask(GET).await.status, 200);
    assert_eq!(second.ask(GET).await.status, 200);
    assert_eq!(Client::connect(proxy.address).await.rest().await, b"");
    drop(first);
    crate::client::patient(async {
        loop {
            let mut third = Client::connect(proxy.address).await;
            third.send(GET).await;
            if third.rest_or_answer().await {
                break;
            }
        }
    })
    .await;
}
