//! Strict JSON (RFC 8259) with places.

use std::sync::Arc;

use super::{Budget, Diagnostic, Kind, MappingBuilder, Node, Position, Text};
use super::{check_depth, invalid};

/// Parses a text that is one JSON value.
pub(super) fn parse(text: &str) -> Result<Arc<Node>, Diagnostic> {
    let mut parser = Parser {
        rest: text,
        line: 1,
        column: 1,
        budget: Budget::default(),
    };
    parser.skip_space();
    let root = parser.value(0)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(root),
        Some(_) => Err(parser.error("something follows after the end of the document")),
    }
}

struct Parser<'t> {
    rest: &'t str,
    line: usize,
    column: usize,
    budget: Budget,
}

impl Parser<'_> {
    /// Recursion is bounded by the check of `depth`.
    fn value(&mut self, depth: usize) -> Result<Arc<Node>, Diagnostic> {
        let at = self.position();
        self.budget.take(1, Some(at))?;
        check_depth(depth, Some(at))?;
        let kind = match self.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"') => Kind::String(Text {
                value: self.string()?,
                literal: false,
            }),
            Some('-' | '0'..='9') => self.number()?,
            Some('a'..='z') => self.word()?,
            Some(_) => return Err(self.error("expected a value")),
            None => return Err(self.error("the document ends in the middle")),
        };
        Ok(Arc::new(Node {
            kind,
            position: Some(at),
        }))
    }

    fn object(&mut self, depth: usize) -> Result<Kind, Diagnostic> {
        self.bump();
        let mut entries = MappingBuilder::default();
        self.skip_space();
        if self.eat('}') {
            return Ok(Kind::Mapping(entries.entries));
        }
        loop {
            self.skip_space();
            let at = self.position();
            if self.peek() != Some('"') {
                return Err(self.expected("a key in double quotes"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(':') {
                return Err(self.expected("`:`"));
            }
            self.skip_space();
            let value = self.value(depth + 1)?;
            entries.insert(key, Some(at), value)?;
            self.skip_space();
            if self.eat('}') {
                return Ok(Kind::Mapping(entries.entries));
            }
            if !self.eat(',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Kind, Diagnostic> {
        self.bump();
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(']') {
            return Ok(Kind::Sequence(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.eat(']') {
                return Ok(Kind::Sequence(items));
            }
            if !self.eat(',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, Diagnostic> {
        self.bump();
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.error("the document ends inside a string")),
                Some('"') => {
                    self.bump();
                    return Ok(text);
                }
                Some('\\') => {
                    let escaped = self.escape()?;
                    text.push(escaped);
                }
                Some(character) if character < ' ' => {
                    return Err(self.error(
                        "a control character (line break, tab) in a string must be escaped",
                    ));
                }
                Some(character) => {
                    self.bump();
                    text.push(character);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Diagnostic> {
        let at = self.position();
        self.bump();
        let Some(character) = self.bump() else {
            return Err(self.error("the document ends inside a string"));
        };
        Ok(match character {
            '"' | '\\' | '/' => character,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let wrong = || Self::error_at(at, "a `\\u` escape that is no character");
                let unit = self.hex().ok_or_else(wrong)?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return char::from_u32(unit).ok_or_else(wrong);
                }
                // A surrogate pair: one character beyond the basic plane (RFC 8259 section 7).
                if !(self.eat('\\') && self.eat('u')) {
                    return Err(wrong());
                }
                let low = self
                    .hex()
                    .filter(|low| (0xdc00..0xe000).contains(low))
                    .ok_or_else(wrong)?;
                char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
                    .ok_or_else(wrong)?
            }
            _ => return Err(Self::error_at(at, "an escape that JSON does not know")),
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + self.peek()?.to_digit(16)?;
            self.bump();
        }
        Some(unit)
    }

    fn number(&mut self) -> Result<Kind, Diagnostic> {
        let start = self.rest;
        self.eat('-');
        if !self.eat('0') && self.digits() == 0 {
            return Err(self.expected("a digit"));
        }
        if self.eat('.') && self.digits() == 0 {
            return Err(self.expected("a digit"));
        }
        if self.eat('e') || self.eat('E') {
            let _signed = self.eat('+') || self.eat('-');
            if self.digits() == 0 {
                return Err(self.expected("a digit"));
            }
        }
        Ok(Kind::Number(
            start[..start.len() - self.rest.len()].to_owned(),
        ))
    }

    fn digits(&mut self) -> usize {
        let mut count = 0;
        while self
            .peek()
            .is_some_and(|character| character.is_ascii_digit())
        {
            self.bump();
            count += 1;
        }
        count
    }

    fn word(&mut self) -> Result<Kind, Diagnostic> {
        for (word, kind) in [
            ("true", Kind::Bool(true)),
            ("false", Kind::Bool(false)),
            ("null", Kind::Null),
        ] {
            if self.rest.starts_with(word) {
                word.chars().for_each(|_| {
                    self.bump();
                });
                return Ok(kind);
            }
        }
        Err(self.error("expected a value (text stands in double quotes)"))
    }

    fn skip_space(&mut self) {
        while let Some(' ' | '\t' | '\n' | '\r') = self.peek() {
            self.bump();
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn bump(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        if character == '\n' || (character == '\r' && !self.rest.starts_with('\n')) {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(character)
    }

    fn position(&self) -> Position {
        Position {
            line: self.line,
            column: self.column,
        }
    }

    fn expected(&self, what: &str) -> Diagnostic {
        match self.peek() {
            None => self.error("the document ends in the middle"),
            Some(_) => self.error(&format!("expected {what}")),
        }
    }

    fn error(&self, message: &str) -> Diagnostic {
        Self::error_at(self.position(), message)
    }

    fn error_at(at: Position, message: &str) -> Diagnostic {
        invalid(Some(at), format!("not valid JSON: {message}")).help(
            "look for a quote, comma or bracket that is missing, or one too many, here or before",
        )
    }
}
