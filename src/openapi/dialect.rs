//! What differs between the versions of OpenAPI where documents, path items and operations are read.

/// A version of OpenAPI, as far as readers treat it differently.
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
    /// Fields of another version that are often written in this one, and what to write instead.
    pub(super) foreign: &'static [(&'static str, &'static str)],
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
    foreign: &[
        (
            "components",
            "OpenAPI 2.0 has `definitions`, `parameters`, `responses` and `securityDefinitions` at the top",
        ),
        ("servers", "OpenAPI 2.0 has `host` and `basePath`"),
        ("webhooks", "OpenAPI 2.0 has none: remove it"),
        ("requestBody", "OpenAPI 2.0 has a parameter with `in: body`"),
        (
            "callbacks",
            "OpenAPI 2.0 has none: remove it, or begin its name with `x-`",
        ),
        (
            "trace",
            "OpenAPI 2.0 has none, and no such request is let in: remove it",
        ),
    ],
};

/// OpenAPI 3.0.
pub(super) const V3_0: Dialect = Dialect {
    version: Version::V3_0,
    name: "OpenAPI 3.0",
    document: &[
        "openapi",
        "info",
        "servers",
        "paths",
        "components",
        "security",
        "tags",
        "externalDocs",
    ],
    methods: &[
        "get", "put", "post", "delete", "options", "head", "patch", "trace",
    ],
    item: &["$ref", "summary", "description", "servers", "parameters"],
    operation: &[
        "tags",
        "summary",
        "description",
        "externalDocs",
        "operationId",
        "parameters",
        "requestBody",
        "responses",
        "callbacks",
        "deprecated",
        "security",
        "servers",
    ],
    foreign: &[
        ("swagger", "remove it: `openapi` says the version"),
        (
            "host",
            "OpenAPI 3 has `servers: [{url: https://HOST/BASE-PATH}]`",
        ),
        ("basePath", "OpenAPI 3 has `servers: [{url: /BASE-PATH}]`"),
        ("schemes", "OpenAPI 3 has the scheme in `servers[].url`"),
        ("consumes", "OpenAPI 3 has `requestBody.content`"),
        ("produces", "OpenAPI 3 has `responses.….content`"),
        ("definitions", "OpenAPI 3 has `components.schemas`"),
        ("parameters", "OpenAPI 3 has `components.parameters`"),
        ("responses", "OpenAPI 3 has `components.responses`"),
        (
            "securityDefinitions",
            "OpenAPI 3 has `components.securitySchemes`",
        ),
        ("securitySchemes", "it belongs into `components`"),
        (
            "webhooks",
            "OpenAPI 3.1 has it: write `openapi: 3.1.0`, or remove it",
        ),
        (
            "jsonSchemaDialect",
            "OpenAPI 3.1 has it: write `openapi: 3.1.0`, or remove it",
        ),
        (
            "query",
            "OpenAPI 3.2 has it, which is not read yet: remove it",
        ),
        (
            "additionalOperations",
            "OpenAPI 3.2 has it, which is not read yet: remove it",
        ),
        (
            "$self",
            "OpenAPI 3.2 has it, which is not read yet: remove it",
        ),
    ],
};

/// OpenAPI 3.1.
pub(super) const V3_1: Dialect = Dialect {
    version: Version::V3_1,
    name: "OpenAPI 3.1",
    document: &[
        "openapi",
        "info",
        "jsonSchemaDialect",
        "servers",
        "paths",
        "webhooks",
        "components",
        "security",
        "tags",
        "externalDocs",
    ],
    ..V3_0
};
