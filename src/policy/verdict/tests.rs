use super::*;

fn refusal(message: &str, challenge: Option<Challenge>) -> Refusal {
    Refusal {
        challenge,
        ..Refusal::new(StatusCode::UNAUTHORIZED, Reason::TokenMissing, message)
    }
}

fn header(message: &str, challenge: Challenge, realm: &str) -> String {
    let value = refusal(message, Some(challenge)).www_authenticate(realm);
    value.expect("a challenge").to_str().unwrap().to_owned()
}

#[test]
fn the_body_is_espv2s_with_a_reason() {
    assert_eq!(
        refusal("Jwt is missing", None).body(),
        br#"{"code":401,"message":"Jwt is missing","reason":"TokenMissing"}"#
    );
    assert_eq!(
        refusal("a \"b\" \u{1}", None).body(),
        br#"{"code":401,"message":"a \"b\" \u0001","reason":"TokenMissing"}"#
    );
}

#[test]
fn a_missing_token_has_no_error_code() {
    assert_eq!(
        header("Jwt is missing", Challenge::Missing, "http://h/a"),
        r#"Bearer realm="http://h/a""#
    );
}

#[test]
fn a_bad_token_is_described() {
    assert_eq!(
        header("Jwt is expired", Challenge::InvalidToken, "http://h/a"),
        r#"Bearer realm="http://h/a", error="invalid_token", error_description="Jwt is expired""#
    );
    assert_eq!(
        header("[\"a\\b\"]\r\n\u{e9}", Challenge::InvalidToken, "r"),
        r#"Bearer realm="r", error="invalid_token", error_description="['ab']""#
    );
}

#[test]
fn a_missing_scope_is_named() {
    let scope = |scope: &str| Challenge::InsufficientScope {
        scope: scope.into(),
    };
    assert_eq!(
        header("no", scope("a:b c.d"), "r"),
        r#"Bearer realm="r", error="insufficient_scope", error_description="no", scope="a:b c.d""#
    );
    // A document cannot break out of the quotes either.
    assert!(header("no", scope("a\"b\r\n\\"), "r").ends_with(r#"scope="a'b""#));
}

#[test]
fn the_realm_leaks_no_query_and_cannot_be_broken_out_of() {
    assert_eq!(
        header("", Challenge::Missing, "http://h/a?access_token=secret"),
        r#"Bearer realm="http://h/a""#
    );
    assert_eq!(
        header("", Challenge::Missing, "http://h/\"\\, \r\n\u{e9}x"),
        r#"Bearer realm="http://h/\"\\,x""#
    );
    let long = header("", Challenge::Missing, &"a".repeat(10_000));
    assert_eq!(long.len(), r#"Bearer realm="""#.len() + 256);
}

#[test]
fn without_a_challenge_there_is_no_header() {
    assert_eq!(refusal("x", None).www_authenticate("r"), None);
}

#[test]
fn a_refusal_is_one_log_line() {
    assert_eq!(Reason::TokenAudience.to_string(), "TokenAudience");
    assert_eq!(
        refusal("Jwt is missing", None).to_string(),
        "TokenMissing: Jwt is missing"
    );
}

#[test]
fn a_reason_is_found_at_its_number_and_no_two_have_one_name() {
    let mut names = std::collections::BTreeSet::new();
    for (number, reason) in Reason::ALL.iter().enumerate() {
        assert_eq!(*reason as usize, number);
        assert!(names.insert(reason.as_str()), "{reason}");
    }
}

#[test]
fn every_reason_about_tokens_is_the_clients_fault_but_missing_keys() {
    for reason in Reason::ALL {
        let of_token = reason.as_str().starts_with("Token") || *reason == Reason::KeysUnavailable;
        assert_eq!(reason.topic() == Topic::Token, of_token, "{reason}");
    }
    assert_eq!(Reason::TokenExpired.fault().as_str(), "client");
    assert_eq!(Reason::KeysUnavailable.fault().as_str(), "issuer");
    assert_eq!(Reason::NoPolicy.fault().as_str(), "policy");
    assert_eq!(Reason::BackendTimeout.fault().as_str(), "backend");
    assert_eq!(Reason::Internal.fault().as_str(), "proxy");
}
