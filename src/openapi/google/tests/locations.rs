use super::super::super::description::TokenLocation;
use super::*;

const V2: &str = "/securityDefinitions/s/x-google-jwt-locations";
const V3: &str = "/components/securitySchemes/s/x-google-auth/jwtLocations";

fn flat(list: &str) -> String {
    v2_scheme(&format!(
        "x-google-issuer: i, x-google-jwt-locations: {list}"
    ))
}

fn auth(list: &str) -> String {
    v3_scheme(&format!(
        "x-google-auth: {{issuer: i, jwtLocations: {list}}}"
    ))
}

fn locations(text: &str) -> Vec<TokenLocation> {
    let read = scheme(text);
    read.locations
        .into_iter()
        .map(|written| written.location)
        .collect()
}

fn header(name: &str, prefix: &str) -> TokenLocation {
    TokenLocation::Header {
        name: name.to_owned(),
        value_prefix: prefix.to_owned(),
    }
}

#[test]
fn headers_and_parameters_are_read_in_order() {
    let expected = [
        header("Authorization", "Token "),
        header("X-Token", ""),
        TokenLocation::Query {
            name: String::from("jwt"),
        },
    ];
    let list = "[{header: Authorization, value_prefix: 'Token '}, {header: X-Token}, {query: jwt}]";
    assert_eq!(locations(&flat(list)), expected);
    assert_eq!(
        locations(&auth(&list.replace("value_prefix", "valuePrefix"))),
        expected
    );
    let place = &scheme(&flat(list)).locations[1].place;
    assert_eq!(place.pointer, format!("{V2}/1"));
    assert_eq!(scheme(&v2_scheme("x-google-issuer: i")).locations, []);
}

#[test]
fn a_cookie_is_refused_with_the_reason() {
    for (text, pointer) in [
        (flat("[{cookie: session}]"), format!("{V2}/0/cookie")),
        (auth("[{cookie: session}]"), format!("{V3}/0/cookie")),
        (
            flat("[{header: Cookie, value_prefix: 'jwt='}]"),
            format!("{V2}/0/header"),
        ),
    ] {
        let feature = code::UNSUPPORTED_FEATURE;
        assert_found(
            &text,
            feature,
            &pointer,
            "not taken from cookies",
            "header: Authorization",
        );
    }
}

#[test]
fn a_header_can_be_sent_and_reaches_the_check() {
    for wrong in [
        "''",
        "'X Token'",
        "'X-Token:'",
        "'X\"'",
        "Tokén",
        "x_token",
        "'a/b'",
    ] {
        let text = flat(&format!("[{{header: {wrong}}}]"));
        let found = findings(&text);
        assert_eq!(found.len(), 1, "{wrong}: {found:#?}");
        assert_eq!(found[0].place.pointer, format!("{V2}/0/header"));
        assert!(
            found[0].message.contains("not the name of a header"),
            "{}",
            found[0]
        );
    }
    assert_invalid(
        &flat("[{header: 'X-Token:'}]"),
        &format!("{V2}/0/header"),
        "not the name of a header",
        "without the colon: `X-Token`",
    );
    for wrong in ["\"a\\r\\nb\"", "\"a\\nb\"", "\"a\\0\""] {
        let text = flat(&format!("[{{header: {wrong}}}]"));
        assert_invalid(
            &text,
            &format!("{V2}/0/header"),
            "control character",
            "one line",
        );
    }
    for taken in [
        "Host",
        "connection",
        "Content-Length",
        "Transfer-Encoding",
        "TE",
        "Trailer",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Expect",
        "X-HTTP-Method-Override",
        "X-Endpoint-API-UserInfo",
        "X-Forwarded-Authorization",
    ] {
        for (text, at) in [
            (flat(&format!("[{{header: {taken}}}]")), V2),
            (auth(&format!("[{{header: {taken}}}]")), V3),
        ] {
            assert_invalid(
                &text,
                &format!("{at}/0/header"),
                "cannot stand in the header",
                "of your own",
            );
        }
    }
}

#[test]
fn a_prefix_is_visible_and_does_not_begin_with_a_space() {
    let document = |prefix: &str| flat(&format!("[{{header: A, value_prefix: {prefix}}}]"));
    assert_eq!(locations(&document("''")), [header("A", "")]);
    assert_eq!(
        locations(&document("'Token=~ '")),
        [header("A", "Token=~ ")]
    );
    let at = format!("{V2}/0/value_prefix");
    for wrong in ["' Bearer'", "'Bärer '", "\"\\u00a0\""] {
        assert_invalid(
            &document(wrong),
            &at,
            "no header's value begins with",
            "visible ASCII",
        );
    }
    for wrong in ["\"a\\r\\n\"", "\"\\0\"", "\"a\\t\""] {
        assert_invalid(&document(wrong), &at, "control character", "one line");
    }
    assert_invalid(
        &document(&"a".repeat(257)),
        &at,
        "longer than 256 bytes",
        "shorten",
    );
    assert_invalid(&document("[a]"), &at, "must be text", "one text");
}

#[test]
fn each_item_is_one_place() {
    for (item, below, words, help) in [
        ("[]", "", "no token would ever be found", "the usual places"),
        ("{header: A}", "", "must be a list", "`-`"),
        ("text", "", "must be a list", "`-`"),
        ("[A]", "/0", "must be a mapping", "`header`"),
        (
            "[{}]",
            "/0",
            "neither `header` nor `query`",
            "- query: token",
        ),
        (
            "[{header: A, query: b}]",
            "/0",
            "both `header` and `query`",
            "one item for each",
        ),
        (
            "[{query: b, value_prefix: x}]",
            "/0/value_prefix",
            "belongs to a header",
            "remove it",
        ),
        (
            "[{headers: A}]",
            "/0/headers",
            "not a field",
            "did you mean `header`?",
        ),
        (
            "[{header: A, valuePrefix: b}]",
            "/0/valuePrefix",
            "not a field",
            "did you mean `value_prefix`?",
        ),
        ("[{header: 7}]", "/0/header", "must be text", "\"7\""),
        ("[{query: ''}]", "/0/query", "empty name", "access_token"),
        ("[{query: [a]}]", "/0/query", "must be text", "one text"),
        (
            "[{query: \"a\\0\"}]",
            "/0/query",
            "control character",
            "one line",
        ),
    ] {
        assert_invalid(&flat(item), &format!("{V2}{below}"), words, help);
    }
    assert_invalid(
        &auth("[{header: A, value_prefix: b}]"),
        &format!("{V3}/0/value_prefix"),
        "not a field",
        "did you mean `valuePrefix`?",
    );
    let many = format!("[{}]", "{query: a},".repeat(17));
    assert_invalid(&flat(&many), V2, "more than 16 items", "shorten");
    for name in ["header", "query"] {
        let long = format!("[{{{name}: {}}}]", "a".repeat(257));
        assert_invalid(
            &flat(&long),
            &format!("{V2}/0/{name}"),
            "longer than 256",
            "shorten",
        );
    }
}

#[test]
fn a_place_that_is_there_already_is_pointed_out() {
    let text = flat("[{header: X-Token}, {header: x-token}, {header: X-Token, value_prefix: a}]");
    assert_found(
        &text,
        "no-effect",
        &format!("{V2}/1"),
        "in the list already",
        "remove it",
    );
    let (read, _) = read_text(&text).unwrap();
    assert_eq!(read.jwt_scheme("s").unwrap().locations.len(), 2);
}
