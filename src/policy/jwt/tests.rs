mod alternatives;
mod claims;
mod forwarding;
mod hostile;
mod keys;
mod locations;
mod memory;
mod places;
mod scopes;
mod sections;

use std::collections::BTreeSet;

use http::{HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::endpoints_service::RegisteredClaim;
use crate::policy::format::{
    self, ClaimHeader, CorsMode, KeySource, Policy, Provider, UserInfoForm,
};
use crate::policy::key_set::MAX_KEYS;
use crate::policy::key_set::tokens::{ALGORITHMS, Signer, key_set};
use crate::policy::verdict::{Challenge, Reason};

/// Of the operations below, sorted by path as the compiler does.
const CLOSED: usize = 0;
const OPEN: usize = 1;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "https://bookstore.example";

/// Alternatives, keys and cache of one operation, as a worker holds them.
struct Operation {
    policy: Policy,
    prepared: Prepared,
    keys: Vec<Option<Arc<KeySet>>>,
    cache: TokenCache,
    now: u64,
}

impl Operation {
    fn new(providers: Vec<Provider>, keys: &[&Signer]) -> Self {
        let names: Vec<_> = (0..providers.len())
            .map(|index| format!("p{index}"))
            .collect();
        let operation = |path: &str, security: &[String]| format::Operation {
            method: "GET".to_owned(),
            path: path.to_owned(),
            name: path.to_owned(),
            security: security.iter().map(format::Alternative::of).collect(),
            backend: None,
            cors: None,
        };
        let policy = Policy {
            format: format::FORMAT,
            service: "bookstore.example".to_owned(),
            operations: vec![operation("/closed", &names), operation("/open", &[])],
            providers: names.into_iter().zip(providers).collect(),
            cors: CorsMode::Off,
            required_claims: BTreeSet::from([RegisteredClaim::Exp]),
            backend: None,
            healthz: None,
            backends: Vec::new(),
            cors_rules: Vec::new(),
            settings: crate::policy::format::Settings::default(),
        };
        let set = Arc::new(KeySet::parse(key_set(keys).as_bytes()).unwrap());
        let prepared = Prepared::new(policy.clone()).unwrap();
        let keys = vec![Some(set); prepared.providers.len()];
        Self {
            policy,
            prepared,
            keys,
            cache: TokenCache::default(),
            now: NOW,
        }
    }

    /// With one provider of [`ISSUER`] and [`AUDIENCE`].
    fn of(signer: &Signer) -> Self {
        Self::new(vec![provider(ISSUER, Some(&[AUDIENCE]))], &[signer])
    }

    /// Asks for these alternatives from now on.
    fn demand(&mut self, alternatives: &[&[format::Requirement]]) {
        let alternatives = alternatives
            .iter()
            .map(|all| format::Alternative(all.to_vec()));
        self.policy.operations[CLOSED].security = alternatives.collect();
        self.prepare();
    }

    fn prepare(&mut self) {
        self.prepared = Prepared::new(self.policy.clone()).unwrap();
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
        self.ask_for(CLOSED, &map, query)
    }

    fn ask_for(
        &mut self,
        operation: usize,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Authentication {
        let (prepared, keys) = (&self.prepared, &self.keys);
        authenticate(
            prepared,
            operation,
            headers,
            query,
            keys,
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
        locations: Vec::new(),
    }
}

/// A token of a provider, with nothing else asked of it.
fn of(provider: &str) -> format::Requirement {
    with_scopes(provider, &[])
}

fn with_scopes(provider: &str, scopes: &[&str]) -> format::Requirement {
    format::Requirement {
        provider: provider.to_owned(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        audiences: None,
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
        Authentication::Verified(verified) => (
            verified.provider,
            verified.told.user_info.to_str().unwrap().to_owned(),
        ),
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
