use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)
}

pub(super) fn pod() -> PodRef {
    PodRef {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: "u1".into(),
    }
}

/// An unsigned token as the API server projects it, changed.
pub(super) fn token(change: impl FnOnce(&mut Value)) -> String {
    let mut payload = json!({
        "aud": [PUSH_AUDIENCE],
        "exp": 4_000_000_600_u64,
        "iss": "https://kubernetes.default.svc",
        "kubernetes.io": {
            "namespace": "shop",
            "pod": { "name": "web-0", "uid": "u1" },
            "serviceaccount": { "name": "web", "uid": "s1" },
        },
        "sub": "system:serviceaccount:shop:web",
    });
    change(&mut payload);
    format!("e30.{}.AAAA", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

fn hello() -> Hello {
    Hello {
        pod: pod(),
        service: "bookstore".into(),
        version: "0.1.0".into(),
        format: 1,
        protocol: crate::push::wire::PROTOCOL,
        hash: None,
    }
}

fn facts() -> PodFacts {
    PodFacts {
        uid: "u1".into(),
        service_account: "web".into(),
        service: Some("bookstore".into()),
        deleting: false,
        ips: vec!["fd00::7".parse().unwrap(), ADDRESS],
    }
}

fn good_review() -> Reviewed {
    Reviewed {
        audiences: vec![PUSH_AUDIENCE.into()],
        username: "system:serviceaccount:shop:web".into(),
        pod_name: Some("web-0".into()),
        pod_uid: Some("u1".into()),
    }
}

type Cache = Arc<Mutex<HashMap<(String, String), PodFacts>>>;

struct FakePods(Cache);

impl Pods for FakePods {
    fn pod(&self, namespace: &str, name: &str) -> Option<PodFacts> {
        self.0
            .lock()
            .unwrap()
            .get(&(namespace.into(), name.into()))
            .cloned()
    }
}

/// A fake API server; `meanwhile` happens during a review.
struct FakeReview<F> {
    answer: Result<Reviewed, ReviewError>,
    meanwhile: F,
}

impl<F: Fn() + Send + Sync + 'static> Review for FakeReview<F> {
    fn is_reachable(&self) -> BoxFuture<'_, bool> {
        std::future::ready(true).boxed()
    }

    fn review<'a>(&'a self, _token: &'a str) -> BoxFuture<'a, Result<Reviewed, ReviewError>> {
        (self.meanwhile)();
        std::future::ready(self.answer.clone()).boxed()
    }
}

/// Everything that a check depends on; a test changes one thing.
struct Case {
    token: String,
    peer: IpAddr,
    hello: Hello,
    facts: Option<PodFacts>,
    review: Result<Reviewed, ReviewError>,
    options: Options,
}

fn good() -> Case {
    Case {
        token: token(|_| {}),
        peer: ADDRESS,
        hello: hello(),
        facts: Some(facts()),
        review: Ok(good_review()),
        options: Options::default(),
    }
}

fn cache(facts: Option<PodFacts>) -> Cache {
    let key = ("shop".to_owned(), "web-0".to_owned());
    Arc::new(Mutex::new(
        facts.map(|facts| (key, facts)).into_iter().collect(),
    ))
}

impl Case {
    async fn check(self) -> Result<PodIdentity, Refused> {
        let pods = Arc::new(FakePods(cache(self.facts)));
        let review = Arc::new(FakeReview {
            answer: self.review,
            meanwhile: || {},
        });
        TokenReviewAuthenticator::with_reviewer(review, pods, self.options)
            .check(&self.token, self.peer, &self.hello, now())
            .await
    }

    async fn refused(self, status: StatusCode, reason: &str) {
        assert_eq!(self.check().await, Err(Refused::new(status, reason)));
    }
}

