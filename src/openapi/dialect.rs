//! What differs between the versions of OpenAPI where documents, path items and operations are read.

/// A version of OpenAPI, as far as readers treat it differently.
#[expect(dead_code, reason = "versions 3.x are read next")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// 2.0 (Swagger).
    V2,
    /// 3.0.x.
    V3_0,
    /// 3.1.x.
    V3_1,
}

/// The names that a version knows; `x-…` come on top.
#[expect(dead_code, reason = "versions 3.x are read next")]
#[derive(Debug)]
pub(super) struct Dialect {
    /// Which version.
    pub(super) version: Version,
    /// Its name in messages.
    pub(super) name: &'static str,
    /// Fields of the document.
    pub(super) document: &'static [&'static str],
    /// Methods, as fields of a path item.
    pub(super) methods: &'static [&'static str],
    /// Fields of a path item besides its methods.
    pub(super) item: &'static [&'static str],
    /// Fields of an operation.
    pub(super) operation: &'static [&'static str],
    /// Where security schemes are defined, for messages.
    pub(super) schemes: &'static str,
}

/// OpenAPI 2.0.
pub(super) const V2: Dialect = Dialect {
    version: Version::V2,
    name: "OpenAPI 2.0",
    document: &[
        "swagger",
        "info",
        "host",
        "basePath",
        "schemes",
        "consumes",
        "produces",
        "paths",
        "definitions",
        "parameters",
        "responses",
        "securityDefinitions",
        "security",
        "tags",
        "externalDocs",
    ],
    methods: &["get", "put", "post", "delete", "options", "head", "patch"],
    item: &["parameters", "$ref"],
    operation: &[
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
    ],
    schemes: "securityDefinitions",
};
