//! Backends of operations.

use std::sync::Arc;

use super::described::*;
use super::*;
use crate::openapi::description::{Backend, BackendProtocol, Operation, PathTranslation};
use crate::policy::format::{BackendRule, PathRule};

fn backend(address: Option<&str>) -> Backend {
    Backend {
        address: address.map(str::to_owned),
        path_translation: PathTranslation::AppendPathToAddress,
        deadline: None,
        protocol: BackendProtocol::Http1,
        jwt_audience: None,
        disable_auth: true,
        place: place("/x-google-backend"),
        address_place: place("/x-google-backend/address"),
    }
}

fn with(backend: Backend) -> Description {
    let operation = Operation {
        backend: Some(Arc::new(backend)),
        ..operation("GET", "/a/{b}")
    };
    description(vec![operation], Vec::new())
}

fn rule_of(backend: Backend, fields: Value) -> (Option<BackendRule>, Vec<&'static str>) {
    let (policy, warnings) = policy(&with(backend), fields);
    let rule = policy.operations[0]
        .backend
        .map(|place| policy.backends[place].clone());
    (rule, warnings)
}

fn rule(backend: Backend) -> BackendRule {
    let (rule, warnings) = rule_of(backend, json!({}));
    assert_eq!(warnings, Vec::<&str>::new());
    rule.expect("the operation has a rule")
}

fn to(address: &str) -> BackendRule {
    BackendRule {
        address: Some(address.to_owned()),
        http2: false,
        path: None,
        deadline_ms: None,
    }
}

#[test]
fn an_address_has_a_path_that_goes_before_the_requests() {
    let append = |path: &str| BackendRule {
        path: Some(PathRule::Append(path.to_owned())),
        ..to("https://b:443")
    };
    assert_eq!(rule(backend(Some("https://b"))), to("https://b:443"));
    assert_eq!(rule(backend(Some("b/"))), to("https://b:443"));
    assert_eq!(rule(backend(Some("https://b/v1"))), append("/v1"));
    assert_eq!(rule(backend(Some("https://b/v1//x/../"))), append("/v1"));
}

#[test]
fn a_constant_address_takes_the_place_of_the_path() {
    let constant = |address: &str| {
        rule(Backend {
            path_translation: PathTranslation::ConstantAddress,
            ..backend(Some(address))
        })
        .path
    };
    let expected = |path: &str| Some(PathRule::Constant(path.to_owned()));
    assert_eq!(constant("https://b/get/"), expected("/get"));
    assert_eq!(constant("https://b"), expected("/"));
}

#[test]
fn variables_that_would_become_one_query_parameter_are_refused() {
    let constant = Backend {
        path_translation: PathTranslation::ConstantAddress,
        ..backend(Some("https://b"))
    };
    let described = |path: &str, backend: &Backend| {
        let operation = Operation {
            backend: Some(Arc::new(backend.clone())),
            ..operation("GET", path)
        };
        description(vec![operation], Vec::new())
    };
    let finding = refusal(&described("/a/{b}/{c=*}/{b=**}", &constant), json!({}));
    assert!(finding.message.contains("are called `b`"), "{finding}");
    assert_eq!(finding.place.pointer, "/paths/~1a~1{b}~1{c=*}~1{b=**}");
    policy(&described("/a/{b}/{c-d}.{e}", &constant), json!({}));
    policy(
        &described("/a/{b}/{b}", &backend(Some("https://b"))),
        json!({}),
    );
}

#[test]
fn http2_is_said_where_the_scheme_does_not_say_it() {
    let http2 = |address: &str| {
        rule(Backend {
            protocol: BackendProtocol::Http2,
            ..backend(Some(address))
        })
    };
    assert!(http2("https://b").http2);
    assert!(!http2("grpcs://b").http2);
    assert!(!rule(backend(Some("grpc://b"))).http2);
}

#[test]
fn a_deadline_counts_without_an_address_too() {
    let deadline = |seconds: f64| {
        let deadline = Some(seconds);
        rule_of(
            Backend {
                deadline,
                ..backend(None)
            },
            json!({}),
        )
    };
    for (seconds, milliseconds) in [(0.0015, 1), (2.5, 2500), (86_400.0, 86_400_000)] {
        let expected = BackendRule {
            address: None,
            deadline_ms: Some(milliseconds),
            ..to("")
        };
        assert_eq!(deadline(seconds), (Some(expected), vec![]), "{seconds}");
    }
    for seconds in [0.0001, 86_401.0, 1e300, f64::INFINITY, f64::NAN, -1.0, 0.0] {
        let described = with(Backend {
            deadline: Some(seconds),
            ..backend(None)
        });
        let finding = refusal(&described, json!({}));
        assert!(finding.message.contains("deadline"), "{finding}");
        assert_eq!(finding.place.pointer, "/x-google-backend");
    }
}

