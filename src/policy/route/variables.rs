//! What the variables of a template take of a path.

use super::template::{Place, Segment, Template, Variable};

/// The variables of one template, made ready to be read from the paths that it matches: only where
/// they are wanted, so that a lookup costs nothing for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variables(Template);

impl Variables {
    /// Parses a template of a policy.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn new(template: &str) -> Result<Self, String> {
        Template::parse(template).map(Self)
    }

    /// Name and text of each variable, in the template's order, for a normalised path that matches.
    /// The text is as it stands in the path, escapes included; that of `**` has slashes in it, one at
    /// its end too if the path has. Unnamed wildcards are not in it. Empty if the path does not match.
    pub fn of<'v>(&'v self, path: &str) -> Vec<(&'v str, String)> {
        self.read(path).unwrap_or_default()
    }

    fn read<'v>(&'v self, path: &str) -> Option<Vec<(&'v str, String)>> {
        let Self(template) = self;
        let mut path = path.strip_prefix('/')?;
        if let Some(verb) = &template.verb {
            // As lookups take it off.
            path = path.strip_suffix('/').unwrap_or(path);
            path = path.strip_suffix(&**verb)?.strip_suffix(':')?;
        }
        let spans = spans(&template.segments, path)?;
        let text = |Variable { name, place }: &'v Variable| {
            let value = match place {
                Place::Segments(segments) => {
                    let first = spans.get(segments.start)?;
                    let last = spans.get(segments.end.checked_sub(1)?)?;
                    path.get(first.0..last.1)?.to_owned()
                }
                Place::Part { segment, nth } => {
                    let span = spans.get(*segment)?;
                    let Some(Segment::Partial(partial)) = template.segments.get(*segment) else {
                        return None;
                    };
                    partial
                        .values(path.get(span.0..span.1)?)?
                        .into_iter()
                        .nth(*nth)?
                }
            };
            Some((name.as_str(), value))
        };
        template.variables.iter().map(text).collect()
    }
}

/// Where each segment of a template lies in a path without its leading slash.
fn spans(segments: &[Segment], path: &str) -> Option<Vec<(usize, usize)>> {
    let mut spans = Vec::with_capacity(segments.len());
    let mut start = 0;
    for (at, segment) in segments.iter().enumerate() {
        let end = if *segment == Segment::Rest {
            let literals = segments.len() - at - 1;
            rest_end(path, literals)?
        } else {
            path.get(start..)?
                .find('/')
                .map_or(path.len(), |slash| start + slash)
        };
        spans.push((start, end));
        start = end + 1;
    }
    Some(spans)
}

/// Where `**` ends that so many literal segments follow.
fn rest_end(path: &str, literals: usize) -> Option<usize> {
    let Some(last) = literals.checked_sub(1) else {
        return Some(path.len());
    };
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    trimmed
        .rmatch_indices('/')
        .nth(last)
        .map(|(slash, _)| slash)
}
