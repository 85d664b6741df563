use super::super::super::description::CorsOverride;
use super::*;
use crate::api::endpoints_service::{CorsPreset, CorsSpec};

const AT: &str = "/paths/~1a/get/x-endpoints-cors";

fn cors(value: &str) -> CorsOverride {
    let text = v2_operation(&format!("x-endpoints-cors: {value}"));
    operation(&text).cors.unwrap().as_ref().clone()
}

/// Every field of [`CorsSpec`], so that one that is added there is missed here.
fn complete() -> CorsSpec {
    CorsSpec {
        preset: Some(CorsPreset::CorsWithRegex),
        allow_origins: Some(vec![String::from("https://a.example.com")]),
        allow_origin_regex: Some(String::from("https://.*")),
        allow_methods: Some(vec![String::from("GET")]),
        allow_headers: Some(vec![String::from("X-A")]),
        expose_headers: Some(vec![]),
        allow_credentials: Some(true),
        allow_any_origin_with_credentials: Some(false),
        max_age: Some(String::from("1h")),
    }
}

#[test]
fn every_field_of_the_resource_is_read() {
    let written = serde_json::to_string(&complete()).unwrap();
    let read = cors(&written);
    assert_eq!(read.rules, Some(complete()));
    assert_eq!(read.place.pointer, AT);
    assert_eq!(cors("{}").rules, Some(CorsSpec::default()));
}

#[test]
fn false_is_no_cors_here() {
    assert_eq!(cors("false").rules, None);
}

#[test]
fn the_nearest_one_counts_and_an_alias_is_kept_once() {
    let text = "openapi: 3.0.3
paths:
  /a:
    x-endpoints-cors: &c {maxAge: 1h}
    get: {}
    put: {x-endpoints-cors: false}
    post: {x-endpoints-cors: *c}
  /b: {get: {}}
";
    let read = description(text);
    // Methods are read in an order of their own.
    let by_method = |method: &str, path: &str| {
        let found = read
            .operations
            .iter()
            .find(|o| o.method == method && o.path == path);
        found.unwrap().cors.clone()
    };
    let of_item = by_method("GET", "/a").unwrap();
    assert_eq!(
        of_item.rules.as_ref().unwrap().max_age.as_deref(),
        Some("1h")
    );
    assert_eq!(by_method("PUT", "/a").unwrap().rules, None);
    assert!(std::sync::Arc::ptr_eq(
        &of_item,
        &by_method("POST", "/a").unwrap()
    ));
    assert_eq!(by_method("GET", "/b"), None);
}

#[test]
fn wrong_kinds_and_sizes_are_refused() {
    for (value, below, words, help) in [
        ("true", "", "must be a mapping or `false`", "`{}`"),
        ("", "", "must be a mapping or `false`", "`{}`"),
        ("[a]", "", "must be a mapping or `false`", "`{}`"),
        ("'false'", "", "must be a mapping or `false`", "`{}`"),
        (
            "{preset: other}",
            "/preset",
            "is `other`",
            "`cors_with_regex`",
        ),
        ("{preset: 7}", "/preset", "must be text", "\"7\""),
        (
            "{allowOrigins: a}",
            "/allowOrigins",
            "must be a list",
            "`-`",
        ),
        (
            "{allowOrigins: [7]}",
            "/allowOrigins/0",
            "must be text",
            "\"7\"",
        ),
        (
            "{allowOrigins: ['']}",
            "/allowOrigins/0",
            "empty text",
            "remove it",
        ),
        (
            "{allowMethods: {a: b}}",
            "/allowMethods",
            "must be a list",
            "`-`",
        ),
        (
            "{allowHeaders: [\"a\\nb\"]}",
            "/allowHeaders/0",
            "control character",
            "one line",
        ),
        (
            "{exposeHeaders: [[a]]}",
            "/exposeHeaders/0",
            "must be text",
            "one text",
        ),
        (
            "{allowOriginRegex: [a]}",
            "/allowOriginRegex",
            "must be text",
            "one text",
        ),
        (
            "{allowCredentials: 1}",
            "/allowCredentials",
            "true or false",
            "true",
        ),
        ("{maxAge: 30}", "/maxAge", "must be text", "\"30\""),
        ("{maxAge: ''}", "/maxAge", "empty text", "remove it"),
        (
            "{allow_origins: []}",
            "/allow_origins",
            "not a field",
            "did you mean `allowOrigins`?",
        ),
        (
            "{origins: []}",
            "/origins",
            "not a field of `x-endpoints-cors`",
            "`allowOrigins`",
        ),
    ] {
        let text = v2_operation(&format!("x-endpoints-cors: {value}"));
        assert_invalid(&text, &format!("{AT}{below}"), words, help);
    }
}

#[test]
fn sizes_are_those_of_the_resource() {
    for (field, most, longest) in [
        ("allowOrigins", 64, 512),
        ("allowMethods", 64, 64),
        ("allowHeaders", 128, 256),
        ("exposeHeaders", 128, 256),
    ] {
        let items = |count: usize, length: usize| {
            let item = format!("{},", "a".repeat(length));
            v2_operation(&format!(
                "x-endpoints-cors: {{{field}: [{}]}}",
                item.repeat(count)
            ))
        };
        assert_eq!(findings(&items(most, 1)), [], "{field}");
        assert_eq!(findings(&items(1, longest)), [], "{field}");
        let at = format!("{AT}/{field}");
        assert_invalid(
            &items(most + 1, 1),
            &at,
            &format!("more than {most} items"),
            "shorten",
        );
        let words = format!("longer than {longest} bytes");
        assert_invalid(
            &items(1, longest + 1),
            &format!("{at}/0"),
            &words,
            "shorten",
        );
    }
    for (field, longest) in [("allowOriginRegex", 1024), ("maxAge", 32)] {
        let text = |length: usize| {
            v2_operation(&format!(
                "x-endpoints-cors: {{{field}: {}}}",
                "a".repeat(length)
            ))
        };
        assert_eq!(findings(&text(longest)), [], "{field}");
        let words = format!("longer than {longest} bytes");
        assert_invalid(
            &text(longest + 1),
            &format!("{AT}/{field}"),
            &words,
            "shorten",
        );
    }
}
