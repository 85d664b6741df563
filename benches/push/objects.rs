//! What stands in the API server: EndpointsServices, Services, injected pods, tokens bound to them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use endpoints::api::EndpointsService;
use endpoints::api::annotations::{PUSH_AUDIENCE, SIDECAR_CONTAINER};
use endpoints::push::wire::PodRef;
use futures_util::{StreamExt, stream};
use k8s_openapi::api::authentication::v1::{
    BoundObjectReference, TokenRequest, TokenRequestSpec, TokenReview, TokenReviewSpec,
};
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::api_server::create_namespace;

/// Requests to the API server at one time.
const AT_ONCE: usize = 32;
const NAMESPACES: usize = 10;
/// Operations of each service.
const OPERATIONS: usize = 50;
/// The address of the first pod: each has one of its own, and all are loopback's.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 1);
/// Endpoints of a slice, as Kubernetes has them.
const SLICE: usize = 100;
/// Tokens that are reviewed to see how fast the API server does so.
const REVIEWED: usize = 1000;
/// How long statuses may take to be written.
const LONGEST: Duration = Duration::from_secs(180);

pub struct Shop {
    client: Client,
    pub services: Vec<(String, String)>,
    /// In the order of their services, until somebody runs their sidecars.
    pub pods: Vec<SimulatedPod>,
    edits: AtomicUsize,
}

pub struct SimulatedPod {
    pub pod: PodRef,
    /// Number of its service.
    pub service: usize,
    pub service_name: String,
    pub token: String,
    pub address: Ipv4Addr,
}

impl Shop {
    pub async fn create(client: &Client, sidecars: usize, services: usize) -> Self {
        for number in 0..NAMESPACES {
            create_namespace(client, &format!("shop-{number}")).await;
        }
        let names: Vec<_> = (0..services)
            .map(|number| {
                (
                    format!("shop-{}", number % NAMESPACES),
                    format!("service-{number}"),
                )
            })
            .collect();
        let shop = Self {
            client: client.clone(),
            services: names,
            pods: Vec::new(),
            edits: AtomicUsize::new(0),
        };
        let made = stream::iter(0..services).map(|number| shop.create_service(number));
        made.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        let made = stream::iter(0..sidecars).map(|number| shop.create_pod(number));
        let mut pods: Vec<_> = made.buffer_unordered(AT_ONCE).collect().await;
        pods.sort_by_key(|pod| pod.service);
        let slices = pods
            .chunk_by(|one, other| one.service == other.service)
            .flat_map(|pods| pods.chunks(SLICE).enumerate());
        let made = stream::iter(slices).map(|(number, pods)| shop.create_slice(number, pods));
        made.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        Self { pods, ..shop }
    }

