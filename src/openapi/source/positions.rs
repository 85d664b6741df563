//! From a JSON pointer back to a place in the text: for findings about structure, and for findings
//! about a document that stands as a block of text inside another file.

use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Position};
use super::{Cursor, Kind, MAX_TEXT_BYTES, Node, parse_all};

/// The most text that is read: a document of the largest size, indented, in the file around it.
const MAX_FILE_BYTES: usize = 4 * MAX_TEXT_BYTES;

/// The places of all values of a text.
#[derive(Clone, Debug)]
pub struct PointerIndex {
    documents: Vec<Arc<Node>>,
}

/// A literal block (`key: |`) of a text: each of its lines is a line of the text, indented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockText {
    lines_before: usize,
    indentation: usize,
}

/// Reads the places of a text, YAML (several documents, if you like) or JSON.
///
/// # Errors
/// As [`super::parse`].
pub fn positions(text: &str) -> Result<PointerIndex, Diagnostic> {
    Ok(PointerIndex {
        documents: parse_all(text, MAX_FILE_BYTES)?,
    })
}

impl PointerIndex {
    /// How many documents the text holds.
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// Text at a pointer of a document.
    pub fn string(&self, document: usize, pointer: &str) -> Option<&str> {
        self.root(document)?.follow(pointer)?.string()
    }

    /// Where the value at a pointer stands: a scalar by its value, a list or mapping by its key. If
    /// there is none (a field that is missing), its nearest ancestor.
    pub fn locate(&self, document: usize, pointer: &str) -> Option<Position> {
        let root = self.root(document)?;
        let mut pointer = pointer;
        loop {
            if let Some(found) = root.follow(pointer) {
                return found.place().position;
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// The literal block at a pointer; `None` if something else stands there.
    pub fn block(&self, document: usize, pointer: &str) -> Option<BlockText> {
        let found = self.root(document)?.follow(pointer)?;
        let Kind::String(text) = found.kind() else {
            return None;
        };
        // The parser says where the first line with content starts.
        let start = found.node().position.filter(|_| text.literal)?;
        let blank = text
            .value
            .lines()
            .take_while(|line| line.is_empty())
            .count();
        let lines_before = start.line.checked_sub(1 + blank)?;
        Some(BlockText {
            lines_before,
            indentation: start.column.checked_sub(1)?,
        })
    }

    /// A whole document of the text.
    pub fn root(&self, document: usize) -> Option<Cursor<'_>> {
        Some(Cursor::root(self.documents.get(document)?))
    }
}

impl BlockText {
    /// The place in the text around it of a place in the block.
    pub fn outer(self, inner: Position) -> Position {
        Position {
            line: self.lines_before + inner.line,
            column: self.indentation + inner.column,
        }
    }
}
