//! Shutdown: SIGTERM or SIGINT, seen by every part of the process; a second one for those who do not
//! want to wait.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells when the process shall end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks the process to end.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// The signals that come after the first.
#[derive(Debug)]
pub struct Again {
    terminate: Signal,
    interrupt: Signal,
}

/// A shutdown that its [`Trigger`] starts.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

/// Waits for the first SIGTERM or SIGINT. Must run inside a runtime.
///
/// # Errors
/// The signal handlers cannot be installed.
pub async fn signalled() -> std::io::Result<Again> {
    let mut again = Again {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    again.next().await;
    Ok(again)
}

impl Trigger {
    /// Starts the shutdown; later calls change nothing.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Starts the shutdown at the first SIGTERM or SIGINT; ends then, with those to come. Must run
    /// inside a runtime.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub async fn on_signal(self) -> std::io::Result<Again> {
        let again = signalled().await?;
        self.start();
        Ok(again)
    }
}

impl Again {
    /// Waits for one more.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Shutdown {
    /// Whether the shutdown has started.
    pub fn started(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the shutdown. A dropped trigger never fires.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|started| *started).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
