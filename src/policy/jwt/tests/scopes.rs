//! Scopes that an operation demands.

use super::*;

fn demanding(scopes: &[&str]) -> Operation {
    let mut operation = Operation::of(&signer());
    operation.demand(&[&[with_scopes("p0", scopes)]]);
    operation
}

/// The reason of a refusal, none if the token is let in.
fn told(operation: &mut Operation, claims: &Value) -> Option<Reason> {
    match operation.bearer(&signer().token(claims)) {
        Authentication::Verified { .. } => None,
        other => Some(refusal(other).reason),
    }
}

#[test]
fn all_scopes_must_be_there_in_any_form() {
    let mut operation = demanding(&["read", "write"]);
    for (name, value) in [
        ("scope", json!("read write")),
        ("scope", json!("  write other  read ")),
        ("scp", json!("write read")),
        ("scp", json!(["read", "write", "x y"])),
        ("scope", json!(["write", "read"])),
    ] {
        let reason = told(&mut operation, &with(name, value.clone()));
        assert_eq!(reason, None, "{name} {value}");
    }
    let mut apart = with("scope", json!("read"));
    apart["scp"] = json!(["write"]);
    assert_eq!(told(&mut operation, &apart), None);
}

#[test]
fn whatever_else_grants_nothing() {
    let mut operation = demanding(&["read", "write"]);
    for (name, value) in [
        ("scope", json!("read")),
        ("scope", json!("")),
        ("scope", json!(7)),
        ("scope", json!(null)),
        ("scope", json!({"read": true, "write": true})),
        ("scope", json!(["read write"])),
        ("scope", json!(["read", ["write"]])),
        ("scope", json!("READ WRITE")),
        ("scope", json!("read,write")),
        ("scope", json!("read\twrite")),
        ("scope", json!("readwrite")),
        ("scp", json!([["read", "write"]])),
        ("scp", json!(["read", "write", 7])),
        ("scp", json!(["read write"])),
        ("scopes", json!("read write")),
    ] {
        let reason = told(&mut operation, &with(name, value.clone()));
        assert_eq!(reason, Some(Reason::TokenScope), "{name} {value}");
    }
    assert_eq!(told(&mut operation, &claims()), Some(Reason::TokenScope));
    // A claim of another type is no fault where no scope is demanded.
    operation.demand(&[&[of("p0")]]);
    let odd = with("scope", json!(7));
    assert_eq!(told(&mut operation, &odd), None);
    // Repeated claims are refused, or two parsers would disagree about what is granted.
    let twice =
        with("scope", json!("read write"))
            .to_string()
            .replacen('{', r#"{"scope":"read","#, 1);
    let token = signer().token_of_text(r#"{"alg":"ES256","kid":"a"}"#, &twice);
    operation.refuses(
        &token,
        Reason::TokenMalformed,
        "Jwt payload is an invalid JSON",
    );
}

#[test]
fn a_missing_scope_is_told_to_a_token_that_is_believed() {
    let signer = signer();
    let mut operation = demanding(&["write", "read"]);
    let refused = refusal(operation.bearer(&signer.token(&claims())));
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.message, "Jwt does not have the scopes required");
    let challenge = Challenge::InsufficientScope {
        scope: "read write".into(),
    };
    assert_eq!(refused.challenge, Some(challenge));

    let (signed, other) = (
        signer.token(&claims()),
        signer.token(&with("sub", json!("you"))),
    );
    let signature = other.rsplit_once('.').unwrap().1;
    let forged = format!("{}.{signature}", signed.rsplit_once('.').unwrap().0);
    assert_eq!(
        refusal(operation.bearer(&forged)).reason,
        Reason::TokenSignature
    );
    let elsewhere = signer.token(&with("aud", json!("other")));
    assert_eq!(
        refusal(operation.bearer(&elsewhere)).reason,
        Reason::TokenAudience
    );
}

#[test]
fn a_remembered_token_is_asked_for_its_scopes_again() {
    let signer = signer();
    let mut operation = demanding(&["read"]);
    let token = signer.token(&with("scope", json!("read")));
    for (scopes, passes) in [(&["read"][..], true), (&["write"], false), (&[], true)] {
        operation.demand(&[&[with_scopes("p0", scopes)]]);
        let authentication = operation.bearer(&token);
        assert_eq!(
            matches!(authentication, Authentication::Verified { .. }),
            passes,
            "{scopes:?}"
        );
        assert_eq!(operation.cache.entries(), 1);
    }
}

#[test]
fn the_alternative_with_fewer_scopes_is_enough() {
    let signer = signer();
    let mut operation = demanding(&[]);
    let (admin, read) = (with_scopes("p0", &["admin"]), with_scopes("p0", &["read"]));
    operation.demand(&[std::slice::from_ref(&admin), &[read]]);
    let token = signer.token(&with("scope", json!("read")));
    verified(operation.bearer(&token));
    // A token without any is told of the last alternative; and is not let in as no token would be.
    let none = signer.token(&claims());
    let challenge = refusal(operation.bearer(&none)).challenge;
    let scope = |scope: &str| {
        Some(Challenge::InsufficientScope {
            scope: scope.into(),
        })
    };
    assert_eq!(challenge, scope("read"));
    operation.demand(&[&[admin], &[]]);
    assert_eq!(refusal(operation.bearer(&none)).challenge, scope("admin"));
}

#[test]
fn what_is_said_of_scopes_is_bounded() {
    let long: Vec<_> = (0..1000).map(|at| format!("scope-{at:04}")).collect();
    let long: Vec<_> = long.iter().map(String::as_str).collect();
    let mut operation = demanding(&long);
    let refused = refusal(operation.bearer(&signer().token(&claims())));
    let challenge = refused.www_authenticate("r").expect("a challenge");
    assert!(challenge.len() < 1200, "{}", challenge.len());
}
