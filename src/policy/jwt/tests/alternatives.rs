//! Schemes demanded together, and tokens that are optional.

use super::*;

const SECOND: &str = "https://second.example";

/// Two issuers, `p0` and `p1`, whose tokens are demanded together.
fn both() -> Operation {
    let providers = vec![provider(ISSUER, None), provider(SECOND, None)];
    let mut operation = Operation::new(providers, &[&signer()]);
    operation.demand(&[&[of("p0"), of("p1")]]);
    operation
}

/// A token of each.
fn tokens() -> (String, String) {
    let second = with("iss", json!(SECOND));
    (signer().token(&claims()), signer().token(&second))
}

/// In one `Authorization` each, in order.
fn ask(operation: &mut Operation, tokens: &[&str]) -> Authentication {
    let values: Vec<_> = tokens
        .iter()
        .map(|token| format!("Bearer {token}"))
        .collect();
    let headers: Vec<_> = values
        .iter()
        .map(|v| ("authorization", v.as_str()))
        .collect();
    operation.ask(&headers, None)
}

fn payload(token: &str) -> &str {
    token.split('.').nth(1).unwrap()
}

#[test]
fn schemes_together_need_a_token_each() {
    let (signer, mut operation) = (signer(), both());
    // Signed anew each time: the keys are the same, the tokens are not.
    let (one, two) = (
        signer.token(&claims()),
        signer.token(&with("iss", json!(SECOND))),
    );
    operation.publish(0, &[&signer]);
    operation.publish(1, &[&signer]);
    // The first requirement's token is what the backend learns, in whatever order they come.
    for tokens in [[&*one, &*two], [&*two, &*one]] {
        let (provider, user_info) = verified(ask(&mut operation, &tokens));
        assert_eq!((provider, user_info.as_str()), (0, payload(&one)));
    }
    for tokens in [&[][..], &[&*one], &[&*two], &[&*one, &*one]] {
        let refusal = refusal(ask(&mut operation, tokens));
        assert_eq!(refusal.reason, Reason::TokenMissing, "{tokens:?}");
        assert_eq!(refusal.challenge, Some(Challenge::Missing));
    }
}

#[test]
fn one_token_never_meets_two_schemes() {
    let signer = signer();
    let providers = vec![
        provider(ISSUER, Some(&["a"])),
        provider(ISSUER, Some(&["b"])),
    ];
    let mut operation = Operation::new(providers, &[&signer]);
    operation.demand(&[&[of("p0"), of("p1")]]);
    let two = with("aud", json!(["a", "b"]));
    let token = signer.token(&two);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let missing = |authentication| refusal(authentication).reason == Reason::TokenMissing;
    assert!(missing(operation.ask(&headers, None)));
    // Nor twice,
    let query = format!("access_token={token}");
    assert!(missing(operation.ask(&headers, Some(&query))));
    // nor with a second signature: what is signed is the same.
    let again = signer.token(&two);
    assert_ne!(token, again, "ECDSA draws a number for each signature");
    assert!(missing(ask(&mut operation, &[&token, &again])));
    // The other one is of use where it does what only it can do.
    let a = signer.token(&with("aud", json!("a")));
    let (_, user_info) = verified(ask(&mut operation, &[&token, &a]));
    assert_eq!(user_info, payload(&a));
    let b = signer.token(&with("aud", json!("b")));
    let (_, user_info) = verified(ask(&mut operation, &[&b, &token]));
    assert_eq!(user_info, payload(&token));
    // The first of two that would do.
    let (_, user_info) = verified(ask(&mut operation, &[&a, &token, &b]));
    assert_eq!(user_info, payload(&a));
}

#[test]
fn a_bad_token_beside_good_ones_is_refused() {
    let (signer, mut operation, (one, two)) = (signer(), both(), tokens());
    for (bad, reason) in [
        (signer.token(&with("exp", json!(1))), Reason::TokenExpired),
        (
            signer.token(&with("iss", json!("https://third.example"))),
            Reason::TokenIssuer,
        ),
        ("x".to_owned(), Reason::TokenMalformed),
    ] {
        for tokens in [[&*bad, &*one, &*two], [&*one, &*two, &*bad]] {
            assert_eq!(refusal(ask(&mut operation, &tokens)).reason, reason);
        }
    }
    // A stranger's key: newer keys may help, and it is said of which provider.
    let stranger = Signer::new("ES256", "b").token(&with("iss", json!(SECOND)));
    match ask(&mut operation, &[&one, &stranger]) {
        Authentication::UnknownKey { provider, refusal } => {
            assert_eq!((provider, refusal.reason), (1, Reason::TokenKeyUnknown));
        }
        other => panic!("{other:?}"),
    }
    let crowd = vec![one.as_str(); MAX_TOKENS + 1];
    let refused = refusal(ask(&mut operation, &crowd));
    assert_eq!(refused.reason, Reason::TokenMalformed);
}

