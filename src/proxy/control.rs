//! The control thread: what must not delay a request. It answers probes and scrapes, and exports
//! spans.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::admin::{self, Admin};
use super::exchange::Record;
use super::metrics::ProcessMetrics;
use super::trace::export;
use super::upstream::BackendTls;
use crate::priority;
use crate::shutdown::{Shutdown, Trigger};

/// How long the end of the process waits for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// What the thread is started with.
#[derive(Debug)]
pub(super) struct Setup {
    /// The admin server and its socket, if there is one.
    pub(super) admin: Option<(Admin, std::net::TcpListener)>,
    pub(super) spans: Receiver<Record>,
    pub(super) tls: BackendTls,
    pub(super) metrics: Arc<ProcessMetrics>,
}

/// The thread, until it is told to end.
#[derive(Debug)]
pub(super) struct Control {
    end: Trigger,
    thread: JoinHandle<()>,
}

impl Control {
    /// Starts it.
    ///
    /// # Errors
    /// The thread or its runtime cannot be made.
    pub(super) fn start(setup: Setup) -> io::Result<Self> {
        let (end, ended) = crate::shutdown::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let admin = match setup.admin {
            None => None,
            Some((admin, socket)) => {
                let _entered = runtime.enter();
                Some((Arc::new(admin), TcpListener::from_std(socket)?))
            }
        };
        let exporting = export::run(setup.spans, setup.tls, setup.metrics);
        let thread = thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                priority::background();
                runtime.block_on(run(admin, exporting, ended));
            })?;
        Ok(Self { end, thread })
    }

    /// Ends it, when no worker runs any more.
    pub(super) fn join(self) {
        self.end.start();
        let _ = self.thread.join();
    }
}

async fn run(
    admin: Option<(Arc<Admin>, TcpListener)>,
    exporting: impl Future<Output = ()> + Send + 'static,
    mut ended: Shutdown,
) {
    let mut exporting = tokio::spawn(exporting);
    let serving = async {
        match &admin {
            Some((admin, listener)) => admin::serve(admin, listener).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ended.wait() => {}
        () = serving => {}
    }
    tokio::select! {
        _ = &mut exporting => {}
        () = sleep(LAST_SPANS) => {}
    }
}
