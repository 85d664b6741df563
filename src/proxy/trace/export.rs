//! Brings spans to the collector: in batches, with bounded waits; what it does not take is dropped
//! and counted. Runs beside the workers, on the control thread.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::otlp;
use crate::policy::format::{Policy, TracingRule};
use crate::proxy::config::BackendAddress;
use crate::proxy::exchange::Record;
use crate::proxy::metrics::ProcessMetrics;
use crate::proxy::upstream::BackendTls;

/// The most spans sent at once.
const BATCH: usize = 512;
/// How long spans gather, so that a busy worker does not wake this thread for each.
const GATHER: Duration = Duration::from_secs(1);
/// How long the collector may take for a batch.
const TIMEOUT: Duration = Duration::from_secs(5);
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("endpoints/", env!("CARGO_PKG_VERSION")));

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("the endpoint is no address")]
    Address,
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    #[error("the TLS handshake failed")]
    Tls,
    #[error("the exchange failed")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Refused(StatusCode),
    #[error("it took longer than {TIMEOUT:?}")]
    Timeout,
}

/// Exports until no worker can send any more and all is sent, or tried.
pub(in crate::proxy) async fn run(
    mut spans: Receiver<Record>,
    tls: BackendTls,
    metrics: Arc<ProcessMetrics>,
) {
    let mut batch = Vec::new();
    let mut works = true;
    while spans.recv_many(&mut batch, BATCH).await > 0 {
        // Records of one policy stand together; after a swap there are two kinds.
        for same in batch.chunk_by(one_policy) {
            let Some((rule, policy)) = rule(same.first()) else {
                continue;
            };
            let count = same.len() as u64;
            let body = otlp::body(policy, same);
            let sent = timeout(TIMEOUT, post(&rule.endpoint, body, &tls)).await;
            match sent.unwrap_or(Err(ExportError::Timeout)) {
                Ok(()) => {
                    metrics.spans_exported.add(count);
                    if !works {
                        tracing::info!(endpoint = rule.endpoint, "spans are exported again");
                    }
                    works = true;
                }
                Err(error) => {
                    metrics.spans_dropped.add(count);
                    // Once, not for every batch.
                    if works {
                        let error = &error as &(dyn std::error::Error + 'static);
                        tracing::warn!(endpoint = rule.endpoint, error, "spans cannot be exported");
                    }
                    works = false;
                }
            }
        }
        let full = batch.len() == BATCH;
        batch.clear();
        if !full && !spans.is_closed() {
            sleep(GATHER).await;
        }
    }
}

async fn post(endpoint: &str, body: Vec<u8>, tls: &BackendTls) -> Result<(), ExportError> {
    let uri: Uri = endpoint.parse().map_err(|_| ExportError::Address)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(ExportError::Address);
    };
    let address: BackendAddress = format!("{scheme}://{authority}")
        .parse()
        .map_err(|_| ExportError::Address)?;
    let network = address.network().ok_or(ExportError::Address)?;
    let stream = TcpStream::connect(network)
        .await
        .map_err(ExportError::Connect)?;
    let host = HeaderValue::try_from(authority.as_str()).map_err(|_| ExportError::Address)?;
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.path().parse().map_err(|_| ExportError::Address)?;
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, AGENT);
    if address.tls() {
        let stream = tls.handshake(&address, None, stream).await;
        exchange(stream.map_err(|_| ExportError::Tls)?, request).await
    } else {
        exchange(stream, request).await
    }
}

/// One request over a connection of its own; of the answer, only its status matters.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> Result<(), ExportError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut answer = pin!(sender.send_request(request));
    let mut connection = pin!(connection);
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer?,
        ended = &mut connection => {
            ended?;
            answer.await?
        }
    };
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(ExportError::Refused(status)),
    }
}

fn one_policy(one: &Record, other: &Record) -> bool {
    match (&one.snapshot, &other.snapshot) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// The rule that a record was made under, and its policy.
fn rule(record: Option<&Record>) -> Option<(&TracingRule, &Policy)> {
    let snapshot = record?.snapshot.as_ref()?;
    let policy = &*snapshot.prepared.policy;
    Some((policy.settings.observability.tracing.as_ref()?, policy))
}
