use json_patch::Patch;
use serde_json::{Value, json};

use super::*;
use crate::operator::admission::SidecarSettings;
use crate::push::wire::ServiceKey;

fn pod(annotations: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "generateName": "shop-", "annotations": annotations },
        "spec": { "containers": [{ "name": "app", "ports": [{ "name": "http", "containerPort": 80 }] }] }
    })
}

fn review_of(object: Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "shop", "operation": "CREATE", "userInfo": {}, "dryRun": true,
            "object": object, "oldObject": null, "options": { "kind": "CreateOptions" }
        }
    })
}

fn reviewed(review: &Value) -> (Value, Outcome) {
    match answer(
        review.to_string().as_bytes(),
        &InjectorConfig::of_tests(),
        &SettingsCache::default(),
    ) {
        Answer::Reviewed {
            review, outcome, ..
        } => (serde_json::from_slice(&review).unwrap(), outcome),
        other => panic!("{other:?}"),
    }
}

fn malformed(body: &str) -> String {
    match answer(
        body.as_bytes(),
        &InjectorConfig::of_tests(),
        &SettingsCache::default(),
    ) {
        Answer::Malformed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_annotated_pod_is_patched() {
    let object = pod(json!({ "endpoints.dev/service": "bookstore" }));
    let (answer, outcome) = reviewed(&review_of(object.clone()));
    assert_eq!(outcome, Outcome::Injected);
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    let response = &answer["response"];
    assert_eq!(
        (&response["uid"], &response["allowed"]),
        (&json!("u-1"), &json!(true))
    );
    assert_eq!(response["patchType"], "JSONPatch");
    // A list of bytes: what Go's decoder takes as well as base64.
    let patch: Vec<u8> = serde_json::from_value(response["patch"].clone()).unwrap();
    let mut patched = object;
    json_patch::patch(
        &mut patched,
        &serde_json::from_slice::<Patch>(&patch).unwrap(),
    )
    .unwrap();
    assert_eq!(
        patched["spec"]["initContainers"][0]["name"],
        "endpoints-proxy"
    );
}

#[test]
fn a_pod_that_does_not_ask_is_let_through_untouched() {
    let (answer, outcome) = reviewed(&review_of(pod(json!({}))));
    assert_eq!(outcome, Outcome::Unchanged);
    assert_eq!(answer["response"]["allowed"], true);
    assert!(answer["response"].get("patch").is_none());
}

#[test]
fn a_users_mistake_is_a_denial_with_the_words_to_fix_it() {
    let (answer, outcome) = reviewed(&review_of(pod(json!({ "endpoints.dev/servce": "a" }))));
    assert_eq!(outcome, Outcome::Denied);
    let response = &answer["response"];
    assert_eq!(
        (&response["uid"], &response["allowed"]),
        (&json!("u-1"), &json!(false))
    );
    assert_eq!(response["status"]["code"], 403);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("did you mean endpoints.dev/service?"),
        "{message}"
    );
}

#[test]
fn what_is_no_review_of_a_pods_creation_is_malformed() {
    assert!(malformed("").starts_with("not an AdmissionReview: "));
    assert!(malformed("{").starts_with("not an AdmissionReview: "));
    assert!(malformed(&"[".repeat(100_000)).starts_with("not an AdmissionReview: "));
    let good = review_of(pod(json!({})));
    for (place, value) in [
        ("/apiVersion", json!("admission.k8s.io/v1beta1")),
        ("/kind", json!("Review")),
        ("/request", json!(null)),
        ("/request/object", json!(null)),
        ("/request/object", json!("pod")),
        ("/request/operation", json!("UPDATE")),
        ("/request/resource/resource", json!("deployments")),
        ("/request/subResource", json!("eviction")),
    ] {
        let mut bad = good.clone();
        match bad.pointer_mut(place) {
            Some(field) => *field = value,
            None => bad["request"]["subResource"] = value,
        }
        assert!(!malformed(&bad.to_string()).is_empty(), "{place}");
    }
}

/// The API server looks at the size of annotations, and for names given twice, after the webhook.
#[test]
fn a_forged_status_of_3_mb_costs_no_more_than_a_pod_of_3_mb() {
    let port = json!({ "name": "a", "listen": 1, "app": 80, "renamed": "b" });
    let status = json!({ "version": "1", "ports": vec![port; 20_000] }).to_string();
    let annotations = json!({ "endpoints.dev/service": "a", "endpoints.dev/status": status });
    let mut object = pod(annotations);
    let container = json!({ "name": "c", "ports": [{ "name": "http", "containerPort": 80 }] });
    object["spec"]["containers"] = json!(vec![container; 20_000]);
    let own = json!({ "name": "endpoints-proxy", "env": [{ "name": "ENDPOINTS_LISTENERS" }] });
    object["spec"]["initContainers"] = json!([own]);
    let begun = tokio::time::Instant::now();
    let (_, outcome) = reviewed(&review_of(object));
    assert_eq!(outcome, Outcome::Denied);
    // It took 40 s.
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn several_containers_of_the_sidecars_name_were_not_injected() {
    let status = json!({ "version": "1", "ports": [] }).to_string();
    let annotations = json!({ "endpoints.dev/service": "a", "endpoints.dev/status": status });
    let mut object = pod(annotations);
    let own = json!({ "name": "endpoints-proxy", "env": [{ "name": "ENDPOINTS_LISTENERS" }] });
    object["spec"]["initContainers"] = json!(vec![own; 2]);
    let (answer, outcome) = reviewed(&review_of(object));
    assert_eq!(outcome, Outcome::Denied);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains("reserved"), "{message}");
}

#[test]
fn a_denial_is_one_line_that_people_can_read() {
    let mut object = pod(json!({ "endpoints.dev/service": "a", "endpoints.dev/ports": "http" }));
    let container = json!({ "name": "c\nx", "ports": [{ "name": "http", "containerPort": 80 }] });
    object["spec"]["containers"] = json!(vec![container; 1000]);
    let (answer, _) = reviewed(&review_of(object));
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.contains("declared more than once"), "{message}");
    assert!(message.len() <= 2048 + '…'.len_utf8(), "{}", message.len());
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn a_pod_gets_what_its_own_service_says_about_sidecars() {
    let settings = SettingsCache::default();
    let says = |name: &str| SidecarSettings {
        listener_secret: Some(name.to_owned()),
        ..SidecarSettings::default()
    };
    let key = |namespace: &str, name: &str| ServiceKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    settings.set(key("shop", "a"), says("of-a"));
    settings.set(key("other", "b"), says("of-other"));
    let patch_of = |service: &str| {
        let review = review_of(pod(json!({ "endpoints.dev/service": service })));
        match answer(
            review.to_string().as_bytes(),
            &InjectorConfig::of_tests(),
            &settings,
        ) {
            Answer::Reviewed { review, .. } => {
                let review: Value = serde_json::from_slice(&review).unwrap();
                let patch: Vec<u8> = serde_json::from_value(review["response"]["patch"].clone())
                    .unwrap_or_else(|_| {
                        use base64::Engine as _;
                        let text = review["response"]["patch"].as_str().unwrap();
                        base64::engine::general_purpose::STANDARD
                            .decode(text)
                            .unwrap()
                    });
                String::from_utf8(patch).unwrap()
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(patch_of("a").contains("of-a"));
    let other = patch_of("b");
    assert!(!other.contains("endpoints-listener-tls"), "{other}");
}

/// The API server never sends these; whoever else does learns nothing and costs nothing.
#[test]
fn junk_is_malformed_whatever_its_shape() {
    for body in [
        "null",
        "[]",
        "7",
        "\"AdmissionReview\"",
        "{}",
        "\u{0}",
        "{\"kind\":\"AdmissionReview\"}",
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":7}"#,
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}"#,
    ] {
        assert!(!malformed(body).is_empty(), "{body}");
    }
    // gzip: nobody asked for it.
    let zipped = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3];
    let answer = answer(
        &zipped,
        &InjectorConfig::of_tests(),
        &SettingsCache::default(),
    );
    assert!(matches!(answer, Answer::Malformed(_)), "{answer:?}");
}

#[test]
fn a_review_without_uid_or_with_another_type_there_is_malformed() {
    for uid in [json!(null), json!(7), json!({})] {
        let mut review = review_of(pod(json!({})));
        review["request"]["uid"] = uid;
        assert!(!malformed(&review.to_string()).is_empty());
    }
    let mut review = review_of(pod(json!({})));
    review["request"].as_object_mut().unwrap().remove("uid");
    assert!(!malformed(&review.to_string()).is_empty());
}

/// Whatever the request calls itself, the answer goes to that.
#[test]
fn the_answer_has_the_requests_uid() {
    for uid in ["", "another", "\u{1f980}", "\"quoted\""] {
        let mut review = review_of(pod(json!({ "endpoints.dev/service": "a" })));
        review["request"]["uid"] = json!(uid);
        assert_eq!(reviewed(&review).0["response"]["uid"], uid);
    }
}

#[test]
fn a_pod_with_every_field_null_is_read() {
    let mut object = pod(json!({ "endpoints.dev/service": "a" }));
    let nulls = |fields: &[&str]| -> serde_json::Map<String, Value> {
        let fields = fields.iter();
        fields
            .map(|field| ((*field).to_owned(), json!(null)))
            .collect()
    };
    object["metadata"].as_object_mut().unwrap().extend(nulls(&[
        "labels",
        "ownerReferences",
        "managedFields",
        "creationTimestamp",
        "finalizers",
        "uid",
    ]));
    object["spec"].as_object_mut().unwrap().extend(nulls(&[
        "volumes",
        "initContainers",
        "ephemeralContainers",
        "restartPolicy",
        "nodeSelector",
        "securityContext",
        "resources",
        "os",
        "hostNetwork",
        "terminationGracePeriodSeconds",
    ]));
    object["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .extend(nulls(&[
            "image",
            "command",
            "args",
            "env",
            "resources",
            "livenessProbe",
            "readinessProbe",
            "lifecycle",
            "securityContext",
            "volumeMounts",
            "restartPolicy",
        ]));
    object["status"] = json!(null);
    assert_eq!(reviewed(&review_of(object.clone())).1, Outcome::Injected);

    // Nothing to protect, and told so.
    for spec in [
        json!(null),
        json!({}),
        json!({ "containers": null }),
        json!({ "containers": [] }),
    ] {
        object["spec"] = spec;
        assert_eq!(reviewed(&review_of(object.clone())).1, Outcome::Denied);
    }
    for annotations in [json!(null), json!({})] {
        let mut quiet = pod(json!({}));
        quiet["metadata"]["annotations"] = annotations;
        assert_eq!(reviewed(&review_of(quiet)).1, Outcome::Unchanged);
    }
    let mut empty = review_of(json!({}));
    empty["request"]["namespace"] = json!(null);
    assert_eq!(reviewed(&empty).1, Outcome::Unchanged);
}

