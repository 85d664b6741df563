//! The head of a request: method, target and headers, up to the token.

use std::sync::{Arc, LazyLock};

use endpoints::policy::decide::{Action, decide};
use endpoints::policy::jwt::{Authentication, TokenCache, authenticate};
use endpoints::policy::key_set::KeySet;
use endpoints::policy::path::normalise;
use endpoints::policy::{Policy, Prepared};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// `/open` is open, everything else asks for tokens in one of their many ways.
const POLICY: &str = include_str!("request/policy.json");
/// A public key whose private half nobody kept.
const KEYS: &str = include_str!("request/keys.json");
/// Seconds since 1970, when the requests are made.
const NOW: u64 = 1_800_000_000;

static PREPARED: LazyLock<Prepared> = LazyLock::new(|| {
    let policy = Policy::from_bytes(POLICY.as_bytes()).expect("a policy");
    Prepared::new(policy).expect("it can be run")
});
static KEY_SET: LazyLock<Arc<KeySet>> =
    LazyLock::new(|| Arc::new(KeySet::parse(KEYS.as_bytes()).expect("a key set")));

/// Lines: `METHOD TARGET`, then `name: value`. No head panics the decision, and none gets past an
/// operation that asks for tokens: nobody can sign one.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(first) = lines.next() else { return };
    let mut words = first.splitn(2, |byte| *byte == b' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return;
    };
    let (Ok(method), Ok(target)) = (Method::from_bytes(method), Uri::try_from(target)) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in lines.take(32) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    check(&method, &target, &headers);
}

/// Decides, and asks for the token as the proxy does.
pub fn check(method: &Method, target: &Uri, headers: &HeaderMap) {
    let prepared = &*PREPARED;
    let decision = decide(prepared, method, target, headers);
    let mut answer = HeaderMap::new();
    prepared.cors.decorate(&decision.cors, &mut answer, true);
    let Action::Forward(forward) = decision.action else {
        return;
    };
    let path = normalise(&forward.path).expect("what is forwarded is a path");
    assert_eq!(path.0, forward.path, "not normalised");
    // Nothing is let through: the policy is enforced.
    let index = forward.operation.expect("an operation");
    let operation = &prepared.policy.operations[index];
    if !forward.authenticate {
        assert_eq!(*method, Method::OPTIONS);
        return;
    }
    let keys = vec![Some(Arc::clone(&KEY_SET)); prepared.providers.len()];
    let outcome = authenticate(
        prepared,
        index,
        headers,
        target.query(),
        &keys,
        &mut TokenCache::default(),
        NOW,
    );
    match outcome {
        // `{}`: no token, or none of these issuers.
        Authentication::Open => assert!(
            operation.security.is_empty() || operation.security.iter().any(|one| one.0.is_empty()),
            "{operation:?} is open"
        ),
        Authentication::Refused(refusal) | Authentication::UnknownKey { refusal, .. } => {
            assert!(refusal.status.is_client_error() || refusal.status.is_server_error());
            assert!(serde_json::from_slice::<serde_json::Value>(&refusal.body()).is_ok());
            refusal.www_authenticate("https://api.example.com");
        }
        Authentication::Verified { .. } => panic!("a forged token passed: {headers:?}"),
    }
}
