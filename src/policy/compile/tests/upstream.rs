//! `backend`, but its address and deadline.

use std::collections::BTreeSet;

use super::*;
use crate::api::endpoints_service::RetryOn;
use crate::policy::format::UpstreamSettings;
use crate::policy::format::upstream::{PoolSettings, RetrySettings, TlsSettings};

fn settings(backend: Value) -> UpstreamSettings {
    let compiled = compiled(json!({ "backend": backend }));
    Prepared::new(compiled.policy.clone()).expect("what the compiler writes can be prepared");
    compiled.policy.settings.upstream
}

fn certificate() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["ca.example".to_owned()]).expect("a name");
    params.self_signed(&key).expect("a certificate").pem()
}

#[test]
fn what_is_written_is_in_the_policy_and_nothing_else() {
    let nothing = json!({ "tls": {}, "pool": {}, "retries": {} });
    assert_eq!(settings(nothing), UpstreamSettings::default());
    let all = json!({
        "address": "https://app.example",
        "tls": {
            "caBundle": certificate(), "clientCertificateRef": { "name": "client" },
            "serverName": "Books.example"
        },
        "connectTimeout": "1s",
        "idleTimeout": "1h",
        "pool": { "maxConnections": 3, "idleTimeout": "2s", "maxAge": "24h" },
        "retries": {
            "on": ["refused-stream", "reset", "reset"], "statusCodes": [503, 500], "num": 0,
            "perTryTimeout": "1.5s"
        }
    });
    let settings = settings(all);
    assert_eq!(settings.tls.authorities.len(), 1);
    let expected = UpstreamSettings {
        tls: TlsSettings {
            authorities: settings.tls.authorities.clone(),
            client_certificate: true,
            server_name: Some("books.example".to_owned()),
        },
        connect_timeout_ms: Some(1000),
        idle_timeout_ms: Some(3_600_000),
        pool: PoolSettings {
            max_connections: Some(3),
            idle_timeout_ms: Some(2000),
            max_age_ms: Some(86_400_000),
        },
        retries: RetrySettings {
            on: Some(BTreeSet::from([RetryOn::Reset, RetryOn::RefusedStream])),
            status_codes: BTreeSet::from([500, 503]),
            num: Some(0),
            per_try_timeout_ms: Some(1500),
        },
    };
    assert_eq!(settings, expected);
}

#[test]
fn bounds_hold_and_their_borders_are_inside() {
    for (good, bad) in [
        (
            json!({ "connectTimeout": "10ms" }),
            json!({ "connectTimeout": "9ms" }),
        ),
        (
            json!({ "connectTimeout": "5m" }),
            json!({ "connectTimeout": "301s" }),
        ),
        (
            json!({ "idleTimeout": "24h" }),
            json!({ "idleTimeout": "25h" }),
        ),
        (
            json!({ "idleTimeout": "1ms" }),
            json!({ "idleTimeout": "0" }),
        ),
        (
            json!({ "pool": { "idleTimeout": "1s" } }),
            json!({ "pool": { "idleTimeout": "999ms" } }),
        ),
        (
            json!({ "pool": { "maxAge": "24h" } }),
            json!({ "pool": { "maxAge": "-1s" } }),
        ),
        (
            json!({ "pool": { "maxConnections": 1 } }),
            json!({ "pool": { "maxConnections": 0 } }),
        ),
        (
            json!({ "pool": { "maxConnections": 10000 } }),
            json!({ "pool": { "maxConnections": 10001 } }),
        ),
        (
            json!({ "retries": { "num": 10 } }),
            json!({ "retries": { "num": 11 } }),
        ),
        (
            json!({ "retries": { "num": 0 } }),
            json!({ "retries": { "num": -1 } }),
        ),
        (
            json!({ "retries": { "statusCodes": [599] } }),
            json!({ "retries": { "statusCodes": [600] } }),
        ),
        (
            json!({ "retries": { "perTryTimeout": "1ms" } }),
            json!({ "retries": { "perTryTimeout": "1" } }),
        ),
    ] {
        settings(good);
        let place = pointer("/spec/backend", &bad);
        assert_refused(json!({ "backend": bad }), &place, "", "write a number");
    }
}