#[test]
fn hostile_annotation_values_are_denials_of_bounded_length() {
    let long = "x".repeat(200_000);
    for (key, value) in [
        ("endpoints.dev/service", long.as_str()),
        ("endpoints.dev/ports", long.as_str()),
        ("endpoints.dev/ports", &"1,".repeat(100_000)),
        ("endpoints.dev/capture", long.as_str()),
        ("endpoints.dev/sidecar", "\u{1b}[31mred\n"),
        ("endpoints.dev/sidecar-cpu-request", &"9".repeat(200_000)),
        ("endpoints.dev/sidecar-memory-limit", "-1e999999999"),
        (&format!("endpoints.dev/{long}"), "x"),
    ] {
        let mut annotations = json!({ "endpoints.dev/service": "a" });
        annotations[key] = json!(value);
        let (answer, outcome) = reviewed(&review_of(pod(annotations)));
        assert_eq!(outcome, Outcome::Denied);
        let message = answer["response"]["status"]["message"].as_str().unwrap();
        assert!(message.len() < 2100, "{} bytes", message.len());
        assert!(!message.chars().any(char::is_control), "{message}");
    }
}

#[test]
fn who_applies_a_redirected_pod_is_warned() {
    let annotations = json!({ "endpoints.dev/service": "a", "endpoints.dev/capture": "redirect" });
    let (answer, _) = reviewed(&review_of(pod(annotations)));
    let warning = answer["response"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("NET_ADMIN"), "{warning}");
    let (answer, _) = reviewed(&review_of(pod(json!({ "endpoints.dev/service": "a" }))));
    assert_eq!(answer["response"]["warnings"], json!(null));
}
