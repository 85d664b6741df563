//! What a document says, whatever its version: the compiler's only input from OpenAPI.

use super::diagnostic::Place;

/// An API as its document describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// `host`, lower-cased, without port.
    pub host: Option<String>,
    /// Where `host` stands.
    pub host_place: Option<Place>,
    /// Operations in document order; paths carry the base path.
    pub operations: Vec<Operation>,
    /// JWT schemes by name, in document order.
    pub schemes: Vec<JwtScheme>,
    /// `x-google-endpoints[].allowCors`: preflights go to the backend.
    pub allow_cors: bool,
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
    /// Alternatives (OR): names of schemes in [`Description::schemes`]. Empty: anyone may call.
    pub security: Vec<String>,
    /// Where the operation stands.
    pub place: Place,
    /// Where its path stands.
    pub path_place: Place,
}

/// A security scheme that is checked by verifying a JSON Web Token.
#[derive(Clone, Debug, PartialEq)]
pub struct JwtScheme {
    /// Its name in `securityDefinitions`.
    pub name: String,
    /// `x-google-issuer`.
    pub issuer: String,
    /// `x-google-jwks_uri`; `None` also if empty.
    pub jwks_uri: Option<String>,
    /// Where `x-google-jwks_uri` stands; the scheme, if there is none.
    pub jwks_uri_place: Place,
    /// `x-google-audiences`, split at commas and trimmed; empty if absent.
    pub audiences: Vec<String>,
    /// Where the scheme stands.
    pub place: Place,
}
