//! What is asked of each parser, whatever bytes it is given: one module a target, each with a `run`
//! that panics when something does not hold.
//!
//! `make fuzz` feeds them to libFuzzer; `tests/seeds.rs` compiles them in every test run and goes
//! over the seeds (`seeds/TARGET/`).

pub mod compile;
mod findings;
pub mod headers;
pub mod key_set;
pub mod path;
pub mod policy;
pub mod request;
pub mod source;
pub mod spec;
pub mod template;
pub mod token;

/// A target: its name, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("compile", compile::run),
    ("headers", headers::run),
    ("key_set", key_set::run),
    ("path", path::run),
    ("policy", policy::run),
    ("request", request::run),
    ("source", source::run),
    ("spec", spec::run),
    ("template", template::run),
    ("token", token::run),
];
