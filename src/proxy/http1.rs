//! HTTP/1.1 messages as bytes (RFC 9112), for both sides: what each byte may be part of, fields, bodies,
//! and what is on its way out.

mod chunked;
mod error;
mod fields;
mod octets;
mod outgoing;
mod reading;

pub(super) use self::chunked::Chunked;
pub(super) use self::error::Error;
pub(super) use self::fields::{Place, field, find};
pub(super) use self::octets::{QUERY, TARGET, TOKEN, class, text, token, trim};
pub(super) use self::outgoing::Outgoing;
pub(super) use self::reading::Reading;

/// How the body of a message is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    #[default]
    None,
    /// This many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// All up to the end of the connection.
    UntilClose,
}
