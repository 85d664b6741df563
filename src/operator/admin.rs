//! `/livez`, `/readyz` and `/metrics`, for kubelet and Prometheus.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::metrics::Metrics;
use crate::readiness::Readiness;
use crate::shutdown::Shutdown;

#[cfg(test)]
mod tests;

/// Connections at once; more wait.
const CONNECTIONS: usize = 64;
/// How long a head may take, and a connection idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until it is dropped; unready from the start of `shutdown` on.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Metrics,
    shutdown: Shutdown,
) {
    let permits = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (readiness, metrics, shutdown) = (readiness.clone(), metrics.clone(), shutdown.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(
                request.method(),
                request.uri().path(),
                &readiness,
                &metrics,
                &shutdown,
            );
            std::future::ready(Ok::<_, Infallible>(answer))
        });
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT);
            // A client that goes away is no news.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(permit);
        });
    }
}

fn answer(
    method: &Method,
    path: &str,
    readiness: &Readiness,
    metrics: &Metrics,
    shutdown: &Shutdown,
) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if shutdown.started() => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting down\n".to_owned(),
        ),
        "/readyz" => match readiness.reasons() {
            reasons if reasons.is_empty() => text(StatusCode::OK, "ok\n".to_owned()),
            reasons => {
                let reasons = reasons.join("\nwaiting for ");
                text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("waiting for {reasons}\n"),
                )
            }
        },
        "/metrics" => {
            let mut answer = text(StatusCode::OK, metrics.render());
            answer.headers_mut().insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static(
                    "application/openmetrics-text; version=1.0.0; charset=utf-8",
                ),
            );
            answer
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "/livez, /readyz or /metrics\n".to_owned(),
        ),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
