//! The names of what the operator itself warns of in a status, beside what compiling finds: stable, each
//! in `docs/operations.md`.

/// A source that is too large to be kept as the last good one.
pub const SOURCE_NOT_KEPT: &str = "source-not-kept";
