use super::*;
use crate::openapi::Place;

#[test]
fn messages_are_bounded_and_keep_what_follows() {
    let long = Diagnostic::error("X", Place::document("/paths", None), "ä".repeat(5000));
    let verdict = Verdict::Broken(vec![long.clone(), long]);
    let status = status(&facts(&verdict), &EndpointsServiceStatus::default(), now());
    let message = &status.conditions[0].message;
    assert!(message.len() <= MAX_MESSAGE, "{}", message.len());
    assert!(message.ends_with("1 more error"), "{message}");
}

#[test]
fn findings_own_code_is_the_reason_where_it_is_one() {
    for (code, place, reason) in [
        (
            "ConflictingRoutes",
            Place::document("/paths", None),
            "ConflictingRoutes",
        ),
        (
            "SomethingElse",
            Place::document("/paths", None),
            "InvalidOpenAPI",
        ),
        (
            "SomethingElse",
            Place::resource("/spec/cors"),
            "InvalidSpec",
        ),
    ] {
        let verdict = Verdict::Broken(vec![Diagnostic::error(code, place, "wrong")]);
        let status = status(&facts(&verdict), &EndpointsServiceStatus::default(), now());
        assert_eq!(status.conditions[0].reason, reason);
    }
}

#[test]
fn warnings_are_listed_with_their_places_and_bounded() {
    let warning = Diagnostic::warning("W", Place::document("/host", None), "odd").help("do this");
    let verdict = Verdict::Good(vec![warning; MAX_WARNINGS + 3]);
    let status = status(&facts(&verdict), &EndpointsServiceStatus::default(), now());
    assert_eq!(status.warnings.len(), MAX_WARNINGS + 1);
    assert_eq!(status.warnings[0].message, "odd (do this)");
    assert_eq!(status.warnings[0].place, "openapi#/host");
    assert_eq!(status.warnings[MAX_WARNINGS].message, "3 more warnings");
}

#[test]
fn what_is_stored_reads_back_equal() {
    let verdict = Verdict::Good(Vec::new());
    let now = Timestamp::from_millisecond(1_234_567).unwrap();
    let status = status(&facts(&verdict), &EndpointsServiceStatus::default(), now);
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(
        serde_json::from_str::<EndpointsServiceStatus>(&text).unwrap(),
        status
    );
}

#[test]
fn secrets_are_named_as_not_seen() {
    let verdict = Verdict::Good(Vec::new());
    let policy = policy(1);
    let resolved = |secrets| {
        let facts = Facts {
            policy: Some(&policy),
            secrets,
            ..facts(&verdict)
        };
        let status = status(&facts, &EndpointsServiceStatus::default(), now());
        let found = status
            .conditions
            .into_iter()
            .find(|it| it.type_ == RESOLVED_REFS);
        found.unwrap().message
    };
    assert_eq!(resolved(vec![]), "every key set is known");
    let one = resolved(vec!["cert"]);
    assert!(
        one.contains("Secret `cert` is mounted by kubelet and not seen here"),
        "{one}"
    );
    // The volume is optional: the pod starts, and its sidecar answers 503 or is not ready.
    assert!(
        one.ends_with("without it, sidecars serve nothing that needs it"),
        "{one}"
    );
    assert!(resolved(vec!["a", "b"]).contains("Secrets `a` and `b` are"));
}

/// Whatever the clock does, a condition that stays as it is keeps its time.
#[test]
fn a_clock_that_jumps_moves_no_transition() {
    let verdict = Verdict::Good(Vec::new());
    let facts = facts(&verdict);
    let at = |second| Timestamp::from_second(second).unwrap();
    let before = status(&facts, &EndpointsServiceStatus::default(), at(1_000_000));
    for second in [0, 999_999, 4_000_000_000] {
        assert_eq!(status(&facts, &before, at(second)), before);
    }
}

fn policy(source_version: i64) -> PolicyStatus {
    PolicyStatus {
        hash: "h".into(),
        service: "s".into(),
        operations: 1,
        protected: 0,
        issuers: 0,
        source_version,
        config_maps: Vec::new(),
    }
}

fn facts(verdict: &Verdict) -> Facts<'_> {
    Facts {
        generation: 1,
        verdict,
        policy: None,
        audits: false,
        secrets: Vec::new(),
        keys: Keys::Resolved(None),
        capture: Capture::NoSidecars,
        sidecars: Sidecars::default(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(0).unwrap()
}
