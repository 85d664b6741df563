//! What becomes of a request's path on its way to the backend (ESPv2's path translation).

use super::format::PathRule;
use super::path::{NormalisedPath, normalise};
use super::route::Variables;

#[cfg(test)]
mod tests;

/// The path translation of one operation, made ready.
///
/// No request leaves the path of the address: what is appended to it is normalised, and has no dot
/// segments that could lead out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTranslation(Translation);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Translation {
    /// Goes before the path; does not end in a slash.
    Append(String),
    /// Takes the path's place; the variables, their names escaped, go into the query.
    Constant { path: String, variables: Variables },
}

impl PathTranslation {
    /// Makes a rule ready for the operation with this path template.
    ///
    /// # Errors
    /// A rule or template that the compiler never writes, for people.
    pub fn new(rule: &PathRule, template: &str) -> Result<Self, String> {
        let normal = |path: &str| match normalise(path) {
            Ok(NormalisedPath(normal)) if normal == path => Ok(path.to_owned()),
            _ => Err(format!(
                "`{path}` is no path of an address in its normal form"
            )),
        };
        Ok(Self(match rule {
            PathRule::Append(path) if path.is_empty() => Translation::Append(String::new()),
            PathRule::Append(path) if path.ends_with('/') => {
                return Err(format!("`{path}` ends in a slash"));
            }
            PathRule::Append(path) => Translation::Append(normal(path)?),
            PathRule::Constant(path) => Translation::Constant {
                path: match path.as_str() {
                    "" => String::from("/"),
                    path => normal(path)?,
                },
                variables: Variables::new(template)?,
            },
        }))
    }

    /// The path and query that the backend gets, for a normalised path that the template matches and
    /// the query as it came (without `?`).
    ///
    /// Appended: the address's path, then the request's, slash at the end included. Constant: the
    /// address's path, then as query what came, then `name=value` for each variable. Escapes stay as
    /// they came; what is only text in a path but means something in a query (`&`, `+`, `;`) is
    /// escaped, or a client could add parameters by what it puts into a variable.
    pub fn apply(&self, path: &str, query: Option<&str>) -> String {
        let (mut target, mut separator) = match &self.0 {
            Translation::Append(before) => (format!("{before}{path}"), '?'),
            Translation::Constant { path, .. } => (path.clone(), '?'),
        };
        if let Some(query) = query {
            target.push(separator);
            target.push_str(query);
            separator = '&';
        }
        let Translation::Constant { variables, .. } = &self.0 else {
            return target;
        };
        for (name, value) in variables.of(path) {
            target.push(separator);
            separator = '&';
            push_name(&mut target, name);
            target.push('=');
            push_value(&mut target, &value);
        }
        target
    }
}

/// A variable's name as RFC 3986 lets it stand in a query, nothing in it a delimiter.
fn push_name(out: &mut String, name: &str) {
    const ESCAPED: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    out.extend(percent_encoding::utf8_percent_encode(name, &ESCAPED));
}

fn push_value(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => out.push_str("%26"),
            '+' => out.push_str("%2B"),
            ';' => out.push_str("%3B"),
            other => out.push(other),
        }
    }
}
