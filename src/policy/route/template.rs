//! Path templates: `/shelves/{shelf}/books/**:verb` (google.api.http; ESPv2's grammar), and variables
//! that are a part of their segment (`/files/{stem}.{suffix}`), which OpenAPI has and ESPv2 refuses.

use std::fmt;
use std::ops::Range;

use super::partial::Partial;
use crate::openapi::diagnostic::quote;
use crate::policy::path::{normalise, push_unescaped};

/// The most segments a template may have: lookups recurse along them.
const MAX_SEGMENTS: usize = 128;

/// A template, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// In order; none for `/`.
    pub(super) segments: Vec<Segment>,
    /// What stands after the last colon.
    pub(super) verb: Option<String>,
    /// In order.
    pub(super) variables: Vec<Variable>,
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Itself, normalised as paths are.
    Literal(String),
    /// Exactly one segment, text and variables: `{name}.json`.
    Partial(Partial),
    /// Exactly one segment: `*`, `{name}` or `{name=*}`.
    One,
    /// The rest, also none: `**` or `{name=**}`. Only literals follow it.
    Rest,
}

/// A variable of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// As the document writes it; may be dotted.
    pub(super) name: String,
    pub(super) place: Place,
}

/// Where a variable's text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// All of these segments, with the slashes between them.
    Segments(Range<usize>),
    /// The nth variable of a [`Segment::Partial`].
    Part {
        /// Which segment.
        segment: usize,
        /// Which of its variables.
        nth: usize,
    },
}

impl Template {
    /// Parses; one trailing slash is allowed and means nothing.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(template: &str) -> Result<Self, String> {
        let body = template
            .strip_prefix('/')
            .ok_or("it does not start with `/`")?;
        let (body, verb) = split_verb(body)?;
        let body = match verb {
            None if body == "/" => body,
            None => body.strip_suffix('/').unwrap_or(body),
            Some(_) => body,
        };
        let mut parsed = Self {
            segments: Vec::new(),
            verb: verb.map(literal).transpose()?,
            variables: Vec::new(),
        };
        if !(body.is_empty() && verb.is_none()) {
            parsed.push_segments(body)?;
        }
        let segments = &parsed.segments;
        if segments.len() > MAX_SEGMENTS {
            return Err(format!("it has more than {MAX_SEGMENTS} segments"));
        }
        let rest = segments
            .iter()
            .position(|segment| *segment == Segment::Rest);
        if let Some(rest) = rest
            && !segments[rest + 1..]
                .iter()
                .all(|segment| matches!(segment, Segment::Literal(_)))
        {
            return Err("only literal segments may follow `**`".to_owned());
        }
        Ok(parsed)
    }

    fn push_segments(&mut self, body: &str) -> Result<(), String> {
        let mut rest = body;
        loop {
            let (segment, further) = split_segment(rest)?;
            match segment.strip_prefix('{') {
                Some(variable) if variable.find('}') == Some(variable.len() - 1) => {
                    self.push_variable(&variable[..variable.len() - 1])?;
                }
                _ if segment.contains(['{', '}']) => self.push_partial(segment)?,
                _ => self.segments.push(parse_plain(segment)?),
            }
            match further {
                Some(further) => rest = further,
                None => return Ok(()),
            }
        }
    }

    /// `inside` of `{…}` that is a segment, or several.
    fn push_variable(&mut self, inside: &str) -> Result<(), String> {
        let (name, pattern) = name_and_pattern(inside)?;
        let start = self.segments.len();
        for segment in pattern.split('/') {
            self.segments.push(parse_plain(segment)?);
        }
        self.variables.push(Variable {
            name: name.to_owned(),
            place: Place::Segments(start..self.segments.len()),
        });
        Ok(())
    }

    fn push_partial(&mut self, segment: &str) -> Result<(), String> {
        let mut texts = Vec::new();
        let mut rest = segment;
        while let Some((text, variable)) = rest.split_once('{') {
            texts.push(parse_text(text)?);
            let (inside, further) = variable.split_once('}').ok_or(NOT_CLOSED)?;
            let (name, pattern) = name_and_pattern(inside)?;
            if pattern != ONE {
                return Err(format!(
                    "{} is a part of a segment, so it cannot match several",
                    quote(&format!("{{{inside}}}"))
                ));
            }
            self.variables.push(Variable {
                name: name.to_owned(),
                place: Place::Part {
                    segment: self.segments.len(),
                    nth: texts.len() - 1,
                },
            });
            rest = further;
        }
        texts.push(parse_text(rest)?);
        let partial = Partial::new(&texts).ok_or_else(|| {
            format!(
                "in {} nothing tells where one variable ends and the next begins",
                quote(segment)
            )
        })?;
        self.segments.push(Segment::Partial(partial));
        Ok(())
    }
}

