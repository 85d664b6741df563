//! `$ref`: from one place of the document to another. Bounded in number, length and work; what stands
//! in other documents is not read.

use std::collections::HashMap;

use super::diagnostic::{Diagnostic, Findings, code, quote};
use super::source::{Cursor, Kind};

/// How many `$ref` something may be away.
const MAX_HOPS: usize = 8;
/// How many entries are looked at altogether to find what `$ref`s name: some 50 milliseconds.
const MAX_WORK: usize = 20_000_000;

/// Follows the `$ref`s of a document.
pub(super) struct References<'r, 't> {
    root: &'r Cursor<'t>,
    found: HashMap<&'t str, Option<Cursor<'t>>>,
    work: usize,
}

impl<'r, 't> References<'r, 't> {
    pub(super) fn new(root: &'r Cursor<'t>) -> Self {
        Self {
            root,
            found: HashMap::new(),
            work: 0,
        }
    }

    /// A mapping and, where it has a `$ref`, what that leads to, nearest first. Ends early, with a
    /// finding, at a `$ref` that leads nowhere; `what` names the thing in messages (`a path item`).
    pub(super) fn chain(
        &mut self,
        at: &Cursor<'t>,
        what: &str,
        findings: &mut Findings,
    ) -> Vec<Cursor<'t>> {
        let mut chain = vec![at.clone()];
        let mut reference = at.get("$ref");
        while let Some(found) = reference {
            if chain.len() > MAX_HOPS {
                findings.push(
                    Diagnostic::error(
                        code::INVALID_OPENAPI,
                        at.key_place(),
                        format!("the `$ref` of {what} leads through more than {MAX_HOPS} others, or in a circle"),
                    )
                    .help("write it here"),
                );
                break;
            }
            let Some(target) = self.follow(&found, what, findings) else {
                break;
            };
            reference = target.get("$ref");
            chain.push(target);
        }
        chain
    }

    /// What one `$ref` names, in this document.
    fn follow(
        &mut self,
        reference: &Cursor<'t>,
        what: &str,
        findings: &mut Findings,
    ) -> Option<Cursor<'t>> {
        let Some(written) = reference.string() else {
            findings.push(reference.wrong_kind("$ref", "text"));
            return None;
        };
        let Some(pointer) = written.strip_prefix('#') else {
            findings.push(elsewhere(reference, written, what));
            return None;
        };
        if let Some(Some(known)) = self.found.get(written) {
            return Some(known.clone());
        }
        // A pointer in a fragment may hold percent-escapes (RFC 6901 section 6).
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        let found = self.find(&pointer);
        if self.work > MAX_WORK {
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    reference.place(),
                    "too many things stand elsewhere in the document",
                )
                .help("write them in their place"),
            );
            return None;
        }
        if found.is_none() {
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    reference.place(),
                    format!("there is no {} in this document", quote(written)),
                )
                .help("correct the `$ref`"),
            );
        }
        self.found.insert(written, found.clone());
        found
    }

    fn find(&mut self, pointer: &str) -> Option<Cursor<'t>> {
        let mut at = self.root.clone();
        if pointer.is_empty() {
            return Some(at);
        }
        for token in pointer.strip_prefix('/')?.split('/') {
            self.work += match at.kind() {
                Kind::Mapping(entries) => entries.len(),
                _ => 1,
            };
            if self.work > MAX_WORK {
                return None;
            }
            at = at.step(token)?;
        }
        Some(at)
    }
}

fn elsewhere(reference: &Cursor<'_>, written: &str, what: &str) -> Diagnostic {
    let file = written.split('#').next().unwrap_or(written);
    Diagnostic::error(
        code::UNSUPPORTED_FEATURE,
        reference.place(),
        format!("{what} stands in another document ({}), which is not read", quote(file)),
    )
    .help("bundle the documents into one (`npx @redocly/cli bundle openapi.yaml -o bundled.yaml`), and give that one")
}
