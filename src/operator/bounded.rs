//! How long a request to the API server may take. kube itself waits for ever: that a server was lost with a
//! request of ours, no connection tells. Watches have bounds of their own.

use std::time::Duration;

use tokio::time::timeout;

#[cfg(test)]
mod tests;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that is given up when it takes too long.
pub(super) async fn bounded<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(result) => result,
        Err(elapsed) => Err(kube::Error::Service(elapsed.into())),
    }
}
