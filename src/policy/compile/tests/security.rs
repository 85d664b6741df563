//! Who may call: alternatives, schemes demanded together, scopes.

use std::sync::Arc;

use super::described::*;
use super::*;
use crate::openapi::description::{Operation, Scheme, SchemeKind};
use crate::policy::format::{Alternative, Requirement};

fn demanding(alternatives: &[&[&str]]) -> Operation {
    Operation {
        security: described::security(alternatives),
        ..operation("GET", "/a")
    }
}

fn schemes() -> Vec<Scheme> {
    vec![scheme("one"), scheme("two"), api_key("key")]
}

fn demands(alternatives: &[&[&str]]) -> (Vec<Alternative>, Vec<&'static str>) {
    let description = description(vec![demanding(alternatives)], schemes());
    let (policy, warnings) = policy(&description, json!({}));
    let security = policy.operations[0].security.clone();
    (security, warnings)
}

fn refused(alternatives: &[&[&str]]) -> Diagnostic {
    let description = description(vec![demanding(alternatives)], schemes());
    refusal(&description, json!({}))
}

fn plain(name: &str) -> Requirement {
    Alternative::of(name).0.remove(0)
}

#[test]
fn alternatives_stay_in_order_and_none_comes_twice() {
    let (security, warnings) = demands(&[&["two"], &["one"], &["two"]]);
    assert_eq!(security, [Alternative::of("two"), Alternative::of("one")]);
    assert_eq!(warnings, Vec::<&str>::new());
    assert_eq!(demands(&[]).0, []);
}

#[test]
fn schemes_of_one_alternative_are_demanded_together() {
    let (security, _) = demands(&[&["two", "one"]]);
    // A mapping has no order.
    assert_eq!(security, [Alternative(vec![plain("one"), plain("two")])]);
}

#[test]
fn more_tokens_at_once_than_are_looked_at_are_refused() {
    let names: Vec<_> = (0..9).map(|number| format!("s{number}")).collect();
    let together: Vec<_> = names.iter().map(String::as_str).collect();
    let schemes: Vec<_> = names.iter().map(|name| scheme(name)).collect();
    let described = |together: &[&str]| description(vec![demanding(&[together])], schemes.clone());
    policy(&described(&together[1..]), json!({}));
    let finding = refusal(&described(&together), json!({}));
    assert_eq!(finding.code, code::UNSUPPORTED_SECURITY);
    assert!(finding.message.contains("more than 8 tokens"), "{finding}");
}

#[test]
fn an_empty_alternative_makes_a_token_optional() {
    let (security, _) = demands(&[&["one"], &[]]);
    assert_eq!(security, [Alternative::of("one"), Alternative(Vec::new())]);
}

#[test]
fn an_api_key_alone_is_refused_with_place_and_remedy() {
    let finding = refused(&[&["key"]]);
    assert_eq!(finding.code, code::UNSUPPORTED_SECURITY);
    assert_eq!(finding.place.pointer, "/security/0/key");
    assert!(
        finding.message.contains("`key` has `type: apiKey`"),
        "{finding}"
    );
    assert_eq!(finding.help.as_deref(), Some("demand a JWT"));
    assert_eq!(finding.related[0].0.pointer, "/securityDefinitions/key");
}

/// An operation that demands a token and a key must not be open to those who have the token alone.
#[test]
fn a_key_beside_a_token_of_one_alternative_is_refused() {
    for together in [["one", "key"], ["key", "one"]] {
        let finding = refused(&[&together]);
        assert_eq!(finding.code, code::UNSUPPORTED_SECURITY);
        assert!(finding.message.contains("`key`"), "{finding}");
    }
}

#[test]
fn an_alternative_that_cannot_be_enforced_is_left_out_while_another_one_remains() {
    for left_out in [&["key"][..], &["two", "key"]] {
        let (security, warnings) = demands(&[left_out, &["one"]]);
        assert_eq!(security, [Alternative::of("one")]);
        assert_eq!(warnings, ["alternative-left-out"]);
    }
    let description = description(vec![demanding(&[&["key"], &["one"]])], schemes());
    let warnings = described::outcome(&description, json!({}))
        .unwrap()
        .warnings;
    let left_out = warnings
        .iter()
        .find(|found| found.code == "alternative-left-out");
    let left_out = left_out.unwrap();
    assert_eq!(left_out.place.pointer, "/security/0/key");
    assert!(
        left_out
            .message
            .contains("only the others let a request in")
    );
    assert!(left_out.help.is_some() && !left_out.related.is_empty());
}

