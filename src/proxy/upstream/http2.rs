//! HTTP/2: a connection with many requests at once. It has a task of its own, since no one request
//! may hold the others up; a further connection is made when all have as many streams as they may.

mod exchange;
mod keepalive;
mod sending;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared, WeakShared};
use h2::client::{self, SendRequest};
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

pub(super) use self::exchange::{Receiving, exchange, is_grpc};
use super::Backend;
use super::connect::ConnectError;
use super::options::Options;
use super::places::{self, Places};
use crate::policy::limits::HEADER_BYTES;

/// The most streams of one connection, whatever more the backend allows.
const STREAMS: usize = 100;
/// What may be on its way to a client that does not read, in bytes.
const STREAM_WINDOW: u32 = 128 * 1024;
/// All streams together: one that is not read must not stop the others.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;

/// The connections to one backend.
#[derive(Debug, Default)]
pub(super) struct Pool {
    connections: RefCell<Vec<Rc<Connection>>>,
    /// The one being made, by all who wait for it together.
    connecting: RefCell<Option<WeakShared<Making>>>,
}

/// A connection that is being made, by all who wait for it together.
pub(super) type Connecting = Shared<Making>;
type Making = LocalBoxFuture<'static, Result<Rc<Connection>, ConnectError>>;

/// One connection; it closes when it is dropped and its last stream is over.
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    state: Rc<State>,
    made: Instant,
    place: Option<places::Place>,
    places: Option<Rc<Places>>,
}

/// How a connection is.
#[derive(Debug)]
struct State {
    streams: Cell<usize>,
    /// When a stream last ended.
    used: Cell<Instant>,
    /// When the backend last sent something of a stream.
    heard: Cell<Instant>,
    /// No further streams.
    retired: Cell<bool>,
}

/// A stream, counted while it is there.
#[derive(Debug)]
struct Place(Rc<Connection>);

impl Pool {
    /// A connection that has room.
    pub(super) fn take(&self, options: &Options) -> Option<Rc<Connection>> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_open(options));
        connections
            .iter()
            .find(|connection| connection.has_room())
            .cloned()
    }

    /// Makes a connection, or joins those who wait for one. None: there are as many as may be.
    pub(super) fn connect(backend: &Rc<Backend>) -> Option<Connecting> {
        let mut connecting = backend.http2.connecting.borrow_mut();
        if let Some(running) = connecting.as_ref().and_then(WeakShared::upgrade) {
            return Some(running);
        }
        let place = match &backend.places {
            Some(places) => Some(places.take()?),
            None => None,
        };
        let backend = backend.clone();
        let making = async move {
            let made = Connection::new(&backend, place).await;
            let pool = &backend.http2;
            pool.connecting.take();
            let connection = Rc::new(made?);
            pool.connections.borrow_mut().push(connection.clone());
            Ok(connection)
        };
        let making = making.boxed_local().shared();
        *connecting = making.downgrade();
        Some(making)
    }

    /// Drops connections that nobody has used for long, and those that may not be used any more.
    pub(super) fn sweep(&self, options: &Options) {
        self.connections.borrow_mut().retain(|connection| {
            let state = &connection.state;
            let idle = state.streams.get() == 0;
            connection.is_open(options) && !(idle && state.used.get().elapsed() >= options.keep)
        });
    }
}

impl Connection {
    async fn new(backend: &Backend, place: Option<places::Place>) -> Result<Self, ConnectError> {
        let begun = Instant::now();
        let limit = backend.options.connect_timeout;
        let stream = backend.open().await?;
        let handshake = client::Builder::new()
            .enable_push(false)
            .initial_max_send_streams(STREAMS)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
            .handshake::<_, Bytes>(stream);
        let (sender, mut connection) = timeout(limit.saturating_sub(begun.elapsed()), handshake)
            .await
            .map_err(|_| ConnectError::Timeout)?
            .map_err(io::Error::other)?;
        let now = Instant::now();
        let state = Rc::new(State {
            streams: Cell::new(0),
            used: Cell::new(now),
            heard: Cell::new(now),
            retired: Cell::new(false),
        });
        let pings = connection.ping_pong();
        // Its errors reach the streams.
        spawn_local(keepalive::run(connection, pings, state.clone()));
        Ok(Self {
            sender,
            state,
            made: now,
            place,
            places: backend.places.clone(),
        })
    }

    /// Whether there may be another stream as far as the connection goes: neither closed, nor told to
    /// go away, nor without an answer for too long, nor too old.
    fn is_open(&self, options: &Options) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        !self.state.retired.get()
            && options
                .max_age
                .is_none_or(|most| self.made.elapsed() < most)
            && matches!(
                self.sender.clone().poll_ready(&mut context),
                Poll::Ready(Ok(()))
            )
    }

    /// Whether the backend allows another stream now.
    pub(super) fn has_room(&self) -> bool {
        self.state.streams.get() < STREAMS.min(self.sender.current_max_send_streams())
    }

    fn heard(&self) {
        self.state.heard.set(Instant::now());
    }

    /// A deadline passed. If nothing at all has come since, the connection may be dead.
    fn timed_out(&self, since: Instant) {
        if self.state.heard.get() < since {
            self.state.retired.set(true);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("state", &self.state)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Place {
    fn new(connection: Rc<Connection>) -> Self {
        let streams = &connection.state.streams;
        streams.set(streams.get() + 1);
        Self(connection)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = &self.0.state;
        state.streams.set(state.streams.get() - 1);
        state.used.set(Instant::now());
        if let Some(places) = &self.0.places {
            places.note_change();
        }
    }
}
