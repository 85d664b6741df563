use super::*;
use crate::operator::authenticate::tests::{now, pod, token};

fn claims(change: impl FnOnce(&mut serde_json::Value)) -> Result<Claims, &'static str> {
    Claims::read(&token(change), now())
}

#[test]
fn a_projected_token_of_our_audience_is_read() {
    let claims = claims(|_| {}).unwrap();
    assert_eq!(claims.expires, now() + Duration::from_secs(600));
    assert_eq!(claims.name_pod(&pod()), Ok(()));
}

#[test]
fn one_audience_may_be_written_without_a_list() {
    assert!(claims(|payload| payload["aud"] = PUSH_AUDIENCE.into()).is_ok());
}

#[test]
fn another_audience_is_refused() {
    for audience in [
        serde_json::json!(["https://kubernetes.default.svc"]),
        serde_json::json!([]),
    ] {
        let error = claims(|payload| payload["aud"] = audience).unwrap_err();
        assert_eq!(error, "the token is for another audience");
    }
}

#[test]
fn an_expired_token_is_refused_to_the_second() {
    let at = |seconds: u64| {
        let now = now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        claims(|payload| payload["exp"] = (now + seconds).into())
    };
    assert_eq!(at(0).unwrap_err(), "the token has expired");
    assert!(at(1).is_ok());
}

#[test]
fn a_token_without_a_pod_is_refused() {
    let error = claims(|payload| {
        payload["kubernetes.io"]
            .as_object_mut()
            .unwrap()
            .remove("pod");
    });
    assert_eq!(error.unwrap_err(), "the token is not one of a pod");
}

#[test]
fn another_pod_or_namespace_is_refused() {
    let claims = claims(|_| {}).unwrap();
    let refused = |pod| claims.name_pod(&pod).unwrap_err();
    assert_eq!(
        refused(PodRef {
            namespace: "x".into(),
            ..pod()
        }),
        "the token is of another namespace"
    );
    assert_eq!(
        refused(PodRef {
            name: "x".into(),
            ..pod()
        }),
        "the token is bound to another pod"
    );
    assert_eq!(
        refused(PodRef {
            uid: "x".into(),
            ..pod()
        }),
        "the token is bound to another pod"
    );
}

#[test]
fn what_is_not_a_token_is_refused() {
    let good = token(|_| {});
    let huge = format!("{good}{}", "A".repeat(MAX_TOKEN));
    let extra = format!("{good}.AAAA");
    let far = claims(|payload| payload["exp"] = u64::MAX.into());
    assert!(far.is_err(), "a clock does not reach that far");
    for text in [
        "",
        "a.b",
        "a.b.c",
        "..",
        "é.é.é",
        huge.as_str(),
        extra.as_str(),
    ] {
        assert!(Claims::read(text, now()).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn hostile_tokens_never_panic(text in ".*", payload in ".*") {
        let _ = Claims::read(&text, now());
        let _ = Claims::read(&format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(payload)), now());
    }
}
