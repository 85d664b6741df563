//! Where keys come from, and where tokens are looked for.

use super::described::*;
use super::*;
use crate::openapi::description::{
    JwtScheme, Operation, Scheme, SchemeKind, TokenLocation as Written, WrittenLocation,
};
use crate::policy::format::TokenLocation;

fn with(change: impl FnOnce(&mut JwtScheme)) -> Description {
    let mut scheme = scheme("one");
    let SchemeKind::Jwt(jwt) = &mut scheme.kind else {
        panic!("not a JWT scheme")
    };
    change(jwt);
    let operation = Operation {
        security: described::security(&[&["one"]]),
        ..operation("GET", "/a")
    };
    description(vec![operation], vec![scheme])
}

fn of_issuer(issuer: &str) -> Description {
    with(|jwt| {
        jwt.issuer = issuer.to_owned();
        jwt.jwks_uri = None;
    })
}

fn keys(description: &Description) -> KeySource {
    let (policy, _) = policy(description, json!({}));
    policy.providers["one"].keys.clone()
}

#[test]
fn keys_are_discovered_below_the_issuer() {
    for (issuer, url, named) in [
        (
            "https://i.example",
            "https://i.example",
            "https://i.example",
        ),
        (
            "https://i.example/",
            "https://i.example",
            "https://i.example/",
        ),
        (
            "https://i.example/r/x",
            "https://i.example/r/x",
            "https://i.example/r/x",
        ),
        (
            "http://i.example:8080",
            "http://i.example:8080",
            "http://i.example:8080",
        ),
        ("i.example", "https://i.example", "i.example"),
        ("i.example/r/", "https://i.example/r", "i.example/r/"),
        (
            "accounts.google.com",
            "https://accounts.google.com",
            "https://accounts.google.com",
        ),
        (
            "https://accounts.google.com",
            "https://accounts.google.com",
            "https://accounts.google.com",
        ),
    ] {
        let expected = KeySource::Discovery {
            url: format!("{url}/.well-known/openid-configuration"),
            issuer: named.to_owned(),
        };
        assert_eq!(keys(&of_issuer(issuer)), expected, "{issuer}");
    }
    let named = with(|jwt| {
        jwt.jwks_uri = None;
        jwt.discovery_url = Some(String::from("https://I.example/d"));
    });
    let expected = KeySource::Discovery {
        url: String::from("https://i.example/d"),
        issuer: String::from("https://one.example"),
    };
    assert_eq!(keys(&named), expected);
}

#[test]
fn the_keys_of_a_service_account_are_googles() {
    let account = "robot-1@shop.iam.gserviceaccount.com";
    let url = format!("https://www.googleapis.com/service_accounts/v1/jwk/{account}");
    assert_eq!(keys(&of_issuer(account)), KeySource::Url(url));
}

#[test]
fn an_issuer_that_leads_nowhere_names_the_way_out() {
    for issuer in [
        "shop",
        "kubernetes/serviceaccount",
        "team:app",
        "urn:x:y",
        "ftp://i.example",
        "https://i.example?x",
        "https://me:pw@i.example",
        "a b.example",
        "a@b@c.example",
        "@x.example",
        "https://",
        "..",
        "i.example:99999",
    ] {
        let finding = refusal(&of_issuer(issuer), json!({}));
        assert_eq!(finding.code, code::INVALID_OPENAPI);
        assert!(
            finding.place.pointer.ends_with("/x-google-issuer"),
            "{finding}"
        );
        let help = finding.help.as_deref().unwrap_or_default();
        assert!(
            help.contains("jwt.issuers[].jwksUri"),
            "{issuer}: {finding}"
        );
        assert!(help.contains("x-google-jwks_uri"), "{issuer}: {finding}");
    }
}

#[test]
fn the_issuer_of_any_tenant_names_the_way_out() {
    for issuer in [
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/organizations/v2.0",
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://sts.windows.net/<tenant>/",
    ] {
        let finding = refusal(&of_issuer(issuer), json!({}));
        let help = finding.help.as_deref().unwrap_or_default();
        assert!(help.contains("tenant's id"), "{finding}");
        assert!(help.contains("jwt.issuers[].jwksUri"), "{finding}");
    }
    keys(&of_issuer("https://login.microsoftonline.com/7a1b/v2.0"));
    // With keys that are named, nothing is discovered.
    keys(&with(|jwt| {
        jwt.issuer = String::from("https://login.microsoftonline.com/common/v2.0");
    }));
}

