//! Documents and key sets that stand in ConfigMaps.

use super::*;
use crate::api::endpoints_service::ConfigMapKeyReference;
use crate::policy::format::KeySource;

const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const PROTECTED: &str = r#"
swagger: "2.0"
host: bookstore.example.com
securityDefinitions:
  who: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://i.example"}
security: [{who: []}]
paths:
  /shelves: {get: {responses: {200: {description: ok}}}}
"#;

fn reference(name: &str, key: &str) -> ConfigMapKeyReference {
    ConfigMapKeyReference {
        name: name.to_owned(),
        key: key.to_owned(),
    }
}

fn texts(all: &[(&str, &str, &str)]) -> ConfigMapTexts {
    let all = all.iter();
    all.map(|(name, key, text)| (reference(name, key), (*text).into()))
        .collect()
}

fn spec(value: Value) -> EndpointsServiceSpec {
    serde_json::from_value(value).unwrap()
}

fn referring() -> EndpointsServiceSpec {
    spec(json!({
        "openapi": {"configMapKeyRef": {"name": "docs", "key": "openapi.yaml"}},
        "jwt": {"issuers": [{"issuer": "https://i.example",
            "jwksConfigMapKeyRef": {"name": "keys", "key": "jwks.json"}}]}
    }))
}

#[test]
fn a_config_maps_text_counts_like_text_in_the_resource() {
    let texts = texts(&[
        ("docs", "openapi.yaml", PROTECTED),
        ("keys", "jwks.json", KEYS),
    ]);
    let referred = compile_with(&referring(), &texts, &identity()).unwrap();
    let written = spec(json!({
        "openapi": {"inline": PROTECTED},
        "jwt": {"issuers": [{"issuer": "https://i.example", "jwks": KEYS}]}
    }));
    let written = compile(&written, &identity()).unwrap();
    assert_eq!(
        referred.policy.canonical_bytes(),
        written.policy.canonical_bytes()
    );
}

/// What identifies a key set is what is in it: the name of a ConfigMap would be another one's in the next
/// namespace.
#[test]
fn keys_of_a_config_map_are_identified_by_themselves() {
    let of = |keys: &str| {
        let texts = texts(&[
            ("docs", "openapi.yaml", PROTECTED),
            ("keys", "jwks.json", keys),
        ]);
        let compiled = compile_with(&referring(), &texts, &identity()).unwrap();
        compiled.policy.providers["who"].keys.clone()
    };
    let other = KEYS.replace("\"a\"", "\"b\"");
    assert!(matches!(of(KEYS), KeySource::Inline(_)));
    assert_ne!(of(KEYS), of(&other));
}

#[test]
fn findings_have_their_lines_in_the_config_maps_text() {
    let broken = PROTECTED.replace("[{who: []}]", "[{nobody: []}]");
    let texts = texts(&[
        ("docs", "openapi.yaml", &broken),
        ("keys", "jwks.json", KEYS),
    ]);
    let findings = compile_with(&referring(), &texts, &identity()).unwrap_err();
    let error = findings.iter().find(|finding| finding.is_error()).unwrap();
    assert_eq!(error.place.position.unwrap().line, 6, "{findings:#?}");
    for (keys, expected) in [("{}", "key set cannot be used"), ("no", "cannot be used")] {
        let texts = super::references::texts(&[
            ("docs", "openapi.yaml", PROTECTED),
            ("keys", "jwks.json", keys),
        ]);
        let findings = compile_with(&referring(), &texts, &identity()).unwrap_err();
        assert_eq!(
            findings[0].place.pointer,
            "/spec/jwt/issuers/0/jwksConfigMapKeyRef"
        );
        assert!(findings[0].message.contains(expected), "{findings:#?}");
    }
}

#[test]
fn config_maps_that_are_not_there_are_all_named_and_nothing_else_is_said() {
    let findings = compile(&referring(), &identity()).unwrap_err();
    let places: Vec<_> = findings
        .iter()
        .map(|finding| &*finding.place.pointer)
        .collect();
    assert_eq!(
        places,
        [
            "/spec/openapi/configMapKeyRef",
            "/spec/jwt/issuers/0/jwksConfigMapKeyRef"
        ]
    );
    assert!(
        findings[0]
            .message
            .contains("key `openapi.yaml` of ConfigMap `docs`")
    );
    let only_keys = texts(&[("docs", "openapi.yaml", PROTECTED)]);
    let findings = compile_with(&referring(), &only_keys, &identity()).unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:#?}");
}

#[test]
fn a_document_over_the_limit_is_refused_in_a_config_map_too() {
    let long = format!("{PROTECTED}# {}\n", "x".repeat(MAX_DOCUMENT_BYTES));
    let texts = texts(&[("docs", "openapi.yaml", &long), ("keys", "jwks.json", KEYS)]);
    let findings = compile_with(&referring(), &texts, &identity()).unwrap_err();
    assert!(findings[0].message.contains("1048576"), "{findings:#?}");
}

#[test]
fn a_reference_beside_another_source_is_refused() {
    let mut both = referring();
    both.openapi.inline = Some(PROTECTED.to_owned());
    let findings = compile(&both, &identity()).unwrap_err();
    assert!(
        findings.iter().any(|f| f.message.contains("more than one")),
        "{findings:#?}"
    );
    for field in [
        json!({"jwks": KEYS}),
        json!({"jwksUri": "https://i.example/k"}),
        json!({"kubernetes": true}),
        json!({"caBundle": "x"}),
    ] {
        let mut issuer = json!({"issuer": "https://i.example",
            "jwksConfigMapKeyRef": {"name": "keys", "key": "jwks.json"}});
        issuer
            .as_object_mut()
            .unwrap()
            .extend(field.as_object().unwrap().clone());
        let spec = spec(json!({"openapi": {"inline": PROTECTED}, "jwt": {"issuers": [issuer]}}));
        let texts = texts(&[("keys", "jwks.json", KEYS)]);
        assert!(compile_with(&spec, &texts, &identity()).is_err(), "{field}");
    }
}

#[test]
fn texts_travel_as_json() {
    let texts = texts(&[
        ("docs", "openapi.yaml", PROTECTED),
        ("docs", "jwks.json", KEYS),
    ]);
    let json = serde_json::to_string(&texts).unwrap();
    assert_eq!(
        serde_json::from_str::<ConfigMapTexts>(&json).unwrap(),
        texts
    );
}
