use super::*;

#[test]
fn a_remembered_token_is_not_verified_again() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    let first = verified(operation.bearer(&token));
    assert_eq!(operation.cache.entries(), 1);
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
    let digest = operation.cache.digest(&token).unwrap();
    let id = operation.prepared.forwarding.id;
    assert!(operation.cache.recall(&digest, &id, NOW + 299).is_some());
    assert!(operation.cache.recall(&digest, &id, NOW + 300).is_none());
    assert_eq!(operation.cache.entries(), 0);
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
    assert_eq!(operation.cache.entries(), 1);
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
        assert!(operation.cache.entries() <= 10);
    }
    let id = operation.prepared.forwarding.id;
    let mut recalls = |token: &str| {
        let digest = operation.cache.digest(token).unwrap();
        operation.cache.recall(&digest, &id, NOW).is_some()
    };
    assert!(recalls(&used));
    assert!(!recalls(&first.unwrap()));
}

#[test]
fn long_tokens_are_not_remembered() {
    let mut operation = Operation::of(&signer());
    verified(operation.bearer(&signer().token(&with("groups", json!("g".repeat(5000))))));
    assert_eq!(operation.cache.entries(), 0);
}

#[test]
fn what_was_told_under_other_settings_is_not_told_again() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    let plain = verified(operation.bearer(&token)).1;
    operation.policy.settings.jwt.user_info = UserInfoForm::Esp;
    operation.prepare();
    for _ in 0..2 {
        assert_ne!(verified(operation.bearer(&token)).1, plain);
    }
    operation.policy.settings.jwt.user_info = UserInfoForm::Payload;
    operation.prepare();
    assert_eq!(verified(operation.bearer(&token)).1, plain);
    assert_eq!(operation.cache.entries(), 1);
}

#[test]
fn other_bounds_forget_everything_and_none_remembers_nothing() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&claims());
    for (size, ttl, left) in [(1000, 300, 1), (1000, 10, 0), (0, 10, 0)] {
        verified(operation.bearer(&token));
        operation.cache.configure(size, ttl);
        assert_eq!(operation.cache.entries(), left, "{size} {ttl}");
    }
    verified(operation.bearer(&token));
    assert_eq!(operation.cache.entries(), 0);
}

/// The short way, for one token that is remembered, makes every check of the long one.
#[test]
fn a_remembered_token_is_refused_for_every_reason_that_a_new_one_is() {
    let mut operation = Operation::of(&signer());
    let token = signer().token(&with("scope", json!("read")));
    operation.demand(&[&[with_scopes("p0", &["read"])]]);
    for _ in 0..2 {
        verified(operation.bearer(&token));
    }
    let remembered = operation.cache.entries();
    assert_eq!(remembered, 1);
    let mut refused = |change: &dyn Fn(&mut Operation), reason: Reason| {
        let before = operation.policy.clone();
        let (now, keys) = (operation.now, operation.keys.clone());
        change(&mut operation);
        operation.prepare();
        let answer = match operation.bearer(&token) {
            Authentication::Refused(refusal) | Authentication::UnknownKey { refusal, .. } => {
                refusal
            }
            other => panic!("{reason:?}: {other:?}"),
        };
        assert_eq!(answer.reason, reason);
        operation.policy = before;
        (operation.now, operation.keys) = (now, keys);
        operation.prepare();
        verified(operation.bearer(&token));
    };
    let provider = |operation: &mut Operation, change: fn(&mut Provider)| {
        change(operation.policy.providers.get_mut("p0").unwrap());
    };
    refused(
        &|it| provider(it, |p| p.issuer = "https://i".into()),
        Reason::TokenIssuer,
    );
    refused(
        &|it| {
            provider(it, |p| {
                p.audiences = Some(BTreeSet::from(["else".to_owned()]))
            })
        },
        Reason::TokenAudience,
    );
    refused(&|it| it.now = NOW + 3600 + 61, Reason::TokenExpired);
    refused(
        &|it| {
            it.policy.required_claims.insert(RegisteredClaim::Jti);
        },
        Reason::TokenClaimMissing,
    );
    refused(
        &|it| it.demand(&[&[with_scopes("p0", &["write"])]]),
        Reason::TokenScope,
    );
    refused(
        &|it| it.publish(0, &[&Signer::new("ES256", "b")]),
        Reason::TokenKeyUnknown,
    );
    refused(&|it| it.keys[0] = None, Reason::KeysUnavailable);
}
