use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::policy::format::{
    BackendRule, CorsMode, CorsPolicy, KeySource, OriginRule, PathRule, Provider, TokenLocation,
};

fn policy() -> Policy {
    let operation = |method: &str, path: &str, security: &[&str]| Operation {
        method: method.to_owned(),
        path: path.to_owned(),
        name: format!("{method} {path}"),
        security: security.iter().copied().map(Alternative::of).collect(),
        backend: None,
        cors: None,
    };
    let provider = |issuer: &str| Provider {
        issuer: issuer.to_owned(),
        keys: KeySource::Url(format!("{issuer}/keys")),
        audiences: None,
        locations: Vec::new(),
    };
    Policy {
        format: FORMAT,
        service: "a.example".to_owned(),
        operations: vec![
            operation("GET", "/a", &[]),
            operation("POST", "/a", &["second", "first"]),
        ],
        providers: BTreeMap::from([
            ("first".to_owned(), provider("https://one.example")),
            ("second".to_owned(), provider("https://two.example")),
        ]),
        cors: CorsMode::Off,
        required_claims: BTreeSet::new(),
        backend: None,
        healthz: Some("/%68ealth//z".to_owned()),
        backends: Vec::new(),
        cors_rules: Vec::new(),
    }
}

fn refused(policy: Policy) -> String {
    Prepared::new(policy)
        .expect_err("no good policy")
        .to_string()
}

#[test]
fn alternatives_keep_their_order_and_point_at_their_providers() {
    let prepared = Prepared::new(policy()).expect("a good policy");
    let alternatives = |operation: usize| -> Vec<usize> {
        let alternatives = &prepared.security[operation].alternatives;
        alternatives.iter().flatten().map(|r| r.provider).collect()
    };
    assert_eq!((alternatives(0), alternatives(1)), (vec![], vec![1, 0]));
    let names: Vec<_> = prepared
        .providers
        .iter()
        .map(|provider| (provider.index, provider.name.as_str()))
        .collect();
    assert_eq!(names, [(0, "first"), (1, "second")]);
    assert_eq!(prepared.healthz.as_deref(), Some("/health/z"));
    assert_eq!(prepared.hash, policy().hash());
}

#[test]
fn a_newer_format_is_refused_with_the_remedy() {
    let newer = Policy {
        format: FORMAT + 1,
        ..policy()
    };
    let error = Prepared::new(newer).expect_err("too new");
    assert!(matches!(
        error,
        PrepareError::TooNew {
            supported: FORMAT,
            ..
        }
    ));
    assert!(error.to_string().contains("restart the pod"));
}

#[test]
fn what_no_compiler_writes_is_refused_never_loosened() {
    let mut unknown = policy();
    unknown.operations[1].security = vec![Alternative::of("first"), Alternative::of("third")];
    assert!(refused(unknown).contains("`third`"));

    let mut crowd = policy();
    let Alternative(one) = Alternative::of("first");
    crowd.operations[1].security = vec![Alternative(vec![one[0].clone(); 9])];
    assert!(refused(crowd).contains("more than 8 tokens"));

    let mut location = policy();
    let first = location.providers.get_mut("first").expect("there");
    first.locations = vec![TokenLocation::Header {
        name: "a b".to_owned(),
        value_prefix: String::new(),
    }];
    assert!(refused(location).contains("name of a header"));

    let mut backend = policy();
    backend.operations[0].backend = Some(0);
    assert!(refused(backend).contains("lacks"));

    let mut translation = policy();
    translation.operations[0].backend = Some(0);
    translation.backends.push(BackendRule {
        address: None,
        http2: false,
        path: Some(PathRule::Append("x".to_owned())),
        deadline_ms: None,
    });
    assert!(refused(translation).contains("normal form"));

    let mut method = policy();
    method.operations[0].method = "GET\r\nX: y".to_owned();
    assert!(refused(method).contains("is not a method"));

    let mut template = policy();
    template.operations[0].path = "/a/{b".to_owned();
    assert!(refused(template).contains("not closed"));

    let mut twice = policy();
    twice.operations[1].method = "GET".to_owned();
    assert!(refused(twice).contains("one route"));

    let mut health = policy();
    health.healthz = Some("health".to_owned());
    assert!(refused(health).contains("health path"));

    let mut cors = policy();
    cors.cors = CorsMode::Owned(CorsPolicy {
        origins: OriginRule::Regex("(".to_owned()),
        allow_methods: String::new(),
        allow_headers: String::new(),
        expose_headers: String::new(),
        allow_credentials: false,
        max_age_seconds: 0,
    });
    assert!(refused(cors).contains("origin pattern"));
}
