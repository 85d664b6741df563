//! `spec.accessLog`, `spec.tracing` and `spec.drain`.

use super::*;
use crate::policy::format::{AccessLogRule, FORMAT, PerMillion, Settings, TracingRule};

fn settings(fields: Value) -> Settings {
    compiled(fields).policy.settings
}

fn log(access_log: Value) -> AccessLogRule {
    let settings = settings(json!({"accessLog": access_log}));
    settings.observability.access_log
}

fn tracing(tracing: Value) -> TracingRule {
    let settings = settings(json!({"tracing": tracing}));
    settings.observability.tracing.expect("asked for")
}

#[test]
fn the_access_log_holds_what_its_mode_says() {
    assert_eq!(log(json!({})), AccessLogRule::Errors);
    assert_eq!(log(json!({"mode": "Errors"})), AccessLogRule::Errors);
    assert_eq!(log(json!({"mode": "None"})), AccessLogRule::Off);
    assert_eq!(log(json!({"mode": "All"})), AccessLogRule::All);
    let sampled = |millionths| AccessLogRule::Sampled(PerMillion(millionths));
    assert_eq!(log(json!({"mode": "Sampled"})), sampled(10_000));
    for (share, millionths) in [
        (json!(0), 0),
        (json!(1), 1_000_000),
        (json!(0.25), 250_000),
        (json!(0.1), 100_000),
        (json!(0.000_001_4), 1),
    ] {
        let written = json!({"mode": "Sampled", "sample": share});
        assert_eq!(log(written), sampled(millionths));
    }
}

#[test]
fn a_share_that_nothing_would_log_or_that_is_none_is_refused() {
    let sample = "/spec/accessLog/sample";
    for access_log in [
        json!({"sample": 0.5}),
        json!({"mode": "All", "sample": 0.5}),
        json!({"mode": "None", "sample": 0}),
    ] {
        let fields = json!({"accessLog": access_log});
        assert_refused(
            fields,
            sample,
            "only mode `Sampled`",
            "write `mode: Sampled`",
        );
    }
    for share in [json!(-0.1), json!(1.000_001), json!(100)] {
        let fields = json!({"accessLog": {"mode": "Sampled", "sample": share}});
        assert_refused(fields, sample, "is no share", "from 0 (none) to 1 (all)");
    }
}

#[test]
fn spans_go_to_the_collectors_path_unless_one_is_written() {
    for (written, endpoint) in [
        ("http://collector", "http://collector:80/v1/traces"),
        ("https://collector/", "https://collector:443/v1/traces"),
        ("http://c.o.svc:4318", "http://c.o.svc:4318/v1/traces"),
        ("http://[::1]:4318/x/y", "http://[::1]:4318/x/y"),
    ] {
        let rule = tracing(json!({"otlpEndpoint": written}));
        assert_eq!(rule.endpoint, endpoint);
        assert_eq!(rule.sample, PerMillion(1_000));
    }
    let all = tracing(json!({"otlpEndpoint": "http://c:1", "sample": 1.0}));
    assert_eq!(all.sample, PerMillion(PerMillion::ALL));
}

#[test]
fn a_collector_that_is_none_is_refused() {
    for (written, words) in [
        ("collector:4318", "is no URL with `http`"),
        ("grpc://collector:4317", "is no URL with `http`"),
        ("http://user:pass@collector", "user or password"),
        ("http://collector:0", "port that is none"),
        ("http://collector?key=secret", "query or a fragment"),
        ("http://collector/#x", "query or a fragment"),
        ("http://a b", "is not a URL"),
    ] {
        let fields = json!({"tracing": {"otlpEndpoint": written}});
        let place = "/spec/tracing/otlpEndpoint";
        assert_refused(fields, place, words, "write the collector's address");
    }
    assert_refused(
        json!({"tracing": {"otlpEndpoint": "http://c", "sample": 2}}),
        "/spec/tracing/sample",
        "is no share",
        "from 0 (none) to 1 (all)",
    );
}

#[test]
fn the_grace_is_a_duration_of_an_hour_at_most() {
    let grace = |written: &str| {
        settings(json!({"drain": {"grace": written}}))
            .drain
            .grace_ms
    };
    assert_eq!(grace("5m"), Some(300_000));
    assert_eq!(grace("0"), Some(0));
    assert_eq!(grace("1h"), Some(3_600_000));
    assert_eq!(grace("30s"), None, "the default");
    for (written, words) in [("61m", "longer than an hour"), ("soon", "not a duration")] {
        let fields = json!({"drain": {"grace": written}});
        assert_refused(fields, "/spec/drain/grace", words, "at most `1h`");
    }
}

#[test]
fn what_has_its_default_is_not_in_the_policy() {
    let plain = compiled(json!({})).policy;
    let said = json!({"accessLog": {"mode": "Errors"}, "drain": {"grace": "30s"}});
    let said = compiled(said).policy;
    assert_eq!(plain.hash(), said.hash());
    assert!(plain.format < FORMAT);
    assert_eq!(
        compiled(json!({"drain": {"grace": "1s"}})).policy.format,
        FORMAT
    );
}

/// What the compiler never writes is not run.
#[test]
fn a_policy_with_more_than_all_is_refused() {
    let refused = |spoil: fn(&mut Settings)| {
        let mut policy = compiled(json!({"drain": {"grace": "1s"}})).policy;
        spoil(&mut policy.settings);
        Prepared::new(policy)
            .expect_err("no good policy")
            .to_string()
    };
    let share = refused(|settings| {
        settings.observability.access_log = AccessLogRule::Sampled(PerMillion(1_000_001));
    });
    assert!(share.contains("more than all"), "{share}");
    let grace = refused(|settings| settings.drain.grace_ms = Some(3_600_001));
    assert!(grace.contains("longer than an hour"), "{grace}");
}
