//! Issuers, keys and audiences.

use super::*;

fn audiences(mode: &str, list: &str) -> Option<Vec<String>> {
    let mut spec = bookstore(json!({"jwt": {"audiences": mode}}));
    let document = BOOKSTORE.replace("\"a.example.com, https://b.example.com\"", list);
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
fn a_key_set_that_cannot_be_used_is_refused_at_its_place() {
    let bad = BOOKSTORE.replace("https://www.googleapis.com", "www.googleapis.com");
    let findings = compile(&inline(&bad), &identity()).unwrap_err();
    assert_eq!(
        findings[0].place.position.map(|p| (p.line, p.column)),
        Some((12, 24))
    );
}

#[test]
fn a_scheme_that_nothing_demands_is_a_warning_and_no_provider() {
    let document = BOOKSTORE.replace(
        "  google:\n",
        "  staff: {type: oauth2, x-google-issuer: s}\n  google:\n",
    );
    let compiled = compile(&inline(&document), &identity()).unwrap();
    assert_eq!(
        compiled.policy.providers.into_keys().collect::<Vec<_>>(),
        ["google"]
    );
    assert_eq!(compiled.warnings[0].code, "unused-scheme");
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
