use super::*;

#[test]
fn registered_claims_have_their_types() {
    let mut operation = Operation::of(&signer());
    let mut payload = |name: &str, value: Value, problem: &str| {
        let message = format!("Jwt payload [{name}] field is not {problem}");
        let token = signer().token(&with(name, value));
        operation.refuses(&token, Reason::TokenMalformed, &message);
    };
    for name in ["iss", "sub", "jti"] {
        payload(name, json!(7), "a string");
        payload(name, json!(null), "a string");
    }
    for name in ["iat", "nbf", "exp"] {
        payload(name, json!("1"), "an integer");
        payload(name, json!(-1), "a positive 64 bit integer");
        payload(name, json!(-0.5), "a positive 64 bit integer");
        payload(name, json!(1e300), "a positive 64 bit integer");
    }
    payload("aud", json!(7), "a string or string list");
    payload("aud", json!([AUDIENCE, 7]), "a string or string list");
    payload("aud", json!({}), "a string or string list");
}

#[test]
fn an_issuer_is_compared_exactly() {
    let mut operation = Operation::of(&signer());
    for issuer in [
        "https://other.example",
        "https://issuer.example/",
        "issuer.example",
        "",
    ] {
        let token = signer().token(&with("iss", json!(issuer)));
        operation.refuses(&token, Reason::TokenIssuer, "Jwt issuer is not configured");
    }
    let token = signer().token(&without("iss"));
    operation.refuses(&token, Reason::TokenIssuer, "Jwt issuer is not configured");
}

#[test]
fn googles_issuer_has_two_spellings() {
    for configured in ["accounts.google.com", "https://accounts.google.com"] {
        let mut operation = Operation::new(vec![provider(configured, None)], &[&signer()]);
        for written in ["accounts.google.com", "https://accounts.google.com"] {
            verified(operation.bearer(&signer().token(&with("iss", json!(written)))));
        }
    }
}

#[test]
fn times_are_checked_with_a_minute_of_tolerance() {
    let mut operation = Operation::of(&signer());
    verified(operation.bearer(&signer().token(&with("exp", json!(NOW - 60)))));
    let expired = signer().token(&with("exp", json!(NOW - 61)));
    operation.refuses(&expired, Reason::TokenExpired, "Jwt is expired");
    verified(operation.bearer(&signer().token(&with("nbf", json!(NOW + 60)))));
    let early = signer().token(&with("nbf", json!(NOW + 61)));
    operation.refuses(&early, Reason::TokenNotYetValid, "Jwt not yet valid");
    // RFC 7519 section 2 allows fractions.
    verified(operation.bearer(&signer().token(&with("exp", json!(NOW as f64 + 0.5)))));
    verified(operation.bearer(&signer().token(&with("exp", json!(u64::MAX)))));
}

#[test]
fn required_claims_are_required() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&without("exp"));
    operation.refuses(
        &token,
        Reason::TokenClaimMissing,
        "Jwt payload [exp] field is required",
    );
    operation.policy.required_claims.clear();
    operation.prepare();
    verified(operation.bearer(&token));
    operation
        .policy
        .required_claims
        .extend([RegisteredClaim::Sub, RegisteredClaim::Jti]);
    operation.prepare();
    operation.refuses(
        &token,
        Reason::TokenClaimMissing,
        "Jwt payload [jti] field is required",
    );
}

#[test]
fn audiences_match_without_scheme_and_one_slash() {
    let accepts = |accepted: &str, claimed: Value| {
        let list = [accepted];
        let mut operation = Operation::new(vec![provider(ISSUER, Some(&list))], &[&signer()]);
        match operation.bearer(&signer().token(&with("aud", claimed))) {
            Authentication::Verified { .. } => true,
            Authentication::Refused(refusal) => {
                assert_eq!(refusal.message, "Audiences in Jwt are not allowed");
                assert_eq!(refusal.reason, Reason::TokenAudience);
                assert_eq!(refusal.status, StatusCode::FORBIDDEN);
                assert_eq!(refusal.challenge, Some(Challenge::InvalidToken));
                false
            }
            other => panic!("{other:?}"),
        }
    };
    for claimed in ["S", "http://S", "https://S", "https://S/", "S/"] {
        assert!(accepts("https://S", json!(claimed)), "{claimed}");
        assert!(accepts("S", json!(claimed)), "{claimed}");
    }
    assert!(accepts("S", json!(["other", "S"])));
    for claimed in [json!("s"), json!("S//"), json!("S/x"), json!(""), json!([])] {
        assert!(!accepts("https://S", claimed.clone()), "{claimed}");
    }
}

#[test]
fn no_audience_is_forbidden_unless_unchecked() {
    let token = signer().token(&without("aud"));
    let refusal = refusal(Operation::of(&signer()).bearer(&token));
    assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    assert_eq!(refusal.message, "Audiences in Jwt are not allowed");
    let mut unchecked = Operation::new(vec![provider(ISSUER, None)], &[&signer()]);
    verified(unchecked.bearer(&token));
}

#[test]
fn a_wrong_audience_is_told_before_a_bad_signature() {
    let forged = Signer::new("ES256", "b").token(&with("aud", json!("other")));
    assert_eq!(
        refusal(Operation::of(&signer()).bearer(&forged)).reason,
        Reason::TokenAudience
    );
}
