//! How else a backend may read a path that we read one way.
//!
//! Servers take the same few steps before they route, but not all of them, and in orders of their own:
//! nginx merges slashes before it resolves dots, servlet containers cut parameters off before they
//! unescape, some take a backslash for a slash. So what counts is every path that some order of some
//! of these steps leads to.

use super::super::path::{merge_slashes, resolve_dot_segments, unescape};
use super::spelling::{Kept, decode, without_parameters};

/// The most readings of one path, and the most bytes that they may have together: each is looked up.
const MOST: usize = 48;
const MOST_BYTES: usize = 64 * 1024;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) path: String,
    /// Its reserved characters were unescaped: to be compared with templates that are so, too.
    pub(super) decoded: bool,
}

/// A path that has too many readings, or one that leads above its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubtful;

/// All readings of a path that was read ([`super::super::path::read`]); the first is the path itself.
/// `decoded`: whether templates differ when they are unescaped.
pub(super) fn all(path: &str, decoded: bool) -> Result<Vec<Reading>, Doubtful> {
    let mut readings = vec![Reading {
        path: path.to_owned(),
        decoded: false,
    }];
    let mut bytes = path.len();
    let mut at = 0;
    while at < readings.len() {
        for mut next in steps(&readings[at])? {
            next.decoded &= decoded;
            if readings.contains(&next) {
                continue;
            }
            bytes += next.path.len();
            if readings.len() == MOST || bytes > MOST_BYTES {
                return Err(Doubtful);
            }
            readings.push(next);
        }
        at += 1;
    }
    Ok(readings)
}

/// What each step makes of a reading.
fn steps(reading: &Reading) -> Result<Vec<Reading>, Doubtful> {
    let path = &*reading.path;
    let mut next = Vec::new();
    let mut add = |path: String, decoded| next.push(Reading { path, decoded });
    if path.contains('%') {
        for kept in Kept::ALL {
            add(decode(path, kept), true);
        }
        add(unescape(path).map_err(|_| Doubtful)?, reading.decoded);
    } else if !reading.decoded {
        add(path.to_owned(), true);
    }
    if let Some(bare) = without_parameters(path) {
        add(bare, reading.decoded);
    }
    if path.contains("//") {
        let mut merged = path.to_owned();
        merge_slashes(&mut merged);
        add(merged, reading.decoded);
    }
    if has_dot_segments(path) {
        let resolved = resolve_dot_segments(path).map_err(|_| Doubtful)?;
        add(resolved, reading.decoded);
    }
    Ok(next)
}

/// Whether a segment is `.` or `..`.
pub(super) fn has_dot_segments(path: &str) -> bool {
    path.split('/')
        .any(|segment| segment == "." || segment == "..")
}

#[cfg(test)]
mod tests;
