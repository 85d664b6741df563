use serde_json::Value;

use super::*;
use crate::operator::certificates::Authority;

const CA: &str = "-----BEGIN CERTIFICATE-----\nours\n";

#[test]
fn missing_and_foreign_bundles_become_ours() {
    let before = json!({ "metadata": { "name": "x" }, "webhooks": [
        webhook("a", json!({ "url": "https://a" })),
        webhook("b", json!({ "url": "https://b", "caBundle": STANDARD.encode(CA) })),
        webhook("c", json!({ "url": "https://c", "caBundle": STANDARD.encode("theirs") })),
    ] });
    let patch = patch(&read(&before), CA).unwrap();
    let mut after = before;
    json_patch::patch(&mut after, &patch).unwrap();
    for webhook in after["webhooks"].as_array().unwrap() {
        assert_eq!(webhook["clientConfig"]["caBundle"], STANDARD.encode(CA));
    }
    assert!(
        super::patch(&read(&after), CA).is_none(),
        "and then there is nothing to do"
    );
}

#[test]
fn patch_fails_when_the_webhooks_moved_meanwhile() {
    let seen = json!({ "metadata": {}, "webhooks": [webhook("a", json!({}))] });
    let patch = patch(&read(&seen), CA).unwrap();
    let mut moved = json!({ "metadata": {}, "webhooks": [webhook("b", json!({}))] });
    json_patch::patch(&mut moved, &patch).unwrap_err();
}

#[test]
fn ready_once_every_webhook_has_the_ca_that_signs() {
    let now = std::time::SystemTime::now();
    let [signing, other] = [0; 2].map(|_| Authority::generate(now).unwrap().certificate_pem());
    let with = |bundles: &[&str]| {
        let webhooks: Vec<_> = bundles
            .iter()
            .map(|bundle| webhook("a", json!({ "caBundle": STANDARD.encode(bundle) })))
            .collect();
        read(&json!({ "metadata": {}, "webhooks": webhooks }))
    };
    let trust = format!("{signing}{other}");
    for (bundles, ready) in [
        (&[&*trust][..], true),
        (&[&signing, &trust], true),
        (&[&signing, &other], false),
        (&[&other], false),
        (&[""], false),
        (&["garbage"], false),
        (&[], false),
    ] {
        assert_eq!(trusts(&with(bundles), &trust), ready, "{bundles:?}");
    }
}

fn webhook(name: &str, client_config: Value) -> Value {
    json!({
        "name": name, "clientConfig": client_config, "sideEffects": "None",
        "admissionReviewVersions": ["v1"]
    })
}

fn read(configuration: &Value) -> MutatingWebhookConfiguration {
    serde_json::from_value(configuration.clone()).unwrap()
}
