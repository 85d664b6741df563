//! Shutdown: SIGTERM or SIGINT, seen by every part of the process.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells when the process shall end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks the process to end.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// A shutdown that its [`Trigger`] starts.
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Starts the shutdown; later calls change nothing.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Starts the shutdown at the first SIGTERM or SIGINT; ends then. Must run inside a runtime.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub async fn on_signal(self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.start();
        Ok(())
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
