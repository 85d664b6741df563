//! One connection to the operator, from dialling to its end.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Apply, Config, Trust, open};
use crate::push::body::{self, ReadError, Reader, WriteError};
use crate::push::wire::{self, Hello, MAX_FRAME, Snapshot, ToOperator, ToSidecar, WireError};

/// How long one address may take to connect, and the TLS handshake after it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the operator may take to accept or refuse the hello.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// HTTP/2 PING when nothing was read for this long,
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// and the connection ends when no answer comes.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2 receive windows, small: they are memory of every sidecar.
const WINDOW: u32 = 256 * 1024;
/// The most bytes of a projected token's file.
const MAX_TOKEN: usize = 16 * 1024;
/// The most bytes of a refusal's body.
const MAX_REFUSAL: usize = 4 * 1024;

/// One connection.
pub(super) struct Session<'a, A> {
    pub(super) config: &'a Config,
    pub(super) apply: &'a mut A,
    pub(super) trust: &'a mut Trust,
    /// Hash of the policy that is applied.
    pub(super) hash: &'a mut Option<String>,
    /// Whether this session brought, or confirmed, a policy.
    pub(super) fresh: bool,
    /// Whether the operator said to withhold readiness, or not to.
    pub(super) withheld: bool,
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(in crate::push) enum SessionError {
    #[error("cannot read the token {}", path.display())]
    Token {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the token {} is not a token", .0.display())]
    NotAToken(PathBuf),
    #[error("cannot reach the operator at {address}")]
    Connect {
        address: String,
        source: std::io::Error,
    },
    #[error("no TLS with the operator at {address}")]
    Tls {
        address: String,
        source: std::io::Error,
    },
    #[error("no operator address is configured")]
    NoAddress,
    #[error("no HTTP/2 with the operator")]
    Http(#[source] hyper::Error),
    #[error("the operator does not answer the hello")]
    NoAnswer,
    #[error("the operator refused this sidecar ({}): {reason}", status.as_u16())]
    Refused { status: StatusCode, reason: String },
    #[error("the policy stream broke")]
    Read(#[from] ReadError),
    #[error("the policy stream broke")]
    Write(#[from] WriteError),
    #[error("cannot write to the operator")]
    Encode(#[from] WireError),
}

impl<A: Apply> Session<'_, A> {
    /// Runs until the operator ends the stream.
    pub(super) async fn run(&mut self, hello: Hello) -> Result<(), SessionError> {
        let authorization = authorization(&self.config.token_file).await?;
        let connection = self.connect().await?;
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(connection))
            .await
            .map_err(SessionError::Http)?;
        let (writer, body) = body::channel();
        writer
            .write(wire::encode(&ToOperator::Hello(hello))?)
            .await?;
        let conversation = async {
            let response = open_stream(&mut sender, wire::PATH, authorization, body).await?;
            let protocol = protocol(response.headers());
            let mut reader = Reader::new(response.into_body(), MAX_FRAME);
            tracing::debug!(protocol, "connected to the operator");
            self.apply.connected(true);
            loop {
                let answer = tokio::select! {
                    message = reader.next() => match message? {
                        Some(message) => self.receive(message),
                        None => return Ok(()),
                    },
                    source = self.apply.wanted(), if protocol >= 2 => {
                        let source = wire::source_id(&source);
                        Some(ToOperator::KeysWanted { source })
                    }
                };
                if let Some(answer) = answer {
                    writer.write(wire::encode(&answer)?).await?;
                }
            }
        };
        drive(conversation, connection).await
    }

    /// What a message does, and the answer to it.
    fn receive(&mut self, message: ToSidecar) -> Option<ToOperator> {
        match message {
            ToSidecar::Keys(keys) => {
                if caught(|| self.apply.keys(keys)).is_none() {
                    tracing::error!("the sidecar panicked over keys");
                }
                None
            }
            ToSidecar::Trust { bundle } => {
                match self.trust.learn(&bundle) {
                    Ok(()) => {
                        let authorities = self.trust.authorities();
                        tracing::info!(authorities, "learnt the operator's trust bundle");
                        self.apply.trust(&bundle);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "refused a trust bundle; the one before stays");
                    }
                }
                None
            }
            ToSidecar::Withhold { reason } => {
                self.withhold(reason.as_deref());
                None
            }
            ToSidecar::Unchanged { .. } => {
                self.withhold_nothing_unsaid();
                self.fresh = true;
                self.apply.unchanged();
                None
            }
            ToSidecar::Snapshot(snapshot) => {
                self.withhold_nothing_unsaid();
                let hash = snapshot.hash.clone();
                Some(match self.snapshot(&snapshot) {
                    Ok(()) => {
                        self.fresh = true;
                        *self.hash = Some(hash.clone());
                        ToOperator::Applied { hash }
                    }
                    Err(reason) => {
                        let reason = wire::reason(&reason);
                        tracing::warn!(hash, reason, "rejected a policy; the one before goes on");
                        ToOperator::Rejected {
                            hash: wire::reason(&hash),
                            reason,
                        }
                    }
                })
            }
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), String> {
        let (policy, origin) = open(snapshot)?;
        caught(|| {
            self.apply.apply(policy, &origin)?;
            self.apply.keep(snapshot);
            Ok(())
        })
        .unwrap_or_else(|| Err("the sidecar panicked over the policy".to_owned()))
    }

    fn withhold(&mut self, reason: Option<&str>) {
        self.withheld = true;
        let reason = reason.map(wire::reason);
        self.apply.withhold(reason.as_deref());
    }

    /// What an operator said before, in another stream, holds no longer than its silence.
    fn withhold_nothing_unsaid(&mut self) {
        if !self.withheld {
            self.withhold(None);
        }
    }

    /// The first address that answers, with TLS on it.
    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, SessionError> {
        let mut result = Err(SessionError::NoAddress);
        for address in &self.config.addresses {
            result = dial(address, self.trust.tls()).await;
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// What proves who dials: the token in this file, as it is now.
pub(in crate::push) async fn authorization(path: &Path) -> Result<HeaderValue, SessionError> {
    let token = tokio::fs::read_to_string(path)
        .await
        .map_err(|source| SessionError::Token {
            path: path.to_owned(),
            source,
        })?;
    let token = token.trim();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).ok();
    let mut value = value
        .filter(|_| !token.is_empty() && token.len() <= MAX_TOKEN)
        .ok_or_else(|| SessionError::NotAToken(path.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// One address, with TLS on it.
pub(in crate::push) async fn dial(
    address: &str,
    tls: Arc<rustls::ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, SessionError> {
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
    let stream = flatten(connect.await).map_err(|source| SessionError::Connect {
        address: address.to_owned(),
        source,
    })?;
    // Small frames that are waited for.
    let _ = stream.set_nodelay(true);
    let name = ServerName::try_from(wire::TLS_NAME).expect("the TLS name is a DNS name");
    let connector = TlsConnector::from(tls);
    let handshake = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(name, stream));
    flatten(handshake.await).map_err(|source| SessionError::Tls {
        address: address.to_owned(),
        source,
    })
}

/// Opens the one stream of a connection: `body` is what this side says, the answer what the other does.
pub(in crate::push) async fn open_stream<B>(
    sender: &mut http2::SendRequest<B>,
    path: &str,
    authorization: HeaderValue,
    body: B,
) -> Result<Response<Incoming>, SessionError>
where
    B: Body + 'static,
{
    let request = Request::post(format!("https://{}{path}", wire::TLS_NAME))
        .header(header::CONTENT_TYPE, wire::CONTENT_TYPE)
        .header(header::AUTHORIZATION, authorization)
        .body(body)
        .expect("constant names and a checked value make a request");
    let response = tokio::time::timeout(ANSWER_TIMEOUT, sender.send_request(request))
        .await
        .map_err(|_| SessionError::NoAnswer)?
        .map_err(SessionError::Http)?;
    let status = response.status();
    if status != StatusCode::OK {
        let reason = refusal(response.into_body()).await;
        return Err(SessionError::Refused { status, reason });
    }
    Ok(response)
}

/// Runs a conversation to its end, over a connection that lives as long as this: what the conversation
/// makes of a connection that broke is its end.
pub(in crate::push) async fn drive<T>(
    conversation: impl Future<Output = T>,
    connection: impl Future,
) -> T {
    let mut conversation = std::pin::pin!(conversation);
    let mut connection = std::pin::pin!(connection);
    let mut broken = false;
    loop {
        tokio::select! {
            end = conversation.as_mut() => return end,
            _ = connection.as_mut(), if !broken => broken = true,
        }
    }
}

/// An error with all its causes, in one line.
pub(in crate::push) fn causes(error: &SessionError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The messages that the operator knows.
fn protocol(headers: &HeaderMap) -> u32 {
    let said = headers.get(wire::PROTOCOL_HEADER);
    said.and_then(|said| said.to_str().ok()?.parse().ok())
        .unwrap_or_else(wire::first_protocol)
}

/// None: it panicked. That must not end the control thread: the sidecar would never hear of a policy
/// again.
fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Why the operator refused, as far as it says.
pub(in crate::push) async fn refusal(body: Incoming) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        reason: String,
    }
    let body = tokio::time::timeout(CONNECT_TIMEOUT, Limited::new(body, MAX_REFUSAL).collect());
    let body = body.await.ok().and_then(Result::ok);
    let refusal = body.and_then(|body| serde_json::from_slice::<Refusal>(&body.to_bytes()).ok());
    refusal.map_or_else(
        || "no reason given".to_owned(),
        |refusal| wire::reason(&refusal.reason),
    )
}

fn flatten<T>(
    result: Result<std::io::Result<T>, tokio::time::error::Elapsed>,
) -> std::io::Result<T> {
    result.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}
