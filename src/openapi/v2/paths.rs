//! `paths`: which operations there are.

use std::sync::Arc;

use super::super::description::{Operation, Security};
use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::google;
use super::super::security;
use super::super::source::{Cursor, Kind};
use super::{MAX_OPERATIONS, check_fields};

/// Methods of OpenAPI 2.0, as fields of a path item.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
/// What a path item may hold.
const ITEM_FIELDS: [&str; 9] = [
    "get",
    "put",
    "post",
    "delete",
    "options",
    "head",
    "patch",
    "parameters",
    "$ref",
];
/// What an operation may hold.
const OPERATION_FIELDS: [&str; 12] = [
    "tags",
    "summary",
    "description",
    "externalDocs",
    "operationId",
    "consumes",
    "produces",
    "parameters",
    "responses",
    "schemes",
    "deprecated",
    "security",
];
/// The longest path template, base path included, in bytes: no longer request is let in.
const MAX_PATH: usize = 8192;
/// How many `$ref` a path item may be away.
const MAX_HOPS: usize = 8;
/// How many path items may be elsewhere: finding one takes time.
const MAX_REFERENCES: usize = 1000;
/// Bytes that all operations together may take: aliases and API-level security repeat.
const MAX_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// Reads `paths`.
pub(super) struct Reader<'r, 't> {
    /// What was read.
    pub(super) operations: Vec<Operation>,
    root: &'r Cursor<'t>,
    base_path: &'r str,
    findings: &'r mut Findings,
    /// The API-level requirement, read when the first operation needs it.
    default_security: Option<Arc<Security>>,
    output_bytes: usize,
    references: usize,
}

impl<'r, 't> Reader<'r, 't> {
    pub(super) fn new(
        root: &'r Cursor<'t>,
        base_path: &'r str,
        findings: &'r mut Findings,
    ) -> Self {
        Self {
            operations: Vec::new(),
            root,
            base_path,
            findings,
            default_security: None,
            output_bytes: 0,
            references: 0,
        }
    }

    pub(super) fn read(&mut self) {
        let Some(paths) = self.root.get("paths") else {
            self.findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    self.root.place(),
                    "the document has no `paths`",
                )
                .help("without operations every request is refused: list them under `paths`"),
            );
            return;
        };
        if !matches!(paths.kind(), Kind::Mapping(_)) {
            self.findings.push(paths.wrong_kind("paths", "a mapping"));
            return;
        }
        for (path, item) in paths.entries() {
            if path.starts_with("x-") {
                continue;
            }
            if !path.starts_with('/') {
                self.error(
                    &item,
                    format!("the path {} does not begin with a slash", quote(path)),
                    "write it with a `/` in front",
                );
                continue;
            }
            if self.base_path.len() + path.len() > MAX_PATH {
                self.error(
                    &item,
                    format!("the path {} is longer than {MAX_PATH} bytes", quote(path)),
                    "no request that long is let in: shorten it",
                );
                continue;
            }
            if !self.item(path, &item) {
                return;
            }
        }
    }

    /// Reads the operations of a path; false if there are too many altogether.
    fn item(&mut self, path: &str, item: &Cursor<'t>) -> bool {
        let mut at = item.clone();
        for _ in 0..MAX_HOPS {
            match at.kind() {
                Kind::Mapping(_) => {}
                Kind::Null => return true,
                _ => {
                    self.findings.push(at.wrong_kind(path, "a mapping"));
                    return true;
                }
            }
            check_fields(&at, "a path item", &ITEM_FIELDS, self.findings);
            google::check_unsupported(&at, self.findings);
            for method in METHODS {
                if let Some(operation) = at.get(method)
                    && !self.operation(path, item, method, &operation)
                {
                    return false;
                }
            }
            match at.get("$ref") {
                None => return true,
                Some(reference) => match self.follow(&reference) {
                    Some(target) => at = target,
                    None => return true,
                },
            }
        }
        self.error(
            item,
            format!(
                "the `$ref` of {} leads through more than {MAX_HOPS} others, or in a circle",
                quote(path)
            ),
            "write the operations here",
        );
        true
    }

    /// The path item that a `$ref` names, in this document.
    fn follow(&mut self, reference: &Cursor<'t>) -> Option<Cursor<'t>> {
        let Some(written) = reference.string() else {
            self.findings.push(reference.wrong_kind("$ref", "text"));
            return None;
        };
        let Some(pointer) = written.strip_prefix('#') else {
            self.findings.push(
                Diagnostic::error(
                    code::UNSUPPORTED_FEATURE,
                    reference.place(),
                    format!(
                        "the path item stands in another document ({}), which is not read",
                        quote(written)
                    ),
                )
                .help("write the path item into this document"),
            );
            return None;
        };
        self.references += 1;
        if self.references > MAX_REFERENCES {
            self.error(
                reference,
                format!("more than {MAX_REFERENCES} path items stand elsewhere"),
                "write them in their place",
            );
            return None;
        }
        // A pointer in a fragment may hold percent-escapes (RFC 6901 section 6).
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        let found = self.root.follow(&pointer);
        if found.is_none() {
            self.error(
                reference,
                format!("there is no {} in this document", quote(written)),
                "correct the `$ref`",
            );
        }
        found
    }

    /// Reads an operation; false if there are too many.
    fn operation(&mut self, path: &str, item: &Cursor<'t>, method: &str, at: &Cursor<'t>) -> bool {
        if !matches!(at.kind(), Kind::Mapping(_)) {
            self.findings.push(at.wrong_kind(method, "a mapping"));
            return true;
        }
        check_fields(at, "an operation", &OPERATION_FIELDS, self.findings);
        google::check_unsupported(at, self.findings);
        let operation_id = at.get("operationId").and_then(|id| {
            let name = id.string();
            if name.is_none() {
                self.findings.push(id.wrong_kind("operationId", "text"));
            }
            name.map(str::to_owned)
        });
        let security = match at.get("security") {
            Some(security) => Arc::new(security::read(&security, self.findings)),
            None => self.default_security(),
        };
        let place = at.key_place();
        self.output_bytes += 200
            + self.base_path.len()
            + 2 * path.len()
            + 2 * place.pointer.len()
            + operation_id.as_ref().map_or(0, String::len)
            + 100 * security.alternatives.len();
        if self.operations.len() >= MAX_OPERATIONS || self.output_bytes > MAX_OUTPUT_BYTES {
            self.error(at, format!("the document has too many operations: at most {MAX_OPERATIONS} are served, and 16 MiB of them"), "split the API into several services");
            return false;
        }
        self.operations.push(Operation {
            method: method.to_ascii_uppercase(),
            path: format!("{}{path}", self.base_path),
            operation_id,
            security,
            backend: None,
            cors: None,
            place,
            path_place: item.key_place(),
        });
        true
    }

    fn default_security(&mut self) -> Arc<Security> {
        if let Some(security) = &self.default_security {
            return Arc::clone(security);
        }
        let written = self.root.get("security");
        let security = written.map_or_else(Security::default, |security| {
            security::read(&security, self.findings)
        });
        Arc::clone(self.default_security.insert(Arc::new(security)))
    }

    fn error(&mut self, at: &Cursor<'t>, message: String, help: &str) {
        let finding = Diagnostic::error(code::INVALID_OPENAPI, at.key_place(), message);
        self.findings.push(finding.help(help));
    }
}
