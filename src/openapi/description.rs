//! What a document says, whatever its version: the compiler's only input from OpenAPI.
//!
//! Readers check form (kinds, bounds, what must be there); what a thing *means* for access is the
//! compiler's business, so security stands here as it is written, with the names of its schemes.

use std::sync::Arc;

use super::diagnostic::Place;
use crate::api::endpoints_service::CorsSpec;

/// An API as its document describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The host that names the service, lower-cased, without port: `host`, or that of the server
    /// marked with `x-google-endpoint`.
    pub host: Option<String>,
    /// Where `host` stands.
    pub host_place: Option<Place>,
    /// `x-google-endpoints[].name`, where no `host` is there to compare it with.
    pub endpoint_name: Option<(String, Place)>,
    /// Operations in document order; paths carry the base path.
    pub operations: Vec<Operation>,
    /// Security schemes in document order, enforceable or not.
    pub schemes: Vec<Scheme>,
    /// `allowCors: true`, and where it stands: preflights go to the backend.
    pub allow_cors: Option<Place>,
    /// `x-google-allow: all`, and where it stands: undefined paths are let through.
    pub allow_all: Option<Place>,
}

/// One method of one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Upper-case method (`GET`).
    pub method: String,
    /// Path template with the base path (`/v1/shelves/{shelf}`), as the document writes it.
    pub path: String,
    /// `operationId`, if written.
    pub operation_id: Option<String>,
    /// Who may call it; shared by all operations that do not write their own.
    pub security: Arc<Security>,
    /// `x-google-backend`, the nearest one; shared likewise.
    pub backend: Option<Arc<Backend>>,
    /// `x-endpoints-cors`, the nearest one; shared likewise.
    pub cors: Option<Arc<CorsOverride>>,
    /// Where the operation stands.
    pub place: Place,
    /// Where its path stands.
    pub path_place: Place,
}

/// A `security` as it is written.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Security {
    /// Alternatives (OR), in document order. Empty: anyone may call.
    pub alternatives: Vec<Alternative>,
    /// Where it stands; `None`: neither the operation nor the document writes any.
    pub place: Option<Place>,
}

/// One item of a `security` list: all of its schemes are demanded together. Empty (`{}`): none is.
#[derive(Clone, Debug, PartialEq)]
pub struct Alternative {
    /// In document order.
    pub requirements: Vec<Requirement>,
    /// Where it stands.
    pub place: Place,
}

/// One scheme that is demanded.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// Its name; not necessarily in [`Description::schemes`].
    pub scheme: String,
    /// Scopes that the token must have.
    pub scopes: Vec<String>,
    /// `x-security`: audiences that take the place of the scheme's for this operation.
    pub audiences: Option<Vec<String>>,
    /// Where it stands.
    pub place: Place,
}

/// A security scheme.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheme {
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub kind: SchemeKind,
    /// Where it stands.
    pub place: Place,
}

/// What a security scheme asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemeKind {
    /// A JSON Web Token.
    Jwt(Box<JwtScheme>),
    /// Something that cannot be enforced. Fine as long as nothing depends on it.
    Unenforceable {
        /// Ends the sentence "the security scheme `x` …": ``has `type: apiKey`, which …``.
        what: String,
        /// What to write instead.
        help: String,
        /// Whether `help` mends the scheme itself; else what demands it must change.
        mends: bool,
    },
    /// Something that is wrong in itself; the reader has found it already.
    Broken,
}

/// What a JWT scheme says about its tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtScheme {
    /// The exact `iss`: a URL, an email address or any other text.
    pub issuer: String,
    /// Where the issuer stands.
    pub issuer_place: Place,
    /// Where the keys are served; `None` also if empty: they are discovered.
    pub jwks_uri: Option<String>,
    /// Where `jwks_uri` stands; the scheme, if there is none.
    pub jwks_uri_place: Place,
    /// `openIdConnectUrl`: the discovery document, where it is not at the issuer's usual place.
    pub discovery_url: Option<String>,
    /// Audiences as written, split at commas and trimmed; empty if absent.
    pub audiences: Vec<String>,
    /// Where the audiences stand; the scheme, if there are none.
    pub audiences_place: Place,
    /// Where tokens are looked for, in this order; empty: the default places.
    pub locations: Vec<WrittenLocation>,
}

/// One place where a request carries a token, and where the document says so.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenLocation {
    /// The place in the request.
    pub location: TokenLocation,
    /// The place in the document.
    pub place: Place,
}

/// One place where a request carries a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenLocation {
    /// A header.
    Header {
        /// Its name, as written.
        name: String,
        /// What stands before the token (`Bearer `); may be empty.
        value_prefix: String,
    },
    /// A query parameter.
    Query {
        /// Its name, as written.
        name: String,
    },
}

/// `x-google-backend`, or an entry of `x-google-api-management.backends`.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// `SCHEME://HOST[:PORT][/PATH]` as written; `None`: the service's own backend.
    pub address: Option<String>,
    /// How the request's path becomes the backend's; the default of its level is filled in.
    pub path_translation: PathTranslation,
    /// Seconds, positive; `None`: the default.
    pub deadline: Option<f64>,
    /// The protocol that is asked for.
    pub protocol: BackendProtocol,
    /// `jwt_audience`, and where it stands: the audience of an ID token that Google's proxy mints.
    pub jwt_audience: Option<(String, Place)>,
    /// `disable_auth`: the client's `Authorization` goes on unchanged, as it always does here.
    pub disable_auth: bool,
    /// Where the extension (or the entry that it names) stands.
    pub place: Place,
    /// Where the address stands; the extension, if there is none.
    pub address_place: Place,
}

/// How the path of a request becomes the path that the backend gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathTranslation {
    /// The address's path, then the request's.
    AppendPathToAddress,
    /// The address's path; path variables become query parameters.
    ConstantAddress,
}

/// `x-google-backend.protocol`; gRPC is told by the scheme of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BackendProtocol {
    /// `http/1.1`.
    #[default]
    Http1,
    /// `h2`.
    Http2,
}

/// `x-endpoints-cors` of a path item or an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct CorsOverride {
    /// The fields of `spec.cors`; `None`: `false`, no CORS here.
    pub rules: Option<CorsSpec>,
    /// Where it stands; its fields are below this pointer.
    pub place: Place,
}

impl Description {
    /// A JWT scheme by its name.
    pub fn jwt_scheme(&self, name: &str) -> Option<&JwtScheme> {
        match &self.scheme(name)?.kind {
            SchemeKind::Jwt(jwt) => Some(jwt),
            _ => None,
        }
    }

    /// A scheme by its name.
    pub fn scheme(&self, name: &str) -> Option<&Scheme> {
        self.schemes.iter().find(|scheme| scheme.name == name)
    }

    /// The JWT schemes, with their names and places.
    pub fn jwt_schemes(&self) -> impl Iterator<Item = (&Scheme, &JwtScheme)> {
        self.schemes.iter().filter_map(|scheme| match &scheme.kind {
            SchemeKind::Jwt(jwt) => Some((scheme, &**jwt)),
            _ => None,
        })
    }
}
