use super::super::super::description::{BackendProtocol, PathTranslation};
use super::*;

const AT: &str = "/x-google-api-management";

fn managed(fields: &str) -> String {
    v3(&format!("x-google-api-management: {fields}"))
}

#[test]
fn backends_are_named_at_every_level() {
    let text = "openapi: 3.0.3
x-google-api-management:
  apiName: shop
  metrics: {reads: {displayName: Reads}}
  backends:
    all: {address: 'https://all.example.com', disableAuth: true}
    orders:
      address: https://orders.example.com
      jwtAudience: orders
      pathTranslation: APPEND_PATH_TO_ADDRESS
      deadline: 7.5
      protocol: h2
x-google-backend: all
paths:
  /a:
    get: {}
    put: {x-google-backend: all}
  /b:
    x-google-backend: orders
    get: {}
";
    let read = description(text);
    let backends: Vec<_> = read
        .operations
        .iter()
        .map(|o| o.backend.as_ref().unwrap())
        .collect();
    assert_eq!(
        backends[0].address.as_deref(),
        Some("https://all.example.com")
    );
    assert_eq!(
        backends[0].path_translation,
        PathTranslation::AppendPathToAddress
    );
    assert!(backends[0].disable_auth);
    assert_eq!(
        backends[1].path_translation,
        PathTranslation::ConstantAddress
    );
    assert_eq!(
        backends[2].address.as_deref(),
        Some("https://orders.example.com")
    );
    assert_eq!(
        backends[2].path_translation,
        PathTranslation::AppendPathToAddress
    );
    assert_eq!(backends[2].jwt_audience.as_ref().unwrap().0, "orders");
    assert_eq!(backends[2].deadline, Some(7.5));
    assert_eq!(backends[2].protocol, BackendProtocol::Http2);
    assert_eq!(backends[2].place.pointer, format!("{AT}/backends/orders"));
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let named = |backends: &str| {
        format!(
            "openapi: 3.0.3\nx-google-api-management: {{backends: {backends}}}\npaths:\n  /a:\n    get:\n      x-google-backend: order\n"
        )
    };
    let at = "/paths/~1a/get/x-google-backend";
    assert_invalid(
        &named("{orders: {address: 'https://a'}, carts: {address: 'https://b'}}"),
        at,
        "no backend `order`",
        "use one that is: `carts`, `orders`",
    );
    assert_invalid(&named("{}"), at, "no backend `order`", "has none yet");
    let many: String = (0..9).map(|n| format!("b{n}: {{}},")).collect();
    assert_invalid(&named(&format!("{{{many}}}")), at, "no backend", "`b7`, …");
    // One that is there and wrong is not called unknown as well.
    assert_invalid(
        &named("{order: {address: 7}}"),
        "/x-google-api-management/backends/order/address",
        "must be text",
        "\"7\"",
    );
}

#[test]
fn an_object_in_the_place_of_a_name_is_understood() {
    let text = v3_operation(
        "x-google-backend: {address: 'https://a', path_translation: APPEND_PATH_TO_ADDRESS}",
    );
    let backend = operation(&text).backend.unwrap();
    assert_eq!(backend.address.as_deref(), Some("https://a"));
    assert_eq!(
        backend.path_translation,
        PathTranslation::AppendPathToAddress
    );
    let text = v3_operation("x-google-backend: {disableAuth: true}");
    let at = "/paths/~1a/get/x-google-backend/disableAuth";
    assert_invalid(
        &text,
        at,
        "here it is `disable_auth`",
        "write `disable_auth`",
    );
}

#[test]
fn allow_cors_is_the_document_s() {
    let place = description(&managed("{allowCors: true}"))
        .allow_cors
        .unwrap();
    assert_eq!(place.pointer, format!("{AT}/allowCors"));
    assert_eq!(description(&managed("{allowCors: false}")).allow_cors, None);
    assert_eq!(description(&managed("")).allow_cors, None);
}

#[test]
fn what_is_not_done_here_is_said_once() {
    for (fields, below, words) in [
        (
            "{quota: {limits: {reads: {metric: reads, values: 5}}}}",
            "/quota",
            "not counted",
        ),
        ("{mcp: true}", "/mcp", "Model Context Protocol"),
        (
            "{ai: {models: {routing: {}}}}",
            "/ai",
            "not routed by the model",
        ),
    ] {
        assert_found(
            &managed(fields),
            "no-effect",
            &format!("{AT}{below}"),
            words,
            "remove it",
        );
    }
    assert_eq!(findings(&managed("{mcp: false, quota: , ai: }")), []);
    assert_found(
        &v2("x-google-management: {metrics: [], quota: {limits: []}}"),
        "no-effect",
        "/x-google-management/quota",
        "not counted",
        "remove it",
    );
    assert_eq!(findings(&v2("x-google-management: {metrics: []}")), []);
}

#[test]
fn wrong_kinds_and_sizes_are_refused() {
    for (fields, below, words, help) in [
        ("[a]", "", "must be a mapping", "`backends`"),
        ("text", "", "must be a mapping", "`backends`"),
        ("{apiName: [a]}", "/apiName", "must be text", "one text"),
        (
            "{allowCors: 1}",
            "/allowCors",
            "true or false",
            "allowCors: true",
        ),
        (
            "{allow_cors: true}",
            "/allow_cors",
            "not a field",
            "did you mean `allowCors`?",
        ),
        (
            "{backends: [a]}",
            "/backends",
            "must be a mapping",
            "under its name",
        ),
        (
            "{backends: {a: []}}",
            "/backends/a",
            "must be a mapping",
            "`jwtAudience`",
        ),
        (
            "{backends: {a: {pathTranslation: X}}}",
            "/backends/a/pathTranslation",
            "is `X`",
            "CONSTANT",
        ),
        (
            "{backends: {a: {jwt_audience: x}}}",
            "/backends/a/jwt_audience",
            "here it is `jwtAudience`",
            "jwtAudience",
        ),
        (
            "{backends: {a: {disableAuth: 1}}}",
            "/backends/a/disableAuth",
            "true or false",
            "true",
        ),
    ] {
        assert_invalid(&managed(fields), &format!("{AT}{below}"), words, help);
    }
    let name = "n".repeat(257);
    assert_eq!(
        findings(&managed(&format!("{{backends: {{{name}: {{}}}}}}"))).len(),
        1
    );
    let many: String = (0..1001).map(|n| format!("b{n}: {{}},")).collect();
    assert_invalid(
        &managed(&format!("{{backends: {{{many}}}}}")),
        "/x-google-api-management/backends",
        "more than 1000 entries",
        "several services",
    );
}
