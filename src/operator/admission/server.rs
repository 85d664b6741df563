//! The webhooks' HTTPS server: bounded in connections, bytes and time, and thin around [`review`]
//! (pods) and [`check`] (EndpointsServices).

mod bodies;
mod check;
mod connection;
mod metrics;
mod review;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Body;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use self::bodies::{Arrived, Bodies, Missing};
pub use self::check::CheckOutcome;
use self::connection::{CONNECTIONS, CONNECTIONS_PER_ADDRESS};
pub use self::metrics::Metrics;
pub use self::review::Outcome;
use super::{InjectorConfig, SettingsCache};
use crate::connection_limit::{ConnectionLimit, Permit, Standing};
use crate::shutdown::Shutdown;

/// Where the API server posts its reviews of pods.
pub const INJECT_PATH: &str = "/inject";
/// Where the API server posts its reviews of EndpointsServices.
pub const CHECK_PATH: &str = "/check";

/// Large reviews of pods that are in memory at one time; and of these, from one address.
const LARGE_REVIEWS: (usize, usize) = (16, 4);
/// Large reviews of EndpointsServices likewise: they take nothing from pods.
const LARGE_CHECKS: (usize, usize) = (8, 4);
/// Pods that are looked at at one time, each for well below a millisecond. Only what has arrived whole
/// waits for its turn: whoever dawdles must hold up nobody.
const TURNS: usize = 4;
/// How long a review may wait for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(3);
/// EndpointsServices that are compiled at one time: a large document takes a whole core for a while,
/// and pods must not wait for it.
const CHECKS_IN_FLIGHT: usize = 1;
/// EndpointsServices that are compiled or wait for it; one more is not checked.
const CHECKS_QUEUED: usize = 4;
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
    let server = Arc::new(Server::new(config, settings, metrics, shutdown.clone()));
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
                connections.spawn(connection::serve(
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
    reviewed: Bodies,
    checked: Bodies,
    turns: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    checks_queued: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl Server {
    fn new(
        config: Arc<ArcSwap<InjectorConfig>>,
        settings: SettingsCache,
        metrics: Metrics,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            config,
            settings,
            metrics,
            reviewed: Bodies::new(LARGE_REVIEWS.0, LARGE_REVIEWS.1),
            checked: Bodies::new(LARGE_CHECKS.0, LARGE_CHECKS.1),
            turns: Arc::new(Semaphore::new(TURNS)),
            checks: Arc::new(Semaphore::new(CHECKS_IN_FLIGHT)),
            checks_queued: Arc::new(Semaphore::new(CHECKS_QUEUED)),
            shutdown,
        }
    }

    /// Answers a request from this address, and says how its connection stands.
    async fn answer<B>(
        &self,
        address: IpAddr,
        permit: &Permit,
        request: Request<B>,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
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
        let bodies = if checks {
            &self.checked
        } else {
            &self.reviewed
        };
        let body = match bodies.read(address, request.into_body()).await {
            Ok(body) => body,
            Err(missing) => return refused(missing),
        };
        let before = permit.standing().unwrap_or(Standing::Unknown);
        permit.set(Standing::Served);
        let response = if checks {
            self.check(body).await
        } else {
            self.review(body, begun).await
        };
        let useful = response.status() == StatusCode::OK;
        permit.set(if useful { Standing::Idle } else { before });
        response
    }

    /// Looks at a pod, on a thread where computing holds up no other connection.
    async fn review(&self, body: Arrived, begun: Instant) -> Response<Full<Bytes>> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.turns.clone().acquire_owned());
        let Ok(turn) = turn.await else {
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many reviews at one time",
            );
        };
        let (config, settings) = (self.config.load_full(), self.settings.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let answer = review::answer(&body.bytes, &config, &settings);
            // Whoever waits may be gone; the turn is over only now.
            drop(turn);
            answer
        });
        let answer = looking.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a review of a pod failed");
            review::Answer::Failed("a defect of the operator (see its log)".to_owned())
        });
        self.metrics.count(&answer, begun.elapsed());
        match answer {
            review::Answer::Reviewed { review, .. } => json(review),
            review::Answer::Malformed(reason) => plain(StatusCode::BAD_REQUEST, &reason),
            review::Answer::Failed(reason) => plain(StatusCode::INTERNAL_SERVER_ERROR, &reason),
        }
    }

    /// Compiles an EndpointsService on a thread of its own, and warns.
    async fn check(&self, body: Arrived) -> Response<Full<Bytes>> {
        let parsing = tokio::task::spawn_blocking(move || check::Check::parse(&body.bytes));
        let parsed = parsing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a review of an EndpointsService failed");
            Err("a defect of the operator (see its log)".to_owned())
        });
        let check = match parsed {
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

    /// `None`: too many are in front, it was not this one's turn in time, or it took too long, or it
    /// failed (a panic of the compiler is caught, and logged, where the resource is compiled for good).
    async fn findings(&self, check: Arc<check::Check>) -> Option<Vec<String>> {
        let _queued = self.checks_queued.try_acquire().ok()?;
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

fn refused(missing: Missing) -> Response<Full<Bytes>> {
    let (status, why) = match missing {
        Missing::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "a review holds at most 4 MiB",
        ),
        Missing::Broken => (StatusCode::BAD_REQUEST, "the review broke off"),
        Missing::Late => (
            StatusCode::REQUEST_TIMEOUT,
            "the review did not arrive within 3 s",
        ),
    };
    plain(status, why)
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
