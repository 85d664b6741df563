//! `endpoints dev` as a person uses it: the real binary, its printed lines run by a real shell and a
//! real curl.

mod arguments;
mod lines;
mod process;
mod reload;
