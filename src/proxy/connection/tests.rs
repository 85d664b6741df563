use std::future::Future;
use std::pin::Pin;

use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use super::*;
use crate::proxy::certificate::{Certificate, ShownTo};
use crate::proxy::client_tls::ClientTls;
use crate::proxy::drain::Finish;
use crate::proxy::metrics::WorkerMetrics;
use crate::proxy::teller::Teller;
use crate::proxy::upstream::BackendTls;
use crate::proxy::{Limits, PolicyCell};

#[test]
fn a_panic_ends_its_connection_and_is_counted() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .expect("a runtime");
    runtime.block_on(async {
        let metrics = Arc::new(WorkerMetrics::default());
        let worker = Rc::new(Worker::new(
            Limits::default(),
            metrics.clone(),
            &PolicyCell::new(),
            BackendTls::new(
                crate::tls::built_in_roots(),
                Certificate::new(ShownTo::Backends),
            )
            .unwrap(),
            ClientTls::new().unwrap(),
            Teller::new(Arc::default()).0,
        ));
        let connection = |panics: bool| {
            let worker = worker.clone();
            spawn_local(async move {
                let _counted = Counted::new(&worker);
                worker.drain.join().run(Panicking(panics)).await;
            })
        };
        assert!(connection(false).await.is_ok());
        assert_eq!(metrics.panics.read(), 0);
        assert!(connection(true).await.is_err());
        assert!(connection(false).await.is_ok(), "the worker goes on");
        assert_eq!(metrics.panics.read(), 1);
        assert_eq!(
            (metrics.connections.read(), metrics.connections_open.read()),
            (3, 0)
        );
        assert_eq!(
            worker.drain.connections(),
            0,
            "a drain would not wait for it"
        );
    });
}

/// Stands for a connection with a service that panics.
struct Panicking(bool);

impl Finish for Panicking {
    const AT_ONCE: bool = true;

    fn finish(self: Pin<&mut Self>) {}
}

impl Future for Panicking {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        if self.0 {
            panic!("on purpose");
        }
        std::task::Poll::Ready(())
    }
}
