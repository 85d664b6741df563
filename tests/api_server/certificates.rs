//! The CA's Secret and the webhook configuration's bundle.

use std::time::SystemTime;

use endpoints::operator::certificates::{SecretError, load_or_create};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::api_server::{SYSTEM, Test, eventually};

#[tokio::test]
async fn operators_that_race_agree_on_one_ca() {
    let test = Test::without_operator().await;
    let (client, namespace) = (test.client.clone(), &*test.namespace);
    let load = || load_or_create(client.clone(), namespace, "ca", SystemTime::now());
    let racers = futures_util::future::join_all((0..8).map(|_| load())).await;
    let trusted: Vec<_> = racers
        .into_iter()
        .map(|racer| racer.unwrap().trusted())
        .collect();
    assert!(trusted.iter().all(|other| *other == trusted[0]));
    let later = load().await.unwrap().trusted();
    assert_eq!(later, trusted[0], "and so does a later one");
}

#[tokio::test]
async fn broken_secret_is_an_error_and_is_left_as_it_is() {
    let test = Test::without_operator().await;
    let broken = json!({ "metadata": { "name": "ca" }, "stringData": { "ca.crt": "mine" } });
    let before = test.create::<Secret>(broken).await.unwrap();
    let now = SystemTime::now();
    let error = load_or_create(test.client.clone(), &test.namespace, "ca", now)
        .await
        .unwrap_err();
    assert!(matches!(error, SecretError::Broken { .. }), "{error:?}");
    let remedy = "delete it to have a new one made";
    assert!(error.to_string().contains(remedy), "{error}");
    let after = test.api::<Secret>().get("ca").await.unwrap();
    assert_eq!(
        before.metadata.resource_version,
        after.metadata.resource_version
    );
}

#[tokio::test]
async fn hand_edit_of_the_bundle_heals() {
    let test = Test::start().await;
    let api = Api::<MutatingWebhookConfiguration>::all(test.client.clone());
    let name = "endpoints-operator";
    let ours = bundle(&api.get(name).await.unwrap());
    assert!(ours.starts_with(b"-----BEGIN CERTIFICATE-----"));
    // Twice ours: not what the operator wrote, and yet all other tests' pods are still admitted.
    let twice = k8s_openapi::ByteString([&ours[..], &ours].concat());
    let broken = json!([{
        "op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": twice
    }]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(broken).unwrap());
    let broken = api
        .patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(bundle(&broken), twice.0);
    eventually(|| async {
        let now = bundle(&api.get(name).await.unwrap());
        if now == ours {
            Ok(())
        } else {
            Err(format!("{} bytes", now.len()))
        }
    })
    .await;
    let secrets = Api::<Secret>::namespaced(test.client.clone(), SYSTEM);
    let secret = secrets.get("endpoints-operator-ca").await.unwrap();
    assert_eq!(
        secret.data.unwrap()["ca.crt"].0,
        ours,
        "it is the CA of the Secret"
    );
}

#[tokio::test]
async fn keys_are_never_logged() {
    let test = Test::start().await;
    let secrets = Api::<Secret>::namespaced(test.client.clone(), SYSTEM);
    let data = secrets
        .get("endpoints-operator-ca")
        .await
        .unwrap()
        .data
        .unwrap();
    let key = String::from_utf8(data["ca.key"].0.clone()).unwrap();
    let log = test.cluster.operator().log();
    for line in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!log.contains(line));
    }
}

fn bundle(configuration: &MutatingWebhookConfiguration) -> Vec<u8> {
    let webhooks = configuration.webhooks.as_ref().unwrap();
    webhooks[0]
        .client_config
        .ca_bundle
        .clone()
        .unwrap_or_default()
        .0
}
