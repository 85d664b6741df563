//! `endpoints echo`: the stand-in backend. Answers every request with what it received, so that
//! anyone can see what a sidecar lets through and adds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::policy::headers::USER_INFO;
use crate::shutdown::{self, Shutdown};

/// The most of a body that is taken in and told back, in bytes.
const BODY_BYTES: usize = 64 * 1024;
/// The most connections at once; further ones wait in the accept queue.
const CONNECTIONS: usize = 1024;
/// How long a stopping echo waits for answers under way.
const GRACE: Duration = Duration::from_secs(5);

/// Arguments of `endpoints echo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// What is logged, as in RUST_LOG
    #[arg(
        long,
        value_name = "FILTER",
        env = "ENDPOINTS_LOG",
        default_value = "info"
    )]
    log: String,
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    crate::telemetry::init(&args.log).context("--log")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen on {}", args.listen))?;
        let (trigger, shutdown) = shutdown::channel();
        tokio::spawn(trigger.on_signal());
        tracing::info!(address = %listener.local_addr()?, "echo listens");
        serve(listener, shutdown).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Serves on `listener` until `shutdown`, then finishes the answers under way.
pub(super) async fn serve(listener: TcpListener, mut shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    loop {
        // Ended connections are let go of before the next is taken.
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, shutdown.clone()));
            }
            Err(error) => {
                // Out of descriptors, mostly: trying again at once would only spin.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, finish).await;
}

async fn connection(stream: TcpStream, mut shutdown: Shutdown) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // A client that breaks off is nobody's error here.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = shutdown.wait() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let (status, body) = match Limited::new(body, BODY_BYTES).collect().await {
        Ok(body) => (
            StatusCode::OK,
            json!(String::from_utf8_lossy(&body.to_bytes())),
        ),
        Err(_) => (StatusCode::PAYLOAD_TOO_LARGE, Value::Null),
    };
    let told = json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "headers": headers(&head.headers),
        "userInfo": user_info(&head.headers),
        "body": body,
    });
    let mut response = Response::new(Full::new(Bytes::from(format!("{told:#}\n"))));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Headers by name, several values joined by a comma.
fn headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut told = Map::new();
    for name in headers.keys() {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        told.insert(name.to_string(), values.join(", ").into());
    }
    told
}

/// The verified token's payload, decoded; null without one.
fn user_info(headers: &HeaderMap) -> Value {
    headers
        .get(USER_INFO)
        .and_then(|value| URL_SAFE_NO_PAD.decode(value.as_bytes()).ok())
        .and_then(|payload| serde_json::from_slice(&payload).ok())
        .unwrap_or(Value::Null)
}
