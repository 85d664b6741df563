//! Other spellings of one path: those that a backend may read alike.

/// What stays escaped when a path is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    slash: bool,
    backslash: bool,
}

impl Kept {
    /// Some servers unescape all but slashes; a backslash is a character to most.
    pub(super) const ALL: [Self; 4] = [
        Self::NOTHING,
        Self {
            slash: false,
            backslash: true,
        },
        Self {
            slash: true,
            backslash: false,
        },
        Self {
            slash: true,
            backslash: true,
        },
    ];
    const NOTHING: Self = Self {
        slash: false,
        backslash: false,
    };
}

/// The path as one that decodes before it routes reads it: reserved characters unescaped (RFC 3986
/// section 2.2), a backslash as a slash. `None` when that is no different. Escapes of what no path
/// may hold raw stay: templates hold them escaped as well.
pub(in crate::policy) fn decode_reserved(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let decoded = decode(path, Kept::NOTHING);
    (decoded != path).then_some(decoded)
}

/// The same, but for what stays.
pub(super) fn decode(path: &str, kept: Kept) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, escaped) = rest.split_at(at);
        decoded.push_str(before);
        let escape = escaped.get(..3).unwrap_or(escaped);
        let known = RESERVED.iter().find(|(known, _)| *known == escape);
        match known {
            Some(("%2F", _)) if kept.slash => decoded.push_str(escape),
            Some(("%5C", _)) if kept.backslash => decoded.push_str(escape),
            Some((_, character)) => decoded.push_str(character),
            None => decoded.push_str(escape),
        }
        rest = &escaped[escape.len()..];
    }
    decoded.push_str(rest);
    decoded
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
