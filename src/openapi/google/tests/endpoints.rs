use super::*;

const AT: &str = "/x-google-endpoints";

fn listed(entry: &str) -> String {
    v2(&format!(
        "host: Shop.example.com\nx-google-endpoints: {entry}"
    ))
}

#[test]
fn the_name_is_the_host_in_any_case() {
    let read = description(&listed(
        "[{name: SHOP.example.com, target: 10.0.0.1, allowCors: True}]",
    ));
    assert_eq!(read.host.as_deref(), Some("shop.example.com"));
    assert_eq!(read.endpoint_name, None);
    let place = read.allow_cors.unwrap();
    assert_eq!(place.pointer, "/x-google-endpoints/0/allowCors");
}

#[test]
fn without_host_the_name_goes_on_to_whoever_knows_the_service() {
    let read = description(&v2("x-google-endpoints: [{name: Shop.example.com}]"));
    let (name, place) = read.endpoint_name.unwrap();
    assert_eq!(name, "shop.example.com");
    assert_eq!(place.pointer, "/x-google-endpoints/0/name");
    assert_eq!(read.allow_cors, None);
}

#[test]
fn another_name_is_an_error_that_shows_both() {
    assert_invalid(
        &listed("[{name: other.example.com}]"),
        "/x-google-endpoints/0/name",
        "`other.example.com` is not the `host` of the document, `shop.example.com`",
        "write `name: shop.example.com`",
    );
}

#[test]
fn one_entry_of_known_fields_and_kinds() {
    assert_invalid(&listed("{name: a}"), AT, "must be a list", "`- name: …`");
    assert_invalid(&listed("text"), AT, "must be a list", "`-`");
    assert_invalid(
        &listed("[{name: shop.example.com}, {name: b}]"),
        "/x-google-endpoints/1",
        "more than one entry",
        "keep the one",
    );
    let many = format!("[{}]", "{name: a},".repeat(1001));
    assert_invalid(&listed(&many), AT, "more than 1000 items", "shorten");
    assert_invalid(
        &listed("[a]"),
        "/x-google-endpoints/0",
        "a mapping",
        "fields below",
    );
    assert_invalid(
        &listed("[{allowCors: true}]"),
        "/x-google-endpoints/0",
        "no `name`",
        "`host`",
    );
    for (entry, pointer, words, help) in [
        ("name: 7", "/name", "must be text", "\"7\""),
        ("name: [a]", "/name", "must be text", "one text"),
        (
            "name: shop.example.com, allowCors: 1",
            "/allowCors",
            "true or false",
            "allowCors: true",
        ),
        (
            "name: shop.example.com, target: [a]",
            "/target",
            "must be text",
            "one text",
        ),
        (
            "name: shop.example.com, allowCORS: true",
            "/allowCORS",
            "not a field",
            "did you mean `allowCors`?",
        ),
        (
            "name: shop.example.com, color: red",
            "/color",
            "not a field",
            "`name`, `target`, `allowCors`",
        ),
    ] {
        let pointer = format!("/x-google-endpoints/0{pointer}");
        assert_invalid(&listed(&format!("[{{{entry}}}]")), &pointer, words, help);
    }
    let long = format!("[{{name: {}}}]", "a".repeat(254));
    assert_invalid(
        &listed(&long),
        "/x-google-endpoints/0/name",
        "longer than 253 bytes",
        "shorten",
    );
    assert_eq!(description(&listed("[]")).allow_cors, None);
}

#[test]
fn allow_cors_may_have_quotes() {
    let read = |value| {
        description(&listed(&format!(
            "[{{name: shop.example.com, allowCors: {value}}}]"
        )))
    };
    assert!(read("'true'").allow_cors.is_some());
    assert!(read("'false'").allow_cors.is_none());
    assert!(read("false").allow_cors.is_none());
}

#[test]
fn the_marked_server_of_3_x_names_the_service() {
    let document = |extension: &str| {
        v3(&format!(
            "servers: [{{url: 'https://other.example.com'}}, {{url: 'https://Shop.example.com/v1', x-google-endpoint: {extension}}}]"
        ))
    };
    let read = description(&document("{allowCors: true}"));
    assert_eq!(read.host.as_deref(), Some("shop.example.com"));
    let place = read.allow_cors.unwrap();
    assert_eq!(place.pointer, "/servers/1/x-google-endpoint/allowCors");
    for empty in ["{}", ""] {
        let read = description(&document(empty));
        assert_eq!(read.host.as_deref(), Some("shop.example.com"), "{empty:?}");
        assert_eq!(read.allow_cors, None);
    }
    let at = "/servers/1/x-google-endpoint";
    assert_invalid(&document("[a]"), at, "must be a mapping", "`allowCors`");
    let pointer = format!("{at}/allowCors");
    assert_invalid(
        &document("{allowCors: yes}"),
        &pointer,
        "true or false",
        "allowCors: true",
    );
    let pointer = format!("{at}/allow_cors");
    assert_invalid(
        &document("{allow_cors: true}"),
        &pointer,
        "not a field",
        "did you mean `allowCors`?",
    );
}

#[test]
fn allow_takes_two_words() {
    assert_eq!(
        description(&v2("x-google-allow: configured")).allow_all,
        None
    );
    let all = description(&v2("x-google-allow: all")).allow_all.unwrap();
    assert_eq!(all.pointer, "/x-google-allow");
    for wrong in ["[all]", "everything", "true", "7"] {
        let text = v2(&format!("x-google-allow: {wrong}"));
        assert_invalid(
            &text,
            "/x-google-allow",
            "`x-google-allow` is",
            "`configured`",
        );
    }
    assert_invalid(
        &v3("x-google-allow: all"),
        "/x-google-allow",
        "extension of OpenAPI 2.0, and this is OpenAPI 3.x",
        "remove it",
    );
}
