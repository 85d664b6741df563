//! A policy is swapped, and a proxy ends, while requests fly: none is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use endpoints::proxy::Limits;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::backend::{Backend, ok, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::{TestProxy, snapshot};

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

/// A backend that answers when it is let, and tells when it was asked.
async fn gated() -> (std::net::SocketAddr, Arc<Semaphore>, Arc<Semaphore>) {
    let (asked, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (asked.clone(), gate.clone());
    let address = raw(move |mut stream, _| {
        let (asked, gate) = (tell.clone(), wait.clone());
        async move {
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).await.is_some() {
                asked.add_permits(1);
                let Ok(permit) = gate.acquire().await else {
                    return;
                };
                permit.forget();
                if stream.write_all(&ok("late")).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (address, asked, gate)
}

#[tokio::test]
async fn no_request_is_lost_while_policies_are_swapped() {
    for workers in [1, 2] {
        let backend = Backend::start().await;
        let proxy = TestProxy::with(backend.address, Limits::default(), workers).under(OPEN);
        let done = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let (address, done) = (proxy.address, done.clone());
                tokio::spawn(async move {
                    let mut client = Client::connect(address).await;
                    let mut count = 0;
                    while !done.load(Ordering::SeqCst) {
                        assert_eq!(client.ask(GET).await.status, 200);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let other = OPEN.replace("listShelves", "otherName");
        for document in [OPEN, &other].into_iter().cycle().take(50) {
            proxy.policies.store(snapshot(document, &BTreeMap::new()));
            tokio::task::yield_now().await;
        }
        done.store(true, Ordering::SeqCst);
        for client in clients {
            assert!(patient(client).await.expect("no request failed") > 0);
        }
    }
}

#[tokio::test]
async fn a_request_in_flight_ends_under_the_policy_that_let_it_in() {
    let (backend, asked, gate) = gated().await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    patient(asked.acquire()).await.expect("open").forget();
    let without = OPEN.replace("/shelves:", "/others:");
    proxy.policies.store(snapshot(&without, &BTreeMap::new()));
    assert_eq!(ask(proxy.address, GET).await.status, 404);
    gate.add_permits(1);
    assert_eq!(client.answer().await.body, "late");
    assert_eq!(client.ask(GET).await.status, 404);
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_in_flight() {
    let (backend, asked, gate) = gated().await;
    let proxy = TestProxy::start(backend).under(OPEN);
    let mut idle = Client::connect(proxy.address).await;
    gate.add_permits(1);
    assert_eq!(idle.ask(GET).await.status, 200);
    patient(asked.acquire()).await.expect("open").forget();

    let mut busy = Client::connect(proxy.address).await;
    busy.send(GET).await;
    patient(asked.acquire()).await.expect("open").forget();
    let (address, admin) = (proxy.address, proxy.admin);
    proxy.trigger.start();

    // An idle connection is closed, new ones are refused, probes say why.
    assert_eq!(idle.rest().await, b"");
    patient(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let ready = ask(admin, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(
        (ready.status, &*ready.body),
        (503, "not ready: shutting down\n")
    );

    gate.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!((answer.status, &*answer.body), (200, "late"));
    assert_eq!(answer.value("connection"), Some("close"));
    patient(proxy.stop()).await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_longer_than_its_grace() {
    let (backend, asked, _gate) = gated().await;
    let limits = Limits {
        drain_grace: Duration::from_millis(200),
        ..Limits::default()
    };
    let proxy = TestProxy::with(backend, limits, 1).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    patient(asked.acquire()).await.expect("open").forget();
    patient(proxy.stop()).await;
    assert_eq!(client.rest().await, b"");
}