#[test]
fn the_resources_keys_go_before_the_documents() {
    let description = of_issuer("shop");
    let fields = json!({"jwt": {"issuers": [{"issuer": "shop", "jwksUri": "https://k.example/"}]}});
    let (policy, _) = policy(&description, fields);
    let expected = KeySource::Url(String::from("https://k.example/"));
    assert_eq!(policy.providers["one"].keys, expected);
}

fn at(locations: &[Written]) -> Description {
    with(|jwt| {
        jwt.locations = locations
            .iter()
            .enumerate()
            .map(|(index, location)| WrittenLocation {
                location: location.clone(),
                place: place(&format!("/locations/{index}")),
            })
            .collect();
    })
}

fn header(name: &str, prefix: &str) -> Written {
    Written::Header {
        name: name.to_owned(),
        value_prefix: prefix.to_owned(),
    }
}

fn query(name: &str) -> Written {
    Written::Query {
        name: name.to_owned(),
    }
}

#[test]
fn tokens_are_looked_for_where_the_document_says_in_its_order() {
    let written = [
        query("t"),
        header("X-Token", ""),
        header("x-token", ""),
        header("X-Token", "Bearer "),
    ];
    let (policy, warnings) = policy(&at(&written), json!({}));
    let header = |prefix: &str| TokenLocation::Header {
        name: String::from("x-token"),
        value_prefix: prefix.to_owned(),
    };
    assert_eq!(
        policy.providers["one"].locations,
        [
            TokenLocation::Query(String::from("t")),
            header(""),
            header("Bearer ")
        ]
    );
    assert_eq!(warnings, ["no-effect"]);
}

#[test]
fn a_place_that_no_request_has_is_refused() {
    for (written, words) in [
        (header("X Token", ""), "name of a header"),
        (header("", ""), "name of a header"),
        (header("X-Tök", ""), "name of a header"),
        (header("X\r\nY", ""), "name of a header"),
        (header("X-Token", "Bearer\n"), "before its token"),
        (header("X-Token", "Träger "), "before its token"),
        (query(""), "query parameter"),
        (query("a\u{0}"), "query parameter"),
        (header(&"x".repeat(300), ""), "name of a header"),
    ] {
        let finding = refusal(&at(&[query("fine"), written]), json!({}));
        assert!(finding.message.contains(words), "{finding}");
        assert_eq!(finding.place.pointer, "/locations/1");
    }
    let many: Vec<_> = (0..17).map(|number| query(&format!("q{number}"))).collect();
    let finding = refusal(&at(&many), json!({}));
    assert_eq!(finding.place.pointer, "/locations/16");
}

#[test]
fn an_audience_that_is_nothing_is_refused() {
    let empty = with(|jwt| jwt.audiences = vec![String::from("https://")]);
    let finding = refusal(&empty, json!({"jwt": {"audiences": "Unchecked"}}));
    assert!(finding.message.contains("names no audience"), "{finding}");
}

/// The proxy reads audiences as it reads those of tokens: what it would read otherwise than the compiler
/// would be for somebody else.
#[test]
fn an_audience_that_would_be_read_as_another_is_refused() {
    for audience in [
        "https:////",
        "https://https://x",
        "x//",
        "http://https://x/",
    ] {
        let odd = with(|jwt| jwt.audiences = vec![String::from(audience)]);
        let finding = refusal(&odd, json!({}));
        assert!(finding.message.contains("two"), "{audience}: {finding}");
    }
}

/// Two schemes of one issuer have one key set.
#[test]
fn schemes_share_what_they_name_alike() {
    let google = |name: &str, issuer: &str| -> Scheme {
        let mut scheme = scheme(name);
        if let SchemeKind::Jwt(jwt) = &mut scheme.kind {
            jwt.issuer = issuer.to_owned();
            jwt.jwks_uri = None;
        }
        scheme
    };
    let operation = Operation {
        security: described::security(&[&["a"], &["b"]]),
        ..operation("GET", "/a")
    };
    let schemes = vec![
        google("a", "accounts.google.com"),
        google("b", "https://accounts.google.com"),
    ];
    let (policy, _) = policy(&description(vec![operation], schemes), json!({}));
    assert_eq!(policy.providers["a"].keys, policy.providers["b"].keys);
}
