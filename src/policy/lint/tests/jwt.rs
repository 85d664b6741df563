//! Issuers, keys, audiences, claims and placeholders.

use super::super::issuers::{Spelling, check_spelling};
use super::super::placeholders::placeholder;
use super::*;

#[test]
fn a_well_known_issuer_has_one_spelling() {
    for (written, right) in [
        (
            "https://accounts.google.com/",
            "https://accounts.google.com",
        ),
        ("http://accounts.google.com", "https://accounts.google.com"),
        (
            "securetoken.google.com/shop-1",
            "https://securetoken.google.com/shop-1",
        ),
        (
            "https://securetoken.google.com/shop-1/",
            "https://securetoken.google.com/shop-1",
        ),
        ("https://shop.us.auth0.com", "https://shop.us.auth0.com/"),
        ("shop.auth0.com", "https://shop.auth0.com/"),
        (
            "https://shop.okta.com/oauth2/default/",
            "https://shop.okta.com/oauth2/default",
        ),
        (
            "https://login.microsoftonline.com/1234/v2.0/",
            "https://login.microsoftonline.com/1234/v2.0",
        ),
        (
            "https://sts.windows.net/1234",
            "https://sts.windows.net/1234/",
        ),
        (
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc/",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc",
        ),
        (
            "https://id.example.com/realms/shop/",
            "https://id.example.com/realms/shop",
        ),
        (
            "https://me@shop.iam.gserviceaccount.com",
            "me@shop.iam.gserviceaccount.com",
        ),
    ] {
        match check_spelling(written) {
            Some(Spelling::Other { issuer, .. }) => assert_eq!(issuer, right),
            other => panic!("{written}: {other:?}"),
        }
        assert_eq!(check_spelling(right), None, "{right}");
    }
    for fine in [
        "accounts.google.com",
        "https://issuer.example.com/",
        "http://keycloak:8080/realms/shop",
        "https://shop.auth0.com/authorize",
        "me@example.com",
        "anything",
        "",
        "://",
    ] {
        assert_eq!(check_spelling(fine), None, "{fine}");
    }
    assert_eq!(
        check_spelling("https://login.microsoftonline.com/common/v2.0"),
        Some(Spelling::SeveralTenants)
    );
    assert_eq!(
        check_spelling("https://shop.auth0.com/.well-known/openid-configuration"),
        Some(Spelling::DiscoveryDocument {
            issuer: String::from("https://shop.auth0.com/")
        })
    );
}

#[test]
fn what_templates_leave_to_fill_in_is_found_and_names_are_not() {
    for (text, piece) in [
        (
            "echo.endpoints.your-project-id.cloud.goog",
            "your-project-id",
        ),
        ("https://YOUR-ACCOUNT-NAME.auth0.com/", "YOUR-ACCOUNT-NAME"),
        ("YOUR_CLIENT_ID", "YOUR_CLIENT_ID"),
        ("https://yourdomain.auth0.com/", "yourdomain"),
        ("https://securetoken.google.com/PROJECT_ID", "PROJECT_ID"),
        ("my-project-id.appspot.com", "my-project-id"),
        (
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "{tenantid}",
        ),
        ("https://${HOST}/keys", "{HOST}"),
        ("{{ issuer }}", "{{ issuer }"),
        ("https://<TENANT>.auth0.com/", "<TENANT>"),
        ("[PROJECT]", "[PROJECT]"),
        ("http://changeme:8080", "changeme"),
    ] {
        assert_eq!(placeholder(text), Some(piece), "{text}");
    }
    for text in [
        "bookstore.example.com",
        "https://your-bookstore.example.com",
        "yours.example.com",
        "http://[::1]:8080",
        "http://[fe80::1]:8080",
        "1234-abcd.apps.googleusercontent.com",
        "https://clients.example.com/project/7",
        "todos.example.com",
        "",
        "<>",
        "}{",
    ] {
        assert_eq!(placeholder(text), None, "{text}");
    }
}

#[test]
fn one_placeholder_in_many_places_is_one_finding() {
    let document = "swagger: '2.0'\nhost: a.YOUR-PROJECT-ID.example.com\nsecurityDefinitions:\n  s: {type: oauth2, x-google-issuer: 'https://securetoken.google.com/YOUR-PROJECT-ID', x-google-jwks_uri: 'https://k.example.com', x-google-audiences: YOUR-PROJECT-ID}\nsecurity: [{s: []}]\npaths: {/a: {get: {}}}\n";
    let found = only("placeholder", document, json!({}));
    assert_eq!(found.place.pointer, "/host");
    assert!(found.message.contains("`YOUR-PROJECT-ID`"), "{found}");
    assert_eq!(found.related.len(), 2, "{found:#?}");
}

