//! YAML 1.2 by the events of granit-parser, each of which carries its place.
//!
//! That parser is as lenient about indentation as the ones that people's documents were written
//! with, and bounds its own stacks.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use granit_parser::{ErrorKind, Marker, Parser, ScanError};

use self::build::Builder;
use super::{Diagnostic, Node, Position, check_depth, invalid};

mod build;
mod tags;

/// The most bytes that are read for one text, repairs included: a quarter of a second or so.
const MAX_WORK: usize = 32 * 1024 * 1024;
/// What a repair puts in front of a line: deeper than any block.
const REPAIR: &str = match std::str::from_utf8(&[b' '; 256]) {
    Ok(spaces) => spaces,
    Err(_) => "",
};

/// Parses all documents of a text.
///
/// Further lines of a quoted scalar must be indented deeper than the block around it, but libyaml and
/// what is built on it never minded, so documents in the wild have them flush. Spaces in front of
/// such a line mean nothing: they are added, line by line, until the text parses.
pub(super) fn parse(text: &str) -> Result<Vec<Arc<Node>>, Diagnostic> {
    let mut repaired = BTreeSet::new();
    let mut work = text.len();
    let mut current = Cow::Borrowed(text);
    loop {
        let error = match parse_once(&current, &repaired)? {
            Ok(documents) => return Ok(documents),
            Err(error) => error,
        };
        let at = position(*error.marker(), &repaired);
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            check_depth(super::MAX_DEPTH, Some(at))?;
        }
        work += current.len();
        let can_repair = *error.kind() == ErrorKind::InvalidQuotedScalarIndent && work <= MAX_WORK;
        if !(can_repair && repaired.insert(at.line)) {
            let message = format!("not valid YAML: {}", error.info());
            return Err(invalid(Some(at), message).help(remedy(&error.info())));
        }
        let lines = current.split_inclusive('\n').enumerate();
        current = lines
            .flat_map(|(index, line)| [if index + 1 == at.line { REPAIR } else { "" }, line])
            .collect::<String>()
            .into();
    }
}

/// What to do about a syntax error, by the parser's words for it.
fn remedy(info: &str) -> &'static str {
    if info.contains("tab") {
        "indent with spaces: YAML takes no tabs there"
    } else if info.contains("mapping values") {
        "begin the key on a line of its own, indented like the others beside it, or put text that holds `: ` in quotes"
    } else if info.contains("':' indicator") || info.contains("flow") {
        "close the `[`, `{` or quote that was opened on a line before, or put text that begins with one in quotes"
    } else if info.contains("BOM") {
        "remove the character: a byte order mark only stands at the start of a file"
    } else if info.contains("unexpected character") {
        "remove the character, or write it as an escape in double quotes"
    } else {
        "look at the indentation and the quotes here and on the lines before"
    }
}

/// One attempt: the inner error may be repaired, the outer one not.
fn parse_once(
    text: &str,
    repaired: &BTreeSet<usize>,
) -> Result<Result<Vec<Arc<Node>>, ScanError>, Diagnostic> {
    let mut builder = Builder::default();
    let options = granit_parser::options! { emit_comments: false };
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.event(event, position(span.start, repaired))?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(builder.documents))
}

fn position(marker: Marker, repaired: &BTreeSet<usize>) -> Position {
    let added = if repaired.contains(&marker.line()) {
        REPAIR.len()
    } else {
        0
    };
    Position {
        line: marker.line(),
        column: (marker.col() + 1).saturating_sub(added).max(1),
    }
}