/// The shape: variable names blanked, literals normalised.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            f.write_str("/")?;
        }
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Partial(partial) => write!(f, "/{partial}")?,
                Segment::One => f.write_str("/*")?,
                Segment::Rest => f.write_str("/**")?,
            }
        }
        match &self.verb {
            Some(verb) => write!(f, ":{verb}"),
            None => Ok(()),
        }
    }
}

/// Splits at the last colon behind the last `/` and `}`.
fn split_verb(body: &str) -> Result<(&str, Option<&str>), String> {
    let tail = body.rfind(['/', '}']).map_or(0, |at| at + 1);
    let Some(colon) = body[tail..].rfind(':').map(|at| tail + at) else {
        return Ok((body, None));
    };
    let (path, verb) = (&body[..colon], &body[colon + 1..]);
    if path.is_empty() || path.ends_with('/') {
        return Err(format!(
            "{} stands where a segment is due: a variable is written {}",
            quote(&format!(":{verb}")),
            quote(&format!("{{{verb}}}"))
        ));
    }
    if verb.is_empty() {
        return Err("nothing follows its last colon".to_owned());
    }
    Ok((path, Some(verb)))
}

/// A segment, and what follows the slash behind it; a slash in braces is no end.
fn split_segment(path: &str) -> Result<(&str, Option<&str>), String> {
    let mut end = 0;
    loop {
        end += match path[end..].find(['/', '{']) {
            None => return Ok((path, None)),
            Some(at) if path[end + at..].starts_with('/') => {
                let end = end + at;
                return Ok((&path[..end], Some(&path[end + 1..])));
            }
            Some(at) => at + path[end + at..].find('}').ok_or(NOT_CLOSED)?,
        };
    }
}

const NOT_CLOSED: &str = "a `{` is not closed";
const ONE: &str = "*";

/// The inside of `{…}`: `name` or `name=pattern`.
fn name_and_pattern(inside: &str) -> Result<(&str, &str), String> {
    let (name, pattern) = inside.split_once('=').unwrap_or((inside, ONE));
    if name.is_empty() || name.contains(['{', '*', '/', ':']) {
        return Err(format!(
            "{} has no proper variable name",
            quote(&format!("{{{inside}}}"))
        ));
    }
    Ok((name, pattern))
}

/// A segment without braces.
fn parse_plain(segment: &str) -> Result<Segment, String> {
    match segment {
        ONE => Ok(Segment::One),
        "**" => Ok(Segment::Rest),
        "" => Err("it has an empty segment".to_owned()),
        _ if segment.contains(['{', '}']) => Err("braces stand in braces".to_owned()),
        _ if segment.contains('*') => Err(star(segment)),
        _ => Ok(Segment::Literal(literal(segment)?)),
    }
}

/// The text beside a variable, in the spelling that request paths are brought to.
fn parse_text(text: &str) -> Result<String, String> {
    if text.contains('}') {
        return Err("a `}` has no `{` before it".to_owned());
    }
    if text.contains('*') {
        return Err(star(text));
    }
    let mut out = String::with_capacity(text.len());
    push_unescaped(&mut out, text).map_err(|error| format!("{}: {error}", quote(text)))?;
    Ok(out)
}

fn star(text: &str) -> String {
    format!(
        "in {} a `*` is a part of a segment: write `%2A` for the character",
        quote(text)
    )
}

/// A literal in the spelling that request paths are brought to.
fn literal(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    push_unescaped(&mut out, text).map_err(|error| format!("{}: {error}", quote(text)))?;
    // What normalising a path would change could never match.
    let path = format!("/{out}");
    match normalise(&path) {
        Ok(normal) if normal.0 == path => Ok(out),
        _ => Err(format!("{} is a dot segment", quote(text))),
    }
}
