//! What costs are measured with: an API of fifty operations, half of them for signed-in users, and
//! the requests of a browser to it.
#![allow(dead_code)]

use endpoints::api::EndpointsServiceSpec;
use endpoints::policy::{Policy, ServiceIdentity, compile};
use serde_json::{Map, json};

use crate::tokens::Signer;

/// Where the browser's page comes from.
pub const ORIGIN: &str = "https://app.example.com";
/// Who signs tokens.
pub const ISSUER: &str = "https://issuer.example.com";
/// Where the document says that the issuer's keys are.
pub const KEYS: &str = "https://issuer.example.com/keys";
/// For whom tokens are signed.
pub const AUDIENCE: &str = "https://api.example.com";

/// Collections that anyone may read.
const OPEN: [&str; 13] = [
    "items",
    "authors",
    "brands",
    "categories",
    "events",
    "flavours",
    "galleries",
    "holidays",
    "ingredients",
    "journals",
    "kitchens",
    "languages",
    "markets",
];
/// Collections of signed-in users.
const SECURED: [&str; 12] = [
    "accounts",
    "baskets",
    "coupons",
    "deliveries",
    "expenses",
    "favourites",
    "gifts",
    "histories",
    "invoices",
    "jobs",
    "keys",
    "ledgers",
];

/// Which specification.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// With CORS and tokens, else with neither.
    pub whole: bool,
    /// How many tokens are remembered, where it is not the usual number.
    pub remembered: Option<u32>,
    /// Paths beside the usual ones, an operation each.
    pub further: usize,
}

/// The specification.
pub fn spec(shape: Shape) -> EndpointsServiceSpec {
    let mut paths = Map::new();
    for (collection, secured) in OPEN
        .iter()
        .map(|name| (name, false))
        .chain(SECURED.iter().map(|name| (name, true)))
    {
        let operation = |verb: &str| {
            let mut operation = json!({
                "operationId": format!("{verb}.{collection}"),
                "responses": {"200": {"description": "ok"}},
            });
            if shape.whole && secured {
                operation["security"] = json!([{"issuer": []}]);
            }
            operation
        };
        paths.insert(
            format!("/v1/{collection}/{{id}}"),
            json!({"get": operation("get")}),
        );
        paths.insert(
            format!("/v1/{collection}"),
            json!({"post": operation("create")}),
        );
    }
    for number in 0..shape.further {
        let operation = json!({"operationId": format!("further.{number}"), "responses": {}});
        paths.insert(
            format!("/v2/further-{number}/{{id}}"),
            json!({"get": operation}),
        );
    }
    let mut document = json!({
        "swagger": "2.0",
        "info": {"title": "shop", "version": "1"},
        "host": "api.example.com",
        "paths": paths,
    });
    let mut spec = json!({});
    if shape.whole {
        document["securityDefinitions"] = json!({"issuer": {
            "type": "oauth2", "flow": "implicit", "authorizationUrl": "",
            "x-google-issuer": ISSUER, "x-google-jwks_uri": KEYS, "x-google-audiences": AUDIENCE,
        }});
        spec["cors"] = json!({"allowOrigins": [ORIGIN, "https://admin.example.com"]});
    }
    if let Some(size) = shape.remembered {
        spec["jwt"] = json!({"tokenCacheSize": size});
    }
    spec["openapi"] = json!({"inline": document.to_string()});
    serde_json::from_value(spec).expect("a specification")
}

/// The specification, compiled.
pub fn policy(shape: Shape) -> Policy {
    let identity = ServiceIdentity {
        name: "shop".to_owned(),
        namespace: "bench".to_owned(),
    };
    let compiled = compile(&spec(shape), &identity).expect("the document compiles");
    compiled.policy
}

/// A token as identity providers write them; `number` makes it another one.
pub fn token(signer: &Signer, number: usize) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    signer.token(&json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{number:06}"),
        "azp": "7d1c3ae0-9d5b-4c5e-9f0e-1d5a3a3f2c11", "email": "ada@example.com",
        "email_verified": true, "iat": now - 60, "exp": now + 24 * 3600,
    }))
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Proxied, nothing more.
    Plain,
    /// From another origin.
    Cors,
    /// From another origin, with a token.
    Token,
    /// The preflight of the last, answered by the proxy.
    Preflight,
}

impl Case {
    /// All of them, with the names that reports have.
    pub const ALL: [(&'static str, Self); 4] = [
        ("plain", Self::Plain),
        ("cors", Self::Cors),
        ("token", Self::Token),
        ("preflight", Self::Preflight),
    ];

    /// Whether it is asked of the policy with CORS and tokens.
    pub fn whole(self) -> bool {
        self != Self::Plain
    }

    /// Path and query.
    pub fn target(self) -> &'static str {
        match self {
            Self::Plain | Self::Cors => "/v1/items/42?fields=name",
            Self::Token | Self::Preflight => "/v1/accounts/42?fields=name",
        }
    }

    /// What a browser's fetch sends, roughly.
    pub fn request(self, token: &str) -> String {
        let method = match self {
            Self::Preflight => "OPTIONS",
            _ => "GET",
        };
        let own = match self {
            Self::Plain => String::new(),
            Self::Cors => format!("origin: {ORIGIN}\r\n"),
            Self::Token => format!("origin: {ORIGIN}\r\nauthorization: Bearer {token}\r\n"),
            Self::Preflight => format!(
                "origin: {ORIGIN}\r\naccess-control-request-method: GET\r\n\
                 access-control-request-headers: authorization\r\n"
            ),
        };
        format!(
            "{method} {} HTTP/1.1\r\nhost: api.example.com\r\nuser-agent: bench/1\r\n\
             accept: application/json\r\naccept-encoding: gzip, br\r\naccept-language: en\r\n\
             cookie: session=0123456789abcdef\r\n{own}\r\n",
            self.target()
        )
    }
}
