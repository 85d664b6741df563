//! Connections kept for the next request.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::Connection;
use crate::proxy::upstream::options::Options;

/// The most idle connections kept: after a burst most of a proxy's memory is theirs.
const IDLE_CONNECTIONS: usize = 100;
/// What is kept for longer than this is swept away in time.
const SWEPT_WITHIN: Duration = Duration::from_secs(20);

/// Connections that wait for a request; most recently used last.
#[derive(Debug, Default)]
pub(in crate::proxy::upstream) struct Pool(RefCell<Vec<Idle>>);

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    /// When a sweep found it first: who comes and goes needs no clock, unless it is kept for so short a
    /// time that the sweep may come too late.
    since: Option<Instant>,
}

impl Pool {
    /// Drops connections that are idle for long, or closed by the backend.
    pub(in crate::proxy::upstream) fn sweep(&self, options: &Options) {
        let now = Instant::now();
        self.0.borrow_mut().retain_mut(|idle| {
            let since = *idle.since.get_or_insert(now);
            now - since < options.keep
                && idle.connection.is_young(options)
                && idle.connection.is_silent()
        });
    }

    /// A connection that can serve.
    pub(in crate::proxy::upstream) fn take(&self, options: &Options) -> Option<Box<Connection>> {
        let mut idle = self.0.borrow_mut();
        while let Some(Idle {
            mut connection,
            since,
        }) = idle.pop()
        {
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
        let mut idle = self.0.borrow_mut();
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(Idle { connection, since });
        }
    }

    /// Closes the connection that has waited longest, if one waits.
    pub(in crate::proxy::upstream) fn close_one(&self) -> bool {
        let mut idle = self.0.borrow_mut();
        let closed = (!idle.is_empty()).then(|| idle.remove(0));
        drop(idle);
        closed.is_some()
    }
}

/// Whether the sweep finds what is too old in time.
fn is_swept(options: &Options) -> bool {
    options.keep > SWEPT_WITHIN
}
