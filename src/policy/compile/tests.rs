// Tests write their JSON in place.
#![allow(clippy::needless_pass_by_value)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::conditions::reason;
use crate::openapi::source::MAX_TEXT_BYTES;
use crate::policy::Prepared;
use crate::policy::format::{CorsMode, CorsPolicy, KeySource, Operation, OriginRule};

fn identity() -> ServiceIdentity {
    ServiceIdentity {
        name: String::from("bookstore"),
        namespace: String::from("shop"),
    }
}

const BOOKSTORE: &str = r#"
swagger: "2.0"
info: {title: Bookstore, version: "1"}
host: bookstore.example.com
basePath: /v1
securityDefinitions:
  google:
    type: oauth2
    authorizationUrl: ""
    flow: implicit
    x-google-issuer: https://accounts.google.com
    x-google-jwks_uri: https://www.googleapis.com/oauth2/v3/certs
    x-google-audiences: "a.example.com, https://b.example.com/"
security:
- google: []
paths:
  /shelves:
    get: {operationId: ListShelves, security: [], responses: {200: {description: ok}}}
    post: {operationId: CreateShelf, responses: {200: {description: ok}}}
  /shelves/{shelf}:
    get: {responses: {200: {description: ok}}}
"#;

fn inline(document: &str) -> EndpointsServiceSpec {
    EndpointsServiceSpec {
        openapi: OpenApiSource {
            inline: Some(document.to_owned()),
            document: None,
        },
        service_name: None,
        cors: None,
        jwt: None,
        backend: None,
        routing: None,
    }
}

#[test]
fn a_document_becomes_a_policy() {
    let compiled = compile(&inline(BOOKSTORE), &identity()).unwrap();
    assert_eq!(compiled.warnings, []);
    let policy = compiled.policy;
    assert_eq!(policy.service, "bookstore.example.com");
    let operations: Vec<_> = policy
        .operations
        .iter()
        .map(|o| {
            (
                o.method.as_str(),
                o.path.as_str(),
                o.name.as_str(),
                o.security.len(),
            )
        })
        .collect();
    assert_eq!(
        operations,
        [
            ("GET", "/v1/shelves", "ListShelves", 0),
            ("POST", "/v1/shelves", "CreateShelf", 1),
            ("GET", "/v1/shelves/{shelf}", "get_v1_shelves__shelf_", 1),
        ]
    );
    let audiences = policy.providers["google"].audiences.clone().unwrap();
    assert_eq!(
        audiences.into_iter().collect::<Vec<_>>(),
        ["a.example.com", "b.example.com", "bookstore.example.com"]
    );
}

