//! CORS.

use super::*;

#[test]
fn cors_defaults_are_those_of_espv2_and_the_api_key() {
    assert_eq!(compiled(json!({})).policy.cors, CorsMode::Off);
    let policy = cors(json!({}));
    assert_eq!(policy.origins, OriginRule::Any);
    assert_eq!(
        policy.allow_methods,
        "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    );
    assert_eq!(
        policy.allow_headers,
        "DNT,User-Agent,X-User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization,X-Api-Key"
    );
    assert_eq!(policy.expose_headers, "Content-Length,Content-Range");
    assert_eq!(
        (policy.max_age_seconds, policy.allow_credentials),
        (1_728_000, false)
    );
}

#[test]
fn cors_fields_replace_defaults() {
    let policy = cors(json!({
        "preset": "basic", "allowOrigins": ["https://A.example.com:443", "http://b:8080", "null"],
        "allowMethods": ["GET", "*"], "allowHeaders": ["X-A", "X-B"], "exposeHeaders": [], "maxAge": "1m30.9s"
    }));
    let OriginRule::Exact(origins) = policy.origins else {
        panic!("{policy:?}")
    };
    assert_eq!(
        origins.into_iter().collect::<Vec<_>>(),
        ["http://b:8080", "https://a.example.com", "null"]
    );
    assert_eq!(policy.allow_methods, "GET, *");
    assert_eq!(policy.allow_headers, "X-A,X-B");
    assert_eq!(policy.expose_headers, "");
    assert_eq!(policy.max_age_seconds, 90);
}

#[test]
fn without_cors_allow_cors_of_the_document_counts() {
    let document = format!(
        "{BOOKSTORE}x-google-endpoints: [{{name: bookstore.example.com, allowCors: true}}]\n"
    );
    let policy = compile(&inline(&document), &identity()).unwrap().policy;
    assert_eq!(policy.cors, CorsMode::PassThrough);
    let mut spec = bookstore(json!({"cors": {}}));
    spec.openapi.inline = Some(document);
    let policy = compile(&spec, &identity()).unwrap().policy;
    assert!(matches!(policy.cors, CorsMode::Owned(_)));
}

#[test]
fn an_origin_that_browsers_never_send_is_refused_with_the_corrected_text() {
    for (written, words, help) in [
        (
            "https://shop.example.com/",
            "ends with a slash",
            "write `https://shop.example.com`",
        ),
        (
            "https://shop.example.com:443/a?b",
            "a path",
            "write `https://shop.example.com`",
        ),
        (
            "shop.example.com/",
            "no scheme",
            "write `https://shop.example.com`",
        ),
        (
            "localhost:3000",
            "no scheme",
            "write `https://localhost:3000`",
        ),
        (
            "https://me@shop.example.com",
            "a user name",
            "write `https://shop.example.com`",
        ),
        (
            "https://*.example.com",
            "`*` stands only",
            "allowOriginRegex: https://.+\\.example\\.com",
        ),
        (
            "https://bücher.example",
            "host",
            "write it as browsers send it: `https://xn--bcher-kva.example`",
        ),
        ("https://a b", "host", "write it like"),
        ("https://", "host", "write it like"),
        ("https://a:99999", "port", "write it like"),
        ("https://a:", "port", "write it like"),
        ("://a", "scheme", "write it like"),
        ("", "no scheme", "write it like"),
        ("NULL", "no scheme", ""),
    ] {
        let fields = json!({"cors": {"allowOrigins": ["https://ok.example.com", written]}});
        assert_refused(fields, "/spec/cors/allowOrigins/1", words, help);
    }
    cors(
        json!({"allowOrigins": ["chrome-extension://abcdefg", "capacitor://localhost", "http://[::1]:3000"]}),
    );
}

#[test]
fn any_origin_stands_alone() {
    let list = "/spec/cors/allowOrigins";
    assert_refused(
        json!({"cors": {"allowOrigins": ["*", "https://a"]}}),
        list,
        "allows every origin",
        "keep `*` alone",
    );
    assert_refused(
        json!({"cors": {"allowOrigins": []}}),
        list,
        "empty",
        "leave `allowOrigins` out",
    );
}

#[test]
fn a_regex_is_compiled_whole_and_within_bounds() {
    let field = "/spec/cors/allowOriginRegex";
    for (pattern, words) in [
        ("(", "unclosed group"),
        ("a)|(?:b", ""),
        ("(?x)a # ", ""),
        ("(?=a)", "look-around"),
        ("((a{100}){100}){100}", "too large"),
    ] {
        assert_refused(
            json!({"cors": {"allowOriginRegex": pattern}}),
            field,
            words,
            "whole origin",
        );
    }
    assert!(origin_regex(&"a".repeat(2000)).is_err());
    let regex = origin_regex("https://a|https://b").unwrap();
    assert!(regex.is_match("https://b"));
    for other in ["https://ab", "xhttps://b", "https://b\n", "https://b\nx"] {
        assert!(!regex.is_match(other), "{other:?}");
    }
    let policy =
        cors(json!({"allowOriginRegex": "https://.+\\.example\\.com", "allowCredentials": true}));
    assert_eq!(
        policy.origins,
        OriginRule::Regex(String::from("https://.+\\.example\\.com"))
    );
}

#[test]
fn presets_agree_with_fields() {
    let preset = "/spec/cors/preset";
    let regex = "https://a";
    assert_refused(
        json!({"cors": {"preset": "basic", "allowOriginRegex": regex}}),
        preset,
        "exact",
        "cors_with_regex",
    );
    assert_refused(
        json!({"cors": {"preset": "cors_with_regex"}}),
        preset,
        "needs `allowOriginRegex`",
        "basic",
    );
    assert_refused(
        json!({"cors": {"allowOrigins": ["https://a"], "allowOriginRegex": regex}}),
        "/spec/cors",
        "both",
        "keep one",
    );
    cors(json!({"preset": "cors_with_regex", "allowOriginRegex": regex}));
}

#[test]
fn credentials_for_everybody_need_the_override() {
    let credentials = "/spec/cors/allowCredentials";
    assert_refused(
        json!({"cors": {"allowCredentials": true}}),
        credentials,
        "(`*`)",
        "allowAnyOriginWithCredentials",
    );
    assert_refused(
        json!({"cors": {"allowCredentials": true, "allowOriginRegex": "https?://.*"}}),
        credentials,
        "matches every origin",
        "allowAnyOriginWithCredentials",
    );
    let policy = cors(json!({"allowCredentials": true, "allowAnyOriginWithCredentials": true}));
    assert_eq!(
        (policy.origins, policy.allow_credentials),
        (OriginRule::Any, true)
    );
    cors(json!({"allowCredentials": true, "allowOrigins": ["https://a"]}));
    let idle = compiled(json!({"cors": {"allowAnyOriginWithCredentials": true}}));
    assert_eq!(idle.warnings[0].code, "no-effect");
}

#[test]
fn lists_hold_tokens_and_no_star_with_credentials() {
    for (field, value) in [
        ("allowMethods", "GET,PUT"),
        ("allowHeaders", "X A"),
        ("exposeHeaders", ""),
        ("allowHeaders", "X\r\nY"),
    ] {
        let mut fields = json!({"cors": {}});
        fields["cors"][field] = json!(["Fine", value]);
        assert_refused(
            fields,
            &format!("/spec/cors/{field}/1"),
            "is not one name",
            "without commas",
        );
    }
    for field in ["allowMethods", "allowHeaders", "exposeHeaders"] {
        let mut fields = json!({"cors": {"allowCredentials": true, "allowOrigins": ["https://a"]}});
        fields["cors"][field] = json!(["*"]);
        assert_refused(
            fields,
            &format!("/spec/cors/{field}/0"),
            "`*` as a name",
            "list the names",
        );
    }
}

#[test]
fn a_max_age_is_a_duration() {
    assert_refused(
        json!({"cors": {"maxAge": "1d"}}),
        "/spec/cors/maxAge",
        "`d` is no unit",
        "480h",
    );
    assert_refused(
        json!({"cors": {"maxAge": "-1s"}}),
        "/spec/cors/maxAge",
        "negative",
        "480h",
    );
}
