//! CORS rules of operations.

use std::sync::Arc;

use super::described::*;
use super::*;
use crate::openapi::description::{CorsOverride, Operation};

fn with_cors(rules: &[Value]) -> Description {
    let operations = rules
        .iter()
        .enumerate()
        .map(|(index, rules)| Operation {
            cors: match rules {
                Value::Null => None,
                rules => Some(Arc::new(CorsOverride {
                    rules: match rules {
                        Value::Bool(false) => None,
                        rules => Some(serde_json::from_value(rules.clone()).unwrap()),
                    },
                    place: place(&format!("/paths/~1{index}/x-endpoints-cors")),
                })),
            },
            ..operation("GET", &format!("/{index}"))
        })
        .collect();
    description(operations, Vec::new())
}

fn places(policy: &Policy) -> Vec<Option<usize>> {
    policy
        .operations
        .iter()
        .map(|operation| operation.cors)
        .collect()
}

#[test]
fn an_operation_has_a_rule_of_its_own_or_none() {
    let shop = json!({"allowOrigins": ["https://shop.example"]});
    let open = json!({});
    let described = with_cors(&[shop.clone(), json!(false), open, shop, Value::Null]);
    let (policy, _) = policy(&described, json!({"cors": {"maxAge": "1s"}}));
    assert_eq!(policy.cors_rules[0], CorsMode::Off);
    assert_eq!(policy.cors_rules.len(), 3);
    let places = places(&policy);
    assert_eq!((places[1], places[4]), (Some(0), None));
    assert_eq!(places[0], places[3]);
    let CorsMode::Owned(rule) = &policy.cors_rules[places[0].unwrap()] else {
        panic!("{policy:?}")
    };
    // Not what the service says, but what CORS says without a word.
    assert_eq!(rule.max_age_seconds, 1_728_000);
}

#[test]
fn an_override_that_says_what_the_service_says_is_none() {
    let described = with_cors(&[json!({"preset": "basic"}), json!(false)]);
    let (owned, _) = policy(&described, json!({"cors": {"allowOrigins": ["*"]}}));
    assert_eq!(places(&owned), [None, Some(0)]);
    let (off, _) = policy(&described, json!({}));
    assert_eq!(places(&off), [Some(0), None]);
    let (plain, _) = policy(&with_cors(&[json!(false)]), json!({}));
    assert_eq!((plain.format, plain.cors_rules.len()), (1, 0));
}

/// Each rule of the resource's fields holds for the document's, at its own place.
#[test]
fn what_the_resource_refuses_an_operation_refuses_too() {
    for (rules, field, words) in [
        (
            json!({"allowOrigins": ["https://a/"]}),
            "/allowOrigins/0",
            "slash",
        ),
        (json!({"allowOrigins": []}), "/allowOrigins", "empty"),
        (
            json!({"allowOrigins": ["*", "https://a"]}),
            "/allowOrigins",
            "others change nothing",
        ),
        (
            json!({"allowOrigins": vec!["https://a"; 65]}),
            "/allowOrigins",
            "more than 64",
        ),
        (
            json!({"allowOrigins": [format!("https://{}", "a".repeat(600))]}),
            "/allowOrigins/0",
            "too long",
        ),
        (
            json!({"allowOriginRegex": "("}),
            "/allowOriginRegex",
            "regular expression",
        ),
        (
            json!({"allowOriginRegex": ""}),
            "/allowOriginRegex",
            "empty",
        ),
        (
            json!({"allowOriginRegex": "a".repeat(1025)}),
            "/allowOriginRegex",
            "longer than",
        ),
        (
            json!({"allowOrigins": ["https://a"], "allowOriginRegex": "b"}),
            "",
            "both",
        ),
        (
            json!({"preset": "basic", "allowOriginRegex": "b"}),
            "/preset",
            "exact",
        ),
        (json!({"preset": "cors_with_regex"}), "/preset", "needs"),
        (
            json!({"allowCredentials": true}),
            "/allowCredentials",
            "every web site",
        ),
        (
            json!({"allowMethods": ["GET POST"]}),
            "/allowMethods/0",
            "one name",
        ),
        (
            json!({"allowHeaders": ["X-\u{fc}"]}),
            "/allowHeaders/0",
            "one name",
        ),
        (
            json!({"exposeHeaders": ["A", "X\r\nSet-Cookie: y"]}),
            "/exposeHeaders/1",
            "one name",
        ),
        (
            json!({"exposeHeaders": ["X\u{0}"]}),
            "/exposeHeaders/0",
            "one name",
        ),
        (
            json!({"allowHeaders": vec!["X"; 129]}),
            "/allowHeaders",
            "more than 128",
        ),
        (
            json!({"allowHeaders": ["x".repeat(257)]}),
            "/allowHeaders/0",
            "one name",
        ),
        (
            json!({"allowCredentials": true, "allowOrigins": ["https://a"], "allowHeaders": ["*"]}),
            "/allowHeaders/0",
            "as a name",
        ),
        (json!({"maxAge": "1d"}), "/maxAge", "duration"),
    ] {
        let finding = refusal(&with_cors(std::slice::from_ref(&rules)), json!({}));
        assert_eq!(
            finding.place,
            place(&format!("/paths/~10/x-endpoints-cors{field}")),
            "{finding}"
        );
        assert!(finding.message.contains(words), "{rules}: {finding}");
        let finding = refusal(&with_cors(&[]), json!({"cors": rules}));
        assert_eq!(
            finding.place,
            Place::resource(format!("/spec/cors{field}")),
            "{finding}"
        );
    }
}

#[test]
fn the_number_of_rules_is_bounded() {
    let rule = |number: usize| json!({"maxAge": format!("{}s", number % 100)});
    let rules: Vec<_> = (0..1000).map(rule).collect();
    let (full, _) = policy(&with_cors(&rules), json!({}));
    assert_eq!(full.cors_rules.len(), 100);
    let over: Vec<_> = rules.into_iter().chain([json!({}), json!(false)]).collect();
    let finding = refusal(&with_cors(&over), json!({}));
    assert!(finding.message.contains("more than 100"), "{finding}");
}
