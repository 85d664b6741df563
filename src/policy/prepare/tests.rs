use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::policy::format::{
    BackendRule, CorsMode, CorsPolicy, KeySource, OriginRule, PathRule, Provider, Requirement,
    TokenLocation,
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
        settings: crate::policy::format::Settings::default(),
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

/// Nobody knows what a policy means that is not in the one form that the compiler writes.
#[test]
fn what_is_not_in_its_one_form_is_refused() {
    let rule = |address: &str| BackendRule {
        address: Some(address.to_owned()),
        http2: false,
        path: None,
        deadline_ms: None,
    };
    let with_rules = |rules: Vec<BackendRule>| {
        let mut policy = policy();
        policy.backends = rules;
        policy.operations[0].backend = Some(0);
        policy.operations[1].backend = policy.backends.len().checked_sub(1);
        policy
    };
    let with_rule = |rule: BackendRule| with_rules(vec![rule]);
    let with_locations = |locations: &[TokenLocation]| {
        let mut policy = policy();
        let provider = policy.providers.get_mut("first").unwrap();
        provider.locations = locations.to_vec();
        policy
    };
    let header = |name: &str, prefix: &str| TokenLocation::Header {
        name: name.to_owned(),
        value_prefix: prefix.to_owned(),
    };
    let with_security = |security: Vec<Alternative>| {
        let mut policy = policy();
        policy.operations[0].security = security;
        policy
    };
    let with_requirement = |change: fn(&mut Requirement)| {
        let mut alternative = Alternative::of("first");
        change(&mut alternative.0[0]);
        with_security(vec![alternative])
    };
    let with_cors = |rules: Vec<CorsMode>, place: usize| {
        let mut policy = policy();
        policy.cors = CorsMode::PassThrough;
        policy.cors_rules = rules;
        policy.operations[0].cors = Some(place);
        policy
    };

    for good in [
        with_rules(vec![rule("http://a:1"), rule("https://[::1]:2")]),
        with_rule(BackendRule {
            http2: true,
            deadline_ms: Some(1),
            ..rule("https://a:1")
        }),
        with_rule(BackendRule {
            path: Some(PathRule::Constant(String::from("/"))),
            ..rule("grpc://a:1")
        }),
        with_locations(&[
            header("x", "Bearer "),
            TokenLocation::Query(String::from("t")),
        ]),
        with_cors(vec![CorsMode::Off], 0),
        with_requirement(|requirement| requirement.scopes = BTreeSet::from([String::from("s")])),
        Policy {
            format: 1,
            ..policy()
        },
    ] {
        assert!(super::check::check(&good).is_ok(), "{good:#?}");
    }
    for bad in [
        Policy {
            format: 1,
            ..with_rule(rule("http://a:1"))
        },
        Policy {
            format: 0,
            ..policy()
        },
        // Places that dangle, rules that nothing uses, and orders of their own.
        with_rules(vec![]),
        with_rules(vec![
            rule("http://a:1"),
            rule("http://b:1"),
            rule("http://c:1"),
        ]),
        with_rules(vec![rule("http://b:1"), rule("http://a:1")]),
        with_rules(vec![rule("http://a:1"), rule("http://a:1")]),
        with_cors(vec![CorsMode::Off], 1),
        with_cors(vec![], 0),
        // Backends that are none.
        with_rule(rule("a")),
        with_rule(rule("http://a")),
        with_rule(rule("http://a:0")),
        with_rule(rule("http://me@a:1")),
        with_rule(rule("http://a:1/x")),
        with_rule(rule("ftp://a:1")),
        with_rule(BackendRule {
            http2: true,
            ..rule("grpc://a:1")
        }),
        with_rule(BackendRule {
            address: None,
            ..rule("")
        }),
        with_rule(BackendRule {
            address: None,
            deadline_ms: Some(1),
            path: Some(PathRule::Append(String::from("/a"))),
            ..rule("")
        }),
        with_rule(BackendRule {
            deadline_ms: Some(0),
            ..rule("http://a:1")
        }),
        with_rule(BackendRule {
            deadline_ms: Some(u64::MAX),
            ..rule("http://a:1")
        }),
        with_rule(BackendRule {
            path: Some(PathRule::Append(String::from("/a/"))),
            ..rule("http://a:1")
        }),
        with_rule(BackendRule {
            path: Some(PathRule::Append(String::new())),
            ..rule("http://a:1")
        }),
        with_rule(BackendRule {
            path: Some(PathRule::Constant(String::from("/../a"))),
            ..rule("http://a:1")
        }),
        with_rule(BackendRule {
            path: Some(PathRule::Constant(String::from("/a\r\n"))),
            ..rule("http://a:1")
        }),
        // Tokens that are looked for where none can be.
        with_locations(&[header("X", "")]),
        with_locations(&[header("x y", "")]),
        with_locations(&[header("x", "a\n")]),
        with_locations(&[TokenLocation::Query(String::new())]),
        with_locations(&[header("x", ""), header("x", "")]),
        // Demands that say less than they seem to.
        with_security(vec![Alternative::of("first"), Alternative::of("first")]),
        with_security(vec![Alternative(
            [Alternative::of("first").0, Alternative::of("first").0].concat(),
        )]),
        with_security(vec![Alternative(
            [Alternative::of("second").0, Alternative::of("first").0].concat(),
        )]),
        with_requirement(|requirement| requirement.audiences = Some(BTreeSet::new())),
        with_requirement(|requirement| requirement.scopes = BTreeSet::from([String::new()])),
    ] {
        assert!(Prepared::new(bad.clone()).is_err(), "{bad:#?}");
        assert!(super::check::check(&bad).is_err(), "{bad:#?}");
    }
}
