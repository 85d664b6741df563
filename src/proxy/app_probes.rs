//! The app's own probes, asked for kubelet (`capture: redirect`).
//!
//! There, whatever comes to the app's port from outside the pod reaches the sidecar, kubelet included.
//! So the pod's probes ask the admin server, `/app/CONTAINER/readyz`, and it asks the app over
//! loopback exactly what the pod declares: one path, one method, one port. Nothing else of the app can
//! be reached this way.

mod grpc;
mod http_get;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::timeout;

use super::loopback;

/// A probe of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppProbe {
    /// Its path on the admin server.
    pub path: String,
    /// The app's port.
    pub port: u16,
    /// How long the app may take.
    pub timeout: Duration,
    /// What is asked.
    pub question: Question,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is a GET of this path answered with 2xx or 3xx?
    HttpGet {
        /// Path and query.
        path: String,
    },
    /// Can a connection be opened?
    TcpSocket,
    /// Does the gRPC health protocol say that this service is served?
    Grpc {
        /// The service's name; empty: the whole server.
        service: String,
    },
}

/// Why the app did not pass.
#[derive(Debug, Error)]
enum Failure {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no answer: {0}")]
    Exchange(#[from] hyper::Error),
    #[error("no answer: {0}")]
    Http2(#[from] h2::Error),
    #[error("no answer: it closed the connection")]
    Closed,
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its health service answered {0}")]
    Health(&'static str),
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("the probe's path is none")]
    Path,
}

/// Answers a request to the admin server: the status, and a line for people. `None`: there is no such
/// probe.
pub(super) async fn answer(
    probes: &[AppProbe],
    request: &Request<Incoming>,
) -> Option<(StatusCode, String)> {
    let probe = probes
        .iter()
        .find(|probe| probe.path == request.uri().path())?;
    if *request.method() != Method::GET {
        let only = "probes are GET\n".to_owned();
        return Some((StatusCode::METHOD_NOT_ALLOWED, only));
    }
    let asked = timeout(probe.timeout, probe.ask(request));
    let asked = asked.await.unwrap_or(Err(Failure::Timeout(probe.timeout)));
    Some(match asked {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(failure) => {
            let status = match failure {
                Failure::Status(status) => status,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            (
                status,
                format!("the app on port {}: {failure}\n", probe.port),
            )
        }
    })
}

/// The longest that any of them may take.
pub(super) fn longest(probes: &[AppProbe]) -> Duration {
    let timeouts = probes.iter().map(|probe| probe.timeout);
    timeouts.max().unwrap_or_default()
}

impl AppProbe {
    async fn ask(&self, request: &Request<Incoming>) -> Result<(), Failure> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = loopback::connect(address).await.map_err(Failure::Connect)?;
        match &self.question {
            Question::TcpSocket => Ok(()),
            Question::HttpGet { path } => {
                http_get::ask(stream, self.port, path, request.headers()).await
            }
            Question::Grpc { service } => grpc::ask(stream, self.port, service).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_that_of_the_most_patient() {
        let probe = |seconds| AppProbe {
            path: String::new(),
            port: 80,
            timeout: Duration::from_secs(seconds),
            question: Question::TcpSocket,
        };
        let probes = [probe(1), probe(90), probe(3)];
        assert_eq!(longest(&probes), Duration::from_secs(90));
        assert_eq!(longest(&[]), Duration::ZERO);
    }
}
