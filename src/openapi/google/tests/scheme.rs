use super::super::super::description::SchemeKind;
use super::*;

const V2: &str = "/securityDefinitions/s";
const V3: &str = "/components/securitySchemes/s";

#[test]
fn the_old_names_and_the_new_ones_say_the_same() {
    for text in [
        v2_scheme("x-google-issuer: 'https://i', x-google-jwks_uri: 'https://i/keys'"),
        v2_scheme("x-issuer: 'https://i', x-jwks_uri: 'https://i/keys'"),
        v2_scheme(
            "x-issuer: 'https://i', x-google-issuer: 'https://i', x-jwks_uri: 'https://i/keys'",
        ),
        v3_scheme("x-google-auth: {issuer: 'https://i', jwksUri: 'https://i/keys'}"),
        v3_scheme("x-google-issuer: 'https://i', x-google-jwks_uri: 'https://i/keys'"),
        v3_scheme("x-google-issuer: 'https://i', x-google-auth: {jwksUri: 'https://i/keys'}"),
        v3_scheme(
            "x-google-issuer: 'https://i', x-google-auth: {issuer: 'https://i', jwksUri: 'https://i/keys'}",
        ),
    ] {
        let read = scheme(&text);
        assert_eq!(read.issuer, "https://i", "{text}");
        assert_eq!(read.jwks_uri.as_deref(), Some("https://i/keys"), "{text}");
        assert!(read.issuer_place.pointer.ends_with("ssuer"), "{text}");
        assert!(
            read.jwks_uri_place.pointer.to_lowercase().contains("uri"),
            "{text}"
        );
        assert_eq!((read.audiences.len(), read.locations.len()), (0, 0));
    }
}

#[test]
fn keys_are_discovered_when_no_uri_is_written() {
    for text in [
        v2_scheme("x-google-issuer: i"),
        v2_scheme("x-google-issuer: i, x-google-jwks_uri: ''"),
        v3_scheme("x-google-auth: {issuer: i}"),
        v3_scheme("x-google-auth: {issuer: i, jwksUri: ''}"),
    ] {
        let read = scheme(&text);
        assert_eq!(read.jwks_uri, None, "{text}");
        assert!(read.jwks_uri_place.pointer.ends_with("/s"), "{text}");
    }
}

#[test]
fn without_issuer_nothing_can_be_checked() {
    for text in [
        v2_scheme("x-google-jwks_uri: 'https://i'"),
        v3_scheme("x-google-auth: {jwksUri: 'https://i'}"),
        v3_scheme("x-google-auth: {}"),
    ] {
        let read = description(&text);
        let kind = &read.scheme("s").unwrap().kind;
        assert!(
            matches!(kind, SchemeKind::Unenforceable { .. }),
            "{text}: {kind:?}"
        );
    }
}

#[test]
fn two_spellings_that_differ_are_refused() {
    for (text, pointer, help) in [
        (
            v2_scheme("x-google-issuer: i, x-issuer: j"),
            format!("{V2}/x-issuer"),
            "keep `x-google-issuer`",
        ),
        (
            v2_scheme("x-google-issuer: i, x-google-jwks_uri: a, x-jwks_uri: b"),
            format!("{V2}/x-jwks_uri"),
            "keep `x-google-jwks_uri`",
        ),
        (
            v3_scheme("x-google-issuer: i, x-google-auth: {issuer: j}"),
            format!("{V3}/x-google-issuer"),
            "keep `issuer` of `x-google-auth`",
        ),
        (
            v3_scheme("x-google-issuer: i, x-google-jwks_uri: a, x-google-auth: {jwksUri: b}"),
            format!("{V3}/x-google-jwks_uri"),
            "keep `jwksUri`",
        ),
        (
            v3_scheme("x-google-issuer: i, x-google-audiences: a, x-google-auth: {audiences: [b]}"),
            format!("{V3}/x-google-audiences"),
            "keep `audiences`",
        ),
        (
            v3_scheme(
                "x-google-issuer: i, x-google-jwt-locations: [{query: a}], x-google-auth: {jwtLocations: [{query: b}]}",
            ),
            format!("{V3}/x-google-jwt-locations"),
            "keep `jwtLocations`",
        ),
    ] {
        assert_invalid(&text, &pointer, "differ", help);
    }
    let same = "x-google-issuer: i, x-google-audiences: 'a,b', x-google-jwt-locations: [{query: a}], \
                x-google-auth: {audiences: [a, b], jwtLocations: [{query: a}]}";
    assert_eq!(scheme(&v3_scheme(same)).audiences, ["a", "b"]);
}

#[test]
fn wrong_kinds_and_sizes_are_refused() {
    for name in ["x-google-issuer", "x-issuer"] {
        for (value, words, help) in [
            ("''", "is empty", "what tokens hold as `iss`"),
            ("' i'", "spaces around it", "exactly"),
            ("[i]", "must be text", "one text"),
            ("7", "must be text", "\"7\""),
            ("\"a\\nb\"", "control character", "one line"),
        ] {
            let text = v2_scheme(&format!("{name}: {value}"));
            assert_invalid(&text, &format!("{V2}/{name}"), words, help);
        }
    }
    let long = "a".repeat(4097);
    for name in ["x-google-issuer", "x-google-jwks_uri"] {
        let text = v2_scheme(&format!("{name}: {long}"));
        assert_invalid(
            &text,
            &format!("{V2}/{name}"),
            "longer than 4096 bytes",
            "shorten",
        );
    }
    for (value, below, words, help) in [
        ("[a]", "", "must be a mapping", "`issuer`, `jwksUri`"),
        ("text", "", "must be a mapping", "`issuer`, `jwksUri`"),
        ("{issuer: ' i'}", "/issuer", "spaces around it", "exactly"),
        ("{issuer: [i]}", "/issuer", "must be text", "one text"),
        ("{jwksUri: 7}", "/jwksUri", "must be text", "\"7\""),
        (
            "{jwks_uri: a}",
            "/jwks_uri",
            "not a field",
            "did you mean `jwksUri`?",
        ),
        ("{scope: a}", "/scope", "not a field", "`jwtLocations`"),
    ] {
        let text = v3_scheme(&format!("x-google-auth: {value}"));
        assert_invalid(&text, &format!("{V3}/x-google-auth{below}"), words, help);
    }
}

#[test]
fn a_wrong_scheme_is_broken_and_found_once() {
    let text = format!(
        "{}security: [{{s: []}}]\n",
        v2_scheme("x-google-issuer: [i]")
    );
    assert_eq!(findings(&text).len(), 1);
}
