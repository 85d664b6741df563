//! The policy stream between operator and sidecars.
//!
//! ```text
//! operator                                             sidecar
//! Hub::publish ─► encoded once ─► watch per service
//!                                   │ server::stream   client::session
//!                                   └──── keys, snapshot ────► Apply::keys, Apply::apply
//!   Report ◄──────────────────────────── applied, rejected ◄──┘
//! ```
//!
//! The sidecar dials the operator: one long HTTP/2 POST over TLS, its body and the response's body
//! are frames ([`wire`]). Each stream is in lockstep: at most one snapshot is unacknowledged, and
//! what was published meanwhile is skipped to the newest, so a peer that is slow, stopped or
//! hostile holds one snapshot of memory and delays nobody.

mod backoff;
mod body;
pub mod client;
pub mod replica;
pub mod server;
pub mod wire;

#[cfg(test)]
mod tests;
