//! One connection: how it is, and how many streams it may have.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout_at};

use super::{CONNECTION_WINDOW, STREAM_WINDOW, STREAMS, keepalive};
use crate::policy::limits::HEADER_BYTES;
use crate::proxy::metrics::BackendCells;
use crate::proxy::upstream::Backend;
use crate::proxy::upstream::connect::ConnectError;
use crate::proxy::upstream::options::Options;
use crate::proxy::upstream::places::{self, Places};

/// What the library says while the backend has said nothing: no number that a backend can say.
const UNTOLD: usize = usize::MAX - 1;

/// One connection; it closes when it is dropped and its last stream is over.
pub(in crate::proxy::upstream) struct Connection {
    pub(super) sender: SendRequest<Bytes>,
    state: Rc<State>,
    /// Requests that wait until the backend has said how many it takes.
    awaited: Rc<Cell<usize>>,
    made: Instant,
    /// Until when the backend must have spoken HTTP/2.
    begins_by: Instant,
    place: Option<places::Place>,
    /// Where it is counted while it has no stream.
    cells: Arc<BackendCells>,
}

/// How a connection is.
#[derive(Debug)]
pub(super) struct State {
    pub(super) streams: Cell<usize>,
    /// When a stream last ended.
    used: Cell<Instant>,
    /// When the backend last sent something of a stream.
    pub(super) heard: Cell<Instant>,
    /// No further streams.
    pub(super) retired: Cell<bool>,
    settings: Cell<Settings>,
    changed: Notify,
    /// Where it is noted how many streams the backend allows.
    told: Rc<Cell<usize>>,
    places: Option<Rc<Places>>,
}

/// What is known of the backend's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settings {
    Awaited,
    Known,
    /// The connection ended before they came.
    Never,
}

/// A stream, counted while it is there.
#[derive(Debug)]
pub(super) struct Place(pub(super) Rc<Connection>);

impl Connection {
    pub(super) async fn new(
        backend: &Backend,
        place: Option<places::Place>,
        awaited: Rc<Cell<usize>>,
        told: Rc<Cell<usize>>,
    ) -> Result<Self, ConnectError> {
        let begins_by = Instant::now() + backend.options.connect_timeout;
        let stream = backend.open().await?;
        let handshake = client::Builder::new()
            .enable_push(false)
            .initial_max_send_streams(UNTOLD)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
            .handshake::<_, Bytes>(stream);
        let (sender, mut connection) = timeout_at(begins_by, handshake)
            .await
            .map_err(|_| ConnectError::Timeout)?
            .map_err(io::Error::other)?;
        let state = State::new(told, backend.places.clone());
        let pings = connection.ping_pong();
        // Its errors reach the streams.
        spawn_local(keepalive::run(connection, pings, state.clone()));
        let cells = backend.metrics.clone();
        cells.connections_idle.add(1);
        Ok(Self {
            sender,
            state,
            awaited,
            made: Instant::now(),
            begins_by,
            place,
            cells,
        })
    }

    /// Whether there may be another stream as far as the connection goes: neither closed, nor told to
    /// go away, nor without an answer for too long, nor too old.
    pub(super) fn is_open(&self, options: &Options) -> bool {
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
    pub(in crate::proxy::upstream) fn has_room(&self) -> bool {
        self.state.streams.get() < self.allowed()
    }

    /// Whether there are more streams than the backend allows, by now.
    pub(super) fn is_overfull(&self) -> bool {
        self.state.streams.get() > self.allowed()
    }

    fn allowed(&self) -> usize {
        match self.state.settings.get() {
            Settings::Known => STREAMS.min(self.sender.current_max_send_streams()),
            // What no backend can have against it.
            Settings::Awaited | Settings::Never => 1,
        }
    }

    /// Who waits for what the backend allows; None: that is known, or never will be.
    pub(super) fn awaited(&self) -> Option<&Rc<Cell<usize>>> {
        let is_awaited = self.state.settings.get() == Settings::Awaited;
        (is_awaited && !self.state.retired.get()).then_some(&self.awaited)
    }

    /// Waits until the backend has said how many streams it allows.
    ///
    /// # Errors
    /// It has not, in time or before it left; or it allows none.
    pub(super) async fn told(&self) -> Result<(), ConnectError> {
        let told = timeout_at(self.begins_by, self.state.told()).await;
        match told {
            Ok(Settings::Known) if self.allowed() > 0 => Ok(()),
            Ok(Settings::Known) => {
                self.state.retired.set(true);
                Err(ConnectError::NoStreams)
            }
            Ok(_) => Err(ConnectError::Left),
            Err(_) => {
                self.state.retired.set(true);
                Err(ConnectError::SettingsTimeout)
            }
        }
    }

    /// Since when it has had no stream; None: it has some.
    pub(super) fn unused(&self) -> Option<Instant> {
        (self.state.streams.get() == 0).then(|| self.state.used.get())
    }

    pub(super) fn heard(&self) {
        self.state.heard.set(Instant::now());
    }

    /// A deadline passed. If nothing at all has come since, the connection may be dead.
    pub(super) fn timed_out(&self, since: Instant) {
        if self.state.heard.get() < since {
            self.state.retired.set(true);
        }
    }
}

impl State {
    pub(super) fn new(told: Rc<Cell<usize>>, places: Option<Rc<Places>>) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            streams: Cell::new(0),
            used: Cell::new(now),
            heard: Cell::new(now),
            retired: Cell::new(false),
            settings: Cell::new(Settings::Awaited),
            changed: Notify::new(),
            told,
            places,
        })
    }

    /// The connection was polled: what the library says now of the streams that the backend allows.
    pub(super) fn note_allowed(&self, most: usize) {
        if self.settings.get() == Settings::Awaited && most != UNTOLD {
            self.told.set(most.clamp(1, STREAMS));
            self.settle(Settings::Known);
        }
    }

    /// The connection is over.
    pub(super) fn note_end(&self) {
        if self.settings.get() == Settings::Awaited {
            self.settle(Settings::Never);
        }
    }

    fn settle(&self, settings: Settings) {
        self.settings.set(settings);
        self.changed.notify_waiters();
        if let Some(places) = &self.places {
            places.note_change();
        }
    }

    async fn told(&self) -> Settings {
        loop {
            let changed = self.changed.notified();
            match self.settings.get() {
                Settings::Awaited => changed.await,
                settings => return settings,
            }
        }
    }
}

impl Place {
    pub(super) fn new(connection: Rc<Connection>) -> Self {
        let streams = &connection.state.streams;
        if streams.get() == 0 {
            connection.cells.connections_idle.subtract(1);
        }
        streams.set(streams.get() + 1);
        Self(connection)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = &self.0.state;
        state.streams.set(state.streams.get() - 1);
        if state.streams.get() == 0 {
            self.0.cells.connections_idle.add(1);
        }
        state.used.set(Instant::now());
        if let Some(places) = &state.places {
            places.note_change();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Its streams hold it: there is none.
        self.cells.connections_idle.subtract(1);
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
