//! Text, or structure, to a tree that knows where each of its nodes stands.
//!
//! Everything that a hostile text could blow up is bounded here: bytes, depth, and nodes *after*
//! aliases are expanded.

mod cursor;
mod json;
mod positions;
mod scalar;
mod yaml;

use std::collections::HashSet;
use std::sync::Arc;

pub use cursor::Cursor;
pub use positions::{BlockText, PointerIndex, positions};

use super::diagnostic::{Diagnostic, Place, Position, code, quote};

#[cfg(test)]
mod tests;

/// The most text a document may hold, in bytes (1 MiB).
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// The deepest nesting of a document.
pub const MAX_DEPTH: usize = 128;
/// The most nodes in a document, each alias counted as what it stands for.
pub const MAX_NODES: usize = 250_000;

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: Kind,
    /// Its first character; `None` in structure.
    pub position: Option<Position>,
}

/// A value of the YAML 1.2 core schema (chapter 10.3), or JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is spelled.
    Number(String),
    /// Text.
    String(Text),
    /// A list.
    Sequence(Vec<Arc<Node>>),
    /// A mapping in the order of the text.
    Mapping(Vec<Entry>),
    /// A value with a tag outside the core schema: fine where nobody looks.
    Tagged(String),
}

/// Text, and whether it is a literal block (`|`), whose lines are lines of the text around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The text.
    pub value: String,
    /// A literal block scalar.
    pub literal: bool,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key; `200` and `"200"` are one.
    pub key: String,
    /// Where the key stands.
    pub position: Option<Position>,
    /// The value.
    pub value: Arc<Node>,
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.value == *other
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.value == other
    }
}

/// Parses a text that holds exactly one document.
///
/// # Errors
/// Text that is too large, too deep, or not YAML 1.2 or JSON; a key written twice; more or less
/// than one document.
pub fn parse(text: &str) -> Result<Arc<Node>, Diagnostic> {
    let mut documents = parse_all(text, MAX_TEXT_BYTES)?;
    if let Some(second) = documents.get(1) {
        return Err(invalid(
            second.position,
            "the text holds more than one YAML document",
        )
        .help("keep one document: drop everything after `---`"));
    }
    documents.pop().ok_or_else(|| {
        invalid(None, "the document is empty").help(
            "an OpenAPI document starts with its version: `openapi: 3.0.3`, or `swagger: \"2.0\"`",
        )
    })
}

/// Parses a text that may hold several documents, up to `most` bytes.
fn parse_all(text: &str, most: usize) -> Result<Vec<Arc<Node>>, Diagnostic> {
    if text.len() > most {
        return Err(invalid(
            None,
            format!("the text has {} bytes, at most {most} are read", text.len()),
        )
        .help("remove descriptions and examples: the proxy does not need them"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().starts_with(['{', '[']) {
        return yaml::parse(text);
    }
    // JSON, or YAML in flow style. JSON has escapes that YAML reads otherwise (surrogate pairs), so
    // it goes first; what neither can read gets the message for what it looks like.
    json::parse(text)
        .map(|root| vec![root])
        .or_else(|from_json| {
            yaml::parse(text).map_err(|from_yaml| match looks_like_json(text) {
                true => from_json,
                false => from_yaml,
            })
        })
}

/// Whether the first key, or the first item, stands in double quotes.
fn looks_like_json(text: &str) -> bool {
    text.trim_start()
        .trim_start_matches(['{', '[', ' ', '\t', '\r', '\n'])
        .starts_with('"')
}

/// Takes structure: the tree has no positions.
///
/// # Errors
/// Structure that is too deep or has too many nodes.
pub fn from_value(value: &serde_json::Value) -> Result<Arc<Node>, Diagnostic> {
    convert(value, &mut Budget::default(), 0)
}

fn convert(
    value: &serde_json::Value,
    budget: &mut Budget,
    depth: usize,
) -> Result<Arc<Node>, Diagnostic> {
    use serde_json::Value;
    budget.take(1, None)?;
    check_depth(depth, None)?;
    let kind = match value {
        Value::Null => Kind::Null,
        Value::Bool(value) => Kind::Bool(*value),
        Value::Number(number) => Kind::Number(number.to_string()),
        Value::String(text) => Kind::String(Text {
            value: text.clone(),
            literal: false,
        }),
        Value::Array(items) => Kind::Sequence(
            items
                .iter()
                .map(|item| convert(item, budget, depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(entries) => Kind::Mapping(
            entries
                .iter()
                .map(|(key, value)| {
                    let value = convert(value, budget, depth + 1)?;
                    Ok(Entry {
                        key: key.clone(),
                        position: None,
                        value,
                    })
                })
                .collect::<Result<_, Diagnostic>>()?,
        ),
    };
    Ok(Arc::new(Node {
        kind,
        position: None,
    }))
}

/// What is left of [`MAX_NODES`].
struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_NODES)
    }
}

impl Budget {
    fn take(&mut self, nodes: usize, position: Option<Position>) -> Result<(), Diagnostic> {
        match self.0.checked_sub(nodes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(invalid(
                position,
                format!(
                    "the document has more than {MAX_NODES} values, aliases counted as what they stand for"
                ),
            )
            .help("remove examples and schemas, which the proxy does not need, or use fewer aliases")),
        }
    }
}

fn check_depth(depth: usize, position: Option<Position>) -> Result<(), Diagnostic> {
    if depth < MAX_DEPTH {
        return Ok(());
    }
    Err(invalid(
        position,
        format!("the document is nested more than {MAX_DEPTH} levels deep"),
    )
    .help("give what lies so deep a place of its own, and refer to it by `$ref`"))
}

/// A mapping under construction: no key comes twice.
#[derive(Default)]
struct MappingBuilder {
    entries: Vec<Entry>,
    seen: HashSet<String>,
}

impl MappingBuilder {
    fn insert(
        &mut self,
        key: String,
        position: Option<Position>,
        value: Arc<Node>,
    ) -> Result<(), Diagnostic> {
        if !self.seen.insert(key.clone()) {
            let first = self.entries.iter().find(|entry| entry.key == key);
            return Err(duplicate_key(
                &key,
                position,
                first.and_then(|entry| entry.position),
            ));
        }
        self.entries.push(Entry {
            key,
            position,
            value,
        });
        Ok(())
    }
}

/// What to do about a key that is written twice.
const KEEP_ONE: &str = "keep one of them: which one counts differs from reader to reader";

fn duplicate_key(key: &str, position: Option<Position>, first: Option<Position>) -> Diagnostic {
    let Some(first) = first else {
        let message = format!("the key {} is written twice in one mapping", quote(key));
        return invalid(position, message).help(KEEP_ONE);
    };
    let Position { line, column } = first;
    let message = format!(
        "the key {} is written twice in one mapping: first at line {line}, column {column}",
        quote(key)
    );
    invalid(position, message)
        .help(KEEP_ONE)
        .related(Place::document("", Some(first)), "first written here")
}

fn invalid(position: Option<Position>, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(
        code::INVALID_OPENAPI,
        Place::document("", position),
        message,
    )
}
