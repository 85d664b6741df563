//! The end of a process that serves requests.

use std::process::ExitCode;

use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use crate::proxy::Running;
use crate::shutdown::Again;

/// Waits until requests in flight are over, or their grace, or until a second signal says that
/// nobody wants to wait: then what is in flight is cut off.
pub(super) fn drain(runtime: Runtime, running: Running, again: Option<Again>) -> ExitCode {
    let code = runtime.block_on(async {
        let drained = spawn_blocking(move || running.join());
        let second = async {
            match again {
                Some(mut again) => again.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = drained => ExitCode::SUCCESS,
            () = second => {
                tracing::warn!("a second signal: requests in flight are cut off");
                ExitCode::FAILURE
            }
        }
    });
    // The thread that waits for the workers would be waited for.
    runtime.shutdown_background();
    code
}
