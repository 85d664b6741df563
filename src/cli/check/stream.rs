//! A stream of YAML documents of which one does not parse: the others can be read all the same, for a
//! line that begins with `---` bounds documents wherever it stands.

/// A stream, cut in two. All lines keep their numbers: those that a part has not are empty there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// The document around the line, alone.
    pub(super) broken: String,
    /// All others.
    pub(super) others: String,
}

/// Takes the document around a line (from 1) out of a stream. `None`: there is no other document.
pub(super) fn part(text: &str, line: usize) -> Option<Parts> {
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let mut at = line.checked_sub(1)?.min(lines.len().checked_sub(1)?);
    if lines[at].trim_end() == "---" {
        // What the document before it left open is noticed here.
        at = at.checked_sub(1)?;
    }
    let start = (0..=at).rev().find(|index| is_boundary(lines[*index]));
    let end = (at + 1..lines.len()).find(|index| is_boundary(lines[*index]));
    let broken = start.unwrap_or(0)..end.unwrap_or(lines.len());
    let mut parts = Parts {
        broken: String::new(),
        others: String::new(),
    };
    for (index, line) in lines.iter().enumerate() {
        let (to, other) = match broken.contains(&index) {
            true => (&mut parts.broken, &mut parts.others),
            false => (&mut parts.others, &mut parts.broken),
        };
        to.push_str(line);
        other.push_str(if start == Some(index) { "---\n" } else { "\n" });
    }
    (!parts.others.trim().is_empty() && parts.others != text).then_some(parts)
}

fn is_boundary(line: &str) -> bool {
    let rest = line.strip_prefix("---");
    rest.is_some_and(|rest| rest.trim_start().len() < rest.len() || rest.is_empty())
}

#[cfg(test)]
mod tests;
