use super::super::description::{SchemeKind, TokenLocation};
use super::super::read_text;
use super::super::tests::{assert_finding, findings};
use super::super::{Description, lints};
use super::*;

const INVALID: &str = code::INVALID_OPENAPI;
const LIBRARY: &str = include_str!("../tests/library.yaml");

/// A document with these security schemes, each a line of flow YAML that begins with two spaces.
fn with_schemes(schemes: &str) -> String {
    format!(
        "openapi: 3.1.0\ncomponents:\n securitySchemes:\n{schemes}\npaths: {{/a: {{get: {{}}}}}}\n"
    )
}

/// The one scheme of a document; `scheme` is flow YAML.
fn kind(scheme: &str) -> SchemeKind {
    let (description, _) = read_text(&with_schemes(&format!("  s: {scheme}"))).unwrap();
    description.schemes[0].kind.clone()
}

fn operations(description: &Description) -> Vec<String> {
    let operations = description.operations.iter();
    operations
        .map(|o| {
            let schemes: Vec<_> = o
                .security
                .alternatives
                .iter()
                .flat_map(|alternative| &alternative.requirements)
                .map(|requirement| requirement.scheme.as_str())
                .collect();
            format!("{} {} {}", o.method, o.path, schemes.join("|"))
        })
        .collect()
}

#[test]
fn a_document_is_read_completely() {
    let (description, warnings) = read_text(LIBRARY).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(description.host.as_deref(), Some("library.example.com"));
    assert!(description.allow_cors.is_some());
    assert_eq!(
        operations(&description),
        [
            "GET /v2/books ",
            "POST /v2/books readers",
            "GET /v2/books/{book} readers|staff",
            "GET /v2/files/{path=**} readers",
            "DELETE /v2/shelves/{shelf} readers",
        ]
    );
    let schemes: Vec<_> = description
        .schemes
        .iter()
        .map(|scheme| {
            (
                scheme.name.as_str(),
                matches!(scheme.kind, SchemeKind::Jwt(_)),
            )
        })
        .collect();
    let expected = [("readers", true), ("staff", true), ("key", false)];
    assert_eq!(schemes, expected);
    let readers = description.jwt_scheme("readers").unwrap();
    assert_eq!(readers.issuer, "https://readers.example.com");
    assert_eq!(
        readers.jwks_uri.as_deref(),
        Some("https://readers.example.com/jwks")
    );
    assert_eq!(readers.audiences, ["web", "mobile"]);
    let location = TokenLocation::Header {
        name: String::from("X-Token"),
        value_prefix: String::from("Bearer "),
    };
    assert_eq!(readers.locations[0].location, location);
    // A `$ref` to a scheme is that scheme, under its own name.
    assert_eq!(
        description.jwt_scheme("staff").unwrap().issuer,
        "https://staff.example.com"
    );
}

#[test]
fn versions_differ_in_what_they_know() {
    let text =
        "openapi: VERSION\njsonSchemaDialect: https://example.com/d\nwebhooks: {}\npaths: {}\n";
    assert_eq!(findings(&text.replace("VERSION", "3.1.0")), []);
    let in_3_0 = findings(&text.replace("VERSION", "3.0.3"));
    assert_eq!(in_3_0.len(), 2);
    assert!(
        in_3_0
            .iter()
            .all(|finding| finding.help.as_ref().unwrap().contains("openapi: 3.1.0"))
    );
}

#[test]
fn fields_of_openapi_2_say_what_takes_their_place() {
    for (line, help) in [
        ("securityDefinitions: {}", "`components.securitySchemes`"),
        ("host: a.example.com", "`servers:"),
        ("basePath: /v1", "`servers:"),
        ("definitions: {}", "`components.schemas`"),
    ] {
        let text = format!("openapi: 3.0.3\n{line}\npaths: {{}}\n");
        assert_finding(
            &text,
            INVALID,
            2,
            1,
            "is not a field of an OpenAPI 3.0 document",
        );
        assert!(
            findings(&text)[0].help.as_ref().unwrap().contains(help),
            "{line}"
        );
    }
    let text = "swagger: '2.0'\ncomponents: {}\npaths: {}\n";
    assert!(
        findings(text)[0]
            .help
            .as_ref()
            .unwrap()
            .contains("`securityDefinitions`")
    );
}