    async fn create_service(&self, number: usize) {
        let (namespace, name) = &self.services[number];
        let service = json!({
            "apiVersion": "endpoints.dev/v1alpha1", "kind": "EndpointsService",
            "metadata": { "name": name }, "spec": { "openapi": { "inline": document(0) } },
        });
        let service: EndpointsService = serde_json::from_value(service).unwrap();
        let api = Api::<EndpointsService>::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &service).await.unwrap();
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
            "spec": {
                "selector": { "app": name }, "ports": [{ "port": 80, "targetPort": "http" }],
            },
        });
        let service: Service = serde_json::from_value(service).unwrap();
        let api = Api::<Service>::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &service).await.unwrap();
    }

    async fn create_pod(&self, number: usize) -> SimulatedPod {
        let service = number % self.services.len();
        let (namespace, service_name) = &self.services[service];
        let pod = pod(&format!("pod-{number}"), service_name);
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let api = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let pod = api.create(&PostParams::default(), &pod).await.unwrap();
        let number = u32::try_from(number).unwrap();
        let address = Ipv4Addr::from(u32::from(FIRST_ADDRESS) + number);
        let status = Patch::Merge(json!({ "status": {
            "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }],
            "containerStatuses": [{
                "name": SIDECAR_CONTAINER, "ready": true, "restartCount": 0, "image": "", "imageID": "",
            }],
        } }));
        let name = pod.metadata.name.as_deref().unwrap();
        api.patch_status(name, &PatchParams::default(), &status)
            .await
            .unwrap();
        let pod = PodRef {
            namespace: namespace.clone(),
            name: pod.metadata.name.unwrap(),
            uid: pod.metadata.uid.unwrap(),
        };
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![PUSH_AUDIENCE.to_owned()],
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: Some(pod.name.clone()),
                    uid: Some(pod.uid.clone()),
                }),
                expiration_seconds: Some(24 * 3600),
            },
            ..TokenRequest::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), namespace);
        let params = PostParams::default();
        let token = accounts.create_token_request("default", &params, &request);
        SimulatedPod {
            service,
            service_name: service_name.clone(),
            token: token.await.unwrap().status.unwrap().token,
            pod,
            address,
        }
    }

    /// As Kubernetes writes it. The addresses are others than the pods': loopback's are not allowed.
    async fn create_slice(&self, number: usize, pods: &[SimulatedPod]) {
        let (namespace, service) = &self.services[pods[0].service];
        let endpoints = pods.iter().map(|pod| {
            let [_, b, c, d] = pod.address.octets();
            json!({
                "addresses": [Ipv4Addr::new(10, b, c, d)], "conditions": { "ready": true },
                "targetRef": {
                    "kind": "Pod", "namespace": namespace, "name": pod.pod.name, "uid": pod.pod.uid,
                },
            })
        });
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": format!("{service}-{number}"), "labels": {
                "kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            } },
            "addressType": "IPv4", "ports": [{ "name": "", "port": 14080, "protocol": "TCP" }],
            "endpoints": endpoints.collect::<Vec<_>>(),
        });
        let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
        let api = Api::<EndpointSlice>::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &slice).await.unwrap();
    }

    /// How many tokens the API server reviews in a second.
    pub async fn token_reviews(&self) -> f64 {
        let api = Api::<TokenReview>::all(self.client.clone());
        let began = Instant::now();
        let some = self.pods.iter().take(REVIEWED);
        let reviews = stream::iter(some).map(|pod| {
            let review = TokenReview {
                spec: TokenReviewSpec {
                    token: Some(pod.token.clone()),
                    audiences: Some(vec![PUSH_AUDIENCE.to_owned()]),
                },
                ..TokenReview::default()
            };
            let api = api.clone();
            async move { api.create(&PostParams::default(), &review).await.unwrap() }
        });
        let reviewed: Vec<_> = reviews.buffer_unordered(AT_ONCE).collect().await;
        let good = reviewed.iter().filter(|it| {
            let status = it.status.as_ref();
            status.is_some_and(|status| status.authenticated == Some(true))
        });
        f64::from(u32::try_from(good.count()).unwrap()) / began.elapsed().as_secs_f64()
    }

    /// An edit that changes the policy.
    pub async fn edit(&self, number: usize) {
        let (namespace, name) = &self.services[number];
        let edit = self.edits.fetch_add(1, Ordering::Relaxed) + 1;
        let patch = Patch::Merge(json!({ "spec": { "openapi": { "inline": document(edit) } } }));
        let api = Api::<EndpointsService>::namespaced(self.client.clone(), namespace);
        api.patch(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Edits every service; when each edit began.
    pub async fn edit_all(&self) -> Vec<Instant> {
        let edits = stream::iter(0..self.services.len()).map(|number| async move {
            let began = Instant::now();
            self.edit(number).await;
            (number, began)
        });
        let mut edits: Vec<_> = edits.buffer_unordered(AT_ONCE).collect().await;
        edits.sort_unstable();
        edits.into_iter().map(|(_, began)| began).collect()
    }

    /// Waits until every status says of the newest spec that all sidecars run it.
    pub async fn all_programmed(&self) {
        let deadline = Instant::now() + LONGEST;
        let api = Api::<EndpointsService>::all(self.client.clone());
        loop {
            let list = api.list(&ListParams::default()).await.unwrap();
            let missing = list.items.iter().filter(|it| !is_programmed(it)).count();
            if missing == 0 {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{missing} of {} services are not programmed",
                list.items.len()
            );
            sleep(Duration::from_millis(250)).await;
        }
    }
}

fn is_programmed(service: &EndpointsService) -> bool {
    let conditions = service.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|it| {
        it.type_ == "Programmed"
            && it.status == "True"
            && it.observed_generation == service.metadata.generation
    })
}

/// As a ReplicaSet makes it; the webhook injects the rest.
fn pod(name: &str, service: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "labels": { "app": service },
            "annotations": { "endpoints.dev/service": service },
        },
        "spec": { "containers": [{
            "name": "app", "image": "app", "ports": [{ "name": "http", "containerPort": 8080 }],
        }] },
    })
}

/// An API of fifty operations; each edit moves one of them.
fn document(edit: usize) -> String {
    let mut paths = Map::new();
    for number in 0..OPERATIONS - 1 {
        let operation = json!({ "operationId": format!("get{number}"), "responses": {} });
        paths.insert(
            format!("/collection-{number}/{{id}}"),
            json!({ "get": operation }),
        );
    }
    paths.insert(
        format!("/edit-{edit}"),
        json!({ "get": { "responses": {} } }),
    );
    json!({
        "swagger": "2.0", "info": { "title": "t", "version": "1" }, "host": "shop.example",
        "paths": paths,
    })
    .to_string()
}
