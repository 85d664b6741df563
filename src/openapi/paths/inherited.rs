//! What operations have from further up: OpenAPI 3.x says things about paths at three levels.

use std::sync::Arc;

use super::super::description::{Backend, CorsOverride};
use super::super::diagnostic::{Diagnostic, code};
use super::super::dialect::Version;
use super::super::google::{self, ManySegments};
use super::super::source::Cursor;
use super::super::{lints, servers};
use super::{Path, Reader};

/// The most parameters of several segments that a path is looked through for: more than one makes no
/// route.
const MAX_WILDCARDS: usize = 16;

/// What an operation has from its path item and its document, as long as it writes none of its own.
#[derive(Clone)]
pub(super) struct Inherited {
    /// Prefixes of its path, each without a slash at its end; distinct, and at least one.
    pub(super) base_paths: Arc<[String]>,
    pub(super) backend: Option<Arc<Backend>>,
    pub(super) cors: Option<Arc<CorsOverride>>,
    /// Path parameters that take any number of segments.
    pub(super) wildcards: Vec<ManySegments>,
}

impl<'t> Reader<'_, 't> {
    /// Adds what the `servers` and `parameters` of a path item or an operation say (OpenAPI 3.x).
    pub(super) fn inherit(
        &mut self,
        path: &Path<'_, 't>,
        at: &Cursor<'t>,
        inherited: &mut Inherited,
    ) {
        if self.dialect.version == Version::V2 {
            return;
        }
        self.inherit_servers(at, inherited);
        // Parameters have a say in a path that has any.
        if path.template.contains('{') {
            self.inherit_parameters(at, inherited);
        }
    }

    fn inherit_servers(&mut self, at: &Cursor<'t>, inherited: &mut Inherited) {
        let Some(servers) = servers::read(at, self.google, self.findings) else {
            return;
        };
        match (&self.marked, servers.marked) {
            (_, Some(marked)) => self.findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    marked.endpoint.place,
                    "`x-google-endpoint` marks the server that names the service, which is one of the document's own `servers`",
                )
                .help("move it to the `servers` at the top of the document"),
            ),
            (Some(marked), None) => self.findings.push(
                Diagnostic::warning(
                    lints::NO_EFFECT,
                    at.get("servers").unwrap_or_else(|| at.clone()).key_place(),
                    "these `servers` change nothing: the one that is marked with `x-google-endpoint` alone counts",
                )
                .help("remove them, or remove the mark")
                .related(marked.clone(), "the mark"),
            ),
            (None, None) => inherited.base_paths = servers.base_paths.into(),
        }
    }

    fn inherit_parameters(&mut self, at: &Cursor<'t>, inherited: &mut Inherited) {
        let Some(parameters) = at.get("parameters") else {
            return;
        };
        for parameter in parameters.items() {
            let chain = self
                .references
                .chain(&parameter, "the parameter", self.findings);
            let Some(at) = chain.last() else { continue };
            google::check_extensions(at, google::Level::Parameter, self.google, self.findings);
            if let Some(wildcard) = google::path_pattern(at, self.findings)
                && inherited.wildcards.len() < MAX_WILDCARDS
            {
                inherited.wildcards.push(wildcard);
            }
        }
    }
}
