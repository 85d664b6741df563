//! The tree of templates: one segment a step, branches hashed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use http::HeaderValue;

use super::RouteMatch;
use super::hash::ByWords;
use super::partial::{Partial, fold};
use super::template::Segment;

/// The most pairs of lengths (text before the first variable, text after the last) that the partial
/// segments of one place may have: as many look-ups a segment costs.
const MAX_LENGTHS: usize = 32;
/// The most partial segments of one place with the same text before the first variable and after
/// the last: they are tried one after the other.
const MAX_ALIKE: usize = 32;

/// What the templates with one beginning have in common.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The template that ends here.
    route: Option<Route>,
    literals: HashMap<String, Node, ByWords>,
    partials: Option<Box<Partials>>,
    one: Option<Box<Node>>,
    rest: Option<Box<Rest>>,
}

/// Segments with variables in them, found by their text before and after those.
#[derive(Debug, Default)]
struct Partials {
    by_ends: HashMap<String, HashMap<String, Vec<(Partial, Node)>>>,
    /// In bytes, of the ends that occur.
    lengths: BTreeSet<(usize, usize)>,
}

/// Too many partial segments compete at one place for a lookup to stay cheap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded;

/// `**`, and what follows it.
#[derive(Debug, Default)]
struct Rest {
    /// By the literal segments that follow, joined with slashes.
    routes: HashMap<String, Route, ByWords>,
    /// The numbers of segments in `routes`' keys: the longest first, the most specific.
    lengths: BTreeSet<Reverse<usize>>,
}

/// A template and its operations.
#[derive(Debug, Default)]
pub(super) struct Route {
    /// As the document writes it (the first, where spellings differ).
    pub(super) template: String,
    /// Operations by method.
    methods: BTreeMap<String, usize>,
    /// Their methods, as `Allow` has them.
    allow: Option<HeaderValue>,
}

/// One lookup's method, and what it met.
pub(super) struct Lookup<'r, 'm> {
    method: &'m str,
    /// Wildcards match no `:`.
    no_colon: bool,
    /// The most specific template that matches without having the method.
    refused: Option<&'r Route>,
    /// Others, less and less specific.
    refused_too: Vec<&'r Route>,
}

impl Node {
    pub(super) fn route_mut(&mut self, segments: &[Segment]) -> Result<&mut Route, Crowded> {
        match segments {
            [] => Ok(self.route.get_or_insert_default()),
            [Segment::Literal(text), further @ ..] => self
                .literals
                .entry(text.clone())
                .or_default()
                .route_mut(further),
            [Segment::Partial(partial), further @ ..] => self
                .partials
                .get_or_insert_default()
                .node_mut(partial)?
                .route_mut(further),
            [Segment::One, further @ ..] => self.one.get_or_insert_default().route_mut(further),
            [Segment::Rest, further @ ..] => {
                let suffix: Vec<_> = further
                    .iter()
                    .filter_map(|segment| match segment {
                        Segment::Literal(text) => Some(text.as_str()),
                        // `Template::parse` lets only literals follow.
                        Segment::Partial(_) | Segment::One | Segment::Rest => None,
                    })
                    .collect();
                let rest = self.rest.get_or_insert_default();
                rest.lengths.insert(Reverse(suffix.len()));
                Ok(rest.routes.entry(suffix.join("/")).or_default())
            }
        }
    }

    /// Finds the operation. `path` is what is left, without its leading slash; `None` when not even that is left.
    pub(super) fn find<'r>(
        &'r self,
        path: Option<&str>,
        lookup: &mut Lookup<'r, '_>,
    ) -> Option<usize> {
        let Some(path) = path else {
            return lookup.visit(self.route.as_ref()?);
        };
        let deeper = if path.is_empty() {
            self.route.as_ref().and_then(|route| lookup.visit(route))
        } else {
            // Segments are short: looking at each byte is less than a search by words.
            let (segment, further) = match path.bytes().position(|byte| byte == b'/') {
                Some(end) => (&path[..end], Some(&path[end + 1..])),
                None => (path, None),
            };
            let literal = self.literals.get(segment);
            literal
                .and_then(|node| node.find(further, lookup))
                .or_else(|| self.partials.as_ref()?.find(segment, further, lookup))
                .or_else(|| match &self.one {
                    Some(node) if !segment.is_empty() && lookup.is_wild(segment) => {
                        node.find(further, lookup)
                    }
                    _ => None,
                })
        };
        deeper.or_else(|| self.rest.as_ref()?.find(path, lookup))
    }
}

