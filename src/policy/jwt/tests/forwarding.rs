//! What the backend is told of a token, and what becomes of the token.

use super::*;
use crate::policy::verdict::Facts;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

fn telling(claims: &[(&str, &str)]) -> Operation {
    let mut operation = Operation::of(&signer());
    let rule = |(claim, header): &(&str, &str)| ClaimHeader {
        claim: (*claim).to_owned(),
        header: (*header).to_owned(),
    };
    operation.policy.settings.jwt.claim_headers = claims.iter().map(rule).collect();
    operation.prepare();
    operation
}

#[track_caller]
fn told(operation: &mut Operation, token: &str) -> Arc<Told> {
    match operation.bearer(token) {
        Authentication::Verified(verified) => verified.told,
        other => panic!("expected a verified token, got {other:?}"),
    }
}

/// A token of this payload, whose members stand before those that every token has.
fn token(members: &str) -> String {
    let claims = claims().to_string();
    let payload = format!("{{{members},{}", &claims[1..]);
    signer().token_of_text(r#"{"alg":"ES256","kid":"a"}"#, &payload)
}

#[test]
fn claims_become_headers_as_they_are() {
    let encoded = |json: &str| URL_SAFE_NO_PAD.encode(json);
    for (members, claim, expected) in [
        (r#""c":"text""#, "c", Some("text".to_owned())),
        (r#""c":"a b, c""#, "c", Some("a b, c".to_owned())),
        (r#""c":"""#, "c", Some(String::new())),
        (
            r#""c":12345678901234567890123"#,
            "c",
            Some("12345678901234567890123".to_owned()),
        ),
        (r#""c":1.50"#, "c", Some("1.50".to_owned())),
        (r#""c":-0"#, "c", Some("-0".to_owned())),
        (r#""c":true"#, "c", Some("true".to_owned())),
        (r#""c":null"#, "c", Some(encoded("null"))),
        (r#""c":["b", "a"]"#, "c", Some(encoded(r#"["b", "a"]"#))),
        (
            r#""c":{"z":1,"a":2}"#,
            "c",
            Some(encoded(r#"{"z":1,"a":2}"#)),
        ),
        (r#""c":{"d":{"e":7}}"#, "c.d.e", Some("7".to_owned())),
        (r#""c":{"d":7},"c.d":8"#, "c.d", Some("8".to_owned())),
        (
            r#""https://a.example/roles":["x"]"#,
            "https://a.example/roles",
            Some(encoded(r#"["x"]"#)),
        ),
        (r#""c":{"d":1}"#, "c.e", None),
        (r#""c":[1]"#, "c.0", None),
        (r#""d":1"#, "c", None),
    ] {
        let mut operation = telling(&[(claim, "x-c")]);
        for _ in 0..2 {
            let told = told(&mut operation, &token(members));
            let values: Vec<_> = told
                .claims
                .iter()
                .map(|(_, value)| value.to_str().unwrap())
                .collect();
            assert_eq!(values, expected.iter().collect::<Vec<_>>(), "{members}");
            assert_eq!(told.omitted, 0);
        }
    }
}

#[test]
fn what_no_header_can_hold_is_omitted_and_counted() {
    for value in [
        "é",
        "a\\nb",
        "a\\r\\nX-Evil: 1",
        "\\u0000",
        " a",
        "a ",
        "\\t",
        "\\u007f",
    ] {
        let token = token(&format!(r#""c":"{value}""#));
        let told = told(&mut telling(&[("c", "x-c")]), &token);
        assert_eq!((told.claims.len(), told.omitted), (0, 1), "{value}");
    }
}

#[test]
fn claims_take_16_kib_in_all() {
    let token = token(&format!(
        r#""a":"{}","b":"{}","c":"{}""#,
        "a".repeat(10_000),
        "b".repeat(6_385),
        "c".repeat(6_384)
    ));
    let mut operation = telling(&[("a", "x-a"), ("b", "x-b"), ("c", "x-c")]);
    let told = told(&mut operation, &token);
    let names: Vec<_> = told.claims.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, told.omitted), (vec!["x-a", "x-c"], 1));
}

#[test]
fn user_info_in_its_forms() {
    let mut claims = claims();
    claims["email"] = json!("me@example.com");
    let token = signer().token(&claims);
    let section = token.split('.').nth(1).unwrap().to_owned();
    let mut operation = Operation::of(&signer());
    assert_eq!(verified(operation.bearer(&token)).1, section);

    operation.policy.settings.jwt.user_info = UserInfoForm::PaddedPayload;
    operation.prepare();
    let padded = verified(operation.bearer(&token)).1;
    assert_eq!(
        URL_SAFE.decode(&padded).unwrap(),
        claims.to_string().as_bytes()
    );
    assert_eq!(padded.trim_end_matches('='), section);

    operation.policy.settings.jwt.user_info = UserInfoForm::Esp;
    operation.prepare();
    let esp = verified(operation.bearer(&token)).1;
    let text = String::from_utf8(URL_SAFE.decode(&esp).unwrap()).unwrap();
    let expected = format!(
        r#"{{"issuer":"{ISSUER}","id":"me","email":"me@example.com","audiences":["{AUDIENCE}"],"claims":{}}}"#,
        serde_json::to_string(&claims.to_string()).unwrap()
    );
    assert_eq!(text, expected);
}

#[test]
fn the_first_esps_form_leaves_out_what_is_empty() {
    let mut operation = Operation::new(vec![provider(ISSUER, None)], &[&signer()]);
    operation.policy.settings.jwt.user_info = UserInfoForm::Esp;
    operation.prepare();
    let claims = json!({"iss": ISSUER, "exp": NOW + 1});
    let esp = verified(operation.bearer(&signer().token(&claims))).1;
    let value: Value = serde_json::from_slice(&URL_SAFE.decode(esp).unwrap()).unwrap();
    assert_eq!(
        value,
        json!({"issuer": ISSUER, "claims": claims.to_string()})
    );
}

#[test]
fn a_clients_own_claim_headers_are_stripped_in_any_spelling() {
    let operation = telling(&[("sub", "x-user-id"), ("email", "x_mail")]);
    let mut headers = HeaderMap::new();
    for name in [
        "x-user-id",
        "x_user-id",
        "x_user_id",
        "x-mail",
        "x_mail",
        "x-user",
        "x-user-id-2",
    ] {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_static("forged"),
        );
    }
    operation.prepared.forwarding.strip(&mut headers);
    let left: BTreeSet<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(left, BTreeSet::from(["x-user", "x-user-id-2"]));
    let trailers = &operation.prepared.token_headers;
    assert!(
        ["x-user-id", "x_mail"]
            .iter()
            .all(|name| trailers.iter().any(|own| own == name))
    );
}

#[test]
fn a_token_is_taken_out_of_where_it_was_and_nothing_else_is() {
    let operation = Operation::of(&signer());
    let token = signer().token(&claims());
    let foreign = signer().token(&with("iss", json!("https://cloud.google.com/iap")));
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", format!("Bearer {token}")),
        ("authorization", "Basic abc".to_owned()),
        ("x-goog-iap-jwt-assertion", foreign),
        ("cookie", format!("access_token={token}")),
    ] {
        headers.append(name, value.parse().unwrap());
    }
    let query = format!("a=1&access_token={token}&b=%20&access%5Ftoken=x&access_token");
    let left = strip(&operation.prepared, CLOSED, &mut headers, Some(&query));
    assert_eq!(left.as_deref(), Some("a=1&b=%20"));
    assert_eq!(
        headers.get_all("authorization").iter().collect::<Vec<_>>(),
        ["Basic abc"]
    );
    assert_eq!(headers.len(), 3);
    assert_eq!(
        strip(
            &operation.prepared,
            CLOSED,
            &mut headers,
            Some("a=access_token")
        ),
        None
    );
}

#[test]
fn the_earliest_expiry_of_all_tokens_counts_and_a_query_is_told() {
    let mut operation = Operation::new(
        vec![provider("https://one", None), provider("https://two", None)],
        &[&signer()],
    );
    operation.demand(&[&[of("p0"), of("p1")]]);
    let token = |issuer: &str, exp: u64| signer().token(&json!({"iss": issuer, "exp": exp}));
    let (one, two) = (
        token("https://one", NOW + 50),
        token("https://two", NOW + 40),
    );
    for _ in 0..2 {
        let query = format!("access_token={two}");
        match operation.ask(&[("authorization", &format!("Bearer {one}"))], Some(&query)) {
            Authentication::Verified(verified) => {
                assert_eq!((verified.provider, verified.expires), (0, Some(NOW + 40)));
                assert!(verified.in_query);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_refusal_names_the_provider_that_it_was_checked_for() {
    let mut operation = Operation::new(
        vec![
            provider("https://one", None),
            provider("https://two", Some(&["a"])),
        ],
        &[&signer()],
    );
    for (claims, expected) in [
        (json!({"iss": "https://two", "exp": NOW}), Some(1)),
        (json!({"iss": "https://one", "exp": 1}), Some(0)),
        (json!({"iss": "https://three", "exp": NOW}), None),
        (json!({"iss": 1}), None),
    ] {
        let refusal = refusal(operation.bearer(&signer().token(&claims)));
        let expected = expected.map_or(Facts::None, |index| Facts::Provider { index });
        assert_eq!(refusal.facts, expected, "{claims}");
    }
}

#[test]
fn the_clock_skew_is_the_policys() {
    let mut operation = Operation::of(&signer());
    let late = signer().token(&with("exp", json!(NOW - 30)));
    verified(operation.bearer(&late));
    operation.policy.settings.jwt.clock_skew_seconds = Some(29);
    operation.prepare();
    operation.refuses(&late, Reason::TokenExpired, "Jwt is expired");
    operation.policy.settings.jwt.clock_skew_seconds = Some(30);
    operation.prepare();
    verified(operation.bearer(&late));
}
