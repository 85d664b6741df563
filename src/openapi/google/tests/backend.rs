use super::super::super::description::{Backend, BackendProtocol, PathTranslation};
use super::*;

const AT: &str = "/paths/~1a/get/x-google-backend";

fn backend(fields: &str) -> Backend {
    let read = operation(&v2_operation(&format!("x-google-backend: {{{fields}}}")));
    read.backend.unwrap().as_ref().clone()
}

#[track_caller]
fn assert_field(fields: &str, below: &str, words: &str, help: &str) {
    let text = v2_operation(&format!("x-google-backend: {fields}"));
    assert_invalid(&text, &format!("{AT}{below}"), words, help);
}

#[test]
fn every_field_is_read() {
    let read = backend(
        "address: 'grpcs://a.example.com:8443/v1', jwt_audience: aud, disable_auth: false, \
         path_translation: APPEND_PATH_TO_ADDRESS, deadline: 2.5, protocol: h2",
    );
    assert_eq!(
        read.address.as_deref(),
        Some("grpcs://a.example.com:8443/v1")
    );
    assert_eq!(read.address_place.pointer, format!("{AT}/address"));
    let (audience, place) = read.jwt_audience.unwrap();
    assert_eq!(
        (audience.as_str(), place.pointer),
        ("aud", format!("{AT}/jwt_audience"))
    );
    assert_eq!(read.path_translation, PathTranslation::AppendPathToAddress);
    assert_eq!(
        (read.deadline, read.protocol),
        (Some(2.5), BackendProtocol::Http2)
    );
    assert!(!read.disable_auth);
    assert_eq!(read.place.pointer, AT);
}

#[test]
fn an_empty_one_is_the_service_s_own_backend_with_defaults() {
    let read = backend("");
    assert_eq!(read.address, None);
    assert_eq!(read.address_place.pointer, AT);
    assert_eq!((read.deadline, read.jwt_audience), (None, None));
    assert_eq!(read.protocol, BackendProtocol::Http1);
    assert!(backend("disable_auth: true").disable_auth);
    assert_eq!(
        backend("protocol: http/1.1").protocol,
        BackendProtocol::Http1
    );
    assert_eq!(backend("protocol: ''").protocol, BackendProtocol::Http1);
    assert_eq!(backend("jwt_audience: ''").jwt_audience, None);
}

#[test]
fn the_default_translation_is_that_of_the_level() {
    let text = "swagger: '2.0'
x-google-backend: {address: 'https://a', deadline: 3}
paths:
  /document: {get: {}}
  /item:
    x-google-backend: {address: 'https://b'}
    get: {}
    put: {x-google-backend: {address: 'https://c', path_translation: APPEND_PATH_TO_ADDRESS}}
  /operation:
    get: {x-google-backend: {address: 'https://d', path_translation: PATH_TRANSLATION_UNSPECIFIED}}
";
    let read: Vec<_> = description(text)
        .operations
        .into_iter()
        .map(|operation| {
            let backend = operation.backend.unwrap();
            (
                backend.address.clone().unwrap(),
                backend.path_translation,
                backend.deadline,
            )
        })
        .collect();
    use PathTranslation::{AppendPathToAddress, ConstantAddress};
    // The deadline of the document is not inherited: the nearest one counts as a whole.
    assert_eq!(
        read,
        [
            (String::from("https://a"), AppendPathToAddress, Some(3.0)),
            (String::from("https://b"), ConstantAddress, None),
            (String::from("https://c"), AppendPathToAddress, None),
            (String::from("https://d"), ConstantAddress, None),
        ]
    );
}

#[test]
fn an_alias_has_the_default_of_each_level_and_is_kept_once() {
    let text = "swagger: '2.0'
x-google-backend: &b {address: 'https://a'}
paths:
  /a: {get: {}}
  /b: {get: {x-google-backend: *b}}
  /c: {get: {x-google-backend: *b}}
";
    let read = description(text);
    let backends: Vec<_> = read
        .operations
        .iter()
        .map(|o| o.backend.as_ref().unwrap())
        .collect();
    assert_eq!(
        backends[0].path_translation,
        PathTranslation::AppendPathToAddress
    );
    assert_eq!(
        backends[1].path_translation,
        PathTranslation::ConstantAddress
    );
    assert!(std::sync::Arc::ptr_eq(backends[1], backends[2]));
}

