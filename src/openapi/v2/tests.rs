use super::super::description::{Alternative, Requirement, Security};
use super::super::diagnostic::Position;
use super::super::{read_text, source};
use super::*;

const SHOP: &str = include_str!("../tests/shop.yaml");

/// A document with these definitions and this `paths`; its findings.
fn findings(text: &str) -> Vec<Diagnostic> {
    match read_text(text) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
}

/// Asserts that a text has exactly one finding, with this code, at this place, of these words.
fn assert_finding(text: &str, code: &str, line: usize, column: usize, words: &str) {
    let findings = findings(text);
    assert_eq!(findings.len(), 1, "{text}: {findings:#?}");
    let finding = &findings[0];
    assert_eq!(finding.code, code, "{finding}");
    assert_eq!(
        finding.place.position,
        Some(Position { line, column }),
        "{finding}"
    );
    assert!(finding.message.contains(words), "{finding}");
    assert!(
        finding.help.is_some() || finding.message.contains("must be"),
        "no remedy: {finding}"
    );
}

/// `security` of the one operation, over a document with a JWT scheme, an API key and basic.
fn secured(security: &str) -> String {
    format!(
        "swagger: '2.0'
securityDefinitions:
  jwt: {{type: oauth2, x-google-issuer: i, x-google-jwks_uri: u}}
  key: {{type: apiKey, name: key, in: query}}
  password: {{type: basic}}
  plain: {{type: oauth2, flow: implicit, authorizationUrl: 'https://a.example.com'}}
paths:
  /a:
    get:
      security: {security}
"
    )
}

/// Alternatives with `|` between them, what is demanded together with `&`, scopes behind a `:`.
fn written(security: &Security) -> String {
    let requirement = |requirement: &Requirement| {
        let scopes = requirement.scopes.as_slice();
        [std::slice::from_ref(&requirement.scheme), scopes]
            .concat()
            .join(":")
    };
    let alternative = |alternative: &Alternative| -> String {
        let all: Vec<_> = alternative.requirements.iter().map(requirement).collect();
        all.join("&")
    };
    let alternatives: Vec<_> = security.alternatives.iter().map(alternative).collect();
    alternatives.join("|")
}

#[test]
fn a_document_is_read_completely() {
    let (description, warnings) = read_text(SHOP).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(description.host.as_deref(), Some("shop.example.com"));
    assert!(description.allow_cors.is_some());
    let operations: Vec<_> = description
        .operations
        .iter()
        .map(|o| {
            let line = o.place.position.unwrap().line;
            let security = written(&o.security);
            format!(
                "{line} {} {} {:?} {security}",
                o.method, o.path, o.operation_id
            )
        })
        .collect();
    assert_eq!(
        operations,
        [
            "41 GET /v1/items Some(\"ListItems\") ",
            "46 POST /v1/items Some(\"Create.Item\") customers",
            "60 DELETE /v1/items/{item} None customers",
            "52 POST /v1/items/{item}:archive None staff|customers|staff",
        ]
    );
    let schemes: Vec<_> = description
        .jwt_schemes()
        .map(|(at, s)| {
            (
                at.name.as_str(),
                s.issuer.as_str(),
                s.jwks_uri.as_deref(),
                s.audiences.clone(),
            )
        })
        .collect();
    assert_eq!(
        schemes,
        [
            (
                "customers",
                "https://customers.example.com",
                Some("https://customers.example.com/jwks"),
                vec![String::from("web"), String::from("mobile")]
            ),
            (
                "staff",
                "staff@example.com",
                Some("https://staff.example.com/jwks"),
                vec![]
            ),
        ]
    );
}

#[test]
fn without_security_anyone_may_call() {
    let (description, _) = read_text("swagger: '2.0'\npaths: {/a: {get: {}}}\n").unwrap();
    assert!(description.operations[0].security.alternatives.is_empty());
    let (description, _) = read_text(&secured("[]")).unwrap();
    assert!(description.operations[0].security.alternatives.is_empty());
}

#[test]
fn alternatives_are_names_in_order() {
    let (description, _) = read_text(&secured("[{jwt: []}, {jwt: []}]")).unwrap();
    assert_eq!(written(&description.operations[0].security), "jwt|jwt");
}

#[test]
fn the_form_of_security_is_checked() {
    assert_finding(
        &secured("{jwt: []}"),
        code::INVALID_OPENAPI,
        10,
        7,
        "`security` must be a list",
    );
    assert_finding(
        &secured("[jwt]"),
        code::INVALID_OPENAPI,
        10,
        18,
        "must be a list of mappings",
    );
    assert_finding(
        &secured("[{jwt: }]"),
        code::INVALID_OPENAPI,
        10,
        19,
        "`jwt` must be a list",
    );
}

