//! YAML 1.2 by the events of granit-parser, each of which carries its place.
//!
//! That parser is as lenient about indentation as the ones that people's documents were written
//! with, and bounds its own stacks.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::{Budget, Diagnostic, Entry, Kind, MappingBuilder, Node, Position, Text};
use super::{check_depth, invalid, scalar};

/// The most bytes that are read for one text, repairs included: a quarter of a second or so.
const MAX_WORK: usize = 32 * 1024 * 1024;
/// What a repair puts in front of a line: deeper than any block.
const REPAIR: &str = match std::str::from_utf8(&[b' '; 256]) {
    Ok(spaces) => spaces,
    Err(_) => "",
};

/// Parses all documents of a text.
///
/// Further lines of a quoted scalar must be indented deeper than the block around it, but libyaml and
/// what is built on it never minded, so documents in the wild have them flush. Spaces in front of
/// such a line mean nothing: they are added, line by line, until the text parses.
pub(super) fn parse(text: &str) -> Result<Vec<Arc<Node>>, Diagnostic> {
    let mut repaired = BTreeSet::new();
    let mut work = text.len();
    let mut current = Cow::Borrowed(text);
    loop {
        let error = match parse_once(&current, &repaired)? {
            Ok(documents) => return Ok(documents),
            Err(error) => error,
        };
        let at = position(*error.marker(), &repaired);
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            check_depth(super::MAX_DEPTH, Some(at))?;
        }
        work += current.len();
        let can_repair = *error.kind() == ErrorKind::InvalidQuotedScalarIndent && work <= MAX_WORK;
        if !(can_repair && repaired.insert(at.line)) {
            let message = format!("not valid YAML: {}", error.info());
            return Err(invalid(Some(at), message).help(remedy(&error.info())));
        }
        let lines = current.split_inclusive('\n').enumerate();
        current = lines
            .flat_map(|(index, line)| [if index + 1 == at.line { REPAIR } else { "" }, line])
            .collect::<String>()
            .into();
    }
}

/// What to do about a syntax error, by the parser's words for it.
fn remedy(info: &str) -> &'static str {
    if info.contains("tab") {
        "indent with spaces: YAML takes no tabs there"
    } else if info.contains("mapping values") {
        "begin the key on a line of its own, indented like the others beside it, or put text that holds `: ` in quotes"
    } else if info.contains("':' indicator") || info.contains("flow") {
        "close the `[`, `{` or quote that was opened on a line before, or put text that begins with one in quotes"
    } else if info.contains("BOM") {
        "remove the character: a byte order mark only stands at the start of a file"
    } else if info.contains("unexpected character") {
        "remove the character, or write it as an escape in double quotes"
    } else {
        "look at the indentation and the quotes here and on the lines before"
    }
}

/// One attempt: the inner error may be repaired, the outer one not.
fn parse_once(
    text: &str,
    repaired: &BTreeSet<usize>,
) -> Result<Result<Vec<Arc<Node>>, ScanError>, Diagnostic> {
    let mut builder = Builder::default();
    let options = granit_parser::options! { emit_comments: false };
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.event(event, position(span.start, repaired))?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(builder.documents))
}

fn position(marker: Marker, repaired: &BTreeSet<usize>) -> Position {
    let added = if repaired.contains(&marker.line()) {
        REPAIR.len()
    } else {
        0
    };
    Position {
        line: marker.line(),
        column: (marker.col() + 1).saturating_sub(added).max(1),
    }
}

#[derive(Default)]
struct Builder {
    documents: Vec<Arc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    budget: Budget,
}

/// A finished node, with what an alias of it costs.
#[derive(Clone)]
struct Built {
    node: Arc<Node>,
    nodes: usize,
    height: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    content: Content,
    position: Position,
    anchor: usize,
    foreign_tag: Option<String>,
    nodes: usize,
    height: usize,
}

enum Content {
    Sequence(Vec<Arc<Node>>),
    Mapping {
        entries: MappingBuilder,
        /// A key whose value has not come yet.
        key: Option<Key>,
        /// What `<<` brings: it yields to keys that are written out.
        merged: Vec<Arc<Node>>,
        merge_position: Option<Position>,
    },
}