#[test]
fn the_resources_deadline_is_for_operations_without_one() {
    let fields = || json!({"backend": {"deadline": "1m30s"}});
    let deadlines = |backend: Option<Backend>| {
        let operation = Operation {
            backend: backend.map(Arc::new),
            ..operation("GET", "/a")
        };
        let (policy, _) = policy(&description(vec![operation], Vec::new()), fields());
        policy.backends[policy.operations[0].backend.unwrap()].deadline_ms
    };
    assert_eq!(deadlines(None), Some(90_000));
    assert_eq!(deadlines(Some(backend(Some("https://b")))), Some(90_000));
    let own = Backend {
        deadline: Some(3.0),
        ..backend(None)
    };
    assert_eq!(deadlines(Some(own)), Some(3000));
    for (written, words) in [
        ("0", "not between"),
        ("25h", "not between"),
        ("1us", "not between"),
        ("15", "no unit"),
        ("-1s", "negative"),
    ] {
        let fields = json!({"backend": {"deadline": written}});
        assert_refused(fields, "/spec/backend/deadline", words, "like `15s`");
    }
}

#[test]
fn the_resources_address_wins_if_it_says_so() {
    let written = || Backend {
        deadline: Some(1.0),
        protocol: BackendProtocol::Http2,
        path_translation: PathTranslation::ConstantAddress,
        disable_auth: false,
        ..backend(Some("https://b/x"))
    };
    let fields = json!({"backend": {"overrideAddresses": true, "address": "http://app:1"}});
    let only_deadline = BackendRule {
        address: None,
        deadline_ms: Some(1000),
        ..to("")
    };
    assert_eq!(rule_of(written(), fields), (Some(only_deadline), vec![]));
    let fields = json!({"backend": {"overrideAddresses": true}});
    let bare = backend(Some("https://b/x"));
    assert_eq!(rule_of(bare, fields.clone()), (None, vec![]));
    assert_eq!(rule_of(backend(None), fields), (None, vec!["no-effect"]));
    let (rule, _) = rule_of(written(), json!({"backend": {"overrideAddresses": false}}));
    assert!(rule.unwrap().address.is_some());
}

/// Google's proxy would put a token of its own there: nobody should learn from a 401 that ours does not.
#[test]
fn an_id_token_that_is_not_minted_is_a_warning() {
    let lint = "backend-id-token-not-minted";
    let silent = rule_of(backend(Some("https://b")), json!({}));
    assert_eq!(silent.1, Vec::<&str>::new());
    let minted = Backend {
        disable_auth: false,
        ..backend(Some("https://b"))
    };
    assert_eq!(rule_of(minted.clone(), json!({})).1, [lint]);
    let audience = place("/x-google-backend/jwt_audience");
    let named = Backend {
        jwt_audience: Some((String::from("me"), audience.clone())),
        ..minted
    };
    let warnings = outcome(&with(named.clone()), json!({})).unwrap().warnings;
    assert_eq!((warnings[0].code, &warnings[0].place), (lint, &audience));
    assert!(warnings[0].message.contains("for `me`"), "{}", warnings[0]);
    let nowhere = Backend {
        address: None,
        ..named
    };
    assert_eq!(rule_of(nowhere, json!({})), (None, vec!["no-effect"]));
}

#[test]
fn what_changes_nothing_is_a_warning() {
    let query = rule_of(backend(Some("https://b?x=1")), json!({}));
    assert_eq!(query, (Some(to("https://b:443")), vec!["no-effect"]));
    let http2 = Backend {
        protocol: BackendProtocol::Http2,
        ..backend(None)
    };
    assert_eq!(rule_of(http2, json!({})), (None, vec!["no-effect"]));
}

#[test]
fn a_bad_address_is_refused_at_its_place() {
    let finding = refusal(
        &with(backend(Some("http://169.254.169.254/latest"))),
        json!({}),
    );
    assert_eq!(finding.code, code::INVALID_OPENAPI);
    assert_eq!(finding.place.pointer, "/x-google-backend/address");
    assert!(finding.message.contains("metadata"), "{finding}");
    let field = json!({"backend": {"address": "http://169.254.169.254"}});
    assert_refused(field, "/spec/backend/address", "link-local", "of your own");
}

#[test]
fn rules_are_sorted_and_none_stands_there_twice() {
    let operations =
        [("/a", "https://z"), ("/b", "https://y/p"), ("/c", "z/")].map(|(path, address)| {
            Operation {
                backend: Some(Arc::new(backend(Some(address)))),
                ..operation("GET", path)
            }
        });
    let mut operations = operations.to_vec();
    operations.push(operation("GET", "/d"));
    let (policy, _) = policy(&description(operations, Vec::new()), json!({}));
    let addresses: Vec<_> = policy
        .backends
        .iter()
        .map(|rule| rule.address.as_deref())
        .collect();
    assert_eq!(addresses, [Some("https://y:443"), Some("https://z:443")]);
    let places: Vec<_> = policy
        .operations
        .iter()
        .map(|operation| operation.backend)
        .collect();
    assert_eq!(places, [Some(1), Some(0), Some(1), None]);
}

#[test]
fn the_number_of_backends_is_bounded() {
    let operations: Vec<_> = (0..1025)
        .map(|number| Operation {
            backend: Some(Arc::new(backend(Some(&format!("b{number}.example"))))),
            ..operation("GET", &format!("/{number}"))
        })
        .collect();
    let fewer = description(operations[1..].to_vec(), Vec::new());
    assert_eq!(policy(&fewer, json!({})).0.backends.len(), 1024);
    let finding = refusal(&description(operations, Vec::new()), json!({}));
    assert!(finding.message.contains("more than 1024"), "{finding}");
}
