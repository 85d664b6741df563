//! Google's extensions of OpenAPI: `x-google-*`, the older `x-issuer`, `x-jwks_uri` and `x-security`,
//! and `x-endpoints-cors`, which is ours.
//!
//! Each is read in the spelling of its version: OpenAPI 2.0 has one extension a thing, 3.x gathers
//! them in `x-google-api-management` and `x-google-auth`. What decides about access or about where a
//! request goes, and is not understood, is an error; what only counts or bills is passed over, for
//! nothing here counts calls.

mod allow;
mod audiences;
mod backend;
mod cors;
mod endpoints;
mod known;
mod legacy_security;
mod locations;
mod management;
mod parameter;
mod scheme;
mod values;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::description::{Backend, CorsOverride, PathTranslation};
use super::diagnostic::{Findings, Place};
use super::dialect::{Dialect, Version};
use super::source::{Cursor, Node};

pub(super) use allow::allow_all;
pub(super) use backend::backend;
pub(super) use cors::cors;
pub(super) use endpoints::{ServerEndpoint, endpoint_list, server_endpoint};
pub(super) use known::check_extensions;
pub(super) use legacy_security::with_legacy_security;
pub(super) use parameter::{ManySegments, check_template, path_pattern, with_patterns};
pub(super) use scheme::{TokenRules, jwt_scheme, token_rules};

#[cfg(test)]
mod tests;

/// Whose spelling a document uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// OpenAPI 2.0: `x-google-endpoints`, `x-google-issuer`, `jwt_audience`.
    V2,
    /// OpenAPI 3.x: `x-google-api-management`, `x-google-auth`, `jwtAudience`.
    V3,
}

/// Where an extension stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Level {
    /// The document itself.
    Document,
    /// An entry of `servers`.
    Server,
    /// `paths`, beside the path items.
    Paths,
    /// A path item.
    PathItem,
    /// An operation.
    Operation,
    /// A parameter.
    Parameter,
    /// A security scheme.
    Scheme,
}

/// What the extensions of one document have in common.
pub(super) struct Context {
    /// The document's spelling.
    pub(super) spelling: Spelling,
    /// Where `allowCors: true` of `x-google-api-management` stands.
    pub(super) allow_cors: Option<Place>,
    /// `x-google-api-management.backends`, by name; empty in 2.0.
    backends: HashMap<String, NamedBackend>,
    /// The first of their names, for messages.
    known_backends: String,
    /// Whether `backends` could be read: names are not looked up in half a list.
    backends_complete: bool,
    /// Backends and CORS rules that were read. An alias is one node however often it is written, so
    /// that what is kept never outgrows the text.
    seen_backends: Seen<(*const Node, Level), Backend>,
    seen_cors: Seen<*const Node, CorsOverride>,
    checked: RefCell<HashSet<(*const Node, Level)>>,
    /// Bytes that the audiences of `x-security` take so far: each operation has its own.
    legacy_bytes: Cell<usize>,
}

/// What was read of each node; nothing where a finding was made.
type Seen<K, V> = RefCell<HashMap<K, Option<Arc<V>>>>;

/// An entry of `backends`: what `pathTranslation` is when it is not written depends on who names it.
struct NamedBackend {
    append: Arc<Backend>,
    constant: Arc<Backend>,
}

impl Context {
    /// Reads what the extensions below refer to, and looks at those of the document itself.
    pub(super) fn new(
        root: &Cursor<'_>,
        dialect: &'static Dialect,
        findings: &mut Findings,
    ) -> Self {
        let spelling = match dialect.version {
            Version::V2 => Spelling::V2,
            Version::V3_0 | Version::V3_1 => Spelling::V3,
        };
        let mut context = Self {
            spelling,
            allow_cors: None,
            backends: HashMap::new(),
            known_backends: String::new(),
            backends_complete: true,
            seen_backends: RefCell::default(),
            seen_cors: RefCell::default(),
            checked: RefCell::default(),
            legacy_bytes: Cell::new(0),
        };
        check_extensions(root, Level::Document, &context, findings);
        if spelling == Spelling::V3 {
            management::read(root, &mut context, findings);
        }
        context
    }
}

impl Context {
    /// Whether the names of this node's extensions were not looked at before.
    fn is_new(&self, at: &Cursor<'_>, level: Level) -> bool {
        let key = (std::ptr::from_ref(at.node()), level);
        self.checked.borrow_mut().insert(key)
    }
}

impl Spelling {
    /// For messages.
    fn version(self) -> &'static str {
        match self {
            Self::V2 => "OpenAPI 2.0",
            Self::V3 => "OpenAPI 3.x",
        }
    }
}

impl Level {
    /// For messages.
    fn name(self) -> &'static str {
        match self {
            Self::Document => "the document itself",
            Self::Server => "an entry of `servers`",
            Self::Paths => "`paths` itself",
            Self::PathItem => "a path item",
            Self::Operation => "an operation",
            Self::Parameter => "a path parameter",
            Self::Scheme => "a security scheme",
        }
    }

    /// What `x-google-backend` does with paths where it does not say (ESPv2: a document's address is
    /// a server, an operation's is a function).
    fn path_translation(self) -> PathTranslation {
        match self {
            Self::Document => PathTranslation::AppendPathToAddress,
            _ => PathTranslation::ConstantAddress,
        }
    }
}

/// Text, and where it stands.
pub(super) type Written = (String, Place);