impl Partials {
    fn node_mut(&mut self, partial: &Partial) -> Result<&mut Node, Crowded> {
        self.lengths
            .insert((partial.prefix.len(), partial.suffix.len()));
        if self.lengths.len() > MAX_LENGTHS {
            return Err(Crowded);
        }
        let alike = self
            .by_ends
            .entry(partial.prefix.clone())
            .or_default()
            .entry(partial.suffix.clone())
            .or_default();
        let place = match alike.iter().position(|(own, _)| own == partial) {
            Some(known) => known,
            None if alike.len() == MAX_ALIKE => return Err(Crowded),
            None => {
                alike.push((partial.clone(), Node::default()));
                alike.len() - 1
            }
        };
        Ok(&mut alike[place].1)
    }

    fn find<'r>(
        &'r self,
        segment: &str,
        further: Option<&str>,
        lookup: &mut Lookup<'r, '_>,
    ) -> Option<usize> {
        let segment = fold(segment);
        let alike = self.lengths.iter().filter_map(|&(prefix, suffix)| {
            // At least one character is left for the variables.
            let end = segment
                .len()
                .checked_sub(suffix)
                .filter(|end| *end > prefix)?;
            let by_suffix = self.by_ends.get(segment.get(..prefix)?)?;
            by_suffix.get(segment.get(end..)?)
        });
        let mut fitting: Vec<_> = alike
            .flatten()
            .filter(|(partial, _)| partial.matches(&segment, |value| lookup.is_wild(value)))
            .collect();
        fitting.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        fitting
            .into_iter()
            .find_map(|(_, node)| node.find(further, lookup))
    }
}

impl Rest {
    fn find<'r>(&'r self, path: &str, lookup: &mut Lookup<'r, '_>) -> Option<usize> {
        let trimmed = path.strip_suffix('/').unwrap_or(path);
        self.lengths.iter().find_map(|length| {
            let (taken, suffix) = match length.0 {
                0 => (trimmed, ""),
                // The slash before the suffix, with something before it.
                length => {
                    let (slash, _) = trimmed.rmatch_indices('/').nth(length - 1)?;
                    (&trimmed[..slash], &trimmed[slash + 1..])
                }
            };
            let route = self.routes.get(suffix)?;
            lookup.is_wild(taken).then(|| lookup.visit(route))?
        })
    }
}

impl Route {
    /// Adds an operation; the one that had its method before is returned.
    pub(super) fn insert(&mut self, method: String, operation: usize) -> Option<usize> {
        let before = self.methods.insert(method, operation);
        self.allow = allow(self.methods.keys());
        before
    }
}

/// Methods in the order of their names. They are tokens (`Prepared::new` checks), hence fit a header.
fn allow<'r>(methods: impl Iterator<Item = &'r String>) -> Option<HeaderValue> {
    let methods: BTreeSet<_> = methods.map(String::as_str).collect();
    let methods: Vec<_> = methods.into_iter().collect();
    HeaderValue::from_str(&methods.join(", ")).ok()
}

impl<'r, 'm> Lookup<'r, 'm> {
    pub(super) fn new(method: &'m str, no_colon: bool) -> Self {
        Self {
            method,
            no_colon,
            refused: None,
            refused_too: Vec::new(),
        }
    }

    /// Whether a wildcard may take this text.
    fn is_wild(&self, text: &str) -> bool {
        !(self.no_colon && text.contains(':'))
    }

    fn visit(&mut self, route: &'r Route) -> Option<usize> {
        let operation = route.methods.get(self.method).copied();
        if operation.is_none() {
            match self.refused {
                None => self.refused = Some(route),
                Some(_) => self.refused_too.push(route),
            }
        }
        operation
    }

    /// What to answer when no template has the method.
    pub(super) fn refusal(&self) -> RouteMatch<'r> {
        let Some((first, sibling)) = self
            .refused
            .and_then(|route| Some((route, *route.methods.values().next()?)))
        else {
            return RouteMatch::NotFound;
        };
        RouteMatch::MethodNotAllowed {
            template: &first.template,
            allow: match self.refused_too.as_slice() {
                // Ready, where one template matches.
                [] => first.allow.clone(),
                others => {
                    let all = [first].into_iter().chain(others.iter().copied());
                    allow(all.flat_map(|route| route.methods.keys()))
                }
            }
            .unwrap_or_else(|| HeaderValue::from_static("")),
            sibling,
        }
    }
}
