//! Why the backend gave no answer, or not all of it; and whose fault that is.

use std::error::Error;
use std::io;

use http::{HeaderMap, StatusCode};

use super::connect::ConnectError;
use crate::policy::limits::{HEADER_BYTES, HEADER_COUNT};
use crate::policy::verdict::{Facts, Phase, Reason, Refusal};
use crate::proxy::body::LargeBody;
use crate::proxy::config::BackendAddress;
use crate::proxy::guard::{BadBody, StalledBody};
use crate::proxy::http1;
use crate::proxy::respond::{grpc_status, refusal};

/// How ESPv2 begins where there was no answer, and where there was none after several attempts.
const UNANSWERED: &str = "upstream connect error or disconnect/reset before headers. reset reason:";
const RETRIED: &str = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason:";

/// Why there is no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum UpstreamError {
    /// Not connected.
    #[error("cannot connect to the backend {backend}")]
    Unreachable {
        /// Which backend.
        backend: BackendAddress,
        /// What the system or TLS said.
        source: ConnectError,
    },
    /// No connection was free in time.
    #[error("no connection to the backend became free")]
    Overflow,
    /// Sent more than once, and the last time this.
    #[error(transparent)]
    Retried(Box<UpstreamError>),
    /// Connected, then broken off.
    #[error("the backend broke off")]
    Reset(#[source] Protocol),
    /// What came is not HTTP.
    #[error("the backend's answer is not HTTP")]
    Malformed(#[source] Protocol),
    /// The head of its answer is larger than any may be.
    #[error("the head of the backend's answer is too large")]
    HeadTooLarge,
    /// A 101 that nobody asked for.
    #[error("the backend switched to a protocol that nobody asked for")]
    Unasked,
    /// A host that HTTP/2 cannot name.
    #[error("the request's host cannot stand in `:authority`")]
    BadAuthority,
    /// The deadline passed.
    #[error("the backend's deadline passed")]
    Deadline,
    /// The token that let the request in has expired, and the policy ends streams then.
    #[error("the token of the stream expired")]
    TokenExpired,
    /// The client's body could not be read to its end.
    #[error("the client's body ended early")]
    ClientBody(#[source] Box<dyn Error + Send + Sync>),
}

/// What was wrong in terms of the protocol.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum Protocol {
    /// HTTP/1.1.
    #[error(transparent)]
    Http1(http1::Error),
    /// HTTP/2.
    #[error(transparent)]
    Http2(h2::Error),
}

impl UpstreamError {
    pub(super) fn from_h2(error: h2::Error) -> Self {
        // The library found something that no HTTP/2 peer may send, in a frame or before any.
        if error.is_library() {
            Self::Malformed(Protocol::Http2(error))
        } else {
            Self::Reset(Protocol::Http2(error))
        }
    }

    /// The stable reason.
    pub(in crate::proxy) fn reason(&self) -> Reason {
        match self {
            Self::Unreachable { .. } => Reason::BackendUnreachable,
            Self::Overflow => Reason::BackendOverflow,
            Self::Retried(last) => last.reason(),
            Self::Reset(_) => Reason::BackendReset,
            Self::Malformed(_) | Self::HeadTooLarge | Self::Unasked => Reason::BackendMalformed,
            Self::BadAuthority => Reason::BadHost,
            Self::Deadline => Reason::BackendTimeout,
            Self::TokenExpired => Reason::TokenExpired,
            Self::ClientBody(error) if root(&**error).is::<LargeBody>() => Reason::BodyTooLarge,
            Self::ClientBody(_) => Reason::BadBody,
        }
    }

    /// What a gRPC client is told of an answer that broke off in the middle.
    pub(in crate::proxy) fn grpc_trailers(&self) -> HeaderMap {
        let status = match self {
            Self::Unreachable { .. } | Self::Reset(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Self::ClientBody(_) => StatusCode::BAD_REQUEST,
            Self::TokenExpired => StatusCode::UNAUTHORIZED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        grpc_status(&refusal(status, self.reason(), self.to_string()))
    }

    /// How far the exchange came.
    fn phase(&self) -> Phase {
        match self {
            Self::Unreachable { .. } | Self::Overflow => Phase::Connect,
            Self::Retried(last) => last.phase(),
            Self::Malformed(_) | Self::HeadTooLarge | Self::Unasked | Self::TokenExpired => {
                Phase::Response
            }
            Self::Reset(_) | Self::BadAuthority | Self::Deadline | Self::ClientBody(_) => {
                Phase::Request
            }
        }
    }

    /// The verdict: what the client is told, and what it rests on.
    pub(in crate::proxy) fn refusal(&self, backend: &BackendAddress) -> Refusal {
        let told = match self {
            Self::Retried(last) => last.told(backend, RETRIED),
            first => first.told(backend, UNANSWERED),
        };
        told.resting_on(Facts::Backend {
            address: backend.to_string(),
            phase: self.phase(),
        })
    }

    /// Sentences as ESPv2 has them, with the backend named. `no_answer`: how most of them begin.
    fn told(&self, backend: &BackendAddress, no_answer: &str) -> Refusal {
        match self {
            Self::Retried(last) => last.told(backend, no_answer),
            Self::Overflow => refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                self.reason(),
                format!(
                    "{no_answer} overflow, backend {backend}: no connection became free (backend.pool.maxConnections)"
                ),
            ),
            Self::Unreachable {
                source: source @ ConnectError::Name(_),
                ..
            } => refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                self.reason(),
                format!("no healthy upstream, backend {backend}: {}", source.cause()),
            ),
            Self::Unreachable { source, .. } => refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                self.reason(),
                format!(
                    "{no_answer} connection failure, backend {backend}: {}",
                    source.cause()
                ),
            ),
            Self::Reset(_) => refusal(
                StatusCode::BAD_GATEWAY,
                self.reason(),
                format!("{no_answer} connection termination, backend {backend}"),
            ),
            Self::Malformed(_) | Self::Unasked => refusal(
                StatusCode::BAD_GATEWAY,
                self.reason(),
                format!("{no_answer} protocol error, backend {backend}"),
            ),
            Self::HeadTooLarge => refusal(
                StatusCode::BAD_GATEWAY,
                self.reason(),
                format!(
                    "{no_answer} protocol error, backend {backend}: the head of its answer has more than {} KiB or {HEADER_COUNT} fields",
                    HEADER_BYTES / 1024
                ),
            ),
            Self::BadAuthority => refusal(
                StatusCode::BAD_REQUEST,
                self.reason(),
                "The Host header is not a host.",
            ),
            Self::Deadline => refusal(
                StatusCode::GATEWAY_TIMEOUT,
                self.reason(),
                format!("upstream request timeout, backend {backend}"),
            ),
            Self::TokenExpired => {
                refusal(StatusCode::UNAUTHORIZED, self.reason(), "Jwt is expired")
            }
            Self::ClientBody(error) => {
                let (status, message) = match root(&**error) {
                    root if root.is::<StalledBody>() => {
                        (StatusCode::REQUEST_TIMEOUT, "The request body stalled.")
                    }
                    root if root.is::<LargeBody>() => {
                        (StatusCode::PAYLOAD_TOO_LARGE, LargeBody::MESSAGE)
                    }
                    root if root.is::<BadBody>() => (
                        StatusCode::BAD_REQUEST,
                        "The request body is not framed as HTTP demands.",
                    ),
                    _ => (StatusCode::BAD_REQUEST, "The request body ended early."),
                };
                refusal(status, self.reason(), message)
            }
        }
    }
}

impl From<http1::Error> for UpstreamError {
    fn from(error: http1::Error) -> Self {
        match error {
            http1::Error::Io(_) | http1::Error::Closed => Self::Reset(Protocol::Http1(error)),
            http1::Error::TooLarge => Self::HeadTooLarge,
            _ => Self::Malformed(Protocol::Http1(error)),
        }
    }
}

/// The innermost cause, also inside of [`io::Error`].
fn root<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    let mut error = error;
    loop {
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(|io| io.get_ref())
            .map(|inner| -> &(dyn Error + 'static) { inner })
            .or_else(|| error.source());
        match inner {
            Some(inner) => error = inner,
            None => return error,
        }
    }
}
