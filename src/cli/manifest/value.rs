//! From the tree with places to the structure that an API server would hold.

use serde_json::{Map, Number, Value};

use crate::openapi::Diagnostic;
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::source::{Cursor, Kind};

/// The most text that one file's manifests may come to, in bytes, aliases counted as what they stand
/// for: a service's document is compiled as often as it is there.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What is left of [`MAX_BYTES`].
pub(super) struct Budget {
    left: Option<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: Some(MAX_BYTES),
        }
    }
}

/// A value as JSON.
///
/// # Errors
/// What JSON cannot hold, and more text than [`MAX_BYTES`].
pub(super) fn value(cursor: &Cursor<'_>, budget: &mut Budget) -> Result<Value, Diagnostic> {
    Ok(match cursor.kind() {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Number(spelled) => number(spelled)
            .map(Value::Number)
            .ok_or_else(|| broken(cursor, format!("{} is no number in JSON", quote(spelled))))?,
        Kind::String(text) => {
            budget.spend(text.value.len(), cursor)?;
            Value::String(text.value.clone())
        }
        Kind::Sequence(_) => Value::Array(
            cursor
                .items()
                .map(|item| value(&item, budget))
                .collect::<Result<_, _>>()?,
        ),
        Kind::Mapping(_) => {
            let mut map = Map::new();
            for (key, entry) in cursor.entries() {
                budget.spend(key.len(), cursor)?;
                map.insert(key.to_owned(), value(&entry, budget)?);
            }
            Value::Object(map)
        }
        Kind::Tagged(tag) => {
            let message = format!("the tag {} means nothing to Kubernetes", quote(tag));
            return Err(broken(cursor, message));
        }
    })
}

impl Budget {
    /// Whether it was not enough: what is left of the file is not looked at.
    pub(super) fn is_spent(&self) -> bool {
        self.left.is_none()
    }

    fn spend(&mut self, bytes: usize, at: &Cursor<'_>) -> Result<(), Diagnostic> {
        self.left = self.left.and_then(|left| left.checked_sub(bytes));
        match self.left {
            Some(_) => Ok(()),
            None => {
                let message = format!(
                    "the manifests of this file come to more than {MAX_BYTES} bytes, aliases \
                     counted as what they stand for: the rest of it is not checked"
                );
                Err(broken(at, message).help("put them into several files"))
            }
        }
    }
}

/// A number of YAML's core schema, if JSON has it.
fn number(spelled: &str) -> Option<Number> {
    let unsigned = spelled.strip_prefix('+').unwrap_or(spelled);
    let based = |prefix: &str, base: u32| {
        let digits = unsigned.strip_prefix(prefix)?;
        u64::from_str_radix(digits, base).ok()
    };
    based("0x", 16)
        .or_else(|| based("0o", 8))
        .or_else(|| unsigned.parse().ok())
        .map(Number::from)
        .or_else(|| unsigned.parse::<i64>().ok().map(Number::from))
        .or_else(|| Number::from_f64(unsigned.parse().ok()?))
}

fn broken(cursor: &Cursor<'_>, message: String) -> Diagnostic {
    Diagnostic::error(code::INVALID_SPEC, cursor.place(), message)
}
