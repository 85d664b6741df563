//! Who may use whom (`docs/architecture.md`): every path of every file under `src/` is held against
//! the table, and each rule is shown to bite.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod paths;
mod rules;

use std::collections::BTreeSet;
use std::path::Path;

use paths::{Crate, Source};

#[test]
fn no_import_breaks_who_may_use_whom() {
    let sources = Source::read_tree(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert!(
        sources.len() > 30,
        "the tree was not read: {} files",
        sources.len()
    );
    let violations = violations(sources);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn every_folder_of_the_tree_has_a_row() {
    let sources = Source::read_tree(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let places: BTreeSet<_> = sources.iter().filter_map(|source| source.place()).collect();
    for place in places {
        assert!(
            rules::row(&place).is_some(),
            "`{place}` has no row in tests/architecture/rules.rs"
        );
    }
}

/// A file that breaks a rule, in each of the ways a path can be written.
#[test]
fn a_seeded_violation_of_each_rule_is_found() {
    let seeds = [
        (
            "proxy names operator",
            "proxy/service.rs",
            "use crate::operator::index::Index;",
        ),
        (
            "proxy names push",
            "proxy.rs",
            "fn f() { crate::push::server::serve() }",
        ),
        (
            "proxy names kube inline",
            "proxy/worker.rs",
            "fn f(_: kube::Client) {}",
        ),
        (
            "proxy names kube absolutely",
            "proxy/worker.rs",
            "type C = ::kube::Client;",
        ),
        (
            "proxy names kube in a macro",
            "proxy/worker.rs",
            "fn f() { g!(kube::Client) }",
        ),
        (
            "proxy names operator by super",
            "proxy/drain.rs",
            "use super::super::operator;",
        ),
        (
            "proxy names operator in a group",
            "proxy/drain.rs",
            "use crate::{policy, operator::x};",
        ),
        ("proxy renames kube", "proxy/drain.rs", "use kube as k;"),
        (
            "proxy renames the crate",
            "proxy/drain.rs",
            "use crate as root;",
        ),
        (
            "proxy takes the whole crate",
            "proxy/drain.rs",
            "use crate::*;",
        ),
        (
            "proxy names kube by extern crate",
            "proxy/drain.rs",
            "extern crate kube as k;",
        ),
        (
            "policy has I/O",
            "policy/jwt.rs",
            "use tokio::net::TcpStream;",
        ),
        (
            "policy has files",
            "policy/route.rs",
            "fn f() { std::fs::read(\"x\"); }",
        ),
        (
            "policy has sockets",
            "policy/route.rs",
            "use std::net::TcpStream;",
        ),
        (
            "policy has a clock",
            "policy/jwt.rs",
            "use std::time::{Duration, SystemTime};",
        ),
        (
            "policy takes all of std::time",
            "policy/jwt.rs",
            "use std::time; fn f() { time::SystemTime::now(); }",
        ),
        (
            "policy names jwks",
            "policy/jwt.rs",
            "use crate::jwks::KeyStore;",
        ),
        ("openapi has I/O", "openapi/source.rs", "use std::io::Read;"),
        (
            "openapi names Kubernetes",
            "openapi/v2.rs",
            "use k8s_openapi::api::core::v1::Pod;",
        ),
        (
            "openapi names policy",
            "openapi/v2.rs",
            "use super::super::policy::Policy;",
        ),
        (
            "api brings a client",
            "api/annotations.rs",
            "use kube::Client;",
        ),
        (
            "api brings tokio",
            "api/annotations.rs",
            "use tokio::sync::mpsc;",
        ),
        (
            "api names policy",
            "api/annotations.rs",
            "use crate::policy::Policy;",
        ),
        (
            "jwks names proxy",
            "jwks/fetch.rs",
            "use crate::proxy::Proxy;",
        ),
        ("jwks names kube", "jwks/fetch.rs", "use kube::Client;"),
        (
            "push names operator",
            "push/server.rs",
            "use crate::operator::index::Index;",
        ),
        (
            "push names jwks",
            "push/server.rs",
            "use crate::jwks::KeyStore;",
        ),
        (
            "operator names proxy",
            "operator/index.rs",
            "use crate::proxy::Proxy;",
        ),
        (
            "operator names cli",
            "operator/index.rs",
            "use crate::cli::report;",
        ),
        ("tls names policy", "tls.rs", "use crate::policy::Policy;"),
        (
            "readiness names proxy",
            "readiness.rs",
            "use crate::proxy::Proxy;",
        ),
        (
            "an import inside a function",
            "proxy/a.rs",
            "fn f() { use crate::operator as o; o::x(); }",
        ),
        (
            "an attribute",
            "policy/a.rs",
            "#[derive(kube::CustomResource)] struct S;",
        ),
    ];
    for (name, file, text) in seeds {
        let found = violations(vec![Source::new(file, text)]);
        assert!(!found.is_empty(), "not found: {name}: `{text}` in {file}");
    }
}

/// A forbidden item does not become allowed by a detour over a place that may be used.
#[test]
fn a_re_export_is_followed() {
    for (export, text) in [
        ("pub use kube::Client;", "use crate::policy::Client;"),
        (
            "pub use kube as cluster;",
            "fn f(_: crate::policy::cluster::Client) {}",
        ),
        ("pub use kube::*;", "use crate::policy::Client;"),
    ] {
        let found = violations(vec![
            Source::new("policy.rs", export),
            Source::new("proxy/a.rs", text),
        ]);
        let in_proxy = found
            .iter()
            .any(|violation| violation.contains("proxy/a.rs"));
        // A glob is refused where it stands; a named re-export is followed to where it is used.
        let refused = found
            .iter()
            .any(|violation| violation.contains("policy.rs"));
        assert!(
            refused && (in_proxy || export.contains('*')),
            "{export} {text}: {found:?}"
        );
    }
}

#[test]
fn what_the_table_allows_is_not_reported() {
    let fine = [
        (
            "proxy/service.rs",
            "use crate::policy::{self, Prepared, decide::decide}; use super::worker;",
        ),
        (
            "proxy/service.rs",
            "use std::net::TcpListener; use hyper::body::Incoming;",
        ),
        (
            "policy/jwt.rs",
            "use std::time::Duration; use std::net::IpAddr; fn f(kube: u8) { kube; }",
        ),
        (
            "policy/compile.rs",
            "use crate::openapi::Diagnostic; use crate::api::EndpointsServiceSpec;",
        ),
        (
            "operator/controller.rs",
            "use crate::push::server::Hub; use kube::Client;",
        ),
        (
            "api/endpoints_service.rs",
            "use kube::{CustomResource, KubeSchema};",
        ),
        (
            "proxy/service.rs",
            "// use crate::operator;\nconst A: &str = \"crate::operator\";",
        ),
        (
            "cli/proxy.rs",
            "use crate::push; use crate::proxy; use crate::operator;",
        ),
    ];
    for (file, text) in fine {
        let found = violations(vec![Source::new(file, text)]);
        assert!(found.is_empty(), "{file}: `{text}`: {found:?}");
    }
}

/// Everything that breaks the table, as `file:line: path: why`.
fn violations(sources: Vec<Source>) -> Vec<String> {
    let tree = Crate::new(sources);
    let mut found = BTreeSet::new();
    for used in tree.paths() {
        let Some(row) = rules::row(&used.place) else {
            continue;
        };
        if let Err(why) = row.check(&used.resolved, used.file.contains("tests")) {
            let path = used.resolved.join("::");
            found.insert(format!("{}:{}: {path}: {why}", used.file, used.line));
        }
    }
    found.into_iter().collect()
}
