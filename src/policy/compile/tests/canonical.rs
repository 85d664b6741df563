//! The canonical form, and anything at all in every field.

use super::described::{description, operation, policy, scheme, security};
use super::*;
use crate::openapi::description::{self, Operation, PathTranslation};

/// A policy that says nothing new is what it was before there was anything new: sidecars of before run
/// it, and its hash does not move.
#[test]
fn a_plain_document_has_the_bytes_that_it_always_had() {
    let spec = bookstore(
        json!({"cors": {}, "backend": {"address": "http://app:80"}, "routing": {"healthz": "/h"}}),
    );
    let policy = compile(&spec, &identity()).unwrap().policy;
    assert_eq!(
        String::from_utf8(policy.canonical_bytes()).unwrap(),
        concat!(
            r#"{"format":1,"service":"bookstore.example.com","operations":["#,
            r#"{"method":"GET","path":"/v1/shelves","name":"ListShelves"},"#,
            r#"{"method":"POST","path":"/v1/shelves","name":"CreateShelf","security":["google"]},"#,
            r#"{"method":"GET","path":"/v1/shelves/{shelf}","name":"get_v1_shelves__shelf_","security":["google"]}],"#,
            r#""providers":{"google":{"issuer":"https://accounts.google.com","#,
            r#""keys":{"url":"https://www.googleapis.com/oauth2/v3/certs"},"#,
            r#""audiences":["a.example.com","b.example.com","bookstore.example.com"]}},"#,
            r#""cors":{"owned":{"origins":"any","allowMethods":"GET, POST, PUT, PATCH, DELETE, OPTIONS","#,
            r#""allowHeaders":"DNT,User-Agent,X-User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization,X-Api-Key","#,
            r#""exposeHeaders":"Content-Length,Content-Range","allowCredentials":false,"maxAgeSeconds":1728000}},"#,
            r#""requiredClaims":["exp"],"backend":"http://app:80","healthz":"/h"}"#,
        )
    );
}

/// Writes a value as YAML or JSON with the keys of every mapping in an order of its own.
fn shuffled(value: &Value, order: u64) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| {
                key.bytes().fold(order, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                })
            });
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| format!("{}: {}", json!(key), shuffled(value, order)))
                .collect();
            format!("{{{}}}", entries.join(",\n\n "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| shuffled(item, order)).collect();
            format!("[ {} ]", items.join(" , "))
        }
        other => other.to_string(),
    }
}

/// What only format 2 can say, as people write it.
const RICH: &str = r#"
openapi: 3.0.3
info: {title: Bookstore, version: "1"}
servers: # two base paths
- {url: "https://bookstore.example.com/v1", x-google-endpoint: {}}
x-google-api-management:
  backends:
    shelves: {address: "https://shelves.example.com/api", deadline: 3.5, disableAuth: true}
x-google-backend: shelves
components:
  securitySchemes:
    discovered:
      type: openIdConnect
      openIdConnectUrl: https://issuer.example.com/.well-known/openid-configuration
      x-google-auth: {issuer: "https://issuer.example.com", jwtLocations: [{header: X-Token, valuePrefix: "T "}, {query: t}]}
    named:
      type: http
      scheme: bearer
      x-google-auth: {issuer: "https://other.example.com", jwksUri: "https://other.example.com/keys", audiences: [b, a]}
security:
- {discovered: [books.write, books.read], named: []}
- named: []
paths:
  /shelves/{shelf}.{format}:
    x-endpoints-cors: {allowOrigins: ["https://b.example", "https://a.example"]}
    get: {operationId: GetShelf, responses: {200: {description: ok}}}
    delete: {x-endpoints-cors: false, responses: {200: {description: ok}}}
  /shelves:
    get: {security: [], responses: {200: {description: ok}}}
"#;

/// A list at this path may be written in any order: it is a set.
fn is_set(path: &str) -> bool {
    path.ends_with("/audiences") || path.ends_with("/allowOrigins") || path.ends_with("/discovered")
}

