//! What may be wrong with a request head, and what the client is told.

use http::StatusCode;

use crate::policy::verdict::{Reason, Refusal};
use crate::proxy::respond::refusal;

/// Why bytes are not a request head that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The request line is not `METHOD SP TARGET SP HTTP/1.x`.
    RequestLine,
    /// A character that a request target may not hold.
    Target,
    /// A `#` in the target.
    Fragment,
    /// A line that does not end with CR LF, or a CR inside it.
    LineEnd,
    /// A field line that continues the one before it.
    Folded,
    /// A field name that is not a token (a space before the colon, for one).
    FieldName,
    /// A control character in a value.
    FieldValue,
    /// `Content-Length` that is not one number, or is there twice.
    ContentLength,
    /// `Content-Length` beside `Transfer-Encoding`.
    LengthAndEncoding,
    /// `Transfer-Encoding` other than exactly `chunked`, twice, or in HTTP/1.0.
    TransferEncoding,
    /// Over the limit on the target.
    TargetTooLong,
    /// Over the limit on the head's bytes or fields.
    TooLarge,
    /// Not complete in time.
    TimedOut,
}

impl Malformed {
    /// The answer to it.
    pub(super) fn refusal(self) -> Refusal {
        let (status, reason, message) = match self {
            Self::RequestLine => (
                StatusCode::BAD_REQUEST,
                Reason::BadFraming,
                "The request line is not valid.",
            ),
            Self::Target => (
                StatusCode::BAD_REQUEST,
                Reason::BadPath,
                "The request target has a character that is not allowed.",
            ),
            // ESPv2's sentence.
            Self::Fragment => (
                StatusCode::BAD_REQUEST,
                Reason::BadPath,
                "Path cannot contain fragment identifier (#)",
            ),
            Self::LineEnd => (
                StatusCode::BAD_REQUEST,
                Reason::BadFraming,
                "A line of the request head does not end with CR LF.",
            ),
            Self::Folded => (
                StatusCode::BAD_REQUEST,
                Reason::BadFraming,
                "A header of the request is folded over several lines.",
            ),
            Self::FieldName => (
                StatusCode::BAD_REQUEST,
                Reason::BadFraming,
                "A header name is not valid.",
            ),
            Self::FieldValue => (
                StatusCode::BAD_REQUEST,
                Reason::BadFraming,
                "A header value has a control character.",
            ),
            Self::ContentLength => (
                StatusCode::BAD_REQUEST,
                Reason::BadFraming,
                "Content-Length is not a single number.",
            ),
            Self::LengthAndEncoding => (
                StatusCode::BAD_REQUEST,
                Reason::BadFraming,
                "The request has both Content-Length and Transfer-Encoding.",
            ),
            Self::TransferEncoding => (
                StatusCode::BAD_REQUEST,
                Reason::BadFraming,
                "The only Transfer-Encoding accepted is chunked.",
            ),
            Self::TargetTooLong => (
                StatusCode::URI_TOO_LONG,
                Reason::UriTooLong,
                "The request target is too long.",
            ),
            Self::TooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                Reason::HeadTooLarge,
                "The request head is too large.",
            ),
            Self::TimedOut => (
                StatusCode::REQUEST_TIMEOUT,
                Reason::HeadTimeout,
                "The request head was not complete in time.",
            ),
        };
        refusal(status, reason, message)
    }
}
