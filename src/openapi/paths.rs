//! `paths`, in any version: which operations there are.

mod inherited;

use std::sync::Arc;

use super::description::{Operation, Scheme, Security};
use super::diagnostic::{Diagnostic, Findings, Place, code, quote};
use super::dialect::{Dialect, Version};
use super::references::References;
use super::servers::Servers;
use super::source::{Cursor, Kind};
use super::{fields, google, lints, security};
use inherited::Inherited;

/// The most operations in a document.
const MAX_OPERATIONS: usize = 20_000;
/// The longest path template, base path included, in bytes: no longer request is let in.
const MAX_PATH: usize = 8192;
/// Bytes that all operations together may take: aliases and API-level security repeat.
const MAX_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// Reads `paths`.
pub(super) struct Reader<'r, 't> {
    /// What was read.
    pub(super) operations: Vec<Operation>,
    root: &'r Cursor<'t>,
    dialect: &'static Dialect,
    google: &'r google::Context,
    schemes: &'r [Scheme],
    references: References<'r, 't>,
    findings: &'r mut Findings,
    /// The API-level requirement, read when the first operation needs it.
    default_security: Option<Arc<Security>>,
    defaults: Inherited,
    /// The server of the document that alone counts.
    marked: Option<Place>,
    output_bytes: usize,
}

/// A path of the document.
struct Path<'p, 't> {
    template: &'p str,
    /// Where it stands in `paths`, whatever `$ref` it has.
    at: &'p Cursor<'t>,
}