fn reversed_sets(value: &mut Value, path: &str) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                reversed_sets(value, &format!("{path}/{key}"));
            }
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                reversed_sets(item, path);
            }
            if is_set(path) {
                items.reverse();
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn equal_documents_of_newer_forms_have_equal_bytes(order: u64, reverse: bool) {
        let spec = |openapi: OpenApiSource| EndpointsServiceSpec { openapi, ..bookstore(json!({"cors": {}})) };
        let text = |text: String| OpenApiSource { inline: Some(text), ..OpenApiSource::default() };
        let bytes = |openapi: OpenApiSource| {
            let compiled = compile(&spec(openapi), &identity());
            let policy = compiled.unwrap_or_else(|findings| panic!("{findings:#?}")).policy;
            assert_eq!(policy.format, 2);
            String::from_utf8(policy.canonical_bytes()).unwrap()
        };
        let written = bytes(text(RICH.to_owned()));
        let mut document: Value = serde_yaml::from_str(RICH).unwrap();
        if reverse {
            reversed_sets(&mut document, "");
        }
        prop_assert_eq!(&written, &bytes(text(shuffled(&document, order))));
        prop_assert_eq!(&written, &bytes(text(format!("# a comment\r\n{}", shuffled(&document, order)))));
        prop_assert_eq!(&written, &bytes(OpenApiSource { document: Some(document), ..OpenApiSource::default() }));
    }

    #[test]
    fn equal_documents_have_equal_hashes_whatever_their_order_and_format(order: u64) {
        let block = compile(&inline(BOOKSTORE), &identity()).unwrap().policy;
        let document: Value = serde_yaml::from_str(BOOKSTORE).unwrap();
        let text = compile(&inline(&shuffled(&document, order)), &identity()).unwrap().policy;
        let mut spec = inline_spec();
        spec.openapi = OpenApiSource { document: Some(document), ..OpenApiSource::default() };
        let structure = compile(&spec, &identity()).unwrap().policy;
        prop_assert_eq!(block.canonical_bytes(), text.canonical_bytes());
        prop_assert_eq!(block.hash(), structure.hash());
    }

    /// Whatever the order of operations and schemes, and whether they share what they say or repeat it.
    #[test]
    fn equal_descriptions_have_equal_bytes(order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(), shared: bool) {
        let bytes = |order: &[usize], shared: bool| {
            let (policy, _) = policy(&rich(order, shared), json!({"cors": {}}));
            assert_eq!(policy.format, 2);
            policy.canonical_bytes()
        };
        let sorted: Vec<_> = (0..12).collect();
        prop_assert_eq!(bytes(&order, shared), bytes(&sorted, true));
    }

    #[test]
    fn no_text_in_a_field_panics(text in "\\PC{0,40}") {
        let fields = json!({
            "serviceName": text, "backend": {"address": text}, "routing": {"healthz": text},
            "cors": {"allowOrigins": [text, format!("https://{text}")], "allowHeaders": [text], "maxAge": text},
            "jwt": {"issuers": [{"issuer": text, "jwksUri": text}]},
        });
        let _ = compile(&bookstore(fields), &identity());
        let _ = origin_regex(&text);
    }

    /// What is admitted is in its normal form already.
    #[test]
    fn an_origin_is_admitted_as_it_is_sent(scheme in "[a-zA-Z][a-z+.-]{0,5}", host in "[a-zA-Z0-9.-]{1,12}", port in 1_u16..) {
        let fields = |origin: &str| json!({"cors": {"allowOrigins": [origin]}});
        if let Ok(compiled) = compile(&bookstore(fields(&format!("{scheme}://{host}:{port}"))), &identity()) {
            let CorsMode::Owned(CorsPolicy { origins: OriginRule::Exact(origins), .. }) = compiled.policy.cors else {
                return Err(TestCaseError::fail("not exact"));
            };
            let again = compile(&bookstore(fields(origins.first().unwrap())), &identity()).unwrap();
            let CorsMode::Owned(again) = again.policy.cors else { return Err(TestCaseError::fail("not owned")) };
            prop_assert_eq!(again.origins, OriginRule::Exact(origins));
        }
    }
}

/// Twelve operations with all that can differ, in an order.
fn rich(order: &[usize], shared: bool) -> Description {
    let backend = |number: usize| {
        std::sync::Arc::new(description::Backend {
            address: Some(format!("https://b{}.example/p", number % 3)),
            path_translation: PathTranslation::AppendPathToAddress,
            deadline: Some(2.0),
            protocol: description::BackendProtocol::Http1,
            jwt_audience: None,
            disable_auth: true,
            place: described::place(""),
            address_place: described::place(""),
        })
    };
    let cors = |number: usize| {
        std::sync::Arc::new(description::CorsOverride {
            rules: Some(
                serde_json::from_value(json!({"maxAge": format!("{}s", number % 4)})).unwrap(),
            ),
            place: described::place(""),
        })
    };
    let shared_backends: Vec<_> = (0..3).map(backend).collect();
    let operations = order.iter().map(|number| Operation {
        security: security(&[&["one:b,a"], &["two", "one"], &[]]),
        backend: Some(match shared {
            true => shared_backends[number % 3].clone(),
            false => backend(*number),
        }),
        cors: (number % 5 > 0).then(|| cors(*number)),
        operation_id: Some(format!("operation.{}", number % 7)),
        ..operation("GET", &format!("/{number}/{{x}}.{{y}}"))
    });
    let mut schemes = vec![scheme("one"), scheme("two")];
    schemes.rotate_left(order[0] % 2);
    description(operations.collect(), schemes)
}