/// The pointer to the only value inside.
fn pointer(so_far: &str, value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let (name, inside) = fields.iter().next().expect("a field");
            pointer(&format!("{so_far}/{name}"), inside)
        }
        Value::Array(items) => pointer(&format!("{so_far}/0"), &items[0]),
        _ => so_far.to_owned(),
    }
}

#[test]
fn a_bundle_is_certificates_and_never_quoted() {
    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    for (bundle, why) in [
        ("nonsense".to_owned(), "no certificate"),
        (certificate() + &key, "private key"),
        ("a".repeat(64 * 1024 + 1), "larger than"),
    ] {
        let backend = json!({ "address": "https://a", "tls": { "caBundle": &bundle } });
        let place = "/spec/backend/tls/caBundle";
        assert_refused(
            json!({ "backend": backend }),
            place,
            why,
            "BEGIN CERTIFICATE",
        );
        let spec: EndpointsServiceSpec = serde_json::from_value(json!({
            "openapi": { "inline": BOOKSTORE },
            "backend": { "address": "https://a", "tls": { "caBundle": &bundle } }
        }))
        .expect("the schema's types");
        let findings = compile(&spec, &identity()).expect_err("refused");
        let said = format!("{findings:?}");
        let secret = key.lines().nth(1).expect("a line");
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_server_name_is_a_name_of_a_backend_with_tls() {
    let place = "/spec/backend/tls/serverName";
    let refused = |address: Option<&str>, name: &str, why: &str| {
        let backend = json!({ "address": address, "tls": { "serverName": name } });
        assert_refused(json!({ "backend": backend }), place, why, "");
    };
    for name in [
        "",
        "a b",
        "10.0.0.1",
        "a..b",
        "a.",
        "https://a",
        "a:443",
        "*.a",
    ] {
        refused(Some("https://app"), name, "is not a host's name");
    }
    for address in [
        None,
        Some("http://app"),
        Some("unix:@app"),
        Some("grpc://app"),
    ] {
        refused(address, "books.example", "has no TLS");
    }
    let tls = json!({ "serverName": "books.example" });
    settings(json!({ "address": "grpcs://10.0.0.1", "tls": tls }));
}

#[test]
fn a_certificate_is_named_as_secrets_are() {
    let tls = json!({ "clientCertificateRef": { "name": "A b" } });
    assert_refused(
        json!({ "backend": { "address": "https://app", "tls": tls } }),
        "/spec/backend/tls/clientCertificateRef/name",
        "not the name of a Secret",
        "in the namespace",
    );
}

#[test]
fn what_changes_nothing_is_told() {
    let warnings = |backend: Value| -> Vec<_> {
        let compiled = compiled(json!({ "backend": backend }));
        let warnings = compiled.warnings.iter();
        warnings
            .map(|finding| (finding.code, finding.place.pointer.clone()))
            .collect()
    };
    let told = |pointer: &str| vec![("no-effect", pointer.to_owned())];
    let tls = json!({ "clientCertificateRef": { "name": "client" } });
    assert_eq!(warnings(json!({ "tls": &tls })), told("/spec/backend/tls"));
    let plain = json!({ "address": "http://app", "tls": &tls });
    assert_eq!(warnings(plain), told("/spec/backend/tls"));
    assert_eq!(
        warnings(json!({ "address": "grpcs://app", "tls": &tls })),
        []
    );
    let codes = json!({ "retries": { "statusCodes": [503, 100] } });
    assert_eq!(warnings(codes), told("/spec/backend/retries/statusCodes/1"));
}

/// Envoy has more of them; what ours do not know must not be taken for done.
#[test]
fn other_names_of_envoys_are_refused_with_the_known_ones() {
    for name in ["5xx", "gateway-error", "Reset", "cancelled"] {
        let retries = json!({ "retries": { "on": [name] } });
        let error = serde_json::from_value::<crate::api::endpoints_service::BackendSpec>(retries)
            .expect_err(name)
            .to_string();
        assert!(
            error.contains("`reset`, `connect-failure`, `refused-stream`"),
            "{error}"
        );
    }
}
