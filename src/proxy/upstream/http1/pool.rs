//! Connections kept for the next request.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Connection;
use crate::proxy::metrics::BackendCells;
use crate::proxy::upstream::options::Options;

/// The most idle connections kept: after a burst most of a proxy's memory is theirs.
const IDLE_CONNECTIONS: usize = 100;
/// What is kept for longer than this is swept away in time.
const SWEPT_WITHIN: Duration = Duration::from_secs(20);

/// Connections that wait for a request; most recently used last.
#[derive(Debug)]
pub(in crate::proxy::upstream) struct Pool {
    idle: RefCell<Vec<Idle>>,
    /// Where they are counted.
    cells: Arc<BackendCells>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    /// When a sweep found it first: who comes and goes needs no clock, unless it is kept for so short a
    /// time that the sweep may come too late.
    since: Option<Instant>,
}

impl Pool {
    pub(in crate::proxy::upstream) fn new(cells: Arc<BackendCells>) -> Self {
        Self {
            idle: RefCell::default(),
            cells,
        }
    }

    /// Drops connections that are idle for long, or closed by the backend.
    pub(in crate::proxy::upstream) fn sweep(&self, options: &Options) {
        let now = Instant::now();
        self.idle.borrow_mut().retain_mut(|idle| {
            let since = *idle.since.get_or_insert(now);
            let stays = now - since < options.keep
                && idle.connection.is_young(options)
                && idle.connection.is_silent();
            if !stays {
                self.cells.connections_idle.subtract(1);
            }
            stays
        });
    }

    /// A connection that can serve.
    pub(in crate::proxy::upstream) fn take(&self, options: &Options) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle {
            mut connection,
            since,
        }) = idle.pop()
        {
            self.cells.connections_idle.subtract(1);
            let is_fresh = is_swept(options) || since.is_none_or(|it| it.elapsed() < options.keep);
            if is_fresh && connection.is_silent() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose exchange is over.
    pub(in crate::proxy::upstream) fn keep(
        &self,
        mut connection: Box<Connection>,
        options: &Options,
    ) {
        connection.rest();
        let since = match is_swept(options) {
            true => None,
            false => Some(Instant::now()),
        };
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(Idle { connection, since });
            self.cells.connections_idle.add(1);
        }
    }

    /// Closes the connection that has waited longest, if one waits.
    pub(in crate::proxy::upstream) fn close_one(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        let closed = (!idle.is_empty()).then(|| idle.remove(0));
        drop(idle);
        if closed.is_some() {
            self.cells.connections_idle.subtract(1);
        }
        closed.is_some()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let left = self.idle.get_mut().len();
        self.cells.connections_idle.subtract(left as u64);
    }
}

/// Whether the sweep finds what is too old in time.
fn is_swept(options: &Options) -> bool {
    options.keep > SWEPT_WITHIN
}
