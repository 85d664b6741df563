//! Whatever becomes a header, or a part of one.

use serde_json::{Value, json};

use super::cases::Expected::Refused;
use super::cases::{Case, fields};

const DOCUMENT: &str = r#"
swagger: "2.0"
info: {title: t, version: "1"}
securityDefinitions:
  tokens:
    type: oauth2
    flow: implicit
    authorizationUrl: ""
    x-google-issuer: https://issuer.example.com
    x-google-jwks_uri: https://issuer.example.com/keys
security: [{tokens: []}]
paths:
  /a: {get: {}}
"#;

/// What no header may hold.
const WRONG: [&str; 8] = [
    "a\r\nb: c",
    "a\nb",
    "a\0",
    "a\u{1}b",
    "a\u{7f}",
    "é",
    "a\u{2028}b",
    "a b\tc",
];

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = [
        "allowOrigins",
        "allowMethods",
        "allowHeaders",
        "exposeHeaders",
    ]
    .into_iter()
    .map(|field| {
        fields(
            name("cors", field),
            Refused(field),
            move || json!({ "openapi": { "inline": DOCUMENT }, "cors": { field: WRONG } }),
        )
    })
    .collect();
    for (index, wrong) in WRONG.into_iter().enumerate() {
        if index + 1 < WRONG.len() {
            cases.push(scheme(
                name("x-google-jwt-locations: header", &index.to_string()),
                "header",
                wrong,
            ));
            cases.push(scheme(
                name("x-google-jwt-locations: prefix", &index.to_string()),
                "value_prefix",
                wrong,
            ));
        }
        cases.push(fields(name("backend", &index.to_string()), Refused("backend"), move || {
            json!({ "openapi": { "inline": DOCUMENT }, "backend": { "address": format!("http://{wrong}") } })
        }));
        cases.push(fields(
            name("serviceName", &index.to_string()),
            Refused("serviceName"),
            move || json!({ "openapi": { "inline": DOCUMENT }, "serviceName": wrong }),
        ));
        cases.push(operation(
            name("x-google-backend", &index.to_string()),
            "x-google-backend",
            json!({ "address": format!("https://{wrong}") }),
        ));
        cases.push(operation(
            name("x-endpoints-cors", &index.to_string()),
            "x-endpoints-cors",
            json!({ "allowHeaders": [wrong] }),
        ));
    }
    cases
}

/// Names live as long as the test.
fn name(what: &str, which: &str) -> &'static str {
    Box::leak(format!("header: {what} {which}").into_boxed_str())
}

fn scheme(name: &'static str, field: &'static str, wrong: &'static str) -> Case {
    fields(name, Refused("x-google-jwt-locations"), move || {
        let mut location = json!({ "header": "X-Token", "value_prefix": "Bearer " });
        location[field] = wrong.into();
        json!({ "openapi": { "document": {
            "swagger": "2.0",
            "securityDefinitions": { "tokens": {
                "type": "oauth2",
                "x-google-issuer": "https://issuer.example.com",
                "x-google-jwks_uri": "https://issuer.example.com/keys",
                "x-google-jwt-locations": [location],
            } },
            "security": [{ "tokens": [] }],
            "paths": { "/a": { "get": {} } },
        } } })
    })
}

fn operation(name: &'static str, field: &'static str, value: Value) -> Case {
    fields(name, Refused(field), move || {
        json!({ "openapi": { "document": {
            "swagger": "2.0",
            "paths": { "/a": { "get": { field: value } } },
        } } })
    })
}