#[test]
fn a_mistyped_field_is_refused_where_it_would_open_the_api() {
    for (text, line, column, help) in [
        (
            "openapi: 3.0.3\nsecurty: []\npaths: {}\n",
            2,
            1,
            "`security`",
        ),
        (
            "openapi: 3.0.3\npaths:\n  /a: {security: []}\n",
            3,
            8,
            "each operation",
        ),
        ("openapi: 3.0.3\npaths:\n  /a: {Get: {}}\n", 3, 8, "`get`"),
        (
            "openapi: 3.0.3\npaths:\n  /a: {get: {Security: []}}\n",
            3,
            14,
            "`security`",
        ),
        (
            "openapi: 3.0.3\ncomponents: {securityScheme: {}}\npaths: {}\n",
            2,
            14,
            "`securitySchemes`",
        ),
        (
            "openapi: 3.0.3\ncomponents: []\npaths: {}\n",
            2,
            1,
            "must be a mapping",
        ),
    ] {
        let findings = findings(text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].to_string().contains(help), "{}", findings[0]);
        let position = findings[0].place.position.unwrap();
        assert_eq!(
            (position.line, position.column),
            (line, column),
            "{}",
            findings[0]
        );
    }
    let structure = serde_json::json!({"openapi": "3.0.3", "true": {}, "paths": {}});
    let findings = super::super::read_value(&structure).unwrap_err();
    assert!(
        findings[0].help.as_ref().unwrap().contains("YAML 1.1"),
        "{}",
        findings[0]
    );
}

#[test]
fn schemes_that_say_whose_tokens_they_accept_are_jwt_schemes() {
    let auth = "x-google-auth: {issuer: i, jwksUri: 'https://i/k'}";
    let flat = "x-google-issuer: i, x-google-jwks_uri: 'https://i/k'";
    for extension in [auth, flat] {
        for scheme in [
            format!("{{type: oauth2, {extension}}}"),
            format!("{{type: http, scheme: Bearer, bearerFormat: JWT, {extension}}}"),
            format!("{{type: openIdConnect, openIdConnectUrl: 'https://o/d', {extension}}}"),
            format!("{{type: openIdConnect, {extension}}}"),
        ] {
            let SchemeKind::Jwt(jwt) = kind(&scheme) else {
                panic!("{scheme} is no JWT scheme");
            };
            assert_eq!(jwt.issuer, "i", "{scheme}");
            assert_eq!(jwt.jwks_uri.as_deref(), Some("https://i/k"), "{scheme}");
            assert_eq!(jwt.discovery_url, None, "{scheme}");
        }
    }
}

#[test]
fn the_url_of_open_id_connect_names_the_issuer_or_where_it_is_described() {
    let usual = "https://i.example.com/t/.well-known/openid-configuration";
    for (scheme, issuer, discovery) in [
        (
            format!("{{type: openIdConnect, openIdConnectUrl: '{usual}'}}"),
            "https://i.example.com/t",
            None,
        ),
        (
            format!(
                "{{type: openIdConnect, openIdConnectUrl: '{usual}', x-google-issuer: 'https://i.example.com/t/'}}"
            ),
            "https://i.example.com/t/",
            None,
        ),
        (
            format!("{{type: openIdConnect, openIdConnectUrl: '{usual}', x-google-issuer: other}}"),
            "other",
            Some(usual),
        ),
    ] {
        let SchemeKind::Jwt(jwt) = kind(&scheme) else {
            panic!("{scheme} is no JWT scheme");
        };
        assert_eq!(
            (jwt.issuer.as_str(), jwt.discovery_url.as_deref()),
            (issuer, discovery),
            "{scheme}"
        );
    }
}

#[test]
fn schemes_that_cannot_be_enforced_say_why_and_what_to_write() {
    for (scheme, words, remedy) in [
        (
            "{type: apiKey, in: header, name: k}",
            "`type: apiKey`",
            "`x-google-auth`",
        ),
        ("{type: mutualTLS}", "`type: mutualTLS`", "`x-google-auth`"),
        (
            "{type: http, scheme: basic}",
            "`scheme: basic`",
            "`x-google-auth`",
        ),
        (
            "{type: http, scheme: Digest}",
            "`scheme: Digest`",
            "`x-google-auth`",
        ),
        (
            "{type: http, scheme: bearer}",
            "nothing says whose tokens",
            "add `x-google-auth`",
        ),
        (
            "{type: oauth2, flows: {}}",
            "nothing says whose tokens",
            "add `x-google-auth`",
        ),
        (
            "{type: openIdConnect, openIdConnectUrl: 'https://o/d'}",
            "does not end in `/.well-known/openid-configuration`",
            "add `x-google-auth` with `issuer`",
        ),
        (
            "{type: apiKey, in: header, name: Authorization, x-google-issuer: i}",
            "`type: apiKey`",
            "`scheme: bearer`",
        ),
    ] {
        let SchemeKind::Unenforceable { what, help, .. } = kind(scheme) else {
            panic!("{scheme}: {:?}", kind(scheme));
        };
        assert!(what.contains(words), "{scheme}: {what}");
        assert!(help.contains(remedy), "{scheme}: {help}");
    }
}