#[test]
fn a_deadline_is_a_bounded_number_of_seconds() {
    assert_eq!(backend("deadline: 0.001").deadline, Some(0.001));
    assert_eq!(backend("deadline: 86400").deadline, Some(86_400.0));
    assert_eq!(backend("deadline: 1e2").deadline, Some(100.0));
    for none in ["0", "-1", "0.0", "-0.5"] {
        let text = v2_operation(&format!("x-google-backend: {{deadline: {none}}}"));
        assert_found(
            &text,
            "no-effect",
            &format!("{AT}/deadline"),
            "15 seconds",
            "positive number",
        );
        let (read, _) = read_text(&text).unwrap();
        assert_eq!(read.operations[0].backend.as_ref().unwrap().deadline, None);
    }
    for wrong in ["86400.1", "1e300", ".inf", ".nan", "0.0001", "0x10"] {
        assert_field(
            &format!("{{deadline: {wrong}}}"),
            "/deadline",
            "between 0.001 and 86400 seconds",
            "`deadline: 30.0`",
        );
    }
    for wrong in ["'30'", "30s", "[30]", "true"] {
        let fields = format!("{{deadline: {wrong}}}");
        assert_field(
            &fields,
            "/deadline",
            "must be a number of seconds",
            "without a unit",
        );
    }
}

#[test]
fn wrong_kinds_and_sizes_are_refused() {
    for (fields, below, words, help) in [
        ("[a]", "", "must be a mapping", "`address`"),
        ("true", "", "must be a mapping", "`address`"),
        ("7", "", "must be a mapping", "`address`"),
        ("{address: 7}", "/address", "must be text", "\"7\""),
        (
            "{address: ''}",
            "/address",
            "empty",
            "https://orders.example.com/v1",
        ),
        (
            "{address: 'https://a b'}",
            "/address",
            "visible ASCII",
            "https://",
        ),
        (
            "{address: 'https://ä'}",
            "/address",
            "visible ASCII",
            "https://",
        ),
        (
            "{address: \"https://a\\nb\"}",
            "/address",
            "control character",
            "one line",
        ),
        (
            "{jwt_audience: [a]}",
            "/jwt_audience",
            "must be text",
            "one text",
        ),
        (
            "{jwt_audience: \"a\\0\"}",
            "/jwt_audience",
            "control character",
            "one line",
        ),
        (
            "{disable_auth: 1}",
            "/disable_auth",
            "true or false",
            "disable_auth: true",
        ),
        (
            "{path_translation: APPEND}",
            "/path_translation",
            "is `APPEND`",
            "`CONSTANT_ADDRESS`",
        ),
        (
            "{path_translation: true}",
            "/path_translation",
            "must be text",
            "one text",
        ),
        ("{protocol: http2}", "/protocol", "is `http2`", "`h2`"),
        ("{protocol: grpc}", "/protocol", "is `grpc`", "grpc://"),
        ("{protocol: 2}", "/protocol", "must be text", "\"2\""),
        (
            "{adress: 'https://a'}",
            "/adress",
            "not a field",
            "did you mean `address`?",
        ),
        ("{timeout: 3}", "/timeout", "not a field", "`deadline`"),
        (
            "{jwtAudience: a}",
            "/jwtAudience",
            "here it is `jwt_audience`",
            "write `jwt_audience`",
        ),
    ] {
        let text = v2_operation(&format!("x-google-backend: {fields}"));
        let found = findings(&text);
        // A field of the other spelling is found by its name alone.
        assert_eq!(found.len(), 1, "{fields}: {found:#?}");
        assert_field(fields, below, words, help);
    }
    let long = |field: &str, length| format!("{{{field}: {}}}", "a".repeat(length));
    assert_field(
        &long("address", 2049),
        "/address",
        "longer than 2048 bytes",
        "shorten",
    );
    assert_field(
        &long("jwt_audience", 1025),
        "/jwt_audience",
        "longer than 1024 bytes",
        "shorten",
    );
}

#[test]
fn a_name_needs_named_backends() {
    let text = v2_operation("x-google-backend: orders");
    assert_invalid(
        &text,
        AT,
        "only OpenAPI 3.x has named backends",
        "`address:`",
    );
}
