use std::time::Duration;

use serde_json::{Value, json};

use super::super::tests::{now, token};
use super::*;
use crate::api::annotations::PUSH_AUDIENCE;
use crate::operator::authenticate::{Options, Pods, Review, ReviewError, Reviewed};
use crate::push::wire::PodRef;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

/// Everything that a check depends on; a test changes one thing.
struct Case {
    token: String,
    peer: IpAddr,
    hello: ReplicaHello,
    pod: Result<Option<PodFacts>, String>,
    review: Result<Reviewed, ReviewError>,
    check_peer_address: bool,
}

struct Nobody;

impl Pods for Nobody {
    fn pod(&self, _: &str, _: &str) -> Option<PodFacts> {
        None
    }
}

struct FakeReview(Result<Reviewed, ReviewError>);

impl Review for FakeReview {
    fn review<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Reviewed, ReviewError>> {
        std::future::ready(self.0.clone()).boxed()
    }

    fn is_reachable(&self) -> BoxFuture<'_, bool> {
        std::future::ready(true).boxed()
    }
}

struct FakePods(Result<Option<PodFacts>, String>);

impl FindPod for FakePods {
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<PodFacts>, String>> {
        assert_eq!(name, "operator-1");
        std::future::ready(self.0.clone()).boxed()
    }
}

fn of_operator(payload: &mut Value) {
    payload["kubernetes.io"] = json!({
        "namespace": "system", "pod": { "name": "operator-1", "uid": "u9" },
    });
}

fn good() -> Case {
    Case {
        token: token(of_operator),
        peer: ADDRESS,
        hello: ReplicaHello {
            replica: PodRef {
                namespace: "system".into(),
                name: "operator-1".into(),
                uid: "u9".into(),
            },
        },
        pod: Ok(Some(PodFacts {
            uid: "u9".into(),
            service_account: "operator".into(),
            service: None,
            deleting: true,
            ips: vec![ADDRESS],
        })),
        review: Ok(Reviewed {
            audiences: vec![PUSH_AUDIENCE.into()],
            username: "system:serviceaccount:system:operator".into(),
            pod_name: Some("operator-1".into()),
            pod_uid: Some("u9".into()),
        }),
        check_peer_address: true,
    }
}

async fn check(case: Case) -> Result<SystemTime, Refused> {
    let options = Options {
        check_peer_address: case.check_peer_address,
    };
    let review = Arc::new(FakeReview(case.review));
    let tokens = TokenReviewAuthenticator::with_reviewer(review, Arc::new(Nobody), options);
    let replicas = ReplicaAuthenticator::new(
        Arc::new(tokens),
        Arc::new(FakePods(case.pod)),
        "system".into(),
        "operator".into(),
    );
    replicas
        .check(&case.token, case.peer, &case.hello, now())
        .await
}

#[tokio::test]
async fn a_pod_of_the_operator_is_let_in_also_while_it_ends() {
    let expires = check(good()).await.unwrap();
    assert_eq!(expires, now() + Duration::from_secs(600));
}

#[tokio::test]
async fn everybody_else_is_refused() {
    type Change = fn(&mut Case);
    let changes: [(&str, u16, Change); 11] = [
        ("another namespace", 403, |case| {
            case.hello.replica.namespace = "shop".into();
        }),
        ("another pod's token", 403, |case| {
            case.hello.replica.name = "operator-2".into();
        }),
        ("a token of another audience", 401, |case| {
            case.token = token(|payload| {
                of_operator(payload);
                payload["aud"] = json!(["https://kubernetes.default.svc"]);
            });
        }),
        ("a token that the API server denies", 401, |case| {
            case.review = Err(ReviewError::Denied);
        }),
        ("nobody to review it", 503, |case| {
            case.review = Err(ReviewError::Unavailable("away".into()));
        }),
        ("another account of the namespace", 403, |case| {
            if let Ok(review) = &mut case.review {
                review.username = "system:serviceaccount:system:default".into();
            }
        }),
        ("a pod of another account", 403, |case| {
            if let Ok(Some(pod)) = &mut case.pod {
                pod.service_account = "default".into();
            }
        }),
        ("a pod that is gone", 403, |case| case.pod = Ok(None)),
        ("nobody to look the pod up", 503, |case| {
            case.pod = Err("away".into());
        }),
        ("another life of the pod", 403, |case| {
            if let Ok(Some(pod)) = &mut case.pod {
                pod.uid = "u10".into();
            }
        }),
        ("another address", 403, |case| {
            case.peer = "10.0.0.10".parse().unwrap();
        }),
    ];
    for (what, status, change) in changes {
        let mut case = good();
        change(&mut case);
        let refused = check(case).await.unwrap_err();
        assert_eq!(refused.status.as_u16(), status, "{what}: {refused:?}");
    }
}

/// A review without its extras proves no pod.
#[tokio::test]
async fn a_token_that_is_not_bound_to_the_pod_is_refused() {
    for unbound in [None, Some("operator-2".to_owned())] {
        let mut case = good();
        if let Ok(review) = &mut case.review {
            review.pod_name = unbound;
        }
        assert_eq!(check(case).await.unwrap_err().status.as_u16(), 403);
    }
}

#[tokio::test]
async fn the_address_may_be_let_out_of_it() {
    let mut case = good();
    case.check_peer_address = false;
    case.peer = "10.0.0.10".parse().unwrap();
    check(case).await.unwrap();
}
