//! From a finding about a service to its places in the file that holds the service.

use std::borrow::Cow;

use super::excerpt::{self, Excerpt};
use crate::openapi::diagnostic::{Origin, Place, Position};
use crate::openapi::source::PointerIndex;
use crate::openapi::{Diagnostic, Severity};

/// Where an EndpointsService holds its document as text.
const INLINE: &str = "/spec/openapi/inline";
/// Where an EndpointsService holds its document as structure.
const DOCUMENT: &str = "/spec/openapi/document";

/// A file's text, ready to be pointed into.
#[derive(Debug)]
pub struct Source<'t> {
    lines: Vec<&'t str>,
    index: Option<&'t PointerIndex>,
}

/// Where in a file a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// The file is an OpenAPI document.
    File,
    /// One of its YAML documents (counted from 0) is an OpenAPI document.
    Document(usize),
    /// An EndpointsService, somewhere in one of its YAML documents.
    Resource {
        /// The YAML document, counted from 0.
        document: usize,
        /// JSON pointer of the resource in it; empty, unless it stands in a `List`.
        pointer: String,
        /// Where its OpenAPI document stands as text, if that is a ConfigMap in the file: the YAML
        /// document, and the pointer in it.
        text: Option<(usize, String)>,
    },
}

/// A finding, and its places in the file.
#[derive(Clone, Debug)]
pub struct Located {
    /// The finding.
    pub finding: Diagnostic,
    /// Where it is.
    pub spot: Spot,
    /// Where its related places are, in their order.
    pub related: Vec<Spot>,
}

/// A place in a file.
#[derive(Clone, Debug, Default)]
pub struct Spot {
    /// Line and column of the file.
    pub position: Option<Position>,
    /// Line and column of the OpenAPI document, where it has lines of its own: it is text inside an
    /// EndpointsService.
    pub inner: Option<Position>,
    /// What stands there.
    pub excerpt: Option<Excerpt>,
}

impl Home {
    /// Where the OpenAPI document of an EndpointsService would stand as text.
    fn text(&self) -> Option<(usize, String)> {
        let Self::Resource {
            document,
            pointer,
            text,
        } = self
        else {
            return None;
        };
        let inline = || (*document, format!("{pointer}{INLINE}"));
        Some(text.clone().unwrap_or_else(inline))
    }
}

impl<'t> Source<'t> {
    /// Takes a text, with the places of its values if it has any.
    pub fn new(text: &'t str, index: Option<&'t PointerIndex>) -> Self {
        Self {
            lines: excerpt::lines(text),
            index,
        }
    }

    /// Gives findings about a service their places, in their order in the file.
    pub fn locate(&self, home: &Home, findings: Vec<Diagnostic>) -> Vec<Located> {
        let inline = self.inline(home);
        let inner = inline.as_deref().map(excerpt::lines);
        let mut located: Vec<_> = findings
            .into_iter()
            .map(|finding| Located {
                spot: self.spot(home, inner.as_deref(), &finding.place),
                related: finding
                    .related
                    .iter()
                    .map(|(place, _)| self.spot(home, inner.as_deref(), place))
                    .collect(),
                finding,
            })
            .collect();
        located.sort_by_key(|located| (located.spot.position, located.spot.inner));
        located
    }

    /// The document's own text where its lines are not lines of the file: quoted or folded.
    fn inline(&self, home: &Home) -> Option<Cow<'t, str>> {
        let (document, at) = home.text()?;
        let index = self.index?;
        match index.block(document, &at) {
            Some(_) => None,
            None => index.string(document, &at).map(Cow::Borrowed),
        }
    }

    fn spot(&self, home: &Home, inner_lines: Option<&[&str]>, place: &Place) -> Spot {
        let (document, base) = match home {
            Home::File => return self.at(place.position, None),
            Home::Document(document) => {
                let position = place
                    .position
                    .or_else(|| self.index?.locate(*document, &place.pointer));
                return self.at(position, None);
            }
            Home::Resource {
                document, pointer, ..
            } => (*document, pointer),
        };
        let locate = |pointer: &str| self.index?.locate(document, &format!("{base}{pointer}"));
        match (place.origin, place.position) {
            (Origin::Resource, position) => {
                self.at(position.or_else(|| locate(&place.pointer)), None)
            }
            (Origin::Document, Some(inner)) => {
                let text = home.text();
                let of_text = |(document, at): &(usize, String)| self.index?.block(*document, at);
                match (text.as_ref().and_then(of_text), inner_lines) {
                    (Some(block), _) => self.at(Some(block.outer(inner)), Some(inner)),
                    (None, lines) => Spot {
                        position: text.and_then(|(document, at)| self.index?.locate(document, &at)),
                        inner: Some(inner),
                        excerpt: lines.and_then(|lines| Excerpt::cut(lines, inner)),
                    },
                }
            }
            (Origin::Document, None) => {
                let structure = format!("{DOCUMENT}{}", place.pointer);
                let text = home.text().filter(|(document, at)| {
                    let text = self.index.and_then(|index| index.string(*document, at));
                    text.is_some()
                });
                let position = match text {
                    Some((document, at)) => {
                        self.index.and_then(|index| index.locate(document, &at))
                    }
                    None => locate(&structure),
                };
                self.at(position, None)
            }
        }
    }

    fn at(&self, position: Option<Position>, inner: Option<Position>) -> Spot {
        Spot {
            position,
            inner,
            excerpt: position.and_then(|position| Excerpt::cut(&self.lines, position)),
        }
    }
}

/// How many errors and warnings there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Findings that refuse a document.
    pub errors: usize,
    /// Findings that do not.
    pub warnings: usize,
}

impl Tally {
    /// Counts findings.
    pub fn of<'l>(located: impl IntoIterator<Item = &'l Located>) -> Self {
        let mut tally = Self::default();
        for located in located {
            match located.finding.severity {
                Severity::Error => tally.errors += 1,
                Severity::Warning => tally.warnings += 1,
            }
        }
        tally
    }
}
