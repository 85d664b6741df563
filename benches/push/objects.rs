//! What stands in the API server: EndpointsServices, Services, injected pods, tokens bound to them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use endpoints::api::EndpointsService;
use endpoints::api::annotations::PUSH_AUDIENCE;
use endpoints::push::wire::PodRef;
use futures_util::{StreamExt, stream};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};

use crate::api_server::create_namespace;

/// Requests to the API server at one time.
const AT_ONCE: usize = 32;
const NAMESPACES: usize = 10;
/// Operations of each service.
const OPERATIONS: usize = 50;

pub struct Shop {
    client: Client,
    pub services: Vec<(String, String)>,
    pub pods: Vec<SimulatedPod>,
    edits: AtomicUsize,
}

pub struct SimulatedPod {
    pub pod: PodRef,
    /// Number of its service.
    pub service: usize,
    pub service_name: String,
    pub token: String,
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
        let (namespace, name) = &self.services[service];
        let pod: Pod = serde_json::from_value(pod(&format!("pod-{number}"), name)).unwrap();
        let api = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let pod = api.create(&PostParams::default(), &pod).await.unwrap();
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
        let token = accounts.create_token_request("default", &PostParams::default(), &request);
        SimulatedPod {
            service,
            service_name: name.clone(),
            token: token.await.unwrap().status.unwrap().token,
            pod,
        }
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

    pub async fn edit_all(&self) {
        let edits = stream::iter(0..self.services.len()).map(|number| self.edit(number));
        edits.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    }

    /// Waits until every status says of the newest spec that all sidecars run it.
    pub async fn all_programmed(&self, longest: Duration) {
        let deadline = tokio::time::Instant::now() + longest;
        let api = Api::<EndpointsService>::all(self.client.clone());
        loop {
            let list = api.list(&ListParams::default()).await.unwrap();
            let missing = list.items.iter().filter(|it| !is_programmed(it)).count();
            if missing == 0 {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{missing} of {} services are not programmed",
                list.items.len()
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
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
