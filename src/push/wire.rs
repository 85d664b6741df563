//! What travels: messages and their framing.
//!
//! A frame is a length (4 bytes, big-endian) and that many bytes of JSON: an object with `type`.
//! A snapshot's policy is gzip in base64 inside its message, so that every frame is readable with
//! the same few lines. Fields that a reader does not know are passed over (the other side may be
//! newer), an unknown `type` ends the stream: hence each side says which [`PROTOCOL`] it speaks, and
//! is sent no message that it does not know.

use std::fmt;
use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::policy::format::{self, KeySource, MAX_POLICY_BYTES};

#[cfg(test)]
mod tests;

/// The path of the one request a sidecar makes.
pub const PATH: &str = "/v1/policy-stream";
/// Content type of both bodies.
pub const CONTENT_TYPE: &str = "application/vnd.endpoints.policy-stream";
/// The name in the operator's push certificate. Fixed, so that a sidecar may dial the Service's
/// cluster address where its pod cannot resolve the Service's name.
pub const TLS_NAME: &str = "endpoints-operator.push";
/// The messages that this build knows. A sidecar says its number in the [`Hello`], the operator in the
/// header [`PROTOCOL_HEADER`] of its answer; whoever says none speaks 1.
///
/// - 1: hello, applied, rejected; unchanged, keys, snapshot.
/// - 2: keysWanted; trust, withhold.
pub const PROTOCOL: u32 = 2;
/// Response header with the operator's [`PROTOCOL`].
pub const PROTOCOL_HEADER: &str = "endpoints-protocol";
/// The most bytes a frame to a sidecar may hold, without its length.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;
/// The most bytes a frame to the operator may hold: it is only ever a greeting or an answer.
pub const MAX_OPERATOR_FRAME: usize = 16 * 1024;
/// The most bytes of a rejection's reason that are sent.
pub const MAX_REASON: usize = 1024;
/// The most bytes of the version, and of the hash, that a hello may name: what a sidecar says of itself is
/// kept, logged and told to other replicas.
pub const MAX_NAMED: usize = 128;
/// The most bytes of a trust bundle.
pub const MAX_TRUST: usize = 64 * 1024;

/// From sidecar to operator.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ToOperator {
    /// The first message, and only that.
    Hello(Hello),
    /// The snapshot with this hash decides every new request from now on.
    Applied {
        /// [`Snapshot::hash`].
        hash: String,
    },
    /// The snapshot with this hash cannot be run; the one before goes on.
    Rejected {
        /// [`Snapshot::hash`].
        hash: String,
        /// Why, for people.
        reason: String,
    },
    /// A token came with a key that is not among those of a source (protocol 2). The answer, if there
    /// are keys to be had, is [`ToSidecar::Keys`].
    KeysWanted {
        /// [`source_id`] of the source, one of the policy's.
        source: String,
    },
}

/// From operator to sidecar.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ToSidecar {
    /// The policy that the sidecar named in its hello is the newest.
    Unchanged {
        /// Its hash.
        hash: String,
    },
    /// Keys of one source; before the snapshot that needs them, and whenever they were fetched.
    Keys(Keys),
    /// A whole policy.
    Snapshot(Snapshot),
    /// The authorities that the operator is recognised by from now on (protocol 2); before everything
    /// else, and whenever they change.
    Trust {
        /// Certificates, in PEM: at least one, [`MAX_TRUST`] bytes at most.
        bundle: String,
    },
    /// Whether the sidecar's first readiness is withheld (protocol 2). Before the policy where it is; a
    /// stream that says nothing withholds nothing.
    Withhold {
        /// Why, for people. None: not any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

/// Who a sidecar is and what it has. Claims, until the operator has checked them by the token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The pod it runs in.
    pub pod: PodRef,
    /// The EndpointsService it asks for, in the pod's namespace.
    pub service: String,
    /// Version of the sidecar's build.
    pub version: String,
    /// The highest policy format it reads ([`crate::policy::format::FORMAT`]).
    pub format: u32,
    /// The messages it knows ([`PROTOCOL`]).
    #[serde(default = "first_protocol")]
    pub protocol: u32,
    /// Hash of the policy it runs, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// One life of one pod.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name; pods of a StatefulSet get it again.
    pub name: String,
    /// Its uid; never given twice.
    pub uid: String,
}

/// An EndpointsService.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A whole policy.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// `metadata.uid` of the EndpointsService.
    pub service_uid: String,
    /// Its `metadata.generation`.
    pub generation: i64,
    /// [`crate::policy::format::hash`] of the policy's canonical bytes.
    pub hash: String,
    /// [`pack`]ed canonical bytes.
    pub body: String,
}

