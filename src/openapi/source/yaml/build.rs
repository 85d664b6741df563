//! A tree out of the events of a YAML parser: anchors, aliases and merges within the budget.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, ScalarStyle, Tag};

use super::super::{Budget, Diagnostic, Entry, Kind, MappingBuilder, Node, Position};
use super::super::{check_depth, duplicate_key, invalid, scalar};
use super::tags::{is_core, scalar_kind};

/// Puts nodes together. Aliases count for what they stand for, so expansion is bounded, too.
#[derive(Default)]
pub(super) struct Builder {
    /// Those that are complete.
    pub(super) documents: Vec<Arc<Node>>,
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
    /// Takes the next event, which stands at `at`.
    pub(super) fn event(&mut self, event: Event<'_>, at: Position) -> Result<(), Diagnostic> {
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
                return Err(duplicate_key("<<", Some(at), Some(first)));
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

/// How many nodes a tree has. Its own expansion was within the budget, so this ends.
fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Sequence(items) => items.iter().map(|item| count(item)).sum(),
        Kind::Mapping(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
        _ => 0,
    }
}
