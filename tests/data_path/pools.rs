//! How many connections a backend gets, and for how long.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::backend::{Backend, Reply, ok, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::{TestProxy, snapshot};

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

fn with(fields: &str) -> String {
    format!("{OPEN}backend: {{{fields}}}\n")
}

#[tokio::test]
async fn requests_beyond_the_connections_wait_for_one() {
    let backend = raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while read_request(&mut stream, &mut buffer).await.is_some() {
            sleep(Duration::from_millis(50)).await;
            if stream.write_all(&ok("ok")).await.is_err() {
                return;
            }
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(&with("pool: {maxConnections: 2}"));
    let begun = Instant::now();
    let clients: Vec<_> = (0..10)
        .map(|_| tokio::spawn(ask(proxy.address, GET)))
        .collect();
    for client in clients {
        assert_eq!(patient(client).await.unwrap().status, 200);
    }
    assert!(begun.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn the_bound_on_connections_holds_and_names_itself_when_none_becomes_free() {
    let stalling = Backend::answering(|_| Reply::Stall(Vec::new())).await;
    let policy = with("pool: {maxConnections: 1}, connectTimeout: 200ms");
    let proxy = TestProxy::start(stalling.address).under(&policy);
    let mut first = Client::connect(proxy.address).await;
    first.send(GET).await;
    while stalling.requests().is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    let answer = ask(proxy.address, GET).await;
    assert_eq!((answer.status, &*answer.reason()), (503, "BackendOverflow"));
    assert!(answer.body.contains("reset reason: overflow"), "{answer:?}");
    assert_eq!(stalling.requests().len(), 1);
    // Whoever leaves makes room, as soon as it is certain that nobody waits for the answer.
    drop(first);
    let address = proxy.address;
    let asking = tokio::spawn(async move { while ask(address, GET).await.status == 503 {} });
    let came = async {
        while stalling.requests().len() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    patient(came).await;
    asking.abort();
}

/// A backend that tells of each connection when it ends.
async fn telling() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<usize>) {
    let (tell, told) = mpsc::unbounded_channel();
    let address = raw(move |mut stream, number| {
        let tell = tell.clone();
        async move {
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = stream.write_all(&ok(&number.to_string())).await;
            }
            let _ = tell.send(number);
        }
    })
    .await;
    (address, told)
}

#[tokio::test]
async fn connections_have_an_age_and_a_time_to_be_idle() {
    let (backend, mut ended) = telling().await;
    let proxy = TestProxy::start(backend).under(&with("pool: {maxAge: 1s}"));
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.body, "0");
    assert_eq!(client.ask(GET).await.body, "0");
    sleep(Duration::from_millis(1100)).await;
    client.ask(GET).await;
    assert_eq!(patient(ended.recv()).await, Some(0));
    assert_eq!(client.ask(GET).await.body, "1");

    let (backend, mut ended) = telling().await;
    let proxy = TestProxy::start(backend).under(&with("pool: {idleTimeout: 1s}"));
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.body, "0");
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(client.ask(GET).await.body, "1", "not even before the sweep");
    // Nobody asks: the sweep finds it.
    assert_eq!(patient(ended.recv()).await, Some(0));
    assert_eq!(patient(ended.recv()).await, Some(1));
}

/// Other CORS rules, say, are no reason to connect anew; another bound on connections is.
#[tokio::test]
async fn connections_outlive_policies_that_say_the_same_of_them() {
    let (backend, mut ended) = telling().await;
    let proxy = TestProxy::start(backend).under(&with("pool: {maxConnections: 5}"));
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.body, "0");
    let keys = std::collections::BTreeMap::new();
    let same = format!("{}cors: {{}}\n", with("pool: {maxConnections: 5}"));
    proxy.policies.store(snapshot(&same, &keys));
    assert_eq!(client.ask(GET).await.body, "0");
    let other = with("pool: {maxConnections: 6}");
    proxy.policies.store(snapshot(&other, &keys));
    assert_eq!(client.ask(GET).await.body, "1");
    assert_eq!(patient(ended.recv()).await, Some(0));
}

#[tokio::test]
async fn a_stream_may_be_silent_for_as_long_as_is_said() {
    let backend = raw(|mut stream, _| async move {
        let _ = read_request(&mut stream, &mut Vec::new()).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        for event in 1..=4 {
            let _ = stream.write_all(b"data: x\n\n").await;
            let pause = if event < 4 { 150 } else { 5000 };
            sleep(Duration::from_millis(pause)).await;
        }
    })
    .await;
    let policy = with("idleTimeout: 400ms, deadline: 100ms");
    let proxy = TestProxy::start(backend).under(&policy);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    assert_eq!(client.answer_to_head().await.status, 200);
    let begun = Instant::now();
    let came = String::from_utf8(client.rest().await).unwrap();
    assert_eq!(came.matches("data: x").count(), 4);
    assert!(!came.ends_with("0\r\n\r\n"), "{came}");
    assert!(begun.elapsed() < Duration::from_secs(4));
}
