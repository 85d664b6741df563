//! The admin server, on the control thread. `/livez`, `/readyz` and `/metrics` for everybody who
//! reaches the pod; `/policy` and `/log` only over loopback, which is `kubectl port-forward`,
//! `kubectl exec` and the pod's own containers.

mod policy;

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

pub(super) use self::policy::source;
use super::app_probes::{self, AppProbe};
use super::client_tls::ClientTls;
use super::metrics::{Metrics, OPEN_METRICS};
use super::snapshot::PolicyCell;
use crate::connection_limit::ConnectionLimit;
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;
use crate::telemetry::LogFilter;

/// Probes come from the node and scrapes from one place: few connections do.
const CONNECTIONS: usize = 64;
const CONNECTIONS_PER_ADDRESS: usize = 16;
/// How long a head may take, and how long a connection may wait for one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection lives, whatever it does, beside the time that one of the app's probes may take.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// The most of a head that is read, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// The longest filter of log lines, in bytes.
const FILTER_BYTES: usize = 1024;

/// What the admin server tells about.
#[derive(Debug)]
pub(super) struct Admin {
    pub(super) metrics: Metrics,
    pub(super) policies: PolicyCell,
    pub(super) tls: ClientTls,
    pub(super) readiness: Readiness,
    pub(super) shutdown: Shutdown,
    /// None: the process's log is not ours to change.
    pub(super) log_filter: Option<LogFilter>,
    pub(super) app_probes: Vec<AppProbe>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// A socket with both ends on loopback.
    Loopback,
    Elsewhere,
}

type Answer = Response<Full<Bytes>>;

impl Admin {
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
                let lack = self.tls.certificate.lack();
                reasons.extend(
                    lack.map(|why| {
                        format!("no certificate for TLS towards clients ({why})").into()
                    }),
                );
            }
            Some(_) => {}
        }
        reasons.extend(self.readiness.withheld().map(Cow::Owned));
        reasons
    }

    async fn answer(&self, from: From, request: Request<Incoming>) -> Answer {
        match request.uri().path() {
            "/livez" => reading(&request, || self.live()),
            "/readyz" => reading(&request, || self.ready()),
            "/metrics" => reading(&request, || self.metrics()),
            "/policy" | "/log" if !is_local(from, request.headers()) => text(
                StatusCode::FORBIDDEN,
                "only over loopback: kubectl port-forward POD 14070, then http://localhost:14070\n",
            ),
            "/policy" => reading(&request, || policy::answer(self.policies.load().as_deref())),
            "/log" => self.log(request).await,
            _ => match app_probes::answer(&self.app_probes, &request).await {
                Some((status, line)) => text(status, line),
                None => text(
                    StatusCode::NOT_FOUND,
                    "see /livez, /readyz and /metrics; over loopback also /policy and /log\n",
                ),
            },
        }
    }

    fn live(&self) -> Answer {
        match self.metrics.workers_ended() {
            0 => text(StatusCode::OK, "ok\n"),
            _ if self.shutdown.started() => text(StatusCode::OK, "shutting down\n"),
            ended => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("{ended} worker threads ended\n"),
            ),
        }
    }

    fn ready(&self) -> Answer {
        match self.not_ready() {
            reasons if reasons.is_empty() => {
                // Whoever asked may send requests from now on.
                self.readiness.reach();
                text(StatusCode::OK, "ok\n")
            }
            reasons => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("not ready: {}\n", reasons.join(", ")),
            ),
        }
    }

    fn metrics(&self) -> Answer {
        match self.metrics.text() {
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
        }
    }

    /// The filter of log lines: read, or put in place.
    async fn log(&self, request: Request<Incoming>) -> Answer {
        let Some(filter) = &self.log_filter else {
            return text(
                StatusCode::NOT_FOUND,
                "the log of this process is not the proxy's to change\n",
            );
        };
        if *request.method() != Method::PUT {
            return reading_or(&request, "GET, HEAD, PUT", || {
                text(StatusCode::OK, format!("{}\n", filter.get()))
            });
        }
        let body = Limited::new(request.into_body(), FILTER_BYTES).collect();
        let Ok(Ok(body)) = timeout(HEAD_TIMEOUT, body).await else {
            return text(
                StatusCode::BAD_REQUEST,
                format!("the filter did not come whole, or has more than {FILTER_BYTES} bytes\n"),
            );
        };
        let written = body.to_bytes();
        let written = std::str::from_utf8(&written)
            .map(str::trim)
            .unwrap_or("\u{fffd}");
        match filter.set(written) {
            Ok(()) => {
                tracing::info!(filter = written, "the log's filter was changed");
                text(StatusCode::OK, format!("{written}\n"))
            }
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
    }
}

/// Serves for ever.
pub(super) async fn serve(admin: &Arc<Admin>, listener: &TcpListener) {
    let limit = ConnectionLimit::new(CONNECTIONS, CONNECTIONS_PER_ADDRESS);
    let life = CONNECTION_TIMEOUT + app_probes::longest(&admin.app_probes);
    loop {
        let (stream, peer, permit) = match limit.accept(listener).await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "cannot accept admin connections; trying again");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let from = From::ends(&stream, peer);
        let admin = admin.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let admin = &admin;
                async move { Ok::<_, Infallible>(admin.answer(from, request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), answer);
            // Whether a probe hung up is its own affair.
            let _ = timeout(life, connection).await;
            drop(permit);
        });
    }
}

impl From {
    /// By both ends: what comes from outside never has a loopback address, in neither place.
    fn ends(stream: &TcpStream, peer: SocketAddr) -> Self {
        let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        match stream.local_addr() {
            Ok(local) if loopback(local) && loopback(peer) => Self::Loopback,
            _ => Self::Elsewhere,
        }
    }
}

/// Over loopback, and for a name of it: a web page that had its own name point there would be a
/// stranger in the browser of whoever forwards the port.
fn is_local(from: From, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = host.is_some_and(|host| {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let ip = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || ip
                .parse()
                .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    });
    from == From::Loopback && named
}

fn reading(request: &Request<Incoming>, answer: impl FnOnce() -> Answer) -> Answer {
    reading_or(request, "GET, HEAD", answer)
}

fn reading_or(
    request: &Request<Incoming>,
    allowed: &'static str,
    answer: impl FnOnce() -> Answer,
) -> Answer {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer();
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed}\n"));
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_local() {
        let local = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            (
                is_local(From::Loopback, &headers),
                is_local(From::Elsewhere, &headers),
            )
        };
        for host in [
            "localhost",
            "LOCALHOST:14070",
            "127.0.0.1:14070",
            "127.8.9.1",
            "[::1]:14070",
            "[::1]",
        ] {
            assert_eq!(local(host), (true, false), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example:127",
            "10.0.0.1:14070",
            "[::2]",
        ] {
            assert_eq!(local(host), (false, false), "{host}");
        }
        assert!(!is_local(From::Loopback, &HeaderMap::new()));
    }
}