#[test]
fn extensions_are_read_at_every_level_of_a_document() {
    let (description, warnings) = read_text(
        "swagger: '2.0'
x-google-allow: all
x-google-backend: {address: 'https://a.example.com'}
x-b: 1
paths:
  /a:
    x-endpoints-cors: false
    get: {x-google-quota: {}}
    put:
      x-google-backend: {address: 'https://b.example.com'}
      x-endpoints-cors: {}
  /b:
    x-google-backend: {address: 'https://c.example.com'}
    get: {}
",
    )
    .unwrap();
    assert_eq!(warnings, []);
    assert_eq!(description.allow_all.unwrap().pointer, "/x-google-allow");
    let operations: Vec<_> = description
        .operations
        .iter()
        .map(|operation| {
            let address = operation.backend.as_ref().unwrap().address.as_deref();
            let cors = operation.cors.as_ref().map(|cors| cors.rules.is_some());
            (address.unwrap(), cors)
        })
        .collect();
    assert_eq!(
        operations,
        [
            ("https://a.example.com", Some(false)),
            ("https://b.example.com", Some(true)),
            ("https://c.example.com", None),
        ]
    );
}

#[test]
fn schemes_are_checked_where_they_stand() {
    let document = |scheme: &str| {
        format!("swagger: '2.0'\nsecurityDefinitions:\n  s:\n    {scheme}\npaths: {{}}\n")
    };
    let invalid = code::INVALID_OPENAPI;
    for (scheme, column, words) in [
        (
            "{type: oauth2, x-google-issuer: ''}",
            37,
            "`x-google-issuer` is empty",
        ),
        (
            "{type: oauth2, x-google-issuer: ' i'}",
            37,
            "spaces around it",
        ),
        (
            "{type: oauth2, x-google-issuer: [i]}",
            20,
            "must be text, but is a list",
        ),
        (
            "{type: oauth2, x-google-issuer: i, x-issuer: j}",
            50,
            "differ",
        ),
        (
            "{type: oauth2, x-google-issuer: i, x-google-audiences: {a: b}}",
            40,
            "must be text, but is a mapping",
        ),
        (
            "{type: openIdConnect}",
            12,
            "`type` of a security scheme is `openIdConnect`",
        ),
    ] {
        assert_finding(&document(scheme), invalid, 4, column, words);
    }
    assert_finding(
        &document("{x-google-issuer: i}"),
        invalid,
        3,
        3,
        "has no `type`",
    );
    assert_finding(&document("[]"), invalid, 3, 3, "must be a mapping");
    let mistyped = "{type: oauth2, x-google-issuer: i, x-google-audience: a}";
    assert_finding(
        &document(mistyped),
        "unknown-extension",
        4,
        40,
        "`x-google-audience` is not known",
    );
    assert_eq!(
        findings(&document("{type: apiKey, in: header, name: x}")),
        []
    );
}

#[test]
fn endpoints_name_the_host_once() {
    let document = |endpoints: &str| {
        format!(
            "swagger: '2.0'\nhost: A.example.com\npaths: {{}}\nx-google-endpoints: {endpoints}\n"
        )
    };
    let invalid = code::INVALID_OPENAPI;
    assert_finding(&document("{name: a}"), invalid, 4, 1, "must be a list");
    assert_finding(
        &document("[{name: b.example.com}]"),
        invalid,
        4,
        29,
        "is not the `host`",
    );
    assert_finding(&document("[{target: x}]"), invalid, 4, 22, "has no `name`");
    assert_finding(
        &document("[{name: a.example.com}, {name: a.example.com}]"),
        invalid,
        4,
        45,
        "more than one entry",
    );
    assert_finding(
        &document("[{name: a.example.com, allowCors: 1}]"),
        invalid,
        4,
        55,
        "`allowCors` must be true or false",
    );
    for (endpoints, allowed) in [
        ("[{name: a.EXAMPLE.com, allowCors: true}]", true),
        ("[{name: a.example.com, allowCors: 'true'}]", true),
        ("[{name: a.example.com, allowCors: false}]", false),
        ("[{name: a.example.com}]", false),
        ("[]", false),
    ] {
        assert_eq!(
            read_text(&document(endpoints))
                .unwrap()
                .0
                .allow_cors
                .is_some(),
            allowed,
            "{endpoints}"
        );
    }
}

