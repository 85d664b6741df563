//! Findings: what is wrong, where, and what to do about it.

use std::fmt::{self, Write as _};

/// The names of findings that refuse a document; each is also a reason of `Accepted=False`. Lints
/// have names of their own, in lower case with hyphens ([`super::lints`]).
pub mod code {
    /// The document does not parse or contradicts itself.
    pub const INVALID_OPENAPI: &str = "InvalidOpenAPI";
    /// A field around the document is wrong.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// The document uses something that this version does not enforce.
    pub const UNSUPPORTED_FEATURE: &str = "UnsupportedFeature";
    /// Security that cannot be enforced.
    pub const UNSUPPORTED_SECURITY: &str = "UnsupportedSecurity";
    /// Two operations with one route.
    pub const CONFLICTING_ROUTES: &str = "ConflictingRoutes";
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document still compiles.
    Warning,
    /// The document is refused.
    Error,
}

impl Severity {
    /// Its name for people and machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Which text a place points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The OpenAPI document.
    Document,
    /// The EndpointsService around it.
    Resource,
}

/// Where a finding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which text.
    pub origin: Origin,
    /// JSON pointer (RFC 6901), empty for the whole text.
    pub pointer: String,
    /// Line and column, both from 1, where the source is text.
    pub position: Option<Position>,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name: one of [`code`], or that of a lint.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// What to write instead, in one line.
    pub help: Option<Box<str>>,
    /// Where.
    pub place: Place,
    /// Other places that have to do with it ("first defined here"), each with what it is.
    pub related: Vec<(Place, Box<str>)>,
}

impl Place {
    /// A place in the OpenAPI document.
    pub fn document(pointer: impl Into<String>, position: Option<Position>) -> Self {
        Self {
            origin: Origin::Document,
            pointer: pointer.into(),
            position,
        }
    }

    /// A field of the EndpointsService, as a JSON pointer (`/spec/cors/maxAge`).
    pub fn resource(pointer: impl Into<String>) -> Self {
        Self {
            origin: Origin::Resource,
            pointer: pointer.into(),
            position: None,
        }
    }
}

impl Diagnostic {
    /// A finding that refuses the document.
    pub fn error(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: one_line(message.into()),
            help: None,
            place,
            related: Vec::new(),
        }
    }

    /// A finding that does not.
    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            code,
            message: one_line(message.into()),
            help: None,
            place,
            related: Vec::new(),
        }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(one_line(help.into()).into_boxed_str());
        self
    }

    /// Adds another place that has to do with it.
    #[must_use]
    pub fn related(mut self, place: Place, what: impl Into<String>) -> Self {
        self.related
            .push((place, one_line(what.into()).into_boxed_str()));
        self
    }

    /// The reason of `Accepted=False` (CamelCase, as Kubernetes demands): the name, or for a lint
    /// that is an error the one that [`super::lints`] gives it.
    pub fn reason(&self) -> &'static str {
        super::lints::lint(self.code).map_or(self.code, |lint| lint.reason)
    }

    /// Whether it refuses the document.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Findings as they are made, bounded in number: a hostile document must not turn into a hostile
/// amount of messages.
#[derive(Debug, Default)]
pub struct Findings {
    list: Vec<Diagnostic>,
    dropped: usize,
    errors: usize,
}

impl Findings {
    /// The most findings of one severity that are kept; further ones are only counted.
    pub const MAX: usize = 100;

    /// Adds a finding, unless the same is there already.
    pub fn push(&mut self, finding: Diagnostic) {
        self.errors += usize::from(finding.is_error());
        if self.is_full(finding.severity) {
            self.dropped += 1;
        } else if !self.list.contains(&finding) {
            // What a path item says wrong is read again for each of its operations.
            self.list.push(finding);
        }
    }

    /// Whether further findings of this severity are only counted: no need to think of a remedy.
    pub fn is_full(&self, severity: Severity) -> bool {
        let same = self.list.iter().filter(|kept| kept.severity == severity);
        same.count() >= Self::MAX
    }

    /// Adds many.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Diagnostic>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The findings, those with a position in the order of the text.
    pub fn into_vec(mut self) -> Vec<Diagnostic> {
        self.list
            .sort_by_key(|finding| (finding.place.origin, finding.place.position));
        if self.dropped > 0
            && let Some(last) = self.list.last_mut()
        {
            last.message
                .push_str(&format!(" (and {} more findings)", self.dropped));
        }
        self.list
    }
}

/// Whether a character ends a line, moves what stands beside it, or is not seen at all.
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn push_visible(out: &mut String, character: char) {
    if is_odd(character) {
        out.extend(character.escape_default());
    } else {
        out.push(character);
    }
}

/// What a finding says stays on one line, whatever it repeats of the document.
fn one_line(text: String) -> String {
    if !text.contains(is_odd) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    text.chars()
        .for_each(|character| push_visible(&mut line, character));
    line
}

/// Text of a document as part of a message: in backticks, on one line, at most 80 characters.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut quoted = String::from("`");
    let mut characters = text.chars();
    for character in characters.by_ref().take(LONGEST) {
        push_visible(&mut quoted, character);
    }
    if characters.next().is_some() {
        quoted.push('…');
    }
    quoted.push('`');
    quoted
}

impl fmt::Display for Place {
    /// `openapi#/paths/~1books (line 4, column 3)`, or `/spec/cors/maxAge`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Document => f.write_str("openapi#")?,
            Origin::Resource => {}
        }
        // Keys may hold anything: a place stays on one line, and commands no terminal.
        for character in self.pointer.chars() {
            match is_odd(character) {
                true => write!(f, "{}", character.escape_default())?,
                false => f.write_char(character)?,
            }
        }
        match self.position {
            Some(Position { line, column }) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}
