use std::collections::BTreeMap;

use http::{HeaderName, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::policy::format::{CorsMode, KeySource};
use crate::policy::key_set::tokens::{ALGORITHMS, Signer, key_set};
use crate::policy::verdict::{Challenge, Reason};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://bookstore.example";

/// Alternatives, keys and cache of one operation, as a worker holds them.
struct Operation {
    policy: Policy,
    providers: Vec<PreparedProvider>,
    keys: Vec<Option<Arc<KeySet>>>,
    cache: TokenCache,
    now: u64,
}

impl Operation {
    fn new(providers: Vec<Provider>, keys: &[&Signer]) -> Self {
        let count = providers.len();
        let named = providers
            .into_iter()
            .enumerate()
            .map(|(i, p)| (format!("p{i}"), p));
        let policy = Policy {
            format: crate::policy::format::FORMAT,
            service: "bookstore.example".to_owned(),
            operations: Vec::new(),
            providers: named.collect::<BTreeMap<_, _>>(),
            cors: CorsMode::Off,
            required_claims: BTreeSet::from([RegisteredClaim::Exp]),
            backend: None,
            healthz: None,
        };
        let set = Arc::new(KeySet::parse(key_set(keys).as_bytes()).unwrap());
        let mut operation = Self {
            policy,
            providers: Vec::new(),
            keys: vec![Some(set); count],
            cache: TokenCache::default(),
            now: NOW,
        };
        operation.prepare();
        operation
    }

    /// With one provider of [`ISSUER`] and [`AUDIENCE`].
    fn of(signer: &Signer) -> Self {
        Self::new(vec![provider(ISSUER, Some(&[AUDIENCE]))], &[signer])
    }

    fn prepare(&mut self) {
        let named = self.policy.providers.iter().enumerate();
        self.providers = named
            .map(|(i, (name, p))| PreparedProvider::new(i, name, p, &self.policy))
            .collect();
    }

    fn publish(&mut self, provider: usize, keys: &[&Signer]) {
        self.keys[provider] = Some(Arc::new(KeySet::parse(key_set(keys).as_bytes()).unwrap()));
    }

    fn ask(&mut self, headers: &[(&str, &str)], query: Option<&str>) -> Authentication {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        let alternatives: Vec<_> = (0..self.providers.len()).collect();
        check_alternatives(
            &self.providers,
            &alternatives,
            &map,
            query,
            &self.keys,
            &mut self.cache,
            self.now,
        )
    }

    fn bearer(&mut self, token: &str) -> Authentication {
        self.ask(&[("authorization", &format!("Bearer {token}"))], None)
    }

    #[track_caller]
    fn refuses(&mut self, token: &str, reason: Reason, message: &str) {
        match self.bearer(token) {
            Authentication::Refused(refusal) => {
                assert_eq!(
                    (refusal.reason, refusal.message.as_str()),
                    (reason, message)
                );
                assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
                assert_eq!(refusal.challenge, Some(Challenge::InvalidToken));
            }
            other => panic!("expected {reason:?}, got {other:?}"),
        }
    }
}

fn provider(issuer: &str, audiences: Option<&[&str]>) -> Provider {
    Provider {
        issuer: issuer.to_owned(),
        keys: KeySource::Url(format!("{issuer}/jwks")),
        audiences: audiences.map(|list| list.iter().map(|a| (*a).to_owned()).collect()),
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "me", "iat": NOW, "exp": NOW + 3600})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn signer() -> Signer {
    Signer::new("ES256", "a")
}

#[track_caller]
fn verified(authentication: Authentication) -> (usize, String) {
    match authentication {
        Authentication::Verified {
            provider,
            user_info,
        } => (provider, user_info.to_str().unwrap().to_owned()),
        other => panic!("expected a verified token, got {other:?}"),
    }
}

#[track_caller]
fn refusal(authentication: Authentication) -> Refusal {
    match authentication {
        Authentication::Refused(refusal) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

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
fn a_token_that_is_no_token_is_told_so() {
    let shape = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    let mut operation = Operation::of(&signer());
    for text in [
        "x",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "..",
        "a..c",
        ".b.c",
        "a.b.",
    ] {
        operation.refuses(text, Reason::TokenMalformed, shape);
    }
}

#[test]
fn headers_are_read_strictly() {
    let good = signer().token(&claims());
    let rest = good.split_once('.').unwrap().1;
    let mut operation = Operation::of(&signer());
    let header_base64 = "Jwt header is an invalid Base64url encoded";
    // Padded, of the other alphabet, with trailing bits, of an impossible length.
    for section in ["e30=", "++//", "e31", "e", "e3 0"] {
        let token = format!("{section}.{rest}");
        operation.refuses(&token, Reason::TokenMalformed, header_base64);
    }

    let mut header = |text: &str, reason, message: &str| {
        let token = signer().token_of_text(text, &claims().to_string());
        operation.refuses(&token, reason, message);
    };
    let json = "Jwt header is an invalid JSON";
    for text in [
        "x",
        "[]",
        "\"ES256\"",
        r#"{"alg":"ES256""#,
        r#"{"alg":"ES256"}{}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","x":{"a":1,"a":2}}"#,
    ] {
        header(text, Reason::TokenMalformed, json);
    }
    let deep = format!(
        r#"{{"alg":"ES256","x":{}{}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    header(&deep, Reason::TokenMalformed, json);
    let alg = "Jwt header [alg] field is required and must be a string";
    header("{}", Reason::TokenMalformed, alg);
    header(r#"{"alg":7}"#, Reason::TokenMalformed, alg);
    let kid = "Jwt header [kid] field is not a string";
    header(r#"{"alg":"ES256","kid":7}"#, Reason::TokenMalformed, kid);
}

#[test]
fn algorithms_outside_the_list_are_refused() {
    let mut operation = Operation::of(&signer());
    for alg in [
        "none", "None", "HS256", "HS384", "HS512", "es256", "ES256K", "Ed25519", "",
    ] {
        let header = json!({ "alg": alg, "kid": "a" }).to_string();
        let token = signer().token_of_text(&header, &claims().to_string());
        let message = "Jwt header [alg] is not supported";
        operation.refuses(&token, Reason::TokenAlgorithm, message);
    }
}

#[test]
fn crit_and_b64_are_refused_even_where_they_change_nothing() {
    let mut operation = Operation::of(&signer());
    for (member, value) in [
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("b64", json!(true)),
    ] {
        let header = json!({"alg": "ES256", "kid": "a", (member): value}).to_string();
        let token = signer().token_of_text(&header, &claims().to_string());
        let message = format!("Jwt header [{member}] is not supported");
        operation.refuses(&token, Reason::TokenAlgorithm, &message);
    }
}

#[test]
fn payloads_are_read_strictly() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    let (header, signature) = (
        token.split('.').next().unwrap(),
        token.rsplit('.').next().unwrap(),
    );
    let base64 = "Jwt payload is an invalid Base64url encoded";
    operation.refuses(
        &format!("{header}.e30=.{signature}"),
        Reason::TokenMalformed,
        base64,
    );

    let header = r#"{"alg":"ES256","kid":"a"}"#;
    let twice = claims()
        .to_string()
        .replacen('{', r#"{"iss":"https://other.example","#, 1);
    for payload in ["x", "[]", "null", "{} {}", twice.as_str()] {
        let token = signer().token_of_text(header, payload);
        operation.refuses(
            &token,
            Reason::TokenMalformed,
            "Jwt payload is an invalid JSON",
        );
    }
}

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
fn a_signature_that_is_not_base64url_is_malformed() {
    let token = signer().token(&claims());
    let message = "Jwt signature is an invalid Base64url encoded";
    Operation::of(&signer()).refuses(&format!("{token}="), Reason::TokenMalformed, message);
}

#[test]
fn an_ed25519_signature_of_wrong_length_is_told_so() {
    let signer = Signer::new("EdDSA", "a");
    let token = signer.token(&claims());
    let (head, _) = token.rsplit_once('.').unwrap();
    let short = format!("{head}.{}", "A".repeat(84));
    let message = "Jwt ED25519 signature is wrong length";
    Operation::of(&signer).refuses(&short, Reason::TokenSignature, message);
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

#[test]
fn a_bearer_token_may_be_written_in_any_case() {
    let token = signer().token(&claims());
    let mut operation = Operation::of(&signer());
    for value in [
        "Bearer T",
        "bearer T",
        "BEARER T",
        "Bearer   T",
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
fn a_remembered_token_is_not_verified_again() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    let first = verified(operation.bearer(&token));
    assert_eq!(operation.cache.len(), 1);
    // The entry, not the key, answers: a key with this id that verifies nothing.
    let id = operation.keys[0].as_ref().unwrap().keys[0].id;
    let mut blind = KeySet::parse(key_set(&[&Signer::new("ES256", "b")]).as_bytes()).unwrap();
    blind.keys[0].id = id;
    operation.keys[0] = Some(Arc::new(blind));
    assert_eq!(verified(operation.bearer(&token)), first);
}

#[test]
fn a_remembered_token_is_refused_once_its_key_is_withdrawn() {
    let (a, b) = (signer(), Signer::new("ES256", "b"));
    let mut operation = Operation::of(&a);
    let token = a.token(&claims());
    verified(operation.bearer(&token));
    operation.publish(0, &[&b]);
    assert!(matches!(
        operation.bearer(&token),
        Authentication::UnknownKey { .. }
    ));
    operation.keys[0] = None;
    assert_eq!(
        refusal(operation.bearer(&token)).reason,
        Reason::KeysUnavailable
    );
    operation.publish(0, &[&b, &a]);
    verified(operation.bearer(&token));
}

#[test]
fn a_remembered_token_is_refused_once_its_audience_or_issuer_is_removed() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    verified(operation.bearer(&token));
    let own = operation.policy.providers.get_mut("p0").unwrap();
    own.audiences = Some(BTreeSet::from(["other".to_owned()]));
    operation.prepare();
    assert_eq!(
        refusal(operation.bearer(&token)).reason,
        Reason::TokenAudience
    );
    operation
        .policy
        .providers
        .insert("p0".to_owned(), provider("https://other.example", None));
    operation.prepare();
    assert_eq!(
        refusal(operation.bearer(&token)).reason,
        Reason::TokenIssuer
    );
}

#[test]
fn a_remembered_token_is_verified_again_for_a_changed_provider() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    verified(operation.bearer(&token));
    let elsewhere = KeySource::Url("https://elsewhere.example/jwks".to_owned());
    operation.policy.providers.get_mut("p0").unwrap().keys = elsewhere;
    operation.prepare();
    operation.publish(0, &[&Signer::new("ES256", "b")]);
    assert!(matches!(
        operation.bearer(&token),
        Authentication::UnknownKey { .. }
    ));
}

#[test]
fn a_remembered_token_expires_like_any_other() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&with("exp", json!(NOW + 100)));
    verified(operation.bearer(&token));
    operation.now = NOW + 161;
    operation.refuses(&token, Reason::TokenExpired, "Jwt is expired");
}

#[test]
fn a_proof_is_believed_for_five_minutes() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    verified(operation.bearer(&token));
    let digest = TokenCache::digest(&token).unwrap();
    assert!(operation.cache.recall(&digest, NOW + 299).is_some());
    assert!(operation.cache.recall(&digest, NOW + 300).is_none());
    assert_eq!(operation.cache.len(), 0);
}

#[test]
fn two_providers_of_one_issuer_share_an_entry_but_not_a_proof() {
    let (a, b) = (signer(), Signer::new("ES256", "b"));
    let mut operation = Operation::new(
        vec![provider(ISSUER, Some(&["x"])), provider(ISSUER, None)],
        &[&a],
    );
    let token = a.token(&claims());
    assert_eq!(verified(operation.bearer(&token)).0, 1);
    operation.policy.providers.get_mut("p0").unwrap().audiences = None;
    operation.prepare();
    operation.publish(0, &[&b]);
    assert_eq!(verified(operation.bearer(&token)).0, 1);
    operation.publish(0, &[&a]);
    assert_eq!(verified(operation.bearer(&token)).0, 0);
    assert_eq!(operation.cache.len(), 1);
}

#[test]
fn the_memory_is_bounded_and_keeps_what_is_used() {
    let signer = Signer::new("EdDSA", "a");
    let mut operation = Operation::new(vec![provider(ISSUER, None)], &[&signer]);
    operation.cache = TokenCache::with_capacity(10);
    let used = signer.token(&claims());
    let mut first = None;
    for number in 0..50 {
        let token = signer.token(&with("sub", json!(number.to_string())));
        verified(operation.bearer(&token));
        verified(operation.bearer(&used));
        first.get_or_insert(token);
        assert!(operation.cache.len() <= 10);
    }
    let mut recalls = |token: &str| {
        operation
            .cache
            .recall(&TokenCache::digest(token).unwrap(), NOW)
            .is_some()
    };
    assert!(recalls(&used));
    assert!(!recalls(&first.unwrap()));
}

#[test]
fn long_tokens_are_not_remembered() {
    let mut operation = Operation::of(&signer());
    verified(operation.bearer(&signer().token(&with("groups", json!("g".repeat(5000))))));
    assert_eq!(operation.cache.len(), 0);
}

#[test]
fn nothing_told_holds_a_part_of_the_token() {
    let mut operation = Operation::of(&signer());
    let canary = "canary";
    for (name, value) in [
        ("iss", canary),
        ("aud", canary),
        ("exp", canary),
        ("sub", canary),
    ] {
        let authentication = operation.bearer(&signer().token(&with(name, json!(value))));
        if let Authentication::Refused(refusal) = authentication {
            assert!(!refusal.message.contains(canary), "{}", refusal.message);
        }
    }
}

fn passes(authentication: &Authentication) -> bool {
    matches!(authentication, Authentication::Verified { .. })
}

proptest! {
    #[test]
    fn a_changed_token_never_verifies(
        name in prop::sample::select(&["ES256", "EdDSA", "RS256"][..]),
        place in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let signer = Signer::new(name, "a");
        let mut bytes = signer.token(&claims()).into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != with);
        bytes[place] = with;
        let token = String::from_utf8_lossy(&bytes).into_owned();
        let query = format!("access_token={}", token.replace('%', "%25").replace('&', "%26"));
        let authentication = Operation::of(&signer).ask(&[], Some(&query));
        prop_assert!(!passes(&authentication), "{token}");
    }

    #[test]
    fn no_text_makes_the_check_panic(text in ".{0,120}", query in "[ -~]{0,60}") {
        let mut operation = Operation::of(&signer());
        for query in [format!("access_token={text}"), query] {
            let authentication = operation.ask(&[], Some(&query));
            prop_assert!(!passes(&authentication));
        }
    }

    #[test]
    fn no_header_or_payload_makes_the_check_panic(header in ".{0,60}", payload in ".{0,120}") {
        let token = signer().token_of_text(&header, &payload);
        prop_assert!(!passes(&Operation::of(&signer()).bearer(&token)));
    }
}
