//! Starting: every port its own backend, and an address in use is told.

use std::num::NonZeroUsize;

use endpoints::proxy::{Config, Limits, Listener, LogOutput, PolicyCell, Proxy, StartError};
use endpoints::readiness::Readiness;
use endpoints::shutdown;

use crate::backend::Backend;
use crate::client::ask;
use crate::forwarding::OPEN;
use crate::proxy::snapshot;

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

fn config(listeners: Vec<Listener>, workers: usize) -> Config {
    Config {
        listeners,
        workers: NonZeroUsize::new(workers).expect("some"),
        admin: None,
        limits: Limits::default(),
        access_log: LogOutput::nowhere(),
        log_filter: None,
        roots: endpoints::tls::built_in_roots(),
        client_certificate: None,
        app_probes: Vec::new(),
        certificate: None,
    }
}

/// A pod of either family, or of both.
#[tokio::test]
async fn the_address_of_all_is_that_of_both_families() {
    let six = std::net::UdpSocket::bind("[::1]:0").is_ok();
    let backend = Backend::start().await;
    let listener = Listener {
        address: if six { "[::]:0" } else { "0.0.0.0:0" }
            .parse()
            .expect("an address"),
        backend: backend.address.into(),
    };
    let (trigger, shutdown) = shutdown::channel();
    let policies = PolicyCell::new();
    policies.store(snapshot(OPEN, &Default::default()));
    let running = Proxy::start(
        config(vec![listener], 1),
        policies,
        Readiness::new(),
        shutdown,
    )
    .expect("a free port");
    let port = running.addresses()[0].port();
    // Without IPv6 in the kernel there is one family.
    let hosts: &[&str] = if six {
        &["127.0.0.1", "[::1]"]
    } else {
        &["127.0.0.1"]
    };
    for host in hosts {
        let address = format!("{host}:{port}").parse().expect("an address");
        assert_eq!(ask(address, GET).await.status, 200, "{host}");
    }
    let from: Vec<_> = backend
        .requests()
        .iter()
        .map(|seen| seen.values("x-forwarded-for").join(","))
        .collect();
    assert_eq!(from[0], "127.0.0.1", "an IPv4 client is one to the backend");
    trigger.start();
    tokio::task::spawn_blocking(|| running.join())
        .await
        .expect("it ends");
}

#[tokio::test]
async fn each_listener_has_its_backend_with_any_number_of_workers() {
    let free = "127.0.0.1:0".parse().expect("an address");
    for workers in [1, 3] {
        let (one, two) = (Backend::start().await, Backend::start().await);
        let listener = |backend: &Backend| Listener {
            address: free,
            backend: backend.address.into(),
        };
        let (trigger, shutdown) = shutdown::channel();
        let policies = PolicyCell::new();
        policies.store(snapshot(OPEN, &Default::default()));
        let listeners = vec![listener(&one), listener(&two)];
        let running = Proxy::start(
            config(listeners, workers),
            policies,
            Readiness::new(),
            shutdown,
        )
        .expect("free ports");
        let addresses = running.addresses().to_vec();
        for _ in 0..8 {
            assert_eq!(ask(addresses[0], GET).await.status, 200);
        }
        assert_eq!(ask(addresses[1], GET).await.status, 200);
        assert_eq!((one.requests().len(), two.requests().len()), (8, 1));
        trigger.start();
        tokio::task::spawn_blocking(|| running.join())
            .await
            .expect("it ends");
    }
}

#[tokio::test]
async fn an_address_in_use_is_told_and_nothing_stays_behind() {
    let backend = Backend::start().await;
    let free = "127.0.0.1:0".parse().expect("an address");
    for workers in [1, 2] {
        let listeners = [free, backend.address];
        let listeners = listeners.map(|address| Listener {
            address,
            backend: backend.address.into(),
        });
        let (_trigger, shutdown) = shutdown::channel();
        let config = config(listeners.into(), workers);
        match Proxy::start(config, PolicyCell::new(), Readiness::new(), shutdown) {
            Err(StartError::Bind { address, source }) => {
                assert_eq!(address, backend.address);
                assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
            }
            other => panic!("{other:?}"),
        }
    }
}
