//! A node together with the way to it.

use super::super::diagnostic::{Diagnostic, Place, Position, code, quote};
use super::{Kind, Node};

/// Where pointers are cut off, in bytes: a hostile key must not be copied into every place below it.
const MAX_POINTER_BYTES: usize = 2048;

/// A node of a tree, and where it stands.
#[derive(Clone, Debug)]
pub struct Cursor<'t> {
    node: &'t Node,
    pointer: String,
    key: Option<Position>,
}

impl<'t> Cursor<'t> {
    /// The whole document.
    pub fn root(node: &'t Node) -> Self {
        Self {
            node,
            pointer: String::new(),
            key: None,
        }
    }

    /// The value.
    pub fn kind(&self) -> &'t Kind {
        &self.node.kind
    }

    /// The tree below.
    pub fn node(&self) -> &'t Node {
        self.node
    }

    /// Its JSON pointer (RFC 6901).
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Where it stands: a scalar by its value, a list, a mapping or nothing by its key.
    pub fn place(&self) -> Place {
        let position = match self.node.kind {
            Kind::Sequence(_) | Kind::Mapping(_) | Kind::Null => self.key.or(self.node.position),
            _ => self.node.position,
        };
        Place::document(self.pointer.clone(), position)
    }

    /// Where its key stands; the node itself, if it has none.
    pub fn key_place(&self) -> Place {
        Place::document(self.pointer.clone(), self.key.or(self.node.position))
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<Cursor<'t>> {
        let Kind::Mapping(entries) = &self.node.kind else {
            return None;
        };
        let entry = entries.iter().find(|entry| entry.key == key)?;
        Some(self.child(&entry.key, &entry.value, entry.position))
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&'t str, Cursor<'t>)> + use<'t, '_> {
        let entries = match &self.node.kind {
            Kind::Mapping(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|entry| {
            (
                entry.key.as_str(),
                self.child(&entry.key, &entry.value, entry.position),
            )
        })
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> impl Iterator<Item = Cursor<'t>> + use<'t, '_> {
        let items = match &self.node.kind {
            Kind::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        items
            .iter()
            .enumerate()
            .map(|(index, item)| self.child(&index.to_string(), item, None))
    }

    /// Text; `None` for anything else.
    pub fn string(&self) -> Option<&'t str> {
        match &self.node.kind {
            Kind::String(text) => Some(&text.value),
            _ => None,
        }
    }

    /// Text or number, as spelled: for messages.
    pub fn text(&self) -> Option<&'t str> {
        match &self.node.kind {
            Kind::String(text) => Some(&text.value),
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self.node.kind {
            Kind::Null => "empty",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::String(_) => "text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
            Kind::Tagged(_) => "a value with a tag of its own",
        }
    }

    /// The finding that this is not what it should be: "`host` must be text, but is a list".
    pub fn wrong_kind(&self, name: &str, expected: &str) -> Diagnostic {
        let finding = Diagnostic::error(
            code::INVALID_OPENAPI,
            self.place(),
            format!(
                "{} must be {expected}, but is {}",
                quote(name),
                self.kind_name()
            ),
        );
        // YAML takes plain `1.2` for a number, and readers of YAML 1.1 take `on` and `no` for booleans.
        match &self.node.kind {
            Kind::Number(number) if expected.contains("text") => finding.help(format!(
                "write it in quotes: {}",
                quote(&format!("\"{number}\""))
            )),
            Kind::Bool(_) if expected.contains("text") => finding
                .help("write the text in quotes: `\"true\"`, or `\"on\"`, `\"yes\"`, `\"no\"`"),
            _ if expected.starts_with("a mapping") => {
                finding.help("write its fields below it, indented: `name: value` on each line")
            }
            _ if expected.starts_with("a list") => {
                finding.help("write its items below it, each after `- `")
            }
            _ => finding.help(format!("write {expected} in its place, or leave it out")),
        }
    }

    /// The place in the tree that a pointer names, from here; `None` if there is none.
    pub fn follow(&self, pointer: &str) -> Option<Cursor<'t>> {
        let mut at = self.clone();
        for token in pointer
            .strip_prefix('/')
            .map(|rest| rest.split('/'))
            .into_iter()
            .flatten()
        {
            at = at.step(token)?;
        }
        Some(at)
    }

    /// One reference token of a pointer further down (RFC 6901 section 4); `None` if nothing is there.
    pub fn step(&self, token: &str) -> Option<Cursor<'t>> {
        let token = token.replace("~1", "/").replace("~0", "~");
        match self.kind() {
            Kind::Mapping(_) => self.get(&token),
            Kind::Sequence(items) => {
                let item = items.get(token.parse::<usize>().ok()?)?;
                Some(self.child(&token, item, None))
            }
            _ => None,
        }
    }

    fn child(&self, token: &str, node: &'t Node, key: Option<Position>) -> Cursor<'t> {
        let mut pointer = String::with_capacity(self.pointer.len() + token.len().min(64) + 2);
        pointer.push_str(&self.pointer);
        if pointer.len() < MAX_POINTER_BYTES {
            pointer.push('/');
        }
        for character in token.chars() {
            if pointer.len() >= MAX_POINTER_BYTES {
                break;
            }
            match character {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
        Cursor { node, pointer, key }
    }
}
