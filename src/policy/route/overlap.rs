//! Which templates compete for paths, for those who tell people about it.

use std::cmp::Ordering;
use std::slice;

use super::partial::{Partial, fold};
use super::template::{Segment, Template};

impl Template {
    /// Whether some path matches both.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.verb, &other.verb) {
            (Some(a), Some(b)) => a == b && overlap(&self.segments, &other.segments),
            (None, None) => overlap(&self.segments, &other.segments),
            (Some(verb), None) => with_verb(&self.segments, verb)
                .iter()
                .any(|segments| overlap(segments, &other.segments)),
            (None, Some(_)) => other.overlaps(self),
        }
    }

    /// Whether it takes paths that `other` matches as well: they overlap, and lookups try it first.
    pub fn shadows(&self, other: &Self) -> bool {
        self.precedence(other) == Ordering::Less && self.overlaps(other)
    }

    /// Less: tried first, on paths that both match.
    fn precedence(&self, other: &Self) -> Ordering {
        let verbs = (self.verb.is_none()).cmp(&other.verb.is_none());
        let segments = || {
            self.segments
                .iter()
                .zip(&other.segments)
                .map(|(a, b)| specificity(a, b))
                .find(|order| order.is_ne())
        };
        let ends = || {
            let (ours, theirs) = (self.segments.len(), other.segments.len());
            match self.segments.contains(&Segment::Rest) && other.segments.contains(&Segment::Rest)
            {
                // Behind one `**`, the longer the literals, the more specific.
                true => theirs.cmp(&ours),
                // A template that ends where another goes on with `**`.
                false => ours.cmp(&theirs),
            }
        };
        verbs.then_with(|| segments().unwrap_or_else(ends))
    }
}

/// In the order in which a node of the tree tries its branches.
fn specificity(a: &Segment, b: &Segment) -> Ordering {
    let class = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Partial(_) => 1,
        Segment::One => 2,
        Segment::Rest => 3,
    };
    match (a, b) {
        (Segment::Partial(a), Segment::Partial(b)) => a.cmp(b),
        _ => class(a).cmp(&class(b)),
    }
}

/// The paths of a template with a verb, as segments without: those of `/a/{x}:v` end in `*:v`, or in
/// `/:v`.
fn with_verb(segments: &[Segment], verb: &str) -> Vec<Vec<Segment>> {
    let suffix = format!(":{verb}");
    let Some((last, before)) = segments.split_last() else {
        return Vec::new();
    };
    let apart = Segment::Literal(suffix.clone());
    let joined = match last {
        Segment::Literal(text) => Some(Segment::Literal(format!("{text}{suffix}"))),
        Segment::Partial(partial) => Some(Segment::Partial(partial.ending_in(&suffix))),
        Segment::One | Segment::Rest => {
            Partial::new(&[String::new(), suffix]).map(Segment::Partial)
        }
    };
    let with = |before: &[Segment], end: &Segment| [before, slice::from_ref(end)].concat();
    let mut forms = vec![with(segments, &apart)];
    if let Some(end) = joined {
        forms.push(with(before, &end));
        if *last == Segment::Rest {
            forms.push(with(before, &apart));
            forms.push(with(segments, &end));
        }
    }
    forms
}

fn overlap(a: &[Segment], b: &[Segment]) -> bool {
    let rest = |segments: &[Segment]| segments.iter().position(|s| *s == Segment::Rest);
    let all = |a: &[Segment], b: &[Segment]| a.iter().zip(b).all(|(a, b)| meet(a, b));
    let from_behind =
        |a: &[Segment], b: &[Segment]| a.iter().rev().zip(b.iter().rev()).all(|(a, b)| meet(a, b));
    match (rest(a), rest(b)) {
        (None, None) => a.len() == b.len() && all(a, b),
        (None, Some(_)) => overlap(b, a),
        (Some(at), None) => {
            let (before, after) = (&a[..at], &a[at + 1..]);
            // Before literals `**` takes one segment at least, at the end of a path none.
            let least = before.len() + after.len() + usize::from(!after.is_empty());
            b.len() >= least && all(before, b) && from_behind(after, b)
        }
        // What is between them, both can take.
        (Some(ours), Some(theirs)) => {
            all(&a[..ours], &b[..theirs]) && from_behind(&a[ours + 1..], &b[theirs + 1..])
        }
    }
}

/// Whether some segment matches both.
fn meet(a: &Segment, b: &Segment) -> bool {
    match (a, b) {
        (Segment::Literal(a), Segment::Literal(b)) => a == b,
        (Segment::Partial(partial), Segment::Literal(text))
        | (Segment::Literal(text), Segment::Partial(partial)) => {
            partial.matches(&fold(text), |_| true)
        }
        (Segment::Partial(a), Segment::Partial(b)) => a.overlaps(b),
        (Segment::One | Segment::Rest, _) | (_, Segment::One | Segment::Rest) => true,
    }
}
