//! The control plane against a real API server: what a user sees by `kubectl`.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod admission;
#[path = "../support/api_server.rs"]
mod api_server;
mod captured;
mod certificate_files;
mod certificates;
mod check_cluster;
mod checks;
mod config_maps;
mod events;
#[path = "../support/exposition.rs"]
mod exposition;
mod fields;
mod hand_labels;
mod key_rotation;
mod key_sets;
mod metrics;
mod objects;
mod outlives;
mod pods;
mod process;
mod push_peers;
mod push_tokens;
mod relay;
mod replicas;
mod restarted_sidecar;
mod rights;
mod rotation;
mod schema;
mod serve;
mod sidecar_process;
mod sidecars;
mod status;
mod store;
mod storm;
#[path = "../support/tokens.rs"]
mod tokens;
mod uninstall;
mod withheld;
