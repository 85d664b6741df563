//! Backends: their connections, kept by each worker for itself, and one exchange over one of them.
//!
//! ```text
//! Backend ─ connect (name, socket, TLS) ─► http1: a pool; an exchange has its connection for itself
//!                                     └──► http2: a connection with many exchanges at once
//! ```
//!
//! An HTTP/1.1 connection has no task of its own: whoever waits for its answer, or reads its answer's
//! body, polls it. That saves a wake-up per step, and an idle connection costs nothing.

mod acquire;
mod attempt;
mod backends;
mod body;
mod connect;
mod error;
mod http1;
mod http2;
mod options;
mod places;
mod replay;
mod resolve;
mod retry;
mod stream;
mod tls;

use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response};
use rustls_pki_types::ServerName;
use tokio::time::sleep;

use self::attempt::Manner;
pub(super) use self::backends::Backends;
pub(super) use self::body::BackendBody;
use self::connect::Connector;
pub(super) use self::error::UpstreamError;
use self::options::Options;
pub(super) use self::options::UpstreamPolicy;
use self::places::Places;
use self::retry::{Budget, Course, Failure, Next, is_repeatable};
pub(super) use self::stream::Stream;
pub(super) use self::tls::BackendTls;
use super::Limits;
use super::body::RequestBody;
use super::client::Client;
use super::config::BackendAddress;
use super::metrics::BackendCells;

/// A backend as one worker knows it.
#[derive(Debug)]
pub(super) struct Backend {
    connector: Connector,
    options: Options,
    /// What is counted of it.
    pub(super) metrics: Arc<BackendCells>,
    budget: Budget,
    /// None: there may be any number of connections.
    places: Option<Rc<Places>>,
    http1: http1::Pool,
    http2: http2::Pool,
}

impl Backend {
    /// `tls`: of this policy; `server_name`: whom the certificate must name, if not the address's host.
    pub(super) fn new(
        address: BackendAddress,
        policy: &UpstreamPolicy,
        limits: &Limits,
        tls: BackendTls,
        server_name: Option<ServerName<'static>>,
        metrics: Arc<BackendCells>,
    ) -> Self {
        let options = Options::new(&policy.settings, limits);
        Self {
            connector: Connector::new(address, tls, server_name),
            budget: Budget::new(),
            places: options.max_connections.map(Places::new),
            http1: http1::Pool::new(metrics.clone()),
            http2: http2::Pool::default(),
            metrics,
            options,
        }
    }

    pub(super) fn address(&self) -> &BackendAddress {
        self.connector.address()
    }

    /// Sends a request and waits for the head of its answer. The client's deadline is running. What is
    /// sent again, and when, is decided by [`retry`]; until something fails that costs a comparison.
    pub(super) async fn send(
        self: &Rc<Self>,
        client: &Rc<Client>,
        request: Request<RequestBody>,
    ) -> Result<Response<BackendBody>, UpstreamError> {
        self.budget.earn();
        let manner = Manner {
            keeps: self.options.retries.most > 0 && is_repeatable(&request),
            fresh: false,
        };
        match self.attempt(client, request, manner).await {
            Ok(response) => Ok(response),
            Err(failure) => Box::pin(self.send_again(client, failure, manner)).await,
        }
    }

    /// Further attempts, as long as they are called for.
    async fn send_again(
        self: &Rc<Self>,
        client: &Rc<Client>,
        mut failure: Box<Failure>,
        manner: Manner,
    ) -> Result<Response<BackendBody>, UpstreamError> {
        let mut course = Course::new();
        loop {
            let Some(request) = failure.request.take() else {
                return failure.into_result(course.has_retried());
            };
            let next = course.next(failure.cause, &self.options.retries, &self.budget);
            let Next::Again { pause, fresh } = next else {
                if next == Next::OverBudget {
                    self.metrics.retries_over_budget.add(1);
                }
                return failure.into_result(course.has_retried());
            };
            // An answer that is not passed on is not read either.
            drop(failure);
            if !pause.is_zero() {
                client
                    .within_deadline(sleep(pause))
                    .await
                    .ok_or(UpstreamError::Deadline)?;
            }
            self.metrics.retries.add(1);
            let manner = Manner { fresh, ..manner };
            failure = match self.attempt(client, request, manner).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
        }
    }

    /// Drops connections that are idle for long, or too old, or closed by the backend.
    pub(super) fn sweep(&self) {
        self.http1.sweep(&self.options);
        self.http2.sweep(&self.options);
    }
}
