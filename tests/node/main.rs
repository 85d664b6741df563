//! The node tier: the chart, the image and the examples on a real cluster, with real pods.
//! `tests/node/run` starts all of it; `docs/contributing.md` says what it needs.
//!
//! Each test has a namespace of its own, or looks at the shared bookstore without changing it, so
//! they run in any order and at the same time. All of them share one installation of the chart; a
//! test that takes it away runs alone ([`installation::alone`]).
// A failed test says why, in helpers too.
#![allow(clippy::panic, clippy::print_stderr)]

mod cluster;
mod http;
mod installation;
mod namespace;
mod process;
mod release;
mod shop;
#[path = "../support/tokens.rs"]
mod tokens;
mod traffic;

mod capture;
mod edits;
mod forms;
mod injection;
mod last_good;
mod lifecycle;
mod operator_away;
mod operators_killed;
mod push_tokens;
mod readme;
mod requests;
mod rotation;
mod sidecar;
mod stopped_sidecar;
