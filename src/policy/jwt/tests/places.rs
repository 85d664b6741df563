//! Places that schemes name for their tokens.

use super::*;
use crate::policy::format::TokenLocation;

const SECOND: &str = "https://second.example";

fn header(name: &str, value_prefix: &str) -> TokenLocation {
    TokenLocation::Header {
        name: name.to_owned(),
        value_prefix: value_prefix.to_owned(),
    }
}

fn query(name: &str) -> TokenLocation {
    TokenLocation::Query(name.to_owned())
}

fn at(issuer: &str, locations: Vec<TokenLocation>) -> Provider {
    Provider {
        locations,
        ..provider(issuer, None)
    }
}

#[test]
fn named_places_take_the_place_of_the_usual_ones() {
    let signer = signer();
    let token = signer.token(&claims());
    let mut operation = Operation::new(
        vec![at(ISSUER, vec![header("x-token", ""), query("tok en")])],
        &[&signer],
    );
    verified(operation.ask(&[("x-token", &token)], None));
    verified(operation.ask(&[("X-Token", &format!(" {token}\t"))], None));
    verified(operation.ask(&[], Some(&format!("a&tok%20en={token}"))));
    let bearer = format!("Bearer {token}");
    for (headers, query) in [
        (vec![("authorization", bearer.as_str())], String::new()),
        (vec![("x-goog-iap-jwt-assertion", &*token)], String::new()),
        (vec![], format!("access_token={token}")),
        (vec![], format!("tok+en={token}")),
        (vec![], format!("Tok%20en={token}")),
        (vec![("x-token", "")], String::new()),
    ] {
        let refused = refusal(operation.ask(&headers, Some(&query)));
        assert_eq!(refused.reason, Reason::TokenMissing, "{headers:?} {query}");
    }
    // Without a prefix the whole value is the token.
    let whole = refusal(operation.ask(&[("x-token", &bearer)], None));
    assert_eq!(whole.reason, Reason::TokenMalformed);
}

#[test]
fn a_prefix_stands_at_the_beginning_in_any_case() {
    let signer = signer();
    let token = signer.token(&claims());
    for (prefix, values, others) in [
        (
            "Bearer ",
            &["Bearer #", "bEARER  # ", "bearer\t#"][..],
            &["Bearer#", "#", "x Bearer #", "Token #"][..],
        ),
        ("Token ", &["token #"], &["Token#", "Bearer #"]),
        ("jwt=", &["jwt=#", "JWT= #"], &["x;jwt=#", "jwt #"]),
        ("Bearer", &["Bearer #", "bearer#"], &["Token #"]),
    ] {
        let mut operation = Operation::new(
            vec![at(ISSUER, vec![header("x-token", prefix)])],
            &[&signer],
        );
        for value in values {
            verified(operation.ask(&[("x-token", &value.replace('#', &token))], None));
        }
        for value in others {
            let value = value.replace('#', &token);
            let refused = refusal(operation.ask(&[("x-token", &value)], None));
            assert_eq!(refused.reason, Reason::TokenMissing, "{prefix} {value}");
        }
    }
}

#[test]
fn a_repeated_header_or_parameter_counts_each_time() {
    let signer = signer();
    let (good, bad) = (
        signer.token(&claims()),
        signer.token(&with("exp", json!(1))),
    );
    let mut operation = Operation::new(
        vec![at(ISSUER, vec![header("x-token", ""), query("t")])],
        &[&signer],
    );
    for (headers, query) in [
        (vec![("x-token", &*good), ("x-token", &*bad)], String::new()),
        (vec![("x-token", &*bad), ("x-token", &*good)], String::new()),
        (vec![("x-token", &*good)], format!("t={bad}")),
        (vec![], format!("t={good}&%74={bad}")),
    ] {
        let refused = refusal(operation.ask(&headers, Some(&query)));
        assert_eq!(refused.reason, Reason::TokenExpired);
    }
    let crowd = vec![("x-token", &*good); MAX_TOKENS];
    verified(operation.ask(&crowd, None));
    let refused = refusal(operation.ask(&crowd, Some(&format!("t={good}"))));
    assert_eq!(refused.reason, Reason::TokenMalformed);
}

#[test]
fn a_token_counts_only_where_its_scheme_looks() {
    let signer = signer();
    let providers = vec![
        at(ISSUER, vec![header("x-one", "")]),
        at(SECOND, vec![header("x-two", "")]),
    ];
    let mut operation = Operation::new(providers, &[&signer]);
    let one = signer.token(&claims());
    let two = signer.token(&with("iss", json!(SECOND)));
    let swapped = [("x-one", two.as_str()), ("x-two", one.as_str())];
    let right = [("x-one", one.as_str()), ("x-two", two.as_str())];
    // One or the other: what stands where the one that passes does not look is not its business.
    verified(operation.ask(&right, None));
    verified(operation.ask(&[("x-one", &one), ("x-two", "x")], None));
    assert_eq!(
        refusal(operation.ask(&swapped, None)).reason,
        Reason::TokenIssuer
    );
    operation.demand(&[&[of("p0"), of("p1")]]);
    verified(operation.ask(&right, None));
    assert_eq!(
        refusal(operation.ask(&swapped, None)).reason,
        Reason::TokenIssuer
    );
    assert_eq!(
        refusal(operation.ask(&[("x-one", &one), ("x-two", "x")], None)).reason,
        Reason::TokenMalformed
    );
}

#[test]
fn headers_that_carry_tokens_are_known_by_name() {
    let providers = vec![
        at(ISSUER, vec![header("x-one", ""), query("t")]),
        at(
            SECOND,
            vec![header("x-two", ""), header("x-one", "Bearer ")],
        ),
    ];
    let operation = Operation::new(providers, &[&signer()]);
    let names: Vec<_> = operation.prepared.token_headers.iter().collect();
    assert_eq!(names, ["x-one", "x-two"]);
}