/// The bookstore with further fields of the spec.
fn bookstore(fields: Value) -> EndpointsServiceSpec {
    let mut spec = json!({"openapi": {"inline": BOOKSTORE}});
    spec.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

fn compiled(fields: Value) -> Compiled {
    let compiled = compile(&bookstore(fields.clone()), &identity());
    let compiled = compiled.unwrap_or_else(|findings| panic!("{fields}: {findings:#?}"));
    Prepared::new(compiled.policy.clone()).expect("what compiles can be run");
    compiled
}

/// Asserts that fields are refused with one error, at a pointer, with these words and this help.
fn assert_refused(fields: Value, pointer: &str, words: &str, help: &str) {
    let findings = compile(&bookstore(fields.clone()), &identity())
        .err()
        .unwrap_or_else(|| panic!("{fields} compiles"));
    assert_eq!(findings.len(), 1, "{fields}: {findings:#?}");
    let finding = &findings[0];
    assert_eq!(finding.place.pointer, pointer, "{finding}");
    assert!(finding.message.contains(words), "{fields}: {finding}");
    assert!(
        finding.help.as_deref().unwrap_or_default().contains(help),
        "{fields}: {finding}"
    );
}

fn cors(fields: Value) -> CorsPolicy {
    match compiled(json!({"cors": fields})).policy.cors {
        CorsMode::Owned(policy) => policy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn codes_of_findings_are_reasons_of_the_condition() {
    assert_eq!(code::INVALID_OPENAPI, reason::INVALID_OPENAPI);
    assert_eq!(code::INVALID_SPEC, reason::INVALID_SPEC);
    assert_eq!(code::UNSUPPORTED_FEATURE, reason::UNSUPPORTED_FEATURE);
    assert_eq!(code::UNSUPPORTED_SECURITY, reason::UNSUPPORTED_SECURITY);
    assert_eq!(code::CONFLICTING_ROUTES, reason::CONFLICTING_ROUTES);
    assert_eq!(MAX_DOCUMENT_BYTES, MAX_TEXT_BYTES);
}

// === the document ===

#[test]
fn exactly_one_source_is_read() {
    let source = |inline: Option<&str>, document: Option<Value>| {
        let mut spec = inline_spec();
        spec.openapi = OpenApiSource {
            inline: inline.map(str::to_owned),
            document,
        };
        compile(&spec, &identity())
    };
    let document: Value = serde_yaml::from_str(BOOKSTORE).unwrap();
    assert!(source(None, Some(document.clone())).is_ok());
    for (inline, document) in [(Some(BOOKSTORE), Some(document)), (None, None)] {
        let findings = source(inline, document).unwrap_err();
        assert_eq!(findings[0].code, code::INVALID_SPEC);
        assert_eq!(findings[0].place.pointer, "/spec/openapi");
    }
}

fn inline_spec() -> EndpointsServiceSpec {
    inline(BOOKSTORE)
}

#[test]
fn a_document_over_the_limit_is_refused_as_text_and_as_structure() {
    let text = format!("{BOOKSTORE}# {}\n", "x".repeat(MAX_DOCUMENT_BYTES));
    let findings = compile(&inline(&text), &identity()).unwrap_err();
    assert!(findings[0].message.contains("1048576"), "{findings:?}");
    let mut document: Value = serde_yaml::from_str(BOOKSTORE).unwrap();
    document["info"]["description"] = json!("x".repeat(MAX_DOCUMENT_BYTES));
    let mut spec = inline_spec();
    spec.openapi = OpenApiSource {
        inline: None,
        document: Some(document),
    };
    let findings = compile(&spec, &identity()).unwrap_err();
    assert!(findings[0].message.contains("1 MiB"), "{findings:?}");
    assert_eq!(findings[0].place.pointer, "/spec/openapi/document");
}

#[test]
fn findings_about_document_and_fields_come_together() {
    let mut spec = bookstore(json!({"cors": {"maxAge": "1d"}}));
    spec.openapi.inline = Some(String::from("swagger: '2.0'\npaths: []\n"));
    let findings = compile(&spec, &identity()).unwrap_err();
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [code::INVALID_OPENAPI, code::INVALID_SPEC]);
}

// === routes ===

fn routes(paths: &str) -> Result<Vec<Operation>, Vec<Diagnostic>> {
    let document = format!("swagger: '2.0'\npaths:\n{paths}");
    compile(&inline(&document), &identity()).map(|compiled| compiled.policy.operations)
}

#[test]
fn one_route_twice_is_refused_with_both_places() {
    for (first, second) in [
        ("/a/{x}", "/a/{y}"),
        ("/a", "/a/"),
        ("/a/{x}:go", "/a/{y}:go"),
        ("/a/%41", "/a/A"),
    ] {
        let paths =
            format!("  {first}:\n    get: {{}}\n  {second}:\n    post: {{}}\n    get: {{}}\n");
        let findings = routes(&paths).unwrap_err();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].code, code::CONFLICTING_ROUTES);
        assert_eq!(
            findings[0].place.position.map(|p| (p.line, p.column)),
            Some((7, 5))
        );
        let message = &findings[0].message;
        assert!(
            message.contains("line 4, column 5") && message.contains(first),
            "{message}"
        );
    }
    assert_eq!(
        routes("  /a/{x}: {get: {}}\n  /a/b: {get: {}}\n  /a: {get: {}, put: {}}\n")
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn a_path_that_is_no_template_is_refused_at_its_place() {
    for path in [
        "/a//b",
        "/a/{x",
        "/a/x}",
        "/a/{}",
        "/a/{x}.{y}",
        "/a/{x}b",
        "/a/{x=**}/{y}",
        "/a?b={c}",
        "/a#b",
    ] {
        let findings = routes(&format!("  \"{path}\": {{get: {{}}}}\n")).unwrap_err();
        assert_eq!(findings.len(), 1, "{path}: {findings:?}");
        let partial = ["/a/{x}.{y}", "/a/{x}b"].contains(&path);
        let code = if partial {
            code::UNSUPPORTED_FEATURE
        } else {
            code::INVALID_OPENAPI
        };
        assert_eq!(findings[0].code, code, "{path}");
        assert_eq!(
            findings[0].place.position.map(|p| (p.line, p.column)),
            Some((3, 3)),
            "{path}"
        );
        assert!(
            findings[0].message.contains("not a path template"),
            "{path}"
        );
    }
    let fine =
        "  /: {get: {}}\n  /a/{x=**}: {get: {}}\n  /b/*: {get: {}}\n  /c/{x}:verb: {get: {}}\n";
    assert_eq!(routes(fine).unwrap().len(), 4);
}

#[test]
fn operations_have_names_of_their_own() {
    let operations = routes(
        "  /a: {get: {operationId: Get.It}, put: {operationId: Get-It}, post: {operationId: \"\"}}\n  /b/{x}: {get: {operationId: ü}}\n",
    )
    .unwrap();
    let names: Vec<_> = operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    assert_eq!(names, ["Get_It", "post_a", "put_a", "get_b__x_"]);
}

// === service, backend, health ===

#[test]
fn the_service_is_the_field_else_the_host_else_the_resource() {
    assert_eq!(compiled(json!({})).policy.service, "bookstore.example.com");
    let named = compiled(json!({"serviceName": "books"}));
    assert_eq!(named.policy.service, "books");
    assert_eq!(named.warnings.len(), 1);
    assert_eq!(named.warnings[0].code, "ServiceNameDiffers");
    assert!(named.warnings[0].message.contains("`https://books`"));
    assert_eq!(
        compiled(json!({"serviceName": "bookstore.example.com"})).warnings,
        []
    );
    let without_host = BOOKSTORE.replace("host:", "x-host:");
    let compiled = compile(&inline(&without_host), &identity()).unwrap();
    assert_eq!(compiled.policy.service, "bookstore.shop.svc");
    let name = "/spec/serviceName";
    assert_refused(
        json!({"serviceName": "https://books/"}),
        name,
        "is not a name",
        "write `books`",
    );
    assert_refused(
        json!({"serviceName": "a b"}),
        name,
        "is not a name",
        "write a name",
    );
    assert_refused(
        json!({"serviceName": ""}),
        name,
        "is not a name",
        "write a name",
    );
}

#[test]
fn a_backend_is_an_address_and_nothing_more() {
    for (written, address) in [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://App.shop", "http://app.shop"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ] {
        let policy = compiled(json!({"backend": {"address": written}})).policy;
        assert_eq!(policy.backend.as_deref(), Some(address));
    }
    for (written, words, help) in [
        ("https://app", "speaks only `http://`", "write it like"),
        ("http://app/v1", "a path or a query", "write `http://app`"),
        ("http://app?x", "a path or a query", "write `http://app`"),
        ("http://app#x", "", ""),
        ("http://me:secret@app", "credentials", "write `http://app`"),
        ("http://app:99999", "", "write it like"),
        ("http://app:0", "its port", "write it like"),
        ("http://app:", "its port", "write it like"),
        ("app:8080", "", "write it like"),
        ("ftp://app", "does not begin", "write it like"),
        ("http://", "", "write it like"),
    ] {
        assert_refused(
            json!({"backend": {"address": written}}),
            "/spec/backend/address",
            words,
            help,
        );
    }
}

#[test]
fn a_health_path_is_a_path() {
    for (written, path) in [("/healthz", "/healthz"), ("live//./x", "/live/x")] {
        let policy = compiled(json!({"routing": {"healthz": written}})).policy;
        assert_eq!(policy.healthz.as_deref(), Some(path));
    }
    for written in ["/x?y", "", "/a#b", "/%zz", "/../x"] {
        assert_refused(
            json!({"routing": {"healthz": written}}),
            "/spec/routing/healthz",
            "is not a path",
            "/healthz",
        );
    }
}

// === CORS ===

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
    assert_eq!(idle.warnings[0].code, "NoEffect");
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

// === JWT ===

fn audiences(mode: &str, list: &str) -> Option<Vec<String>> {
    let mut spec = bookstore(json!({"jwt": {"audiences": mode}}));
    let document = BOOKSTORE.replace("\"a.example.com, https://b.example.com/\"", list);
    spec.openapi.inline = Some(document);
    let policy = compile(&spec, &identity()).unwrap().policy;
    policy.providers["google"]
        .audiences
        .clone()
        .map(|audiences| audiences.into_iter().collect())
}

#[test]
fn audiences_are_added_replaced_or_unchecked() {
    let service = || vec![String::from("bookstore.example.com")];
    let list = || vec![String::from("x")];
    assert_eq!(audiences("Additive", "''"), Some(service()));
    assert_eq!(
        audiences("Additive", "x"),
        Some([service(), list()].concat())
    );
    assert_eq!(audiences("Exclusive", "''"), Some(service()));
    assert_eq!(audiences("Exclusive", "https://x/"), Some(list()));
    assert_eq!(audiences("Unchecked", "' , '"), None);
    assert_eq!(audiences("Unchecked", "http://x"), Some(list()));
}

#[test]
fn an_issuer_gets_its_keys_from_the_resource_first() {
    let keys = |fields: Value| compiled(fields).policy.providers["google"].keys.clone();
    assert_eq!(
        keys(json!({})),
        KeySource::Url(String::from("https://www.googleapis.com/oauth2/v3/certs"))
    );
    let issuer = "https://accounts.google.com";
    let uri = "HTTP://Keys.example.com:80/k";
    assert_eq!(
        keys(json!({"jwt": {"issuers": [{"issuer": issuer, "jwksUri": uri}]}})),
        KeySource::Url(String::from("http://keys.example.com/k"))
    );
    assert_eq!(
        keys(json!({"jwt": {"issuers": [{"issuer": issuer, "kubernetes": true}]}})),
        KeySource::Kubernetes {
            issuer: issuer.to_owned()
        }
    );
}

#[test]
fn entries_for_issuers_are_checked() {
    let issuer = "https://accounts.google.com";
    let uri = "https://k.example.com/";
    let entry = "/spec/jwt/issuers/0";
    let issuers = |entries: Value| json!({"jwt": {"issuers": entries}});
    assert_refused(
        issuers(json!([{"issuer": "https://accounts.google.com/", "jwksUri": uri}])),
        "/spec/jwt/issuers/0/issuer",
        "no security scheme of the document",
        "the document's issuers: `https://accounts.google.com`",
    );
    assert_refused(
        issuers(json!([{"issuer": issuer, "jwksUri": uri}, {"issuer": issuer, "jwksUri": uri}])),
        "/spec/jwt/issuers/1/issuer",
        "has an entry already",
        "keep one",
    );
    for both in [
        json!({"issuer": issuer}),
        json!({"issuer": issuer, "jwksUri": uri, "kubernetes": true}),
        json!({"issuer": issuer, "kubernetes": false}),
    ] {
        assert_refused(
            issuers(json!([both])),
            entry,
            "exactly one source",
            "`kubernetes: true`",
        );
    }
    for (uri, words) in [
        ("/jwks", "not an absolute URL"),
        ("ftp://a/b", "neither https nor http"),
        ("data:,{}", "neither https nor http"),
        ("https://me:pw@a/", "credentials"),
        ("https://a/#k", "fragment"),
    ] {
        assert_refused(
            issuers(json!([{"issuer": issuer, "jwksUri": uri}])),
            "/spec/jwt/issuers/0/jwksUri",
            words,
            "",
        );
    }
}

#[test]
fn a_scheme_without_keys_is_refused_unless_the_resource_has_them() {
    let document = BOOKSTORE.replace(
        "    x-google-jwks_uri: https://www.googleapis.com/oauth2/v3/certs\n",
        "",
    );
    let findings = compile(&inline(&document), &identity()).unwrap_err();
    assert_eq!(findings[0].code, code::UNSUPPORTED_FEATURE);
    assert_eq!(
        findings[0].place.position.map(|p| (p.line, p.column)),
        Some((7, 3))
    );
    let mut spec = bookstore(
        json!({"jwt": {"issuers": [{"issuer": "https://accounts.google.com", "kubernetes": true}]}}),
    );
    spec.openapi.inline = Some(document);
    assert!(compile(&spec, &identity()).is_ok());
    let bad = BOOKSTORE.replace("https://www.googleapis.com", "www.googleapis.com");
    let findings = compile(&inline(&bad), &identity()).unwrap_err();
    assert_eq!(
        findings[0].place.position.map(|p| (p.line, p.column)),
        Some((12, 24))
    );
}

#[test]
fn a_scheme_that_nothing_demands_is_a_warning_and_no_provider() {
    let document = BOOKSTORE.replace("security:\n- google: []\n", "");
    let compiled = compile(&inline(&document), &identity()).unwrap();
    assert!(compiled.policy.providers.is_empty());
    assert_eq!(compiled.warnings[0].code, "UnusedScheme");
    assert_eq!(compiled.warnings[0].place.position.map(|p| p.line), Some(7));
}

#[test]
fn required_claims_are_exp_unless_said_otherwise() {
    let claims =
        |fields: Value| serde_json::to_value(compiled(fields).policy.required_claims).unwrap();
    assert_eq!(claims(json!({})), json!(["exp"]));
    assert_eq!(
        claims(json!({"jwt": {"requiredClaims": ["sub", "aud", "sub"]}})),
        json!(["aud", "sub"])
    );
    assert_eq!(claims(json!({"jwt": {"requiredClaims": []}})), json!([]));
}

// === canonical form ===

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
