//! HTTP/2: a connection with many requests at once. It has a task of its own, since no one request
//! may hold the others up; a further connection is made when all have as many streams as they may.
//!
//! How many those are, a backend says with its SETTINGS. Until they have come a connection carries one
//! request, the first, and further ones wait for them: nothing is sent that would be refused.

mod arriving;
mod connection;
mod exchange;
mod keepalive;
mod pool;
mod sending;

pub(super) use self::arriving::Arriving;
pub(super) use self::connection::Connection;
use self::connection::{Place, State};
pub(super) use self::exchange::{Receiving, exchange, is_grpc};
pub(super) use self::pool::Pool;

/// The most streams of one connection, whatever more the backend allows.
const STREAMS: usize = 100;
/// What may be on its way to a client that does not read, in bytes.
const STREAM_WINDOW: u32 = 128 * 1024;
/// All streams together: one that is not read must not stop the others.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
