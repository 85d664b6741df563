//! The control plane against a real API server: what a user sees by `kubectl`.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod admission;
#[path = "../support/api_server.rs"]
mod api_server;
mod captured;
mod certificates;
mod check_cluster;
mod checks;
mod events;
mod fields;
mod key_sets;
mod objects;
mod process;
mod push_tokens;
mod schema;
mod serve;
mod sidecar_process;
mod sidecars;
mod status;
mod uninstall;
mod withheld;