/// Keys of one source, outside the policy's hash.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// Where they come from; a policy's provider names them by this.
    pub source: KeySource,
    /// Changes when the keys do.
    pub version: String,
    /// When they were fetched, seconds since 1970.
    pub fetched_at: u64,
    /// The key set as it was fetched.
    pub set: String,
}

/// What is wrong with bytes from the other side. Never quotes them.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A length over the limit.
    #[error("a frame of {length} bytes, at most {limit} are allowed")]
    TooLong {
        /// What the frame says.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Not one of the messages.
    #[error("a frame that is not a message of this protocol ({} error at column {})", category(.0), .0.column())]
    NotAMessage(serde_json::Error),
    /// The body ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// A snapshot's body that does not unpack.
    #[error("a policy body that is not gzip in base64")]
    NotPacked,
    /// A snapshot's body that unpacks to too much.
    #[error("a policy body of more than {MAX_POLICY_BYTES} bytes")]
    TooLarge,
}

/// Encodes a message with its length before it.
///
/// # Errors
/// The message is longer than [`MAX_FRAME`].
pub fn encode(message: &impl Serialize) -> Result<Bytes, WireError> {
    let json = serde_json::to_vec(message).map_err(WireError::NotAMessage)?;
    let length = u32::try_from(json.len())
        .ok()
        .filter(|_| json.len() <= MAX_FRAME);
    let Some(length) = length else {
        return Err(WireError::TooLong {
            length: json.len(),
            limit: MAX_FRAME,
        });
    };
    let mut frame = BytesMut::with_capacity(4 + json.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&json);
    Ok(frame.freeze())
}

/// A policy's canonical bytes, compressed for a [`Snapshot`].
///
/// # Errors
/// Over [`MAX_POLICY_BYTES`]: the other side would refuse to unpack it.
pub fn pack(canonical: &[u8]) -> Result<String, WireError> {
    if canonical.len() > MAX_POLICY_BYTES {
        return Err(WireError::TooLarge);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(canonical).and_then(|()| encoder.finish());
    Ok(STANDARD.encode(packed.expect("writing to memory does not fail")))
}

/// A policy's canonical bytes out of a [`Snapshot`], however much they claim to unpack to.
///
/// # Errors
/// Not what [`pack`] makes, or more than [`MAX_POLICY_BYTES`].
pub fn unpack(body: &str) -> Result<Vec<u8>, WireError> {
    let packed = STANDARD.decode(body).map_err(|_| WireError::NotPacked)?;
    let mut canonical = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(MAX_POLICY_BYTES as u64 + 1)
        .read_to_end(&mut canonical)
        .map_err(|_| WireError::NotPacked)?;
    if canonical.len() > MAX_POLICY_BYTES {
        return Err(WireError::TooLarge);
    }
    Ok(canonical)
}

/// Cuts a reason to [`MAX_REASON`] bytes, at a character's border, and to one line.
pub fn reason(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_REASON);
    text[..end]
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A source by a name of fixed length: the source itself may hold certificates.
pub fn source_id(source: &KeySource) -> String {
    let json = serde_json::to_vec(source).expect("strings and lists become JSON");
    format::hash(&json)
}

/// The protocol of those who do not say theirs.
pub(super) fn first_protocol() -> u32 {
    1
}

/// Finds frames in a stream of bytes, wherever its chunks are cut.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    limit: usize,
}

impl Decoder {
    /// Refuses frames of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// Refuses frames of more than `limit` bytes from now on.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// More bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole message; none: more bytes are needed. An error is final: the stream has lost
    /// its place.
    ///
    /// # Errors
    /// A frame over the limit (known from its length, before it is read) or not a message.
    pub fn message<M: DeserializeOwned>(&mut self) -> Result<Option<M>, WireError> {
        let Some(length) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.limit {
            return Err(WireError::TooLong {
                length,
                limit: self.limit,
            });
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        self.buffer.advance(4);
        let frame = self.buffer.split_to(length);
        serde_json::from_slice(&frame)
            .map(Some)
            .map_err(WireError::NotAMessage)
    }

    /// Whether the stream may end here.
    ///
    /// # Errors
    /// It ends inside a frame.
    pub fn finish(&self) -> Result<(), WireError> {
        if self.buffer.is_empty() {
            Ok(())
        } else {
            Err(WireError::Truncated)
        }
    }
}

impl Hello {
    /// Whether it says of itself no more than anybody needs to. The pod and the service are compared with what
    /// the cluster knows.
    pub(super) fn is_bounded(&self) -> bool {
        let hash = self.hash.as_deref().unwrap_or_default();
        [&*self.version, hash]
            .iter()
            .all(|said| said.len() <= MAX_NAMED && said.bytes().all(|byte| byte.is_ascii_graphic()))
    }
}

impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Io => "read",
        serde_json::error::Category::Syntax => "syntax",
        serde_json::error::Category::Data => "data",
        serde_json::error::Category::Eof => "end-of-input",
    }
}