#[test]
fn a_host_is_a_name_without_port() {
    let document = |host: &str| format!("swagger: '2.0'\nhost: {host}\npaths: {{}}\n");
    for (host, help) in [
        ("shop.example.com:8080", "write `host: shop.example.com`"),
        (
            "https://shop.example.com/",
            "write `host: shop.example.com`",
        ),
        ("${HOST}", "write a name like"),
        ("a..b", "write a name like"),
        ("''", "write a name like"),
    ] {
        let findings = findings(&document(host));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(
            findings[0].place.position,
            Some(Position { line: 2, column: 7 })
        );
        assert!(
            findings[0].help.as_ref().unwrap().contains(help),
            "{findings:?}"
        );
    }
    assert_finding(
        &document("[a]"),
        code::INVALID_OPENAPI,
        2,
        1,
        "`host` must be text",
    );
    let (description, _) = read_text(&document("YOUR-PROJECT_id.appspot.com")).unwrap();
    assert_eq!(
        description.host.as_deref(),
        Some("your-project_id.appspot.com")
    );
}

#[test]
fn a_base_path_is_a_prefix() {
    let document = |base_path: &str| {
        format!("swagger: '2.0'\nbasePath: {base_path}\npaths: {{/a: {{get: {{}}}}}}\n")
    };
    for (written, path) in [
        ("/", "/a"),
        ("/v1", "/v1/a"),
        ("/v1/", "/v1/a"),
        ("''", "/a"),
        ("", "/a"),
    ] {
        assert_eq!(
            read_text(&document(written)).unwrap().0.operations[0].path,
            path,
            "{written}"
        );
    }
    for (written, words) in [
        ("v1", "must begin with a slash"),
        ("/{v}", "no template"),
        ("/a?b", "no template"),
        ("[a]", "must be text"),
    ] {
        assert!(
            findings(&document(written))[0].message.contains(words),
            "{written}"
        );
    }
    let long = format!("/{}", "x".repeat(2000));
    assert!(
        findings(&document(&long))[0]
            .message
            .contains("longer than 1024")
    );
}

#[test]
fn a_mistyped_field_is_refused_where_it_would_open_the_api() {
    let invalid = code::INVALID_OPENAPI;
    for (text, line, column, help) in [
        (
            "swagger: '2.0'\nSecurity: []\npaths: {}\n",
            2,
            1,
            "did you mean `security`?",
        ),
        (
            "swagger: '2.0'\npaths:\n  /a:\n    gett: {}\n",
            4,
            5,
            "did you mean `get`?",
        ),
        (
            "swagger: '2.0'\npaths:\n  /a:\n    GET: {}\n",
            4,
            5,
            "did you mean `get`?",
        ),
        (
            "swagger: '2.0'\npaths:\n  /a:\n    get:\n      secruity: []\n",
            5,
            7,
            "did you mean `security`?",
        ),
        (
            "swagger: '2.0'\npaths:\n  /a:\n    get:\n      callbacks: {}\n",
            5,
            7,
            "begin its name with `x-`",
        ),
    ] {
        assert_finding(text, invalid, line, column, "is not a field of");
        assert!(
            findings(text)[0].help.as_ref().unwrap().contains(help),
            "{text}"
        );
    }
}

#[test]
fn paths_are_checked() {
    let invalid = code::INVALID_OPENAPI;
    assert_finding("swagger: '2.0'\n", invalid, 1, 1, "has no `paths`");
    assert_finding(
        "swagger: '2.0'\npaths: []\n",
        invalid,
        2,
        1,
        "`paths` must be a mapping",
    );
    assert_finding(
        "swagger: '2.0'\npaths:\n  a: {}\n",
        invalid,
        3,
        3,
        "does not begin with a slash",
    );
    assert_finding(
        "swagger: '2.0'\npaths:\n  /a: 1\n",
        invalid,
        3,
        7,
        "must be a mapping",
    );
    assert_finding(
        "swagger: '2.0'\npaths:\n  /a: {get: }\n",
        invalid,
        3,
        8,
        "must be a mapping",
    );
    assert_finding(
        "swagger: '2.0'\npaths:\n  /a: {get: {operationId: [1]}}\n",
        invalid,
        3,
        14,
        "`operationId` must be text",
    );
    assert_eq!(findings("swagger: '2.0'\npaths:\n  /a:\n  /b: {}\n"), []);
    let long = format!("swagger: '2.0'\npaths: {{\"/{}\": {{}}}}", "x".repeat(900));
    assert_eq!(findings(&long), []);
    let long = format!(
        "{{\"swagger\": \"2.0\", \"paths\": {{\"/{}\": {{\"get\": {{}}}}}}}}",
        "x".repeat(9000)
    );
    assert!(findings(&long)[0].message.contains("longer than 8192"));
}

