//! Other spellings of one path: those that a backend may read alike.

/// The path as one that decodes before it routes reads it: reserved characters unescaped (RFC 3986
/// section 2.2), a backslash as a slash. `None` when that is no different. Escapes of what no path
/// may hold raw stay: templates hold them escaped as well.
pub(in crate::policy) fn decode_reserved(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut decoded = path.to_owned();
    for (escape, character) in RESERVED {
        if decoded.contains(escape) {
            decoded = decoded.replace(escape, character);
        }
    }
    (decoded != path).then_some(decoded)
}

/// The template as a backend reads it that decodes before it routes. Slashes stay escaped, for those are
/// no separators to whoever wrote the template; and `%2A`, for a `*` is a variable.
pub(super) fn decoded_template(template: &str) -> String {
    let mut decoded = template.to_owned();
    for (escape, character) in RESERVED {
        if character != "/" {
            decoded = decoded.replace(escape, character);
            decoded = decoded.replace(&escape.to_ascii_lowercase(), character);
        }
    }
    decoded
}

/// Whether requests may write a literal of the template otherwise.
pub(super) fn has_reserved_escape(template: &str) -> bool {
    template.contains('%')
        && (template.to_ascii_uppercase().contains(STAR) || decoded_template(template) != template)
}

/// The path as servers read it that take what follows a `;` for parameters of the segment (RFC 3986
/// section 3.3), and drop them before they resolve dots and route: servlet containers do. `None` when
/// that is no different.
pub(super) fn without_parameters(path: &str) -> Option<String> {
    if !path.contains(';') {
        return None;
    }
    let bare: Vec<_> = path
        .split('/')
        .map(|segment| segment.split_once(';').map_or(segment, |(name, _)| name))
        .collect();
    Some(bare.join("/"))
}

/// A `*` that is no variable.
pub(super) const STAR: &str = "%2A";

const RESERVED: [(&str, &str); 16] = [
    ("%2F", "/"),
    ("%5C", "/"),
    ("%3A", ":"),
    ("%40", "@"),
    ("%5B", "["),
    ("%5D", "]"),
    ("%21", "!"),
    ("%24", "$"),
    ("%26", "&"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2B", "+"),
    ("%2C", ","),
    ("%3B", ";"),
    ("%3D", "="),
];
