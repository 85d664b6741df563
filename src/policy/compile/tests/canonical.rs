//! The canonical form, and anything at all in every field.

use super::*;

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

proptest! {
    #[test]
    fn equal_documents_have_equal_hashes_whatever_their_order_and_format(order: u64) {
        let block = compile(&inline(BOOKSTORE), &identity()).unwrap().policy;
        let document: Value = serde_yaml::from_str(BOOKSTORE).unwrap();
        let text = compile(&inline(&shuffled(&document, order)), &identity()).unwrap().policy;
        let mut spec = inline_spec();
        spec.openapi = OpenApiSource { inline: None, document: Some(document) };
        let structure = compile(&spec, &identity()).unwrap().policy;
        prop_assert_eq!(block.canonical_bytes(), text.canonical_bytes());
        prop_assert_eq!(block.hash(), structure.hash());
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
