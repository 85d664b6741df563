//! `limits`, `timeouts` and `listener`.

use super::*;
use crate::policy::format::LimitSettings;

fn compiled(fields: Value) -> Result<LimitSettings, Vec<String>> {
    let mut spec = json!({ "openapi": { "inline": BOOKSTORE } });
    for (name, value) in fields.as_object().expect("fields") {
        spec[name] = value.clone();
    }
    let spec = serde_json::from_value(spec).expect("the schema's types");
    match compile(&spec, &identity()) {
        Ok(compiled) => {
            let prepared = Prepared::new(compiled.policy.clone());
            prepared.expect("what the compiler writes can be prepared");
            Ok(compiled.policy.settings.limits)
        }
        Err(findings) => Err(findings.iter().map(ToString::to_string).collect()),
    }
}

fn refusal(fields: Value) -> String {
    let findings = compiled(fields).expect_err("refused");
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings[0].clone()
}

#[test]
fn what_is_written_is_in_the_policy_and_nothing_else() {
    assert_eq!(
        compiled(json!({ "limits": {}, "timeouts": {}, "listener": {} })),
        Ok(LimitSettings::default())
    );
    let all = json!({
        "limits": {
            "headerBytes": 2048, "headerCount": 10, "uriBytes": 512, "bodyBytes": 0,
            "connections": 5, "requestsInFlight": 6, "streams": 7
        },
        "timeouts": { "head": "1s", "idle": "1h", "bodyProgress": "1.5s", "writeProgress": "100ms" },
        "listener": { "tls": { "secretRef": { "name": "cert" } }, "workers": "auto" }
    });
    let expected = LimitSettings {
        header_bytes: Some(2048),
        header_count: Some(10),
        uri_bytes: Some(512),
        body_bytes: Some(0),
        connections: Some(5),
        requests_in_flight: Some(6),
        streams: Some(7),
        head_ms: Some(1000),
        idle_ms: Some(3_600_000),
        body_progress_ms: Some(1500),
        write_progress_ms: Some(100),
        tls: true,
    };
    assert_eq!(compiled(all), Ok(expected));
}

#[test]
fn a_number_out_of_bounds_is_refused_and_the_border_is_not() {
    for (field, low, high) in [
        ("headerBytes", 1024, 262_144_i64),
        ("headerCount", 1, 1000),
        ("uriBytes", 64, 65_534),
        ("bodyBytes", 0, 1_099_511_627_776),
        ("connections", 1, 1_000_000),
        ("requestsInFlight", 1, 1_000_000),
        ("streams", 1, 1000),
    ] {
        let with = |number: i64| match field {
            "uriBytes" => json!({ "limits": { "uriBytes": number, "headerBytes": 262_144 } }),
            _ => json!({ "limits": { field: number } }),
        };
        for good in [low, high] {
            assert!(compiled(with(good)).is_ok(), "{field} {good}");
        }
        for bad in [low - 1, high + 1] {
            let message = refusal(with(bad));
            assert!(message.contains(field), "{message}");
            assert!(message.contains("out of bounds"), "{message}");
        }
    }
}

#[test]
fn a_target_that_cannot_fit_into_the_head_is_refused() {
    let message = refusal(json!({ "limits": { "uriBytes": 2048, "headerBytes": 2048 } }));
    assert!(message.contains("do not fit into 2048 bytes"), "{message}");
    let message = refusal(json!({ "limits": { "uriBytes": 61440 } }));
    assert!(message.contains("61440 bytes of head"), "{message}");
    assert!(compiled(json!({ "limits": { "uriBytes": 2047, "headerBytes": 2048 } })).is_ok());
    // Without a word about targets, a small head is small for them too.
    assert!(compiled(json!({ "limits": { "headerBytes": 1024 } })).is_ok());
}

#[test]
fn a_wait_out_of_bounds_or_form_is_refused() {
    for field in ["head", "idle", "bodyProgress", "writeProgress"] {
        let with = |written: &str| json!({ "timeouts": { field: written } });
        for good in ["100ms", "24h", "1m30s"] {
            assert!(compiled(with(good)).is_ok(), "{field} {good}");
        }
        for bad in ["0", "99ms", "24h1ms", "5", "soon", ""] {
            let message = refusal(with(bad));
            assert!(message.contains(field), "{message}");
        }
    }
}

#[test]
fn a_listener_that_cannot_be_is_refused() {
    for bad in [0, 5] {
        let message = refusal(json!({ "listener": { "workers": bad } }));
        assert!(message.contains("workers"), "{message}");
    }
    for good in [json!(1), json!(4), json!("auto")] {
        assert!(compiled(json!({ "listener": { "workers": good } })).is_ok());
    }
    let message = refusal(json!({ "listener": { "tls": { "secretRef": { "name": "A b" } } } }));
    assert!(message.contains("not the name of a Secret"), "{message}");
}

#[test]
fn a_policy_with_a_bound_that_the_compiler_never_writes_is_not_run() {
    let mut policy = compile(&inline(BOOKSTORE), &identity()).unwrap().policy;
    policy.settings.limits.header_bytes = Some(0);
    policy.format = policy.needed_format();
    let error = Prepared::new(policy).unwrap_err().to_string();
    assert!(error.contains("out of bounds"), "{error}");
}
