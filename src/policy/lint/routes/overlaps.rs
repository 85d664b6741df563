//! Pairs of templates that one path matches, where neither is the narrower one.
//!
//! `/users/me` is narrower than `/users/{id}`: it wins, as everybody expects. `/users/{id}/posts` and
//! `/users/me/{what}` each are narrower in one segment, and `/users/me/posts` matches both.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::openapi::description::Operation;
use crate::policy::route::shape;

/// How many steps through the tree are taken for a document.
const MAX_STEPS: usize = 50_000;

/// Two operations of one method, and a path of both.
pub(super) struct Overlap {
    /// The place of the operation that is chosen.
    pub(super) wins: usize,
    /// The place of the other one.
    pub(super) loses: usize,
    /// A path that both match.
    pub(super) path: String,
}

/// Templates by their segments.
#[derive(Default)]
struct Node {
    /// Below a literal segment, and below `*`.
    literals: BTreeMap<String, Node>,
    one: Option<Box<Node>>,
    /// The operation that ends in `**` here.
    rest: Option<usize>,
    /// The operation that ends here.
    end: Option<usize>,
    /// Whether an operation ends in `**` here or below.
    has_rest: bool,
}

/// A template, taken apart.
struct Template {
    segments: Vec<Segment>,
    verb: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    One,
    Rest,
}

/// The overlaps among operations, in their order.
pub(super) fn of(operations: &[Operation]) -> Vec<Overlap> {
    // Operations with another method, or another verb, never compete.
    let mut trees: HashMap<(&str, Option<String>), Node> = HashMap::new();
    let mut templates = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let Some(template) = Template::of(&operation.path) else {
            continue;
        };
        trees
            .entry((&operation.method, template.verb.clone()))
            .or_default()
            .add(&template.segments, index);
        templates.push((index, template));
    }
    let mut search = Search {
        found: Vec::new(),
        seen: BTreeSet::new(),
        left: MAX_STEPS,
    };
    for (index, template) in &templates {
        // Only where this one has a variable can another be narrower.
        let has_variable = template
            .segments
            .iter()
            .any(|segment| !matches!(segment, Segment::Literal(_)));
        let method = operations[*index].method.as_str();
        if let Some(tree) = trees.get(&(method, template.verb.clone()))
            && has_variable
        {
            let walk = Walk {
                index: *index,
                verb: template.verb.as_deref(),
                ours_narrower: false,
                theirs_narrower: false,
                ours_first: None,
                path: String::new(),
            };
            search.step(tree, &template.segments, walk);
        }
    }
    search
        .found
        .sort_by_key(|overlap| (overlap.wins, overlap.loses));
    search.found
}

impl Template {
    /// `None` for what is no template, and for the rare one with something behind `**`.
    fn of(path: &str) -> Option<Self> {
        let shape = shape(path).ok()?;
        let (shape, verb) = match shape.rsplit_once(':') {
            Some((before, verb)) if !verb.contains('/') => (before, Some(verb.to_owned())),
            _ => (shape.as_str(), None),
        };
        let segments: Vec<_> = shape
            .split('/')
            .skip(1)
            .filter(|segment| !segment.is_empty())
            .map(|segment| match segment {
                "*" => Segment::One,
                "**" => Segment::Rest,
                literal => Segment::Literal(literal.to_owned()),
            })
            .collect();
        let rest = segments
            .iter()
            .position(|segment| *segment == Segment::Rest);
        rest.is_none_or(|rest| rest + 1 == segments.len())
            .then_some(Self { segments, verb })
    }
}

impl Node {
    fn add(&mut self, segments: &[Segment], index: usize) {
        let ends_in_rest = segments.last() == Some(&Segment::Rest);
        let mut node = self;
        for segment in segments {
            node.has_rest |= ends_in_rest;
            node = match segment {
                Segment::Literal(literal) => node.literals.entry(literal.clone()).or_default(),
                Segment::One => node.one.get_or_insert_default(),
                Segment::Rest => {
                    node.rest.get_or_insert(index);
                    return;
                }
            };
        }
        node.end.get_or_insert(index);
    }