#[tokio::test]
async fn a_live_annotated_pod_with_its_own_token_is_let_in_until_the_token_expires() {
    let identity = good().check().await.unwrap();
    let expires = now() + Duration::from_secs(600);
    assert_eq!(
        identity,
        PodIdentity {
            pod: pod(),
            expires
        }
    );
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_a_refusal_that_names_it() {
    use StatusCode as Code;
    let change = |change: fn(&mut Case)| {
        let mut case = good();
        change(&mut case);
        case
    };
    let cases: Vec<(Case, Code, &str)> = vec![
        // The token.
        (
            change(|c| c.token = "x".into()),
            Code::UNAUTHORIZED,
            "the token is not one of a pod",
        ),
        (
            change(|c| c.token = token(|t| t["aud"] = json!(["other"]))),
            Code::UNAUTHORIZED,
            "the token is for another audience",
        ),
        (
            change(|c| c.token = token(|t| t["exp"] = json!(1))),
            Code::UNAUTHORIZED,
            "the token has expired",
        ),
        (
            change(|c| c.token = token(|t| t["kubernetes.io"]["namespace"] = json!("bank"))),
            Code::FORBIDDEN,
            "the token is of another namespace",
        ),
        (
            change(|c| c.token = token(|t| t["kubernetes.io"]["pod"]["uid"] = json!("u0"))),
            Code::FORBIDDEN,
            "the token is bound to another pod",
        ),
        // The pod.
        (
            change(|c| c.facts = None),
            Code::FORBIDDEN,
            "the operator knows no such injected pod",
        ),
        (
            change(|c| c.facts.as_mut().unwrap().uid = "u2".into()),
            Code::FORBIDDEN,
            "the pod of that name is another one (its uid differs)",
        ),
        (
            change(|c| c.facts.as_mut().unwrap().deleting = true),
            Code::FORBIDDEN,
            "the pod is being deleted",
        ),
        (
            change(|c| c.hello.service = "payments".into()),
            Code::FORBIDDEN,
            "the pod is not annotated with the service it asks for",
        ),
        (
            change(|c| c.facts.as_mut().unwrap().service = None),
            Code::FORBIDDEN,
            "the pod is not annotated with the service it asks for",
        ),
        (
            change(|c| c.peer = "10.0.0.8".parse().unwrap()),
            Code::FORBIDDEN,
            "the connection does not come from an address of the pod",
        ),
        (
            change(|c| c.facts.as_mut().unwrap().ips.clear()),
            Code::FORBIDDEN,
            "the connection does not come from an address of the pod",
        ),
        // The review.
        (
            change(|c| c.review = Err(ReviewError::Denied)),
            Code::UNAUTHORIZED,
            "the API server does not accept the token",
        ),
        (
            change(|c| c.review = Err(ReviewError::Unavailable("away".into()))),
            Code::SERVICE_UNAVAILABLE,
            "no token review: away",
        ),
        (
            change(|c| c.review.as_mut().unwrap().audiences = vec!["other".into()]),
            Code::UNAUTHORIZED,
            "the token is not for this audience",
        ),
        (
            change(|c| c.review.as_mut().unwrap().audiences.clear()),
            Code::UNAUTHORIZED,
            "the token is not for this audience",
        ),
        (
            change(|c| {
                c.review.as_mut().unwrap().username = "system:serviceaccount:bank:web".into();
            }),
            Code::FORBIDDEN,
            "the token is of another service account than the pod's",
        ),
        (
            change(|c| c.facts.as_mut().unwrap().service_account = "other".into()),
            Code::FORBIDDEN,
            "the token is of another service account than the pod's",
        ),
        (
            change(|c| c.review.as_mut().unwrap().pod_name = None),
            Code::FORBIDDEN,
            "the token is not bound to this pod",
        ),
        (
            change(|c| c.review.as_mut().unwrap().pod_name = Some("web-1".into())),
            Code::FORBIDDEN,
            "the token is not bound to this pod",
        ),
        (
            change(|c| c.review.as_mut().unwrap().pod_uid = None),
            Code::FORBIDDEN,
            "the token is not bound to this pod",
        ),
        (
            change(|c| c.review.as_mut().unwrap().pod_uid = Some("u0".into())),
            Code::FORBIDDEN,
            "the token is not bound to this pod",
        ),
    ];
    for (case, status, reason) in cases {
        case.refused(status, reason).await;
    }
}

#[tokio::test]
async fn the_address_is_not_looked_at_where_that_is_switched_off() {
    let mut case = good();
    case.peer = "192.0.2.1".parse().unwrap();
    case.options.check_peer_address = false;
    assert!(case.check().await.is_ok());
}

/// Also while the review of the first pod is still remembered.
#[tokio::test]
async fn the_token_of_a_deleted_pod_is_refused_after_a_pod_of_the_same_name_came() {
    let pods = cache(Some(facts()));
    let review = Arc::new(FakeReview {
        answer: Ok(good_review()),
        meanwhile: || {},
    });
    let authenticator = TokenReviewAuthenticator::with_reviewer(
        review,
        Arc::new(FakePods(pods.clone())),
        Options::default(),
    );
    let (token, old) = (token(|_| {}), hello());
    assert!(
        authenticator
            .check(&token, ADDRESS, &old, now())
            .await
            .is_ok()
    );
    for facts in pods.lock().unwrap().values_mut() {
        facts.uid = "u2".into();
    }
    let refused = authenticator
        .check(&token, ADDRESS, &old, now())
        .await
        .unwrap_err();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // Nor does it help to claim to be the new pod.
    let mut new = hello();
    new.pod.uid = "u2".into();
    let refused = authenticator
        .check(&token, ADDRESS, &new, now())
        .await
        .unwrap_err();
    assert_eq!(refused.reason, "the token is bound to another pod");
}

#[tokio::test]
async fn a_pod_that_goes_during_its_review_is_refused() {
    let pods = cache(Some(facts()));
    let gone = pods.clone();
    let meanwhile = move || gone.lock().unwrap().clear();
    let review = Arc::new(FakeReview {
        answer: Ok(good_review()),
        meanwhile,
    });
    let authenticator = TokenReviewAuthenticator::with_reviewer(
        review,
        Arc::new(FakePods(pods)),
        Options::default(),
    );
    let refused = authenticator
        .check(&token(|_| {}), ADDRESS, &hello(), now())
        .await
        .unwrap_err();
    assert_eq!(refused.reason, "the operator knows no such injected pod");
}
