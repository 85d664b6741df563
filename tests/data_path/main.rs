//! The real proxy over loopback sockets, against a backend that records what reaches it.

#[path = "../support/backend.rs"]
mod backend;
#[path = "../support/client.rs"]
mod client;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/tokens.rs"]
mod tokens;

mod admin;
mod authentication;
mod backend_connections;
mod cors;
mod forwarding;
mod limits;
mod malformed;
mod start;
mod swap;
