use serde_json::{Value, json};

use super::*;

const GOOD: &str = "swagger: '2.0'\npaths: {/a: {get: {security: []}}}\n";

fn review_of(spec: Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": { "group": "endpoints.dev", "version": "v1alpha1", "kind": "EndpointsService" },
            "resource": { "group": "endpoints.dev", "version": "v1alpha1", "resource": "endpointsservices" },
            "name": "shop", "namespace": "apps", "operation": "CREATE", "userInfo": {}, "dryRun": false,
            "object": {
                "apiVersion": "endpoints.dev/v1alpha1", "kind": "EndpointsService",
                "metadata": { "name": "shop", "namespace": "apps" }, "spec": spec
            },
            "oldObject": null, "options": { "kind": "CreateOptions" }
        }
    })
}

fn inline(document: &str) -> Value {
    review_of(json!({ "openapi": { "inline": document } }))
}

fn findings(review: &Value) -> Vec<String> {
    Check::parse(review.to_string().as_bytes())
        .unwrap()
        .findings()
}

#[test]
fn a_good_resource_is_allowed_without_a_word() {
    let review = inline(GOOD);
    assert_eq!(findings(&review), [""; 0]);
    let check = Check::parse(review.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&check.allow(Vec::new()).unwrap()).unwrap();
    assert_eq!(answer["response"]["uid"], "u-1");
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"].get("warnings"), None);
}

#[test]
fn an_error_is_allowed_and_told_with_its_place_and_remedy() {
    let review =
        inline("swagger: '2.0'\npaths:\n  /a:\n    get:\n      security: [{nobody: []}]\n");
    let findings = findings(&review);
    assert!(
        findings[0].starts_with("error[UnsupportedSecurity]: openapi#/paths/~1a/get/security/0"),
        "{findings:#?}"
    );
    assert!(findings[0].contains("line 5"), "{findings:#?}");
    let check = Check::parse(review.to_string().as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&check.allow(findings.clone()).unwrap()).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["warnings"], json!(findings));
}

#[test]
fn what_is_wrong_comes_before_what_is_odd() {
    let mut review = inline(GOOD);
    review["request"]["object"]["spec"]["cors"] =
        json!({ "allowAnyOriginWithCredentials": true, "maxAge": "soon" });
    let findings = findings(&review);
    assert!(
        findings[0].starts_with("error[InvalidSpec]"),
        "{findings:#?}"
    );
    assert!(
        findings[1].starts_with("warning[no-effect]"),
        "{findings:#?}"
    );
}

#[test]
fn warnings_are_bounded_in_number_and_length_and_hold_no_line_break() {
    let long = format!("/{}", "ä".repeat(300));
    let paths: Vec<_> = (0..40)
        .map(|n| format!("  {long}{n}: {{get: {{security: [{{nobody: []}}]}}}}\n"))
        .collect();
    let review = inline(&format!("swagger: '2.0'\npaths:\n{}", paths.concat()));
    let findings = findings(&review);
    assert_eq!(findings.len(), MAX_WARNINGS + 1);
    assert!(findings[MAX_WARNINGS].starts_with("and "), "{findings:#?}");
    for finding in findings {
        assert!(finding.len() <= MAX_WARNING, "{finding}");
        assert!(!finding.contains(char::is_control), "{finding}");
    }
}

#[test]
fn what_is_no_such_review_is_refused_with_its_reason() {
    let mut pod = inline(GOOD);
    pod["request"]["resource"] = json!({ "group": "", "version": "v1", "resource": "pods" });
    let mut gone = inline(GOOD);
    gone["request"]["operation"] = json!("DELETE");
    let mut status = inline(GOOD);
    status["request"]["subResource"] = json!("status");
    let mut empty = inline(GOOD);
    empty["request"]["object"] = Value::Null;
    let mut old = inline(GOOD);
    old["apiVersion"] = json!("admission.k8s.io/v1beta1");
    for review in [pod, gone, status, empty, old, json!({}), json!([])] {
        Check::parse(review.to_string().as_bytes()).expect_err("not such a review");
    }
}

/// Whether it is there says the status: it may come a moment later.
#[test]
fn a_config_map_is_not_looked_for() {
    let document = json!({ "configMapKeyRef": { "name": "docs", "key": "api.yaml" } });
    let spec = json!({ "openapi": document, "serviceName": "https://x" });
    let findings = findings(&review_of(spec));
    assert_eq!(findings.len(), 1, "the fields around it are: {findings:#?}");
    assert!(findings[0].contains("/spec/serviceName"), "{findings:#?}");
}

#[test]
fn a_spec_of_the_wrong_form_is_told_in_words_for_people() {
    let spec = json!({"openapi": {"inline": GOOD}, "serviceName": 3, "corss": {}});
    assert_eq!(
        findings(&review_of(spec)),
        [
            "error[InvalidSpec]: /spec/corss: no such field: corss (did you mean `cors`?)",
            "error[InvalidSpec]: /spec/serviceName: `serviceName` must be text, but is the number `3` (write it in quotes: `\"3\"`)",
        ]
    );
}