#[test]
fn schemes_are_checked_where_they_stand() {
    for (scheme, column, words) in [
        ("{}", 3, "has no `type`"),
        ("[]", 3, "must be a mapping"),
        (
            "{type: basic}",
            13,
            "`type` of a security scheme is `basic`",
        ),
        ("{type: http}", 3, "no `scheme`"),
        ("{type: http, scheme: [a]}", 19, "`scheme` must be text"),
        ("{type: openIdConnect}", 3, "no `openIdConnectUrl`"),
        (
            "{type: openIdConnect, openIdConnectUrl: 1}",
            46,
            "`openIdConnectUrl` must be text",
        ),
        (
            "{type: oauth2, x-google-auth: {issuer: ''}}",
            45,
            "is empty",
        ),
        (
            "{$ref: '#/components/securitySchemes/none'}",
            13,
            "there is no",
        ),
        ("{$ref: '#/components/securitySchemes/s'}", 3, "in a circle"),
    ] {
        assert_finding(
            &with_schemes(&format!("  s: {scheme}")),
            INVALID,
            4,
            column,
            words,
        );
    }
    let elsewhere = with_schemes("  s: {$ref: 'auth.yaml#/s'}");
    assert_finding(
        &elsewhere,
        code::UNSUPPORTED_FEATURE,
        4,
        13,
        "in another document (`auth.yaml`)",
    );
    assert!(
        findings(&elsewhere)[0]
            .help
            .as_ref()
            .unwrap()
            .contains("bundle")
    );
}

#[test]
fn what_decides_whose_tokens_are_accepted_stands_not_beside_a_reference() {
    let beside = |more: &str| {
        with_schemes(&format!(
            "  s: {{type: oauth2, x-google-issuer: i}}\n  r: {{$ref: '#/components/securitySchemes/s', {more}}}"
        ))
    };
    for more in [
        "x-google-auth: {audiences: [only]}",
        "x-google-audiences: only",
        "x-issuer: j",
        "type: apiKey",
    ] {
        let findings = findings(&beside(more));
        let found = findings
            .iter()
            .find(|finding| finding.message.contains("beside the `$ref`"));
        let pointer = &found.expect(more).place.pointer;
        assert!(
            pointer.starts_with("/components/securitySchemes/r/"),
            "{pointer}"
        );
    }
    read_text(&beside("summary: s, description: d, x-own: 1")).expect("nothing that decides");
}

#[test]
fn a_misplaced_security_is_not_to_be_removed() {
    for text in [
        "openapi: 3.0.3\npaths: {/a: {security: [], get: {}}}\n",
        "openapi: 3.0.3\npaths: {security: [], /a: {get: {}}}\n",
        "openapi: 3.0.3\npaths: {/a: {get: {}}}\ncomponents: {security: []}\n",
    ] {
        let help = findings(text)[0].help.clone().unwrap_or_default();
        assert!(help.contains("each operation"), "{text}: {help}");
    }
}

#[test]
fn no_trace_is_let_in() {
    let text = "openapi: 3.0.3\npaths:\n  /a: {trace: {}, get: {}}\n";
    assert_finding(text, lints::NO_EFFECT, 3, 8, "TRACE");
    assert_eq!(operations(&read_text(text).unwrap().0), ["GET /a "]);
}

#[test]
fn parameters_of_several_segments_change_the_route() {
    let document = |template: &str, parameter: &str| {
        format!(
            "openapi: 3.0.3\npaths:\n  {template}:\n    get:\n      parameters:\n      - {parameter}\n"
        )
    };
    let many = "{name: p, in: path, required: true, x-google-parameter: {pattern: '**'}}";
    let read = |text: &str| operations(&read_text(text).unwrap().0);
    assert_eq!(read(&document("/a/{p}", many)), ["GET /a/{p=**} "]);
    assert_eq!(
        read(&document("/a/{p}", "{name: p, in: path}")),
        ["GET /a/{p} "]
    );
    let elsewhere = document("/a/{p}", "{$ref: 'p.yaml'}");
    assert_finding(
        &elsewhere,
        code::UNSUPPORTED_FEATURE,
        6,
        16,
        "another document",
    );
    // Where nothing depends on a parameter, nobody looks at it.
    assert_eq!(read(&document("/a", "{$ref: 'p.yaml'}")), ["GET /a "]);
    let old = document("/a/{p=**}", "{name: p, in: path}");
    assert_finding(&old, INVALID, 3, 3, "how OpenAPI 2.0 writes a parameter");
}

#[test]
fn numbers_in_the_place_of_texts_are_understood_or_say_what_to_write() {
    let id = "openapi: 3.0.3\npaths: {/a: {get: {operationId: 123}}}\n";
    let (description, warnings) = read_text(id).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(
        description.operations[0].operation_id.as_deref(),
        Some("123")
    );
    let host = "swagger: '2.0'\nhost: 1.2\npaths: {}\n";
    assert_finding(host, INVALID, 2, 7, "`host` must be text, but is a number");
    assert_eq!(
        findings(host)[0].help.as_deref(),
        Some("write it in quotes: `\"1.2\"`")
    );
}
