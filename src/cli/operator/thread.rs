//! A part with a thread of its own: what keeps the others busy does not keep it waiting. The webhook stands
//! between people and their pods, and a thousand handshakes of sidecars take a second.

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

#[cfg(test)]
mod tests;

/// How long what the part began elsewhere may take to end.
const LONGEST_END: Duration = Duration::from_secs(1);

/// Serves on a thread of its own; ends when `part` does.
pub(super) async fn serve<F>(
    name: &'static str,
    listener: TcpListener,
    part: impl FnOnce(TcpListener) -> F + Send + 'static,
) where
    F: Future<Output = ()>,
{
    let (ended, wait) = oneshot::channel::<()>();
    let started = listener.into_std().and_then(|listener| {
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || {
            if let Err(error) = run(listener, part) {
                tracing::error!(part = name, %error, "cannot serve");
            }
            drop(ended);
        })
    });
    match started {
        // Nothing is ever sent; a panic (it was logged) ends it, too.
        Ok(_) => drop(wait.await),
        Err(error) => tracing::error!(part = name, %error, "cannot start its thread"),
    }
}

fn run<F>(listener: std::net::TcpListener, part: impl FnOnce(TcpListener) -> F) -> io::Result<()>
where
    F: Future<Output = ()>,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        part(TcpListener::from_std(listener)?).await;
        Ok(())
    });
    runtime.shutdown_timeout(LONGEST_END);
    result
}
