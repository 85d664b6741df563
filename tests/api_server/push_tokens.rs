//! Who gets a policy: projected tokens, made and reviewed by a real API server. The operator's watch
//! is stood in for by a map, so that each test says what the operator knows.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use endpoints::api::annotations::PUSH_AUDIENCE;
use endpoints::operator::authenticate::{Options, PodFacts, Pods, TokenReviewAuthenticator};
use endpoints::push::server::{Authenticate, PodIdentity, Refused};
use endpoints::push::wire::{Hello, PodRef};
use http::StatusCode;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::api_server::{ISSUER, Test};

const NOT_ACCEPTED: &str = "the API server does not accept the token";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 7));

/// What the operator's watch knows, by namespace and name.
#[derive(Clone, Default)]
struct Known(Arc<Mutex<HashMap<(String, String), PodFacts>>>);

impl Pods for Known {
    fn pod(&self, namespace: &str, name: &str) -> Option<PodFacts> {
        let key = (namespace.to_owned(), name.to_owned());
        self.0.lock().unwrap().get(&key).cloned()
    }
}

/// Two namespaces of one API server, and what an operator there knows.
struct Rig {
    shop: Test,
    bank: Test,
    known: Known,
}

impl Rig {
    async fn new() -> Self {
        let (shop, bank) = (
            Test::without_operator().await,
            Test::without_operator().await,
        );
        Self {
            shop,
            bank,
            known: Known::default(),
        }
    }

    /// A pod that the operator knows as annotated with `bookstore`.
    async fn pod(&self, test: &Test, name: &str) -> PodRef {
        let spec = json!({ "containers": [{ "name": "app", "image": "app" }] });
        let pod = json!({ "metadata": { "name": name }, "spec": spec });
        let pod = test.create::<Pod>(pod).await.unwrap();
        let pod = PodRef {
            namespace: test.namespace.clone(),
            name: name.to_owned(),
            uid: pod.metadata.uid.unwrap(),
        };
        self.know(&pod);
        pod
    }

    fn know(&self, pod: &PodRef) {
        let facts = PodFacts {
            uid: pod.uid.clone(),
            service_account: "default".to_owned(),
            service: Some("bookstore".to_owned()),
            deleting: false,
            ips: vec![ADDRESS],
        };
        let key = (pod.namespace.clone(), pod.name.clone());
        self.known.0.lock().unwrap().insert(key, facts);
    }

    /// A token as the kubelet gets it for a projected volume.
    async fn token(&self, pod: &PodRef) -> String {
        self.request(PUSH_AUDIENCE, &pod.namespace, Some(pod)).await
    }

    async fn request(&self, audience: &str, namespace: &str, bound: Option<&PodRef>) -> String {
        let bound = bound.map(|pod| BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(pod.name.clone()),
            uid: Some(pod.uid.clone()),
        });
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                bound_object_ref: bound,
                expiration_seconds: Some(3600),
            },
            ..TokenRequest::default()
        };
        Api::<ServiceAccount>::namespaced(self.shop.client.clone(), namespace)
            .create_token_request("default", &PostParams::default(), &request)
            .await
            .unwrap()
            .status
            .unwrap()
            .token
    }

    /// A process that remembers no review.
    fn authenticator(&self) -> TokenReviewAuthenticator {
        let pods = Arc::new(self.known.clone());
        TokenReviewAuthenticator::new(self.shop.client.clone(), pods, Options::default())
    }

    async fn check(&self, token: &str, pod: &PodRef) -> Result<PodIdentity, Refused> {
        self.authenticator()
            .authenticate(token, ADDRESS, &hello(pod))
            .await
    }

    async fn refused(&self, token: &str, pod: &PodRef, status: StatusCode, reason: &str) {
        assert_eq!(
            self.check(token, pod).await,
            Err(Refused::new(status, reason))
        );
    }
}

fn hello(pod: &PodRef) -> Hello {
    Hello {
        pod: pod.clone(),
        service: "bookstore".to_owned(),
        version: "0.1.0".to_owned(),
        format: 1,
        protocol: endpoints::push::wire::PROTOCOL,
        hash: None,
    }
}

