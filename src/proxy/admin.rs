//! Probes and metrics, on a thread of their own: `/livez`, `/readyz`, `/metrics`.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::certificate::ClientTls;
use super::metrics::{Metrics, OPEN_METRICS};
use super::snapshot::PolicyCell;
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;

/// Probes come from the node and scrapes from one place: few connections do.
const CONNECTIONS: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What the admin server tells about.
#[derive(Debug)]
pub(super) struct Admin {
    metrics: Metrics,
    policies: PolicyCell,
    tls: ClientTls,
    readiness: Readiness,
    shutdown: Shutdown,
}

impl Admin {
    pub(super) fn new(
        metrics: Metrics,
        policies: PolicyCell,
        tls: ClientTls,
        readiness: Readiness,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            metrics,
            policies,
            tls,
            readiness,
            shutdown,
        }
    }

    /// Why no request should come here, in words; empty: they may.
    fn not_ready(&self) -> Vec<Cow<'static, str>> {
        let reasons = self.readiness.reasons().into_iter();
        let mut reasons: Vec<_> = reasons.map(Cow::Borrowed).collect();
        if self.shutdown.started() {
            reasons.push("shutting down".into());
        }
        match self.policies.load() {
            None => reasons.push("no policy yet".into()),
            Some(policy) if policy.speaks_tls() => {
                let lack = self.tls.lack();
                reasons.extend(
                    lack.map(|why| {
                        format!("no certificate for TLS towards clients ({why})").into()
                    }),
                );
            }
            Some(_) => {}
        }
        reasons
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/livez" => match self.metrics.workers_ended() {
                0 => text(StatusCode::OK, "ok\n"),
                _ if self.shutdown.started() => text(StatusCode::OK, "shutting down\n"),
                ended => text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("{ended} worker threads ended\n"),
                ),
            },
            "/readyz" => match self.not_ready() {
                reasons if reasons.is_empty() => text(StatusCode::OK, "ok\n"),
                reasons => text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("not ready: {}\n", reasons.join(", ")),
                ),
            },
            "/metrics" => match self.metrics.text() {
                Ok(metrics) => {
                    let mut response = text(StatusCode::OK, metrics);
                    let kind = HeaderValue::from_static(OPEN_METRICS);
                    response.headers_mut().insert(CONTENT_TYPE, kind);
                    response
                }
                Err(_) => text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the metrics cannot be written\n",
                ),
            },
            _ => text(StatusCode::NOT_FOUND, "see /livez, /readyz and /metrics\n"),
        }
    }
}

/// Serves until `ended`, on a thread of its own.
///
/// # Errors
/// The thread or its runtime cannot be made.
pub(super) fn spawn(
    admin: Admin,
    socket: std::net::TcpListener,
    mut ended: Shutdown,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = {
        let _entered = runtime.enter();
        TcpListener::from_std(socket)?
    };
    let admin = Arc::new(admin);
    thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = ended.wait() => {}
                    () = serve(&admin, &listener) => {}
                }
            });
        })
}

async fn serve(admin: &Arc<Admin>, listener: &TcpListener) {
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!(%error, "cannot accept admin connections; trying again");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let admin = admin.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<hyper::body::Incoming>| {
                let answer = admin.answer(request.method(), request.uri().path());
                async { Ok::<_, Infallible>(answer) }
            });
            // Whether a probe hung up is its own affair.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            drop(place);
        });
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
