//! `endpoints dev` as a person uses it: the real binary, its printed lines run by a real shell and a
//! real curl.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod arguments;
mod lines;
mod process;
mod reload;
mod signals;
