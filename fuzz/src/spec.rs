//! The fields around the document: origins, patterns, durations, lists of headers, issuers, the
//! backend's address.

use endpoints::api::EndpointsServiceSpec;
use serde_json::{Map, Value};

use super::compile;

const DOCUMENT: &str = r#"
swagger: "2.0"
host: api.example.com
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

/// The bytes are the fields of a spec, as JSON; the document is ours unless they bring one.
pub fn run(data: &[u8]) {
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(data) else {
        return;
    };
    let ours = fields
        .entry("openapi")
        .or_insert_with(|| serde_json::json!({ "inline": DOCUMENT }));
    let text = ours.get("inline").is_some();
    if let Ok(spec) = serde_json::from_value::<EndpointsServiceSpec>(Value::Object(fields)) {
        compile::check(&spec, text);
    }
}
