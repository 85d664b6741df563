//! The webhooks' HTTPS server: bounded in connections, bytes and time, and thin around [`review`]
//! (pods) and [`check`] (EndpointsServices).

mod check;
mod metrics;
mod review;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

pub use self::check::CheckOutcome;
pub use self::metrics::Metrics;
pub use self::review::Outcome;
use super::{InjectorConfig, SettingsCache};
use crate::connection_limit::{ConnectionLimit, Permit};
use crate::shutdown::Shutdown;

/// Where the API server posts its reviews of pods.
pub const INJECT_PATH: &str = "/inject";
/// Where the API server posts its reviews of EndpointsServices.
pub const CHECK_PATH: &str = "/check";

/// The most that a review may hold. The API server takes requests of 3 MiB.
const MAX_REVIEW: usize = 4 * 1024 * 1024;
/// Reviews that are read or answered at one time; with [`MAX_REVIEW`], a bound on memory.
const MAX_IN_FLIGHT: usize = 32;
/// Connections at one time.
const CONNECTIONS: usize = 256;
/// Of these, from one address. An API server has one for each review that is under way.
const CONNECTIONS_PER_ADDRESS: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a review may take to arrive; the API server waits 5 s for the answer.
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a review may wait for others to be answered.
const TURN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a connection may stay without a request's head.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// EndpointsServices that are compiled at one time: a large document takes a whole core for a while,
/// and pods must not wait for it.
const CHECKS_IN_FLIGHT: usize = 1;
/// How long a check may wait for others and take; nothing depends on its answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long connections may take to end at shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after an accept that failed (out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the webhook until `shutdown`, then answers what it has begun and returns. `tls` presents a
/// certificate for the Service's name; `config` may be swapped at any time. `settings`: what the
/// services say about their sidecars.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    config: Arc<ArcSwap<InjectorConfig>>,
    settings: SettingsCache,
    metrics: Metrics,
    mut shutdown: Shutdown,
) {
    let mut tls = rustls::ServerConfig::clone(&tls);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let admitted = ConnectionLimit::new(CONNECTIONS, CONNECTIONS_PER_ADDRESS);
    let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let server = Arc::new(Server {
        config,
        settings,
        metrics,
        in_flight,
        checks: Arc::new(Semaphore::new(CHECKS_IN_FLIGHT)),
        shutdown: shutdown.clone(),
    });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = admitted.accept(&listener) => accepted,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a webhook connection failed");
                }
                continue;
            }
            () = shutdown.wait() => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                connections.spawn(connection(
                    server.clone(),
                    acceptor.clone(),
                    stream,
                    peer,
                    permit,
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a webhook connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // What is left after that is aborted when the set is dropped.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, ended).await;
}

#[derive(Debug)]
struct Server {
    config: Arc<ArcSwap<InjectorConfig>>,
    settings: SettingsCache,
    metrics: Metrics,
    in_flight: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    shutdown: Shutdown,
}

async fn connection(
    server: Arc<Server>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    _permit: Permit,
) {
    let mut shutdown = server.shutdown.clone();
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
    let handshake = tokio::select! {
        handshake = handshake => handshake,
        () = shutdown.wait() => return,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a TLS handshake with the webhook failed");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "a TLS handshake with the webhook took too long");
            return;
        }
    };
    let service = service_fn(move |request| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a webhook connection ended");
    }
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let checks = match request.uri().path() {
            INJECT_PATH => false,
            CHECK_PATH => true,
            _ => {
                return plain(
                    StatusCode::NOT_FOUND,
                    "the webhook answers POST /inject and POST /check",
                );
            }
        };
        if request.method() != Method::POST {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "the webhook answers POST");
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let begun = Instant::now();
        let Ok(turn) = tokio::time::timeout(TURN_TIMEOUT, self.in_flight.acquire()).await else {
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many reviews at one time",
            );
        };
        let _turn = turn.expect("the semaphore is never closed");
        let body = match read(request.into_body()).await {
            Ok(body) => body,
            Err(response) => return response,
        };
        if checks {
            return self.check(body).await;
        }
        let answer = review::answer(&body, &self.config.load(), &self.settings);
        self.metrics.count(&answer, begun.elapsed());
        match answer {
            review::Answer::Reviewed { review, .. } => json(review),
            review::Answer::Malformed(reason) => plain(StatusCode::BAD_REQUEST, &reason),
            review::Answer::Failed(reason) => plain(StatusCode::INTERNAL_SERVER_ERROR, &reason),
        }
    }
}

impl Server {
    /// Compiles an EndpointsService on a thread of its own, and warns.
    async fn check(&self, body: Bytes) -> Response<Full<Bytes>> {
        let check = match check::Check::parse(&body) {
            Ok(check) => Arc::new(check),
            Err(reason) => {
                self.metrics.count_check(CheckOutcome::Malformed);
                return plain(StatusCode::BAD_REQUEST, &reason);
            }
        };
        let (outcome, warnings) = match self.findings(check.clone()).await {
            Some(findings) if findings.is_empty() => (CheckOutcome::Clean, findings),
            Some(findings) => (CheckOutcome::Warned, findings),
            None => {
                let why = "not checked just now: condition Accepted says how it compiles";
                (CheckOutcome::Unchecked, vec![why.to_owned()])
            }
        };
        self.metrics.count_check(outcome);
        match check.allow(warnings) {
            Ok(review) => json(review),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    /// `None`: it was not this one's turn in time, or it took too long, or it failed (a panic of the
    /// compiler is caught, and logged, where the resource is compiled for good).
    async fn findings(&self, check: Arc<check::Check>) -> Option<Vec<String>> {
        let deadline = tokio::time::Instant::now() + CHECK_TIMEOUT;
        let turn = self.checks.clone().acquire_owned();
        let turn = tokio::time::timeout_at(deadline, turn).await.ok()?.ok()?;
        let compiling = tokio::task::spawn_blocking(move || {
            let findings = check.findings();
            // Whoever waits is gone after the deadline; the turn is over only now.
            drop(turn);
            findings
        });
        tokio::time::timeout_at(deadline, compiling)
            .await
            .ok()?
            .ok()
    }
}

async fn read(body: Incoming) -> Result<Bytes, Response<Full<Bytes>>> {
    let read = Limited::new(body, MAX_REVIEW).collect();
    match tokio::time::timeout(READ_TIMEOUT, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            "a review holds at most 4 MiB",
        )),
        Ok(Err(_)) => Err(plain(StatusCode::BAD_REQUEST, "the review broke off")),
        Err(_) => Err(plain(
            StatusCode::REQUEST_TIMEOUT,
            "the review did not arrive within 3 s",
        )),
    }
}

fn json(body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{text}\n")));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests;
