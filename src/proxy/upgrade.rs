//! Upgrades (RFC 9110 section 7.8): a handshake is a request like any other, under route, CORS, token
//! and header plan; with the backend's 101 the two connections become one pipe of bytes.
//!
//! ```text
//! guard (head asks) ─► service ─► upstream (101, of the protocol asked for) ─► Slot ─► pipe
//! ```
//!
//! From a head that asks to the answer nothing of the client is read as HTTP: it is either the
//! new protocol's, or thrown away with the connection. So what a client sends too early, or somebody
//! puts into its mouth, is never taken for a request.

mod pipe;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, TE, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use self::pipe::Pipe;
use super::client::Client;
use super::respond::refusal;
use super::upstream::Stream;
use super::worker::Worker;
use crate::policy::cors::CorsVerdict;
use crate::policy::verdict::{Reason, Refusal};

const SWITCH: HeaderValue = HeaderValue::from_static("Upgrade");

/// What the parts of one client connection leave to each other about its upgrade. There is at most
/// one: an answer other than 101 ends the connection.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The protocol that the backend was asked for.
    asked: RefCell<Option<HeaderValue>>,
    switched: RefCell<Option<Switched>>,
    /// When the pipe ends whatever passes through it; None: when it is silent.
    pub(super) ends: Cell<Option<Instant>>,
}

/// A backend's connection, no longer HTTP's.
#[derive(Debug)]
struct Switched {
    stream: Stream,
    /// What came behind the 101.
    early: BytesMut,
    /// How long it may be silent.
    idle: Duration,
}

impl Slot {
    /// Whether a 101 with these headers answers what was asked.
    pub(super) fn accepts(&self, headers: &HeaderMap) -> bool {
        let asked = self.asked.borrow();
        let mut switched_to = headers.get_all(UPGRADE).iter();
        match (&*asked, switched_to.next(), switched_to.next()) {
            (Some(asked), Some(given), None) => {
                asked.as_bytes().eq_ignore_ascii_case(given.as_bytes())
            }
            _ => false,
        }
    }

    /// The backend has switched. `early`: what came behind its 101; `idle`: how long the connection
    /// may be silent.
    pub(super) fn switched(&self, stream: Stream, early: BytesMut, idle: Duration) {
        self.switched.replace(Some(Switched {
            stream,
            early,
            idle,
        }));
    }

    /// Whether the backend has switched.
    pub(super) fn is_switched(&self) -> bool {
        self.switched.borrow().is_some()
    }
}

/// The protocol that a handshake asks for, if its origin may: browsers send no preflight before a
/// WebSocket's handshake, but they say whose page it is for. What is no browser says nothing.
pub(super) fn admit(
    headers: &HeaderMap,
    cors: CorsVerdict,
) -> Result<Option<HeaderValue>, Refusal> {
    if cors == CorsVerdict::OriginUnmatched {
        return Err(refusal(
            StatusCode::FORBIDDEN,
            Reason::OriginRefused,
            "The Origin of the handshake does not match the CORS policy.",
        ));
    }
    Ok(headers.get(UPGRADE).cloned())
}

/// Asks the backend to switch.
pub(super) fn ask(headers: &mut HeaderMap, protocol: HeaderValue, client: &Client) {
    headers.remove(TE);
    headers.insert(CONNECTION, SWITCH);
    headers.insert(UPGRADE, protocol.clone());
    client.upgrade.asked.replace(Some(protocol));
}

/// The headers of the answer to a handshake, whoever made it.
pub(super) fn answer(status: StatusCode, headers: &mut HeaderMap, client: &Client) {
    let asked = client.upgrade.asked.take();
    match asked {
        Some(protocol) if status == StatusCode::SWITCHING_PROTOCOLS => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(CONNECTION, SWITCH);
            headers.insert(UPGRADE, protocol);
        }
        // What the client may have sent already was not meant as a request.
        _ => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Passes bytes both ways, if the backend has switched, until both sides are done. `early`: what the
/// client sent behind its handshake.
pub(super) async fn run(
    worker: &Rc<Worker>,
    client: &Rc<Client>,
    socket: impl AsyncRead + AsyncWrite + Unpin,
    early: BytesMut,
) {
    let Some(Switched {
        stream,
        early: answered,
        idle,
    }) = client.upgrade.switched.take()
    else {
        return;
    };
    let _open = Open::new(worker);
    let mut pipe = Pipe::new(
        socket,
        early,
        stream,
        answered,
        idle,
        client.upgrade.ends.get(),
    );
    let end = pipe.run().await;
    let (sent, received) = pipe.passed();
    tracing::debug!(
        target: "endpoints::access",
        peer = %client.peer,
        sent,
        received,
        end = %end,
        "an upgraded connection ended"
    );
}

/// Counted while it is there.
struct Open(Rc<Worker>);

impl Open {
    fn new(worker: &Rc<Worker>) -> Self {
        worker.metrics.upgrades_open.add(1);
        Self(worker.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.upgrades_open.subtract(1);
    }
}