struct Key {
    text: String,
    position: Position,
    merge: bool,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, at: Position) -> Result<(), Diagnostic> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.budget.take(1, Some(at))?;
                if self.expects_key() {
                    // A plain `<<` merges (YAML 1.1, still widely written); a quoted one is a key.
                    let merge = style == ScalarStyle::Plain && text == "<<";
                    if anchor > 0 {
                        let kind = scalar::string(&text);
                        self.remember(anchor, kind, at);
                    }
                    return self.key(text.into_owned(), at, merge);
                }
                let kind = scalar_kind(&text, style, tag.as_deref());
                let node = Arc::new(Node {
                    kind,
                    position: Some(at),
                });
                self.finish(
                    Built {
                        node,
                        nodes: 1,
                        height: 0,
                    },
                    anchor,
                )
            }
            Event::SequenceStart(_, anchor, tag) => self.start(
                Content::Sequence(Vec::new()),
                at,
                anchor,
                tag.as_deref(),
                "seq",
            ),
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Mapping {
                    entries: MappingBuilder::default(),
                    key: None,
                    merged: Vec::new(),
                    merge_position: None,
                };
                self.start(content, at, anchor, tag.as_deref(), "map")
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            // Bounds of the stream, and (not asked for) comments.
            _ => Ok(()),
        }
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Mapping { key: None, .. },
                ..
            })
        )
    }

    fn key(&mut self, text: String, at: Position, is_merge: bool) -> Result<(), Diagnostic> {
        if let Some(Open {
            content:
                Content::Mapping {
                    key,
                    merge_position,
                    ..
                },
            ..
        }) = self.open.last_mut()
        {
            if is_merge && let Some(first) = merge_position.replace(at) {
                return Err(super::duplicate_key("<<", Some(at), Some(first)));
            }
            *key = Some(Key {
                text,
                position: at,
                merge: is_merge,
            });
        }
        Ok(())
    }

    fn start(
        &mut self,
        content: Content,
        at: Position,
        anchor: usize,
        tag: Option<&Tag>,
        core_tag: &str,
    ) -> Result<(), Diagnostic> {
        if self.expects_key() {
            return Err(
                invalid(Some(at), "a key must be text, not a list or a mapping")
                    .help("put the key in quotes"),
            );
        }
        self.budget.take(1, Some(at))?;
        check_depth(self.open.len(), Some(at))?;
        let foreign_tag = tag
            .filter(|tag| !is_core(tag, core_tag))
            .map(ToString::to_string);
        self.open.push(Open {
            content,
            position: at,
            anchor,
            foreign_tag,
            nodes: 1,
            height: 0,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let mut nodes = open.nodes;
        let kind = match open.content {
            Content::Sequence(items) => Kind::Sequence(items),
            Content::Mapping {
                mut entries,
                merged,
                ..
            } => {
                for source in merged {
                    nodes += self.merge(&mut entries, &source, open.position)?;
                }
                Kind::Mapping(entries.entries)
            }
        };
        let kind = open.foreign_tag.map_or(kind, Kind::Tagged);
        let node = Arc::new(Node {
            kind,
            position: Some(open.position),
        });
        self.finish(
            Built {
                node,
                nodes,
                height: open.height + 1,
            },
            open.anchor,
        )
    }

    /// Adds the entries that are not there yet; returns how many.
    fn merge(
        &mut self,
        into: &mut MappingBuilder,
        source: &Node,
        at: Position,
    ) -> Result<usize, Diagnostic> {
        let Kind::Mapping(entries) = &source.kind else {
            return Err(invalid(
                source.position.or(Some(at)),
                "`<<` merges a mapping or a list of mappings, and nothing else",
            ));
        };
        let mut added = 0;
        for Entry {
            key,
            position,
            value,
        } in entries
        {
            if !into.seen.contains(key) {
                let nodes = count(value);
                self.budget.take(nodes, Some(at))?;
                into.insert(key.clone(), *position, Arc::clone(value))?;
                added += nodes;
            }
        }
        Ok(added)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Diagnostic> {
        let Some(built) = self.anchors.get(&anchor).cloned() else {
            return Err(invalid(
                Some(at),
                "an alias inside the value that it stands for never ends",
            )
            .help("write the value out where the alias stands"));
        };
        self.budget.take(built.nodes, Some(at))?;
        check_depth(self.open.len() + built.height, Some(at))?;
        if self.expects_key() {
            let Kind::String(text) = &built.node.kind else {
                return Err(invalid(Some(at), "a key must be text").help("write the key out"));
            };
            let text = text.value.clone();
            return self.key(text, at, false);
        }
        self.finish(built, 0)
    }

    fn remember(&mut self, anchor: usize, kind: Kind, at: Position) {
        let node = Arc::new(Node {
            kind,
            position: Some(at),
        });
        self.anchors.insert(
            anchor,
            Built {
                node,
                nodes: 1,
                height: 0,
            },
        );
    }

    /// Hands a finished node to what it stands in.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), Diagnostic> {
        if anchor > 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.documents.push(built.node);
            return Ok(());
        };
        parent.nodes += built.nodes;
        parent.height = parent.height.max(built.height);
        match &mut parent.content {
            Content::Sequence(items) => items.push(built.node),
            Content::Mapping {
                entries,
                key,
                merged,
                ..
            } => {
                let Some(key) = key.take() else {
                    return Ok(());
                };
                if !key.merge {
                    return entries.insert(key.text, Some(key.position), built.node);
                }
                match &built.node.kind {
                    Kind::Sequence(items) => merged.extend(items.iter().cloned()),
                    _ => merged.push(built.node),
                }
            }
        }
        Ok(())
    }
}

fn is_core(tag: &Tag, suffix: &str) -> bool {
    // `!` alone (the non-specific tag) says only: not by its looks.
    let is_non_specific = [tag.handle(), tag.suffix()].concat() == "!";
    is_non_specific || tag.is_yaml_core_schema_tag(suffix)
}

fn scalar_kind(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    let as_text = || {
        Kind::String(Text {
            value: text.to_owned(),
            literal: style == ScalarStyle::Literal,
        })
    };
    match tag {
        None if style == ScalarStyle::Plain => scalar::resolve(text),
        None => as_text(),
        Some(tag) if is_core(tag, "str") => as_text(),
        Some(tag)
            if ["null", "bool", "int", "float"]
                .iter()
                .any(|core| is_core(tag, core)) =>
        {
            scalar::resolve(text)
        }
        Some(tag) => Kind::Tagged(tag.to_string()),
    }
}

/// How many nodes a tree has. Its own expansion was within the budget, so this ends.
fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Sequence(items) => items.iter().map(|item| count(item)).sum(),
        Kind::Mapping(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
        _ => 0,
    }
}
