//! The piece of a line that a finding is about.

use std::ops::Range;

use crate::openapi::diagnostic::Position;

/// The most characters of a line that are shown: minified JSON is one line.
const WIDTH: usize = 100;

/// A piece of one line, with what is underlined in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line's number, from 1.
    pub line: usize,
    /// The line; of a long one the part around the place. Holds no control character but the tab.
    pub text: String,
    /// What is underlined, in bytes of `text`.
    pub span: Range<usize>,
    /// How many characters are underlined.
    pub width: usize,
}

impl Excerpt {
    /// Cuts a place out of a text; `None` if the text has no such line.
    pub(super) fn cut(lines: &[&str], position: Position) -> Option<Self> {
        let line = lines.get(position.line.checked_sub(1)?)?;
        let before = position.column.saturating_sub(1);
        // Where a column stands costs as much as the line is long up to there, and no more.
        let at = line
            .char_indices()
            .nth(before)
            .map_or(line.len(), |(at, _)| at);
        let (head, tail) = line.split_at(at);
        let ahead = match line.chars().nth(WIDTH) {
            Some(_) => WIDTH / 2,
            None => WIDTH,
        };
        let start = head
            .char_indices()
            .rev()
            .take(ahead)
            .last()
            .map_or(at, |(start, _)| start);
        let head = visible(head[start..].chars());
        let shown = WIDTH - head.chars().count().min(WIDTH);
        let tail = visible(tail.chars().take(shown.max(1)));
        let token = token(&head, &tail);
        let span = head.len()..head.len() + token;
        Some(Self {
            line: position.line,
            width: tail[..token].chars().count(),
            text: head + &tail,
            span,
        })
    }
}

/// The lines of a text, ended as YAML ends them: by LF, CR LF or CR.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
        .collect()
}

/// Text that cannot play with a terminal: control characters and those that turn the direction of
/// writing are replaced.
pub(super) fn visible(text: impl Iterator<Item = char>) -> String {
    text.map(|character| match character {
        '\t' => '\t',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        character if character.is_control() => '\u{fffd}',
        character => character,
    })
    .collect()
}

/// How many bytes of `tail` the value or key takes that starts there: by its looks, as only lines
/// are known here. `head` is what stands before it.
fn token(head: &str, tail: &str) -> usize {
    let end = match tail.chars().next() {
        None | Some('{' | '[' | '|' | '>') => None,
        Some(quote @ ('"' | '\'')) => quoted(tail, quote),
        Some(_) => Some(plain(head, tail)),
    };
    let first = tail.chars().next().map_or(0, char::len_utf8);
    end.unwrap_or(first).max(first)
}

fn quoted(tail: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    tail.char_indices()
        .skip(1)
        .find(|(_, character)| {
            let ends = *character == quote && !is_escaped;
            is_escaped = quote == '"' && *character == '\\' && !is_escaped;
            ends
        })
        .map(|(at, _)| at + quote.len_utf8())
}

fn plain(head: &str, tail: &str) -> usize {
    let depth = |open: char, close: char| {
        head.matches(open)
            .count()
            .saturating_sub(head.matches(close).count())
    };
    let in_flow = depth('{', '}') + depth('[', ']') > 0;
    let mut rest = tail.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let next = rest.peek().map(|(_, next)| *next);
        let ends = match character {
            ':' => next.is_none_or(|next| next.is_whitespace()),
            '#' => tail[..at].ends_with([' ', '\t']),
            ',' | ']' | '}' => in_flow,
            _ => false,
        };
        if ends {
            return tail[..at].trim_end().len();
        }
    }
    tail.trim_end().len()
}