#[tokio::test]
async fn a_policy_goes_to_the_pod_whose_token_it_is_and_to_nobody_else() {
    let rig = Rig::new().await;
    let pod = rig.pod(&rig.shop, "web-0").await;
    let token = rig.token(&pod).await;

    // The pod itself, until its token expires.
    let identity = rig.check(&token, &pod).await.unwrap();
    assert_eq!(identity.pod, pod);
    let lasts = identity
        .expires
        .duration_since(SystemTime::now())
        .unwrap()
        .as_secs();
    assert!((3500..=3600).contains(&lasts), "{lasts}");

    let other = rig.pod(&rig.shop, "web-1").await;
    let others = rig.token(&other).await;
    let reason = "the token is bound to another pod";
    rig.refused(&others, &pod, StatusCode::FORBIDDEN, reason)
        .await;

    let foreign = rig.pod(&rig.bank, "web-0").await;
    let foreign = rig.token(&foreign).await;
    let reason = "the token is of another namespace";
    rig.refused(&foreign, &pod, StatusCode::FORBIDDEN, reason)
        .await;

    // The app's own API token.
    let app = rig.request(ISSUER, &pod.namespace, Some(&pod)).await;
    let reason = "the token is for another audience";
    rig.refused(&app, &pod, StatusCode::UNAUTHORIZED, reason)
        .await;

    let unbound = rig.request(PUSH_AUDIENCE, &pod.namespace, None).await;
    let reason = "the token is not one of a pod";
    rig.refused(&unbound, &pod, StatusCode::UNAUTHORIZED, reason)
        .await;

    // Right in every claim, signed by nobody: another token's signature under this payload.
    let (payload, _) = token.rsplit_once('.').unwrap();
    let (_, signature) = others.rsplit_once('.').unwrap();
    let forged = format!("{payload}.{signature}");
    rig.refused(&forged, &pod, StatusCode::UNAUTHORIZED, NOT_ACCEPTED)
        .await;
}

#[tokio::test]
async fn the_token_of_a_deleted_pod_is_refused_after_a_pod_of_the_same_name_came() {
    let rig = Rig::new().await;
    let pod = rig.pod(&rig.shop, "web-0").await;
    let (token, unseen) = (rig.token(&pod).await, rig.token(&pod).await);
    let remembers = rig.authenticator();
    assert!(
        remembers
            .authenticate(&token, ADDRESS, &hello(&pod))
            .await
            .is_ok()
    );

    let now = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    rig.shop.api::<Pod>().delete(&pod.name, &now).await.unwrap();
    let again = rig.pod(&rig.shop, "web-0").await;
    assert_ne!(again.uid, pod.uid);

    // The API server itself remembers a good token for 10 s; the operator's cache of pods does not.
    let reason = "the pod of that name is another one (its uid differs)";
    let expected = Err(Refused::new(StatusCode::FORBIDDEN, reason));
    assert_eq!(
        remembers.authenticate(&token, ADDRESS, &hello(&pod)).await,
        expected
    );
    assert_eq!(rig.check(&token, &pod).await, expected);
    let reason = "the token is bound to another pod";
    rig.refused(&token, &again, StatusCode::FORBIDDEN, reason)
        .await;
    let own = rig.token(&again).await;
    assert!(rig.check(&own, &again).await.is_ok());

    // An operator whose watch lags behind asks an API server that knows better.
    rig.know(&pod);
    rig.refused(&unseen, &pod, StatusCode::UNAUTHORIZED, NOT_ACCEPTED)
        .await;
}

#[tokio::test]
async fn an_operator_that_may_not_review_tokens_lets_nobody_in_and_says_why() {
    let rig = Rig::new().await;
    let pod = rig.pod(&rig.shop, "web-0").await;
    let token = rig.token(&pod).await;
    // A service account without any right, as an operator without its ClusterRole.
    let api_token = rig.request(ISSUER, &pod.namespace, Some(&pod)).await;
    let mut kubeconfig = Kubeconfig::read_from(&rig.shop.cluster.kubeconfig).unwrap();
    kubeconfig.auth_infos[0].auth_info.as_mut().unwrap().token = Some(api_token.into());
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let pods = Arc::new(rig.known.clone());
    let powerless = TokenReviewAuthenticator::new(client, pods, Options::default());
    let refused = powerless
        .authenticate(&token, ADDRESS, &hello(&pod))
        .await
        .unwrap_err();
    let reason = "no token review: the API server answers 403 Forbidden";
    assert_eq!(
        refused,
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, reason)
    );
}
