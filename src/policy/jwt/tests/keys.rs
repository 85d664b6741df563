use super::*;

#[test]
fn every_algorithm_verifies_and_user_info_is_the_payload_as_it_came() {
    for name in ALGORITHMS {
        let signer = Signer::new(name, "a");
        let mut operation = Operation::of(&signer);
        let token = signer.token(&claims());
        let (provider, user_info) = verified(operation.bearer(&token));
        assert_eq!(
            (provider, user_info.as_str()),
            (0, token.split('.').nth(1).unwrap()),
            "{name}"
        );
    }
}

#[test]
fn without_keys_it_is_not_the_clients_fault() {
    let mut operation = Operation::of(&signer());
    operation.keys = vec![None];
    let refusal = refusal(operation.bearer(&signer().token(&claims())));
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refusal.reason, Reason::KeysUnavailable);
    assert_eq!(refusal.message, "Jwks remote fetch is failed");
    assert_eq!(refusal.challenge, None);
    // What is wrong with the token itself is told first.
    let expired = signer().token(&with("exp", json!(1)));
    operation.refuses(&expired, Reason::TokenExpired, "Jwt is expired");
}

#[test]
fn a_bad_signature_by_the_named_key_is_final() {
    let token = signer().token(&claims());
    let (head, _) = token.rsplit_once('.').unwrap();
    let other = signer().token(&with("sub", json!("you")));
    let forged = format!("{head}.{}", other.rsplit_once('.').unwrap().1);
    Operation::of(&signer()).refuses(&forged, Reason::TokenSignature, "Jwt verification fails");
}

#[test]
fn a_key_that_is_not_there_may_be_fetched() {
    let unknown = |keys: &Signer, token: &str| match Operation::of(keys).bearer(token) {
        Authentication::UnknownKey {
            provider: 0,
            refusal,
        } => {
            assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
            (refusal.reason, refusal.message)
        }
        other => panic!("expected an unknown key, got {other:?}"),
    };
    let no_key = "Jwks doesn't have key to match kid or alg from Jwt".to_owned();
    let rotated = Signer::new("ES256", "b");
    assert_eq!(
        unknown(&signer(), &rotated.token(&claims())),
        (Reason::TokenKeyUnknown, no_key)
    );
    // One side without `kid`: the key was tried, yet the right one may be missing.
    let failed = (Reason::TokenSignature, "Jwt verification fails".to_owned());
    assert_eq!(
        unknown(&signer(), &rotated.anonymous().token(&claims())),
        failed
    );
    assert_eq!(
        unknown(&signer().anonymous(), &rotated.token(&claims())),
        failed
    );
}

#[test]
fn tokens_and_keys_without_kid_find_each_other() {
    let (a, b) = (Signer::new("ES256", "a"), Signer::new("ES256", "b"));
    let mut operation = Operation::new(vec![provider(ISSUER, None)], &[&a, &b]);
    verified(operation.bearer(&b.anonymous().token(&claims())));
    operation.publish(0, &[&a.anonymous(), &b.anonymous()]);
    verified(operation.bearer(&b.token(&claims())));
}

#[test]
fn an_algorithm_of_another_key_type_is_no_way_in() {
    let rsa = Signer::new("RS256", "a");
    // RSA signers with one `kid` share a key: this signature is right but for the key's `alg`.
    let token = Signer::new("PS256", "a").token(&claims());
    assert!(matches!(
        Operation::of(&rsa).bearer(&token),
        Authentication::UnknownKey { refusal, .. } if refusal.reason == Reason::TokenKeyUnknown
    ));
    let token = rsa.token_of_text(r#"{"alg":"ES256","kid":"a"}"#, &claims().to_string());
    assert!(matches!(
        Operation::of(&rsa).bearer(&token),
        Authentication::UnknownKey { .. }
    ));
}

/// Issuers may publish many keys, with names or without: each is found wherever it stands.
#[test]
fn the_right_key_is_found_among_as_many_as_a_set_may_hold() {
    let signer = signer();
    let mut keys: Vec<_> = (1..MAX_KEYS)
        .map(|at| Signer::new("ES256", &format!("crowd {at}")).anonymous())
        .collect();
    keys.push(signer.clone());
    let mut operation = Operation::new(
        vec![provider(ISSUER, None)],
        &keys.iter().collect::<Vec<_>>(),
    );
    verified(operation.bearer(&signer.token(&claims())));
    let nameless = |sub: &str| signer.anonymous().token(&with("sub", json!(sub)));
    verified(operation.bearer(&nameless("me")));
    // One request has no more tries than that.
    let headers = ["you", "they"].map(|sub| format!("Bearer {}", nameless(sub)));
    let headers = headers.each_ref().map(|value| ("authorization", &**value));
    match operation.ask(&headers, None) {
        Authentication::UnknownKey { refusal, .. } => {
            assert_eq!(refusal.reason, Reason::TokenSignature);
        }
        other => panic!("{other:?}"),
    }
}
