//! The end of a proxy: no request that it was sent is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::admin::metrics;
use crate::backend::{Backend, ok, raw, read_request};
use crate::client::{Answer, Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

fn says_close(answer: &Answer) -> bool {
    answer.value("connection") == Some("close")
}

/// Eight clients that send one request after the other over kept connections, from before the end
/// until nobody listens any more.
#[tokio::test]
async fn no_request_is_lost_while_a_proxy_drains() {
    for workers in [1, 2] {
        let backend = Backend::start().await;
        let limits = endpoints::proxy::Limits::default();
        let proxy = TestProxy::with(backend.address, limits, workers).under(OPEN);
        let address = proxy.address;
        let served = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let served = served.clone();
                tokio::spawn(async move {
                    // A connection that is refused takes no request with it.
                    while let Ok(stream) = TcpStream::connect(address).await {
                        let mut client = Client::over(stream);
                        loop {
                            let answer = client.ask(GET).await;
                            assert_eq!(answer.status, 200);
                            served.fetch_add(1, Ordering::SeqCst);
                            if says_close(&answer) {
                                break;
                            }
                        }
                    }
                })
            })
            .collect();
        patient(async {
            while served.load(Ordering::SeqCst) < 200 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        proxy.trigger.start();
        for client in clients {
            patient(client).await.expect("no request is lost");
        }
        patient(proxy.stop()).await;
    }
}

/// Connections that the kernel took before the end are served, though nobody had accepted them.
#[tokio::test]
async fn who_was_let_in_before_the_end_is_served() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(Client::connect(proxy.address).await);
    }
    proxy.trigger.start();
    for client in &mut clients {
        client.send(GET).await;
    }
    for client in &mut clients {
        let answer = client.answer().await;
        assert_eq!(answer.status, 200);
        assert!(says_close(&answer), "{answer:?}");
    }
    patient(proxy.stop()).await;
}

/// A kept connection may have a request on its way when the end comes.
#[tokio::test]
async fn a_request_on_a_kept_connection_is_served_after_the_end_began() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.status, 200);
    let admin = proxy.admin;
    proxy.trigger.start();
    patient(async {
        while !metrics(&proxy).await.contains("endpoints_draining 1\n") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let ready = ask(admin, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(ready.status, 503, "not ready at once");
    let answer = client.ask(GET).await;
    assert!(answer.status == 200 && says_close(&answer), "{answer:?}");
    patient(proxy.stop()).await;
}

#[tokio::test]
async fn the_grace_is_the_policys() {
    let (asked, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (asked.clone(), gate.clone());
    let backend = raw(move |mut stream, _| {
        let (asked, gate) = (tell.clone(), wait.clone());
        async move {
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).await.is_some() {
                asked.add_permits(1);
                let Ok(_permit) = gate.acquire().await else {
                    return;
                };
                if stream.write_all(&ok("late")).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let short = format!("drain: {{grace: 300ms}}\n{OPEN}");
    let proxy = TestProxy::start(backend).under(&short);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    patient(asked.acquire()).await.expect("open").forget();
    let begun = tokio::time::Instant::now();
    patient(proxy.stop()).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(15), "not the default: {took:?}");
    assert_eq!(client.rest().await, b"");
}
