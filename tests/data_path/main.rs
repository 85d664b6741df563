//! The real proxy over loopback sockets, against a backend that records what reaches it.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/backend.rs"]
mod backend;
#[path = "../support/client.rs"]
mod client;
#[path = "../support/exposition.rs"]
mod exposition;
#[path = "../support/frames.rs"]
mod frames;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/tokens.rs"]
mod tokens;

mod access_log;
mod admin;
mod alternatives;
mod app_probes;
mod audit;
mod authentication;
mod backend_connections;
mod backend_tls;
mod bounds;
mod connections;
mod cors;
mod cors_table;
mod drain;
mod forwarding;
mod grpc;
mod headers;
mod hostile;
mod hostile_backends;
mod hostile_key_sets;
mod hostile_requests;
mod hostile_spellings;
mod hostile_tokens;
mod http2;
mod http2_backends;
mod http2_settings;
mod limits;
mod malformed;
mod metrics;
mod pools;
mod remote_backends;
mod retries;
mod routing;
mod start;
mod streams;
mod swap;
mod tls;
mod tokens_forwarded;
mod tracing;
mod unix;
mod upgrades;