/// The one scheme of a document.
fn scheme(fields: &str) -> String {
    format!(
        "swagger: '2.0'\nhost: a.example.com\nsecurityDefinitions:\n  s: {{type: oauth2, {fields}}}\nsecurity: [{{s: []}}]\npaths: {{/a: {{get: {{}}}}}}\n"
    )
}

#[test]
fn keys_of_somebody_else_are_found() {
    let keys = |issuer: &str, uri: &str| {
        findings(
            &scheme(&format!(
                "x-google-issuer: '{issuer}', x-google-jwks_uri: '{uri}', x-google-audiences: a"
            )),
            json!({}),
        )
        .iter()
        .map(|finding| finding.code)
        .collect::<Vec<_>>()
    };
    let account = "https://www.googleapis.com/robot/v1/metadata/x509/";
    let wrong = ["jwks-uri-mismatch"];
    let fine: [&str; 0] = [];
    let me = "me@shop.iam.gserviceaccount.com";
    assert_eq!(keys(me, &format!("{account}{me}")), fine);
    assert_eq!(
        keys(me, &format!("{account}you@shop.iam.gserviceaccount.com")),
        wrong
    );
    assert_eq!(
        keys(
            "https://a.auth0.com/",
            "https://b.auth0.com/.well-known/jwks.json"
        ),
        wrong
    );
    assert_eq!(
        keys(
            "https://issuer.example.com",
            "https://issuer.example.com/.well-known/openid-configuration"
        ),
        wrong
    );
    assert_eq!(
        keys(
            "https://issuer.example.com",
            "https://www.googleapis.com/oauth2/v3/certs"
        ),
        fine
    );
    assert_eq!(
        keys("https://issuer.example.com", "http://127.0.0.1:9000/keys"),
        fine
    );
    assert_eq!(
        keys("https://issuer.example.com", "http://keys"),
        ["http-jwks-uri"]
    );
}

#[test]
fn keys_of_the_resource_count_in_place_of_the_documents() {
    let document = scheme(
        "x-google-issuer: i, x-google-jwks_uri: 'http://keys.example.com', x-google-audiences: a",
    );
    let jwt = |uri: &str| json!({"jwt": {"issuers": [{"issuer": "i", "jwksUri": uri}]}});
    assert_eq!(findings(&document, jwt("https://keys.example.com")), []);
    let found = only("http-jwks-uri", &document, jwt("http://other.example.com"));
    assert_eq!(found.place.pointer, "/spec/jwt/issuers/0/jwksUri");
}

#[test]
fn audiences_that_no_token_holds_are_found_and_the_switch_is_respected() {
    let google = |audiences: &str| {
        scheme(&format!(
            "x-google-issuer: 'https://accounts.google.com', x-google-jwks_uri: 'https://www.googleapis.com/oauth2/v3/certs'{audiences}"
        ))
    };
    let unchecked = json!({"jwt": {"audiences": "Unchecked"}});
    let missing = only("missing-audiences", &google(""), json!({}));
    assert!(
        missing.message.contains("`https://a.example.com`"),
        "{missing}"
    );
    only(
        "missing-audiences",
        &google(", x-google-audiences: ','"),
        json!({}),
    );
    assert_eq!(findings(&google(""), unchecked.clone()), []);
    assert_eq!(
        findings(&google(", x-google-audiences: ','"), unchecked),
        []
    );
    for (audience, words) in [
        ("a b", "a space"),
        ("https://*.example.com", "`*`"),
        ("[\"a\"]", "a bracket"),
        ("https://a.example.com/", "ends with a slash"),
    ] {
        let document = google(&format!(", x-google-audiences: '{audience}'"));
        let found = only("audience-spelling", &document, json!({}));
        assert!(found.message.contains(words), "{found}");
    }
}

#[test]
fn claims_are_spoken_of_only_where_somebody_lists_them() {
    let document = with_schemes("", "security: [{shop: []}]\npaths: {/a: {get: {}}}\n");
    let claims = |list: Value| findings(&document, json!({"jwt": {"requiredClaims": list}}));
    assert_eq!(findings(&document, json!({})), []);
    assert_eq!(claims(json!(["exp", "sub", "iat"])), []);
    let message = claims(json!([]))[0].message.clone();
    assert!(
        message.contains("`exp`, `sub`, `iat`") && message.contains("for ever"),
        "{message}"
    );
    assert!(
        claims(json!(["exp"]))[0]
            .message
            .contains("without `sub`, `iat`")
    );
}
