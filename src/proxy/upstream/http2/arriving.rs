//! Connections that are not there yet, or that nobody may use yet, and the requests that wait for them.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared, WeakShared};

use super::Connection;
use crate::proxy::upstream::Backend;
use crate::proxy::upstream::connect::ConnectError;
use crate::proxy::upstream::places::Place;

/// A connection that is being made, for as long as somebody waits for it.
pub(super) struct Making {
    made: WeakShared<Made>,
    awaited: Rc<Cell<usize>>,
}

type Made = LocalBoxFuture<'static, Result<Rc<Connection>, ConnectError>>;

/// A request's wait for a connection.
pub(in crate::proxy::upstream) struct Arriving {
    connection: Coming,
    _wait: Wait,
}

enum Coming {
    /// It is being made.
    Connecting(Shared<Made>),
    /// It is there, and has not said how many streams it takes.
    Untold(Rc<Connection>),
}

/// One of those who wait for a connection, counted while it does.
struct Wait(Rc<Cell<usize>>);

impl Making {
    /// Begins to make a connection; `told`: where it notes how many streams the backend allows.
    pub(super) fn begin(
        backend: &Rc<Backend>,
        place: Option<Place>,
        told: Rc<Cell<usize>>,
    ) -> (Self, Arriving) {
        let awaited = Rc::new(Cell::new(0));
        let (counted, backend) = (awaited.clone(), backend.clone());
        let made = async move {
            let connection = Connection::new(&backend, place, counted, told).await?;
            let connection = Rc::new(connection);
            backend.http2.add(connection.clone());
            Ok(connection)
        };
        let made = made.boxed_local().shared();
        let arriving = Arriving {
            connection: Coming::Connecting(made.clone()),
            _wait: Wait::new(&awaited),
        };
        let made = made.downgrade().expect("it was not polled yet");
        (Self { made, awaited }, arriving)
    }

    /// Whether somebody waits for it still.
    pub(super) fn is_going_on(&self) -> bool {
        self.made
            .upgrade()
            .is_some_and(|made| made.peek().is_none())
    }

    /// Waits with the others, if they are fewer than so many.
    pub(super) fn join(&self, most: usize) -> Option<Arriving> {
        let made = self.made.upgrade()?;
        (self.awaited.get() < most).then(|| Arriving {
            connection: Coming::Connecting(made),
            _wait: Wait::new(&self.awaited),
        })
    }
}

impl Arriving {
    /// Over a connection that has not said how many streams it takes, if fewer than so many want one.
    pub(super) fn over(connection: &Rc<Connection>, most: usize) -> Option<Self> {
        let awaited = connection.awaited()?;
        (awaited.get() < most).then(|| Self {
            connection: Coming::Untold(connection.clone()),
            _wait: Wait::new(awaited),
        })
    }

    /// Waits until there is room on the connection, or no more of it than there is.
    ///
    /// # Errors
    /// There is no connection, or the backend has not begun to speak HTTP/2 on it in time.
    pub(in crate::proxy::upstream) async fn wait(self) -> Result<Rc<Connection>, ConnectError> {
        let connection = match self.connection {
            Coming::Connecting(made) => made.await?,
            Coming::Untold(connection) => connection,
        };
        if !connection.has_room() {
            connection.told().await?;
        }
        Ok(connection)
    }
}

impl Wait {
    fn new(awaited: &Rc<Cell<usize>>) -> Self {
        awaited.set(awaited.get() + 1);
        Self(awaited.clone())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl fmt::Debug for Making {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Making")
            .field("awaited", &self.awaited)
            .finish_non_exhaustive()
    }
}
