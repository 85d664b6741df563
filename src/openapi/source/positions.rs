//! From a JSON pointer back to a place in the text: for findings about structure, and for findings
//! about a document that stands as a block of text inside another file.

use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Position};
use super::{Cursor, Kind, Node, parse_all};

/// The places of all values of a text.
#[derive(Clone, Debug)]
pub struct PointerIndex {
    documents: Vec<Arc<Node>>,
    lines: Vec<String>,
}

/// A literal block (`key: |`) of a text.
#[derive(Clone, Debug)]
pub struct BlockText<'i> {
    lines: &'i [String],
    /// Line of the text, from 0, that holds the block's first line.
    first: usize,
    block: Vec<&'i str>,
}

/// Reads the places of a text, YAML (several documents, if you like) or JSON.
///
/// # Errors
/// As [`super::parse`].
pub fn positions(text: &str) -> Result<PointerIndex, Diagnostic> {
    let documents = parse_all(text)?;
    Ok(PointerIndex {
        documents,
        lines: text.lines().map(str::to_owned).collect(),
    })
}

impl PointerIndex {
    /// How many documents the text holds.
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// Text at a pointer of a document.
    pub fn string(&self, document: usize, pointer: &str) -> Option<&str> {
        Cursor::root(self.documents.get(document)?)
            .follow(pointer)?
            .string()
    }

    /// Where the value at a pointer stands: a scalar by its value, a list or mapping by its key. If
    /// there is none (a field that is missing), its nearest ancestor.
    pub fn locate(&self, document: usize, pointer: &str) -> Option<Position> {
        let root = Cursor::root(self.documents.get(document)?);
        let mut pointer = pointer;
        loop {
            if let Some(found) = root.follow(pointer) {
                return found.place().position;
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// The literal block at a pointer; `None` if something else stands there.
    pub fn block(&self, document: usize, pointer: &str) -> Option<BlockText<'_>> {
        let found = Cursor::root(self.documents.get(document)?).follow(pointer)?;
        let Kind::String(text) = found.kind() else {
            return None;
        };
        let start = found.node().position?.line;
        let block: Vec<_> = text.value.lines().collect();
        // The parser says where the block starts, by its indicator or by its first line: take the
        // one whose lines are the block's.
        let fits = |first: &usize| {
            block.iter().enumerate().all(|(index, line)| {
                self.lines
                    .get(first + index)
                    .is_some_and(|raw| raw.ends_with(line))
            })
        };
        let first = [start, start.saturating_sub(1)].into_iter().find(fits)?;
        text.literal.then_some(BlockText {
            lines: &self.lines,
            first,
            block,
        })
    }
}

impl BlockText<'_> {
    /// The place in the text around it of a place in the block.
    pub fn outer(&self, inner: Position) -> Position {
        let line = self.first + inner.line;
        let width = |line: Option<&str>| line.map_or(0, |line| line.chars().count());
        let raw = width(self.lines.get(line - 1).map(String::as_str));
        let own = width(self.block.get(inner.line - 1).copied());
        Position {
            line,
            column: inner.column + raw.saturating_sub(own),
        }
    }
}
