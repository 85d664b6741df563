//! Objects that tests make, and what they look at.

use endpoints::api::EndpointsService;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::api_server::{Test, eventually};

/// An OpenAPI document with one open operation, and one more for each further path.
pub fn document(paths: &[&str]) -> String {
    let mut all = serde_json::Map::new();
    for path in ["/books"].iter().chain(paths) {
        all.insert((*path).to_owned(), json!({ "get": { "responses": {} } }));
    }
    json!({ "swagger": "2.0", "info": { "title": "t", "version": "1" }, "host": "books.example",
            "paths": all })
    .to_string()
}

/// A document whose operations demand a token of `issuer`.
pub fn protected_document(issuer: &str, jwks_uri: Option<&str>) -> String {
    let mut scheme = json!({
        "type": "oauth2", "flow": "implicit", "authorizationUrl": "", "x-google-issuer": issuer
    });
    if let Some(uri) = jwks_uri {
        scheme["x-google-jwks_uri"] = json!(uri);
    }
    json!({
        "swagger": "2.0", "info": { "title": "t", "version": "1" }, "host": "books.example",
        "securityDefinitions": { "tokens": scheme },
        "security": [{ "tokens": [] }],
        "paths": { "/books": { "get": { "responses": {} } } }
    })
    .to_string()
}

pub fn service(name: &str, spec: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": spec })
}

/// A pod that asks to be injected.
pub fn pod(name: &str, service: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "labels": { "app": service },
            "annotations": { "endpoints.dev/service": service }
        },
        "spec": { "containers": [{
            "name": "app", "image": "app:1", "ports": [{ "name": "http", "containerPort": 8080 }]
        }] }
    })
}

/// A Kubernetes Service in front of the pods of a service.
pub fn kube_service(name: &str, app: &str, port: Value) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": { "selector": { "app": app }, "ports": [port] }
    })
}

pub async fn create_service(test: &Test, name: &str, document: &str) -> EndpointsService {
    let spec = json!({ "openapi": { "inline": document } });
    test.create::<EndpointsService>(service(name, spec))
        .await
        .unwrap()
}

pub async fn create_pod(test: &Test, name: &str, service: &str) -> Pod {
    test.create::<Pod>(pod(name, service)).await.unwrap()
}

pub async fn create_kube_service(test: &Test, name: &str, app: &str, port: Value) -> Service {
    test.create::<Service>(kube_service(name, app, port))
        .await
        .unwrap()
}

/// Edits a spec; gives the new generation.
pub async fn edit(test: &Test, name: &str, spec: Value) -> i64 {
    let patch = Patch::Merge(json!({ "spec": spec }));
    let edited = test
        .api::<EndpointsService>()
        .patch(name, &PatchParams::default(), &patch)
        .await;
    edited.unwrap().metadata.generation.unwrap()
}

/// Waits until a condition is as told and speaks of the newest generation, as `kubectl wait` does.
pub async fn wait_for(
    test: &Test,
    name: &str,
    kind: &str,
    status: &str,
    reason: &str,
) -> Condition {
    eventually(|| async {
        let service = test.api::<EndpointsService>().get(name).await.unwrap();
        let generation = service.metadata.generation;
        let conditions = service
            .status
            .map(|status| status.conditions)
            .unwrap_or_default();
        let found = conditions.iter().find(|condition| {
            condition.type_ == kind
                && condition.status == status
                && condition.reason == reason
                && condition.observed_generation == generation
        });
        found
            .cloned()
            .ok_or_else(|| format!("{kind}={status} {reason}, have {conditions:#?}"))
    })
    .await
}

/// Waits until the counts of sidecars print like this.
pub async fn wait_for_sidecars(test: &Test, name: &str, summary: &str) -> EndpointsService {
    eventually(|| async {
        let service = test.api::<EndpointsService>().get(name).await.unwrap();
        let sidecars = service.status.clone().and_then(|status| status.sidecars);
        match sidecars {
            Some(sidecars) if sidecars.summary == summary => Ok(service),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}