impl<'r, 't> Reader<'r, 't> {
    /// `servers` are those of the document.
    pub(super) fn new(
        root: &'r Cursor<'t>,
        dialect: &'static Dialect,
        google: &'r google::Context,
        schemes: &'r [Scheme],
        references: References<'r, 't>,
        servers: Servers,
        findings: &'r mut Findings,
    ) -> Self {
        let backend = google::backend(root, google::Level::Document, google, findings);
        Self {
            operations: Vec::new(),
            root,
            dialect,
            google,
            schemes,
            references,
            findings,
            default_security: None,
            defaults: Inherited {
                base_paths: servers.base_paths.into(),
                backend,
                cors: None,
                wildcards: Vec::new(),
            },
            marked: servers.marked.map(|marked| marked.endpoint.place),
            output_bytes: 0,
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
        google::check_extensions(&paths, google::Level::Paths, self.google, self.findings);
        for (template, at) in paths.entries() {
            if template.starts_with("x-") {
                continue;
            }
            if !template.starts_with('/') {
                self.error(
                    &at,
                    format!("the path {} does not begin with a slash", quote(template)),
                    match template {
                        "security" => {
                            "move it to the top of the document, or to each operation that is to demand it"
                        }
                        _ => "write it with a `/` in front",
                    },
                );
                continue;
            }
            if template.contains(char::is_control) {
                self.error(
                    &at,
                    format!("the path {} holds a control character", quote(template)),
                    "remove it: no request has one in its path",
                );
                continue;
            }
            if self.dialect.version != Version::V2
                && !google::check_template(template, &at, self.findings)
            {
                continue;
            }
            if !self.item(&Path { template, at: &at }) {
                return;
            }
        }
    }

    /// Reads the operations of a path; false if there are too many altogether.
    fn item(&mut self, path: &Path<'_, 't>) -> bool {
        let what = format!("the path item {}", quote(path.template));
        let chain = self.references.chain(path.at, &what, self.findings);
        let mut inherited = self.defaults.clone();
        let level = google::Level::PathItem;
        // What stands nearer to the path counts, so it is read last.
        for at in chain.iter().rev() {
            match at.kind() {
                Kind::Mapping(_) => {}
                Kind::Null => continue,
                _ => {
                    let finding = at.wrong_kind(path.template, "a mapping");
                    self.findings.push(finding);
                    continue;
                }
            }
            let names = self.dialect.methods.iter().chain(self.dialect.item);
            fields::check(
                at,
                "a path item",
                names.copied(),
                self.dialect.foreign,
                self.findings,
            );
            google::check_extensions(at, level, self.google, self.findings);
            let backend = google::backend(at, level, self.google, self.findings);
            inherited.backend = backend.or(inherited.backend);
            inherited.cors = google::cors(at, self.google, self.findings).or(inherited.cors);
            self.inherit(path, at, &mut inherited);
        }
        for at in &chain {
            for method in self.dialect.methods {
                let Some(operation) = at.get(method) else {
                    continue;
                };
                if *method == "trace" {
                    self.findings.push(
                        Diagnostic::warning(
                            lints::NO_EFFECT,
                            operation.key_place(),
                            "no TRACE request is let in: it would show what the proxy adds to requests",
                        )
                        .help("remove the operation"),
                    );
                } else if !self.operation(path, method, &operation, &inherited) {
                    return false;
                }
            }
        }
        true
    }

    /// Reads an operation; false if there are too many.
    fn operation(
        &mut self,
        path: &Path<'_, 't>,
        method: &str,
        at: &Cursor<'t>,
        inherited: &Inherited,
    ) -> bool {
        if !matches!(at.kind(), Kind::Mapping(_)) {
            self.findings.push(at.wrong_kind(method, "a mapping"));
            return true;
        }
        let names = self.dialect.operation.iter();
        fields::check(
            at,
            "an operation",
            names.copied(),
            self.dialect.foreign,
            self.findings,
        );
        let operation_id = at.get("operationId").and_then(|id| {
            // `operationId: 1` is as clear without quotes.
            let name = id.text();
            if name.is_none() && !matches!(id.kind(), Kind::Null) {
                self.findings.push(id.wrong_kind("operationId", "text"));
            }
            name.map(str::to_owned)
        });
        let mut inherited = inherited.clone();
        self.inherit(path, at, &mut inherited);
        let security = self.security(at);
        let level = google::Level::Operation;
        google::check_extensions(at, level, self.google, self.findings);
        let backend = google::backend(at, level, self.google, self.findings);
        let operation = Operation {
            method: method.to_ascii_uppercase(),
            path: String::new(),
            operation_id,
            security,
            backend: backend.or(inherited.backend),
            cors: google::cors(at, self.google, self.findings).or(inherited.cors),
            place: at.key_place(),
            path_place: path.at.key_place(),
        };
        let template = google::with_patterns(path.template, &inherited.wildcards, self.findings);
        for base_path in inherited.base_paths.iter() {
            if !self.push(at, format!("{base_path}{template}"), &operation) {
                return false;
            }
        }
        true
    }

    /// Adds an operation under one of its paths; false if there are too many.
    fn push(&mut self, at: &Cursor<'t>, path: String, operation: &Operation) -> bool {
        if path.len() > MAX_PATH {
            self.error(
                at,
                format!("the path {} is longer than {MAX_PATH} bytes", quote(&path)),
                "no request that long is let in: shorten it",
            );
            return true;
        }
        self.output_bytes += 200
            + 2 * path.len()
            + 2 * operation.place.pointer.len()
            + operation.operation_id.as_ref().map_or(0, String::len);
        if self.operations.len() >= MAX_OPERATIONS || self.output_bytes > MAX_OUTPUT_BYTES {
            self.error(at, format!("the document has too many operations: at most {MAX_OPERATIONS} are served, and 16 MiB of them"), "split the API into several services");
            return false;
        }
        self.operations.push(Operation {
            path,
            ..operation.clone()
        });
        true
    }

    fn security(&mut self, at: &Cursor<'t>) -> Arc<Security> {
        let own = at.get("security");
        let is_own = own.is_some();
        let security = match own {
            Some(security) => {
                let security = security::read(&security, self.findings);
                self.output_bytes += security::bytes(&security);
                Arc::new(security)
            }
            None => self.default_security(),
        };
        self.with_legacy(at, security, is_own)
    }

    fn default_security(&mut self) -> Arc<Security> {
        if let Some(security) = &self.default_security {
            return Arc::clone(security);
        }
        let written = self.root.get("security");
        let security = written.map_or_else(Security::default, |security| {
            security::read(&security, self.findings)
        });
        let security = self.with_legacy(self.root, Arc::new(security), true);
        Arc::clone(self.default_security.insert(security))
    }

    fn with_legacy(
        &mut self,
        at: &Cursor<'t>,
        security: Arc<Security>,
        is_own: bool,
    ) -> Arc<Security> {
        if self.dialect.version != Version::V2 {
            return security;
        }
        let (schemes, google) = (self.schemes, self.google);
        google::with_legacy_security(at, security, is_own, schemes, google, self.findings)
    }

    fn error(&mut self, at: &Cursor<'t>, message: String, help: &str) {
        let finding = Diagnostic::error(code::INVALID_OPENAPI, at.key_place(), message);
        self.findings.push(finding.help(help));
    }
}
