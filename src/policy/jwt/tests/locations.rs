use super::*;

#[test]
fn a_bearer_token_may_be_written_in_any_case() {
    let token = signer().token(&claims());
    let mut operation = Operation::of(&signer());
    for value in [
        "Bearer T",
        "bearer T",
        "BEARER T",
        "Bearer   T",
        "Bearer\tT",
        "Bearer T ",
    ] {
        verified(operation.ask(&[("authorization", &value.replace('T', &token))], None));
    }
}

#[test]
fn what_is_no_bearer_token_is_missing() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    let mut missing = |headers: &[(&str, &str)], query: Option<&str>| {
        let refusal = refusal(operation.ask(headers, query));
        assert_eq!(refusal.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        assert_eq!(refusal.reason, Reason::TokenMissing, "{headers:?}");
        assert_eq!(refusal.message, "Jwt is missing");
        assert_eq!(refusal.challenge, Some(Challenge::Missing));
    };
    missing(&[], None);
    missing(&[], Some(""));
    missing(&[], Some("access_token=&x=1&access_token"));
    missing(&[], Some(&format!("Access_token={token}")));
    for value in [
        "Basic dTpw",
        "Bearer",
        "Bearer ",
        "",
        &token,
        &format!("Bearer{token}"),
        "é",
    ] {
        missing(&[("authorization", value)], None);
    }
}

#[test]
fn a_token_may_stand_in_the_query() {
    let token = signer().token(&claims());
    let mut operation = Operation::of(&signer());
    verified(operation.ask(&[], Some(&format!("access_token={token}"))));
    verified(operation.ask(&[], Some(&format!("a=b&access%5Ftoken={token}&c"))));
    let escaped = token.replace('.', "%2E");
    verified(operation.ask(&[], Some(&format!("access_token={escaped}"))));
}

#[test]
fn each_token_found_must_verify() {
    let good = signer().token(&claims());
    let bad = signer().token(&with("exp", json!(1)));
    let header = |token: &str| format!("Bearer {token}");
    let mut operation = Operation::of(&signer());
    let mut ask = |headers: &[&str], query: &str| {
        let headers: Vec<_> = headers.iter().map(|h| ("authorization", *h)).collect();
        operation.ask(&headers, Some(query))
    };
    let (good_header, bad_header) = (header(&good), header(&bad));
    verified(ask(
        &[&good_header, "Basic dTpw"],
        &format!("access_token={good}"),
    ));
    for (headers, query) in [
        (
            vec![good_header.as_str(), bad_header.as_str()],
            String::new(),
        ),
        (
            vec![bad_header.as_str(), good_header.as_str()],
            String::new(),
        ),
        (vec![good_header.as_str()], format!("access_token={bad}")),
        (vec![], format!("access_token={good}&access_token={bad}")),
    ] {
        assert_eq!(refusal(ask(&headers, &query)).reason, Reason::TokenExpired);
    }
    let crowd = vec![good_header.as_str(); MAX_TOKENS + 1];
    assert_eq!(refusal(ask(&crowd, "")).reason, Reason::TokenMalformed);
}

#[test]
fn an_assertion_counts_only_for_an_issuer_of_the_document() {
    const IAP: &str = "x-goog-iap-jwt-assertion";
    let good = signer().token(&claims());
    let foreign = signer().token(&with("iss", json!("https://cloud.google.com/iap")));
    let bearer = format!("Bearer {good}");
    let mut operation = Operation::of(&signer());
    verified(operation.ask(&[(IAP, &good)], None));
    verified(operation.ask(&[("authorization", &bearer), (IAP, &foreign)], None));
    assert_eq!(
        refusal(operation.ask(&[(IAP, &foreign)], None)).reason,
        Reason::TokenMissing
    );
    let expired = signer().token(&with("exp", json!(1)));
    let both = [("authorization", bearer.as_str()), (IAP, &expired)];
    assert_eq!(
        refusal(operation.ask(&both, None)).reason,
        Reason::TokenExpired
    );
    assert_eq!(
        refusal(operation.ask(&[(IAP, "x")], None)).reason,
        Reason::TokenMalformed
    );
}

#[test]
fn alternatives_are_tried_in_order() {
    let second = "https://second.example";
    let mut operation = Operation::new(
        vec![
            provider(ISSUER, Some(&["a"])),
            provider(second, None),
            provider(ISSUER, Some(&["c"])),
        ],
        &[&signer()],
    );
    let mut passed = |issuer: &str, audience: &str| {
        let mut claims = with("iss", json!(issuer));
        claims["aud"] = json!(audience);
        operation.bearer(&signer().token(&claims))
    };
    assert_eq!(verified(passed(ISSUER, "a")).0, 0);
    assert_eq!(verified(passed(second, "a")).0, 1);
    assert_eq!(verified(passed(ISSUER, "c")).0, 2);
    // The last fault that is neither a missing token nor an unknown issuer is told.
    assert_eq!(refusal(passed(ISSUER, "b")).reason, Reason::TokenAudience);
    assert_eq!(
        refusal(passed("https://third.example", "a")).reason,
        Reason::TokenIssuer
    );
}

#[test]
fn the_fault_of_the_token_outweighs_an_unknown_issuer_in_any_order() {
    let other = || provider("https://other.example", None);
    let own = || provider(ISSUER, None);
    for providers in [vec![own(), other()], vec![other(), own()]] {
        let mut operation = Operation::new(providers, &[&signer()]);
        let token = signer().token(&with("exp", json!(1)));
        operation.refuses(&token, Reason::TokenExpired, "Jwt is expired");
    }
}

#[test]
fn an_open_operation_asks_for_no_token_and_looks_at_none() {
    let mut operation = Operation::of(&signer());
    let mut headers = HeaderMap::new();
    let open = operation.ask_for(OPEN, &headers, None);
    assert!(matches!(open, Authentication::Open), "{open:?}");
    headers.insert("authorization", HeaderValue::from_static("Bearer x"));
    let open = operation.ask_for(OPEN, &headers, None);
    assert!(matches!(open, Authentication::Open), "{open:?}");
}

#[test]
fn an_operation_that_is_not_there_is_closed() {
    let authentication = Operation::of(&signer()).ask_for(7, &HeaderMap::new(), None);
    assert_eq!(refusal(authentication).reason, Reason::TokenMissing);
}