#[test]
fn together_or_one_alone() {
    let (mut operation, (one, two)) = (both(), tokens());
    operation.demand(&[&[of("p0"), of("p1")], &[of("p1")]]);
    assert_eq!(verified(ask(&mut operation, &[&one, &two])).0, 0);
    assert_eq!(verified(ask(&mut operation, &[&two])).0, 1);
    // What is missing for the first is not told when the token is wrong for the second.
    assert_eq!(
        refusal(ask(&mut operation, &[&one])).reason,
        Reason::TokenIssuer
    );
}

#[test]
fn many_schemes_together_cost_no_more_than_they_must() {
    let signer = Signer::new("EdDSA", "a");
    let names: Vec<_> = (0..MAX_TOKENS).map(|at| format!("p{at}")).collect();
    let providers = names.iter().map(|_| provider(ISSUER, None)).collect();
    let mut operation = Operation::new(providers, &[&signer]);
    let all: Vec<_> = names.iter().map(|name| of(name)).collect();
    operation.demand(&[&all]);
    let tokens: Vec<_> = (0..MAX_TOKENS)
        .map(|at| signer.token(&with("sub", json!(at.to_string()))))
        .collect();
    let mut tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
    let (_, user_info) = verified(ask(&mut operation, &tokens));
    assert_eq!(user_info, payload(tokens[0]));
    tokens.pop();
    assert_eq!(
        refusal(ask(&mut operation, &tokens)).reason,
        Reason::TokenMissing
    );
}

#[test]
fn an_optional_token_is_checked_when_it_is_there() {
    let signer = signer();
    let good = signer.token(&claims());
    let bad = signer.token(&with("exp", json!(1)));
    let mut operation = Operation::of(&signer);
    let p0 = of("p0");
    for alternatives in [[&[p0.clone()][..], &[]], [&[], &[p0][..]]] {
        operation.demand(&alternatives);
        let none = operation.ask(&[], None);
        assert!(matches!(none, Authentication::Open), "{none:?}");
        let other_scheme = operation.ask(&[("authorization", "Basic dTpw")], Some("a=b"));
        assert!(matches!(other_scheme, Authentication::Open));
        let (provider, user_info) = verified(operation.bearer(&good));
        assert_eq!((provider, user_info.as_str()), (0, payload(&good)));
        operation.refuses(&bad, Reason::TokenExpired, "Jwt is expired");
        let stranger = signer.token(&with("iss", json!(SECOND)));
        operation.refuses(
            &stranger,
            Reason::TokenIssuer,
            "Jwt issuer is not configured",
        );
        let garbage = refusal(operation.ask(&[], Some("access_token=x")));
        assert_eq!(garbage.reason, Reason::TokenMalformed);
    }
    // An assertion that a proxy in front put there for itself is none.
    let foreign = signer.token(&with("iss", json!("https://cloud.google.com/iap")));
    let iap = operation.ask(&[("x-goog-iap-jwt-assertion", &foreign)], None);
    assert!(matches!(iap, Authentication::Open), "{iap:?}");
}

#[test]
fn an_optional_pair_is_both_or_none() {
    let mut operation = both();
    operation.demand(&[&[of("p0"), of("p1")], &[]]);
    assert!(matches!(ask(&mut operation, &[]), Authentication::Open));
    assert_eq!(
        refusal(ask(&mut operation, &["x"])).reason,
        Reason::TokenMalformed
    );
    let (one, two) = tokens();
    assert_eq!(
        refusal(ask(&mut operation, &[&one])).reason,
        Reason::TokenMissing
    );
    verified(ask(&mut operation, &[&one, &two]));
}

#[test]
fn nothing_demanded_at_all_is_open() {
    let mut operation = Operation::of(&signer());
    operation.demand(&[&[]]);
    assert!(matches!(operation.bearer("x"), Authentication::Open));
}

#[test]
fn a_requirements_audiences_take_the_place_of_the_providers() {
    let signer = signer();
    let mut operation = Operation::of(&signer);
    let own = format::Requirement {
        audiences: Some(BTreeSet::from(["https://own/".to_owned()])),
        ..of("p0")
    };
    let (theirs, ours) = (
        signer.token(&claims()),
        signer.token(&with("aud", json!("http://own"))),
    );
    verified(operation.bearer(&theirs));
    operation.demand(&[&[own]]);
    verified(operation.bearer(&ours));
    // Also where the token is remembered.
    for _ in 0..2 {
        assert_eq!(
            refusal(operation.bearer(&theirs)).reason,
            Reason::TokenAudience
        );
    }
    operation.demand(&[&[of("p0")]]);
    assert_eq!(
        refusal(operation.bearer(&ours)).reason,
        Reason::TokenAudience
    );
}
