//! `endpoints check --cluster`, as people run it: the binary, a kubeconfig, a real API server.

use std::path::Path;
use std::process::Output;

use endpoints::api::EndpointsService;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::api_server::Test;
use crate::captured::run_fix;
use crate::objects::{create_kube_service, create_service, document, pod, wait_for};

#[tokio::test]
async fn what_keeps_requests_from_sidecars_is_listed_as_the_page_shows() {
    let test = Test::start().await;
    let namespace = &test.namespace;
    create_service(&test, "bookstore", &document(&[])).await;
    create_owned_pod(&test).await;
    create_kube_service(&test, "bookstore", "bookstore", json!({ "port": 8080 })).await;
    let forgotten = json!({
        "metadata": {
            "name": "reports", "annotations": { "endpoints.dev/service": "bookstore" }
        },
        "spec": {
            "selector": { "matchLabels": { "app": "reports" } },
            "template": {
                "metadata": { "labels": { "app": "reports" } },
                "spec": { "containers": [{ "name": "app", "image": "app:1" }] }
            }
        }
    });
    test.create::<Deployment>(forgotten).await.unwrap();
    let captured = wait_for(&test, "bookstore", "Captured", "False", "NumericTargetPort").await;

    let output = check(&test, &["-n", namespace]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let shown = text.replace(namespace, "shop");
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check.md"))
        .unwrap();
    let block = page.split("```text\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    assert_eq!(
        shown, block,
        "docs/check.md shows what is printed:\n{shown}"
    );
    assert_eq!(output.status.code(), Some(1), "{text}");

    run_fix(&test, &captured.message).await;
    let output = check(&test, &["-n", namespace, "--format", "json"]).await;
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap().iter();
    let codes: Vec<_> = findings.map(|it| it["code"].as_str().unwrap()).collect();
    assert!(
        !codes.contains(&"goes-around"),
        "the command mended it: {codes:?}"
    );
    assert_eq!(json["summary"]["pods"], 1);
    // What is suggested is what the API server takes, and closes what was found.
    let manifest = json["suggestions"][0]["manifest"].as_str().unwrap();
    let policy: NetworkPolicy = serde_yaml::from_str(manifest).unwrap();
    test.api::<NetworkPolicy>()
        .create(&PostParams::default(), &policy)
        .await
        .unwrap();
    let output = check(&test, &["-n", namespace]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("reachable-around-sidecar"), "{text}");
}

#[tokio::test]
async fn all_namespaces_and_other_forms_say_the_same() {
    let test = Test::start().await;
    let spec = json!({ "openapi": { "inline": "swagger" } });
    let broken = crate::objects::service("broken", spec);
    test.create::<EndpointsService>(broken).await.unwrap();
    wait_for(&test, "broken", "Accepted", "False", "InvalidOpenAPI").await;
    let object = format!("{}/endpointsservice/broken", test.namespace);

    let output = check(&test, &["-A", "--format", "sarif"]).await;
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap().clone();
    let uri = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"];
        place["artifactLocation"]["uri"].clone()
    };
    let own = results
        .iter()
        .find(|it| uri(it) == json!(object) && it["ruleId"] == "not-accepted");
    assert!(own.is_some(), "{results:#?}");
    let rules = log["runs"][0]["tool"]["driver"]["rules"].to_string();
    assert!(
        rules.contains("an EndpointsService does not compile"),
        "{rules}"
    );
    assert_eq!(output.status.code(), Some(1));

    let output = check(&test, &["-n", &test.namespace, "--format", "github"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let line = format!("::error file={object},title=not-accepted::Accepted is False");
    assert!(text.contains(&line), "{text}");
}

#[tokio::test]
async fn what_one_may_not_list_is_told_and_the_rest_is_checked() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    create_owned_pod(&test).await;
    create_kube_service(&test, "bookstore", "bookstore", json!({ "port": 8080 })).await;
    let kubeconfig = limited(&test).await;
    let arguments = [
        "-n",
        &test.namespace,
        "--kubeconfig",
        kubeconfig.path().to_str().unwrap(),
    ];
    let output = run(&arguments).await;
    let (text, news) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(2), "{news}");
    for what in [
        "networkpolicies.networking.k8s.io",
        "deployments.apps",
        "endpointsservices",
    ] {
        let line = news.lines().find(|line| line.contains(what)).unwrap();
        assert!(line.contains("you may not list them"), "{line}");
    }
    assert!(!news.contains("cannot read pods"), "{news}");
    assert!(text.contains("error[goes-around]"), "{text}");
    assert!(
        !text.contains("endpoints-service-missing"),
        "not seen is not missing: {text}"
    );
    assert!(
        !text.contains("reachable-around-sidecar"),
        "not seen is not missing: {text}"
    );
}

#[tokio::test]
async fn cluster_that_does_not_answer_is_one_line() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let [closed] = crate::api_server::free_ports();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "x", "cluster": { "server": format!("http://127.0.0.1:{closed}") } }],
        "users": [{ "name": "x", "user": {} }],
        "contexts": [{ "name": "x", "context": { "cluster": "x", "user": "x" } }]
    });
    std::io::Write::write_all(&mut file, config.to_string().as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let output = run(&["--kubeconfig", path]).await;
    let news = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{news}");
    assert!(
        news.starts_with("endpoints: cannot reach the cluster"),
        "{news}"
    );
    assert_eq!(news.lines().count(), 1, "{news}");
    let output = run(&["--kubeconfig", path, "--context", "nobody"]).await;
    let news = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{news}");
    assert!(news.contains("nobody"), "{news}");
}

async fn check(test: &Test, arguments: &[&str]) -> Output {
    let path = test.cluster.kubeconfig.to_str().unwrap();
    run(&[arguments, &["--kubeconfig", path]].concat()).await
}

async fn run(arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_endpoints"))
        .args(["check", "--cluster"])
        .args(arguments)
        .env_remove("KUBECONFIG")
        .output()
        .await
        .unwrap()
}

/// A pod as a Deployment's ReplicaSet makes it.
async fn create_owned_pod(test: &Test) -> Pod {
    let mut owned = pod("bookstore-5d9c-x2x1z", "bookstore");
    owned["metadata"]["labels"]["pod-template-hash"] = json!("5d9c");
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "bookstore-5d9c",
        "uid": "7c7b3b0e-0000-4000-8000-000000000001", "controller": true
    }]);
    test.create::<Pod>(owned).await.unwrap()
}

/// A kubeconfig of somebody who may list pods and Services, and no more.
async fn limited(test: &Test) -> tempfile::NamedTempFile {
    let meta = json!({ "name": "reader" });
    test.create::<ServiceAccount>(json!({ "metadata": meta }))
        .await
        .unwrap();
    let role = json!({ "metadata": meta, "rules": [{
        "apiGroups": [""], "resources": ["pods", "services"], "verbs": ["list"]
    }] });
    test.create::<Role>(role).await.unwrap();
    let binding = json!({
        "metadata": meta,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "ServiceAccount", "name": "reader", "namespace": test.namespace }]
    });
    test.create::<RoleBinding>(binding).await.unwrap();
    let request = TokenRequest {
        spec: TokenRequestSpec::default(),
        ..TokenRequest::default()
    };
    let token = test
        .api::<ServiceAccount>()
        .create_token_request("reader", &PostParams::default(), &request)
        .await
        .unwrap()
        .status
        .unwrap()
        .token;
    let admin = std::fs::read_to_string(&test.cluster.kubeconfig).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), admin.replace("admin-token", &token)).unwrap();
    file
}
