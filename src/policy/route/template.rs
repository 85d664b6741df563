//! Path templates: `/shelves/{shelf}/books/**:verb` (google.api.http; ESPv2's grammar).

use std::fmt;

use crate::policy::path::{normalise, push_unescaped};

/// The most segments a template may have: lookups recurse along them.
const MAX_SEGMENTS: usize = 128;

/// A template, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// In order; none for `/`.
    pub(super) segments: Vec<Segment>,
    /// What stands after the last colon.
    pub(super) verb: Option<String>,
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Itself, normalised as paths are.
    Literal(String),
    /// Exactly one segment: `*`, `{name}` or `{name=*}`.
    One,
    /// The rest, also none: `**` or `{name=**}`. Only literals follow it.
    Rest,
}

impl Template {
    /// Parses; one trailing slash is allowed and means nothing.
    pub(super) fn parse(template: &str) -> Result<Self, String> {
        let body = template
            .strip_prefix('/')
            .ok_or("it does not start with `/`")?;
        let (body, verb) = split_verb(body)?;
        let body = match verb {
            None if body == "/" => body,
            None => body.strip_suffix('/').unwrap_or(body),
            Some(_) => body,
        };
        let mut segments = Vec::new();
        if !(body.is_empty() && verb.is_none()) {
            parse_segments(body, &mut segments)?;
        }
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
        Ok(Self {
            segments,
            verb: verb.map(literal).transpose()?,
        })
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
            "`:{verb}` stands where a segment is due: a variable is written `{{{verb}}}`"
        ));
    }
    if verb.is_empty() {
        return Err("nothing follows its last colon".to_owned());
    }
    Ok((path, Some(verb)))
}

fn parse_segments(body: &str, segments: &mut Vec<Segment>) -> Result<(), String> {
    let mut rest = body;
    loop {
        let next = if let Some(variable) = rest.strip_prefix('{') {
            let close = variable.find('}').ok_or("a `{` is not closed")?;
            parse_variable(&variable[..close], segments)?;
            &variable[close + 1..]
        } else {
            let end = rest.find('/').unwrap_or(rest.len());
            segments.push(parse_plain(&rest[..end])?);
            &rest[end..]
        };
        match next.strip_prefix('/') {
            Some(further) => rest = further,
            None if next.is_empty() => return Ok(()),
            None => return Err(PARTIAL.to_owned()),
        }
    }
}

const PARTIAL: &str = "a variable must be a whole segment: `/{name}/`, not a part of one";

/// The inside of `{…}`.
fn parse_variable(inside: &str, segments: &mut Vec<Segment>) -> Result<(), String> {
    let (name, pattern) = match inside.split_once('=') {
        Some((name, pattern)) => (name, Some(pattern)),
        None => (inside, None),
    };
    if name.is_empty() || name.contains(['{', '*', '/', ':']) {
        return Err(format!("`{{{inside}}}` has no proper variable name"));
    }
    let Some(pattern) = pattern else {
        segments.push(Segment::One);
        return Ok(());
    };
    for segment in pattern.split('/') {
        segments.push(parse_plain(segment)?);
    }
    Ok(())
}

/// A segment outside of braces.
fn parse_plain(segment: &str) -> Result<Segment, String> {
    match segment {
        "*" => Ok(Segment::One),
        "**" => Ok(Segment::Rest),
        "" => Err("it has an empty segment".to_owned()),
        _ if segment.contains(['{', '}']) => Err(PARTIAL.to_owned()),
        _ if segment.contains('*') => Err(format!(
            "in `{segment}` a `*` is a part of a segment: write `%2A` for the character"
        )),
        _ => Ok(Segment::Literal(literal(segment)?)),
    }
}

/// A literal in the spelling that request paths are brought to.
fn literal(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    push_unescaped(&mut out, text).map_err(|error| format!("`{text}`: {error}"))?;
    // What normalising a path would change could never match.
    let path = format!("/{out}");
    match normalise(&path) {
        Ok(normal) if normal.0 == path => Ok(out),
        _ => Err(format!("`{text}` is a dot segment")),
    }
}
