//! The connections to one backend, and those that are being made.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::arriving::{Arriving, Making};
use super::{Connection, STREAMS};
use crate::proxy::upstream::Backend;
use crate::proxy::upstream::options::Options;

/// The connections to one backend.
#[derive(Debug)]
pub(in crate::proxy::upstream) struct Pool {
    connections: RefCell<Vec<Rc<Connection>>>,
    making: RefCell<Vec<Making>>,
    /// How many streams the backend allowed last: so many requests wait for one connection.
    told: Rc<Cell<usize>>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            connections: RefCell::default(),
            making: RefCell::default(),
            told: Rc::new(Cell::new(STREAMS)),
        }
    }
}

impl Pool {
    /// A connection that has room.
    pub(in crate::proxy::upstream) fn take(&self, options: &Options) -> Option<Rc<Connection>> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_open(options));
        connections
            .iter()
            .find(|connection| connection.has_room())
            .cloned()
    }

    /// Joins those who wait for a connection, or makes one. None: there are as many as may be.
    pub(in crate::proxy::upstream) fn arrive(backend: &Rc<Backend>) -> Option<Arriving> {
        let pool = &backend.http2;
        if let Some(arriving) = pool.join(pool.told.get()) {
            return Some(arriving);
        }
        let place = match &backend.places {
            None => None,
            Some(places) => match places.take() {
                Some(place) => Some(place),
                // More may fit than it seems.
                None => return pool.join(usize::MAX),
            },
        };
        let (making, arriving) = Making::begin(backend, place, pool.told.clone());
        pool.making.borrow_mut().push(making);
        Some(arriving)
    }

    /// Waits with others for a connection, if they are fewer than so many.
    fn join(&self, most: usize) -> Option<Arriving> {
        let mut making = self.making.borrow_mut();
        making.retain(Making::is_going_on);
        let coming = making.iter().find_map(|it| it.join(most));
        coming.or_else(|| {
            let connections = self.connections.borrow();
            connections.iter().find_map(|it| Arriving::over(it, most))
        })
    }

    /// A connection was made.
    pub(super) fn add(&self, connection: Rc<Connection>) {
        self.connections.borrow_mut().push(connection);
    }

    /// Drops connections that nobody has used for long, and those that may not be used any more.
    pub(in crate::proxy::upstream) fn sweep(&self, options: &Options) {
        self.connections.borrow_mut().retain(|connection| {
            connection.is_open(options)
                && connection
                    .unused()
                    .is_none_or(|since| since.elapsed() < options.keep)
        });
    }
}