/// Its keys are not needed, so nothing is wrong with them either.
#[test]
fn a_scheme_of_a_left_out_alternative_is_no_provider() {
    let mut broken = scheme("two");
    if let SchemeKind::Jwt(jwt) = &mut broken.kind {
        jwt.jwks_uri = Some(String::from("no URL"));
    }
    let schemes = || vec![scheme("one"), broken.clone(), api_key("key")];
    let left_out = description(vec![demanding(&[&["one"], &["two", "key"]])], schemes());
    let (policy, warnings) = policy(&left_out, json!({}));
    assert_eq!(policy.providers.keys().collect::<Vec<_>>(), ["one"]);
    assert_eq!(warnings, ["alternative-left-out"]);
    let demanded = description(vec![demanding(&[&["one"], &["two"]])], schemes());
    assert!(refusal(&demanded, json!({})).message.contains("`no URL`"));
}

#[test]
fn an_unknown_scheme_is_refused_whatever_stands_beside_it() {
    for alternatives in [
        &[&["three"][..]][..],
        &[&["one"], &["three"]],
        &[&["one", "three"]],
        &[&["key", "three"], &["one"]],
    ] {
        let finding = refused(alternatives);
        assert_eq!(finding.code, code::UNSUPPORTED_SECURITY);
        assert!(finding.message.contains("no security scheme `three`"));
        assert_eq!(
            finding.help.as_deref(),
            Some("define it, or use one that is: `key`, `one`, `two`")
        );
    }
    let none = description(vec![demanding(&[&["three"]])], Vec::new());
    let help = refusal(&none, json!({})).help.unwrap();
    assert!(help.contains("has no security schemes"), "{help}");
}

/// The reader has said what is wrong with it: a document that it let through anyway is not opened.
#[test]
fn a_broken_scheme_never_opens_an_operation() {
    let mut broken = scheme("broken");
    broken.kind = SchemeKind::Broken;
    let description = description(vec![demanding(&[&["broken"]])], vec![scheme("one"), broken]);
    let compiled = described::outcome(&description, json!({}));
    assert!(compiled.is_err(), "{compiled:?}");
}

#[test]
fn scopes_are_demanded_unless_they_are_ignored() {
    let description = description(vec![demanding(&[&["one:write,read,read"]])], schemes());
    let of = |fields: Value| policy(&description, fields).0;
    let enforced = [
        json!({}),
        json!({"jwt": {"scopes": "Enforce"}}),
        json!({"jwt": {"scopes": null}}),
    ];
    for fields in enforced {
        let policy = of(fields);
        let Alternative(requirements) = &policy.operations[0].security[0];
        assert_eq!(
            requirements[0].scopes.iter().collect::<Vec<_>>(),
            ["read", "write"]
        );
        assert_eq!(policy.format, 2);
    }
    let ignored = of(json!({"jwt": {"scopes": "Ignore"}}));
    assert_eq!(ignored.operations[0].security, [Alternative::of("one")]);
    assert_eq!(ignored.format, 1);
}

#[test]
fn a_scope_that_no_token_can_have_is_refused() {
    for scope in [
        "one:two words",
        "one:a\"b",
        "one:a\\b",
        "one:ü",
        "one:a\r\nb",
    ] {
        let finding = refused(&[&[scope]]);
        assert!(finding.message.contains("is not a scope"), "{finding}");
        assert_eq!(finding.place.pointer, "/security/0/one");
        let description = description(vec![demanding(&[&[scope]])], schemes());
        policy(&description, json!({"jwt": {"scopes": "Ignore"}}));
    }
}

#[test]
fn audiences_of_an_operation_are_compared_as_all_are() {
    let audiences = |list: &[&str]| {
        let mut operation = demanding(&[&["one"]]);
        let security = Arc::make_mut(&mut operation.security);
        security.alternatives[0].requirements[0].audiences =
            Some(list.iter().copied().map(str::to_owned).collect());
        description(vec![operation], schemes())
    };
    let of = |list: &[&str]| {
        let (policy, _) = policy(&audiences(list), json!({}));
        let Alternative(requirements) = &policy.operations[0].security[0];
        let audiences = requirements[0].audiences.clone();
        audiences.map(|list| list.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(
        of(&["https://z.example/", "a"]),
        Some(vec![String::from("a"), String::from("z.example")])
    );
    // Google's: an empty list overrides nothing.
    assert_eq!(of(&[]), None);
    let finding = refusal(&audiences(&["https://"]), json!({}));
    assert!(finding.message.contains("names no audience"), "{finding}");
}

/// Ten thousand operations under one `security` are one finding, and one judgement.
#[test]
fn what_many_operations_share_is_judged_once() {
    let shared = described::security(&[&["one"], &["key"]]);
    let operations = (0..10_000)
        .map(|number| Operation {
            security: shared.clone(),
            ..operation("GET", &format!("/{number}"))
        })
        .collect();
    let description = description(operations, schemes());
    let (policy, warnings) = policy(&description, json!({}));
    assert_eq!(policy.operations.len(), 10_000);
    assert_eq!(warnings, ["alternative-left-out"]);
}
