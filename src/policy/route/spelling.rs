//! Other spellings of one path: those that a backend may read alike.

/// The path as one that decodes before it routes reads it: reserved characters unescaped (RFC 3986
/// section 2.2), a backslash as a slash. `None` when that is no different. Escapes of what no path
/// may hold raw stay: templates hold them escaped as well.
pub(in crate::policy) fn decode_reserved(path: &str) -> Option<String> {
    let decoded = path
        .contains('%')
        .then(|| decode(path, Separators::Backslashes))?;
    (decoded != path).then_some(decoded)
}

/// What a backend may take a path for, but dot segments and slashes: with its escapes decoded, with
/// slashes and backslashes among them or without, and without parameters, dropped before decoding or
/// after it. None twice; without the path itself.
pub(super) fn other_readings(path: &str) -> Vec<String> {
    let mut readings = Vec::new();
    if !path.contains(['%', ';']) {
        return readings;
    }
    let bare = without_parameters(path);
    for base in [Some(path), bare.as_deref()].into_iter().flatten() {
        for separators in [
            Separators::Backslashes,
            Separators::Slashes,
            Separators::None,
        ] {
            let decoded = decode(base, separators);
            readings.extend(without_parameters(&decoded));
            readings.push(decoded);
        }
    }
    readings.sort_unstable();
    readings.dedup();
    readings.retain(|reading| reading != path);
    readings
}

/// Which escapes are separators to whoever decodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separators {
    /// Of slashes, and of backslashes.
    Backslashes,
    /// Of slashes alone: where the system has no backslashes in paths, they are text.
    Slashes,
    /// Neither: what is decoded is what stands between slashes.
    None,
}

fn decode(path: &str, separators: Separators) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let escape = rest[at..].get(..3);
        let stays = match escape {
            Some("%2F") => separators == Separators::None,
            Some("%5C") => separators != Separators::Backslashes,
            _ => false,
        };
        let known = RESERVED.iter().find(|(known, _)| Some(*known) == escape);
        match known.filter(|_| !stays) {
            Some((escape, character)) => {
                decoded.push_str(character);
                rest = &rest[at + escape.len()..];
            }
            None => {
                decoded.push('%');
                rest = &rest[at + 1..];
            }
        }
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
fn without_parameters(path: &str) -> Option<String> {
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