    /// An operation here or below, and a path from here to it.
    fn any(&self) -> Option<(usize, String)> {
        if let Some(index) = self.end.or(self.rest) {
            return Some((index, String::new()));
        }
        let named = self.literals.first_key_value();
        let (segment, below) = match named {
            Some((literal, below)) => (literal.as_str(), below),
            None => ("x", &**self.one.as_ref()?),
        };
        let (index, path) = below.any()?;
        Some((index, format!("/{segment}{path}")))
    }
}

struct Search {
    found: Vec<Overlap>,
    seen: BTreeSet<(usize, usize)>,
    left: usize,
}

/// How far a template has gone with another one.
#[derive(Clone)]
struct Walk<'t> {
    index: usize,
    verb: Option<&'t str>,
    ours_narrower: bool,
    theirs_narrower: bool,
    /// Whether ours has the literal where they first differ, and so wins.
    ours_first: Option<bool>,
    path: String,
}

impl Walk<'_> {
    fn on(&self, segment: &str) -> Self {
        let mut next = self.clone();
        next.path.push('/');
        next.path.push_str(segment);
        next
    }

    fn ours(mut self) -> Self {
        self.ours_narrower = true;
        self.ours_first.get_or_insert(true);
        self
    }

    fn theirs(mut self) -> Self {
        self.theirs_narrower = true;
        self.ours_first.get_or_insert(false);
        self
    }
}

impl Search {
    /// Goes on from a node with what is left of our template. Templates have at most 128 segments.
    fn step(&mut self, node: &Node, segments: &[Segment], walk: Walk<'_>) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return,
        }
        if let (Some(theirs), false) = (node.rest, segments == [Segment::Rest]) {
            let mut walk = walk.clone();
            for segment in segments {
                walk = match segment {
                    Segment::Literal(literal) => walk.on(literal),
                    Segment::One | Segment::Rest => walk.on("x"),
                };
            }
            self.end(theirs, walk.ours());
        }
        let Some((segment, rest)) = segments.split_first() else {
            if let Some(theirs) = node.end {
                self.end(theirs, walk);
            }
            return;
        };
        match segment {
            Segment::Literal(literal) => {
                if let Some(below) = node.literals.get(literal) {
                    self.step(below, rest, walk.on(literal));
                }
                if let Some(below) = &node.one {
                    self.step(below, rest, walk.on(literal).ours());
                }
            }
            Segment::One => {
                let can_be_narrower =
                    walk.ours_narrower || rest.iter().any(|s| matches!(s, Segment::Literal(_)));
                for (literal, below) in &node.literals {
                    if can_be_narrower || below.has_rest {
                        self.step(below, rest, walk.on(literal).theirs());
                    }
                }
                if let Some(below) = &node.one {
                    self.step(below, rest, walk.on("x"));
                }
            }
            Segment::Rest => {
                if walk.ours_narrower
                    && let Some((theirs, path)) = node.any()
                {
                    let mut walk = walk.theirs();
                    walk.path.push_str(&path);
                    self.end(theirs, walk);
                }
            }
        }
    }

    fn end(&mut self, theirs: usize, walk: Walk<'_>) {
        let ours = walk.index;
        if !(walk.ours_narrower && walk.theirs_narrower) {
            return;
        }
        if !self.seen.insert((ours.min(theirs), ours.max(theirs))) {
            return;
        }
        let (wins, loses) = match walk.ours_first {
            Some(true) => (ours, theirs),
            _ => (theirs, ours),
        };
        let verb = walk.verb.map(|verb| format!(":{verb}")).unwrap_or_default();
        self.found.push(Overlap {
            wins,
            loses,
            path: format!("{}{verb}", walk.path),
        });
    }
}