#[test]
fn path_items_are_followed_inside_the_document_only() {
    let document = |reference: &str| {
        format!(
            "swagger: '2.0'\npaths:\n  /a: {{$ref: '{reference}'}}\nx-p:\n  loop: {{$ref: '#/x-p/loop'}}\n  good: {{get: {{}}}}\n  text: t\n"
        )
    };
    assert_eq!(
        read_text(&document("#/x-p/good"))
            .unwrap()
            .0
            .operations
            .len(),
        1
    );
    assert_finding(
        &document("other.yaml#/a"),
        code::UNSUPPORTED_FEATURE,
        3,
        14,
        "in another document",
    );
    assert_finding(
        &document("#/x-p/none"),
        code::INVALID_OPENAPI,
        3,
        14,
        "there is no `#/x-p/none`",
    );
    assert_finding(
        &document("#/x-p/loop"),
        code::INVALID_OPENAPI,
        3,
        3,
        "in a circle",
    );
    assert_finding(
        &document("#/x-p/text"),
        code::INVALID_OPENAPI,
        7,
        9,
        "must be a mapping",
    );
}

#[test]
fn what_aliases_repeat_is_bounded() {
    let big = "x".repeat(500_000);
    let many = |line: &str| {
        (0..300)
            .map(|i| line.replace('N', &i.to_string()))
            .collect::<String>()
    };
    let ids = format!(
        "swagger: '2.0'\nx-id: &id {big}\npaths:\n{}",
        many("  /N: {get: {operationId: *id}}\n")
    );
    assert!(findings(&ids)[0].message.contains("too many operations"));
    let schemes = format!(
        "swagger: '2.0'\nx-i: &i {{type: oauth2, x-google-issuer: {big}}}\nsecurityDefinitions:\n{}paths: {{}}\n",
        many("  sN: *i\n")
    );
    assert!(
        findings(&schemes)[0]
            .message
            .contains("more than 256 security schemes")
    );
    let schemes = format!(
        "swagger: '2.0'\nsecurityDefinitions:\n  s: {{type: oauth2, x-google-issuer: {big}}}\npaths: {{}}\n"
    );
    assert!(
        findings(&schemes)[0]
            .message
            .contains("`x-google-issuer` is longer")
    );
    // A key that is a book: neither message nor place repeat it.
    let key = format!("{{\"swagger\": \"2.0\", \"{big}\": {{\"a\": 1}}, \"paths\": {{}}}}");
    let finding = &findings(&key)[0];
    assert!(finding.message.len() < 200 && finding.place.pointer.len() < 2100);
}

#[test]
fn the_work_to_find_path_items_elsewhere_is_bounded() {
    let document = |paths: usize| {
        let entries = |line: fn(usize) -> String| (0..paths).map(line).collect::<String>();
        let items = entries(|i| format!("  i{i}: {{get: {{}}}}\n"));
        let paths = entries(|i| format!("  /{i}: {{$ref: '#/x-i/i{i}'}}\n"));
        format!("swagger: '2.0'\nx-i:\n{items}paths:\n{paths}")
    };
    assert_eq!(findings(&document(2000)), []);
    let findings = findings(&document(10_000));
    assert!(
        findings[0]
            .message
            .contains("too many things stand elsewhere"),
        "{}",
        findings[0]
    );
}

#[test]
fn what_security_repeats_is_bounded() {
    let alternatives = "- {a: [], b: [], c: [], d: []}\n".repeat(64);
    let key = "k".repeat(900);
    let paths: String = (0..200)
        .map(|i| format!("  /{i}{key}: {{get: {{security: *s}}}}\n"))
        .collect();
    let text = format!("swagger: '2.0'\nx-s: &s\n{alternatives}paths:\n{paths}");
    assert!(findings(&text)[0].message.contains("too many operations"));
}

#[test]
fn a_path_has_no_control_characters() {
    let text = "swagger: '2.0'\npaths:\n  \"/a\\x01\": {get: {}}\n";
    assert_finding(
        text,
        code::INVALID_OPENAPI,
        3,
        3,
        "`/a\\u{1}` holds a control",
    );
}

#[test]
fn what_operations_take_is_bounded() {
    let mut text = String::from(
        "swagger: '2.0'\nx-i: &i {get: {}, put: {}, post: {}, delete: {}, head: {}, patch: {}, options: {}}\npaths:\n",
    );
    for path in 0..4000 {
        text.push_str(&format!("  /{path}: *i\n"));
    }
    assert!(findings(&text)[0].message.contains("too many operations"));
    let root = source::parse(&text).unwrap();
    assert!(Cursor::root(&root).get("paths").is_some());
}
