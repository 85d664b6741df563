//! The compiled policy, the compiler, and the decisions a proxy takes by it.
//!
//! Pure: no I/O, and no clock except as an argument. The same [`compile`] and the same decisions
//! serve operator, sidecar and `dev`, so an offline answer is the truth.
//!
//! ```text
//! spec ──compile──► Policy (format: serialisable, canonical) ──prepare──► Prepared (routes, header values)
//! request head ──path──► route ──► cors (preflight?) ──► jwt ──► headers     each a function of Prepared
//! ```

pub mod backend;
pub mod ca;
pub mod compile;
pub mod cors;
pub mod decide;
pub mod format;
pub mod headers;
pub mod jwt;
pub mod key_set;
pub mod limits;
mod lint;
pub mod path;
pub mod prepare;
pub mod route;
pub mod spec_form;
pub mod verdict;

pub use compile::{Compiled, ConfigMapTexts, ServiceIdentity, compile, compile_with};
pub use format::Policy;
pub use prepare::Prepared;
