//! Services that lead around the sidecar: named, waited for, mended.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::eventually;
use crate::http::Request;
use crate::installation;
use crate::namespace::Namespace;
use crate::shop::{Shop, example};

/// A Service without targetPort has a numeric one, the app's.
#[test]
fn a_second_service_without_target_port_is_named_by_captured_until_it_is_gone() {
    let _installation = installation::shared();
    let shop = Shop::new("capture", 1);
    shop.wait_condition("Captured", "True");
    shop.namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: side-door}
spec:
  selector: {app: bookstore}
  ports: [{port: 8080}]
",
    );
    let captured = shop.wait_condition("Captured", "False");
    assert_eq!(captured["reason"], "NumericTargetPort", "{captured:#}");
    let message = captured["message"].as_str().expect("a text");
    assert!(message.contains("side-door"), "{message}");
    assert!(
        message.contains("set its targetPort to http"),
        "the fix is named: {message}"
    );
    shop.wait_condition("Ready", "False");
    // It is true: this way nobody asks for a token.
    let around = Request::get("/v1/me");
    assert_eq!(
        shop.namespace.send_to(&around, "side-door", 8080).status,
        200
    );
    assert_eq!(shop.send(&around).status, 401);
    assert_eq!(ready(&shop.namespace), ["True"], "what was ready stays so");

    shop.namespace.kubectl(&["delete", "service", "side-door"]);
    shop.wait_condition("Captured", "True");
    shop.wait_condition("Ready", "True");
}

#[test]
fn numeric_target_port_holds_the_first_pods_back_until_it_is_mended() {
    let _installation = installation::shared();
    let namespace = Namespace::new("withheld");
    let deployment = example("bookstore/deployment.yaml");
    let numeric = deployment.replace("targetPort: http", "targetPort: 8080");
    assert_ne!(numeric, deployment, "the example names its port");
    namespace.apply(&example("bookstore/endpointsservice.yaml"));
    namespace.apply(&numeric.replace("replicas: 3", "replicas: 2"));
    let shop = Shop { namespace };
    shop.wait_programmed();
    let captured = shop.wait_condition("Captured", "False");
    assert_eq!(captured["reason"], "NumericTargetPort", "{captured:#}");
    let events = eventually("an Event says why", Duration::from_secs(30), || {
        let events = shop.namespace.kubectl(&["get", "events"]);
        match events.contains("ReadinessWithheld") {
            true => Ok(events),
            false => Err(events),
        }
    });
    assert!(events.contains("set its targetPort to http"), "{events}");
    assert_eq!(ready(&shop.namespace), ["False", "False"]);

    let patch = json!({ "spec": { "ports": [{ "port": 80, "targetPort": "http" }] } });
    let patch = patch.to_string();
    let arguments = ["patch", "service", "bookstore", "-p", &patch];
    shop.namespace.kubectl(&arguments);
    // kubelet looks every two seconds.
    let rollout = ["rollout", "status", "deployment/bookstore", "--timeout=30s"];
    shop.namespace.kubectl(&rollout);
    shop.wait_condition("Ready", "True");
}

#[test]
fn headless_service_is_named_and_holds_new_pods_back() {
    let _installation = installation::shared();
    let shop = Shop::new("headless", 1);
    shop.namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: peers}
spec:
  clusterIP: None
  selector: {app: bookstore}
  ports: [{port: 8080}]
",
    );
    let captured = shop.wait_condition("Captured", "False");
    assert_eq!(captured["reason"], "HeadlessService", "{captured:#}");
    let message = captured["message"].as_str().expect("a text");
    let fix = "kubectl patch deployment bookstore -n e2e-headless";
    assert!(message.contains(fix), "{message}");
    let scale = ["scale", "deployment/bookstore", "--replicas=2"];
    shop.namespace.kubectl(&scale);
    shop.wait_sidecars("2/2");
    assert_eq!(
        ready(&shop.namespace),
        ["False", "True"],
        "the newer one waits"
    );
    shop.namespace.kubectl(&["delete", "service", "peers"]);
    let rollout = ["rollout", "status", "deployment/bookstore", "--timeout=30s"];
    shop.namespace.kubectl(&rollout);
}

/// Old pods stay behind the Service until new ones are ready: waiting for them would wait for ever.
#[test]
fn first_roll_out_ends_although_pods_without_sidecar_are_behind_the_service() {
    let _installation = installation::shared();
    let namespace = Namespace::new("mixed");
    let deployment = example("bookstore/deployment.yaml").replace("replicas: 3", "replicas: 2");
    let annotation = "endpoints.dev/service: bookstore";
    assert!(deployment.contains(annotation), "the example is annotated");
    namespace.apply(&example("bookstore/endpointsservice.yaml"));
    namespace.apply(&deployment.replace(annotation, "example.com/not: yet"));
    let rollout = ["rollout", "status", "deployment/bookstore", "--timeout=90s"];
    namespace.kubectl(&rollout);
    // Beside the pods to come: another Deployment's, which stays.
    let other = deployment
        .replace(annotation, "example.com/not: ever")
        .replace("name: bookstore", "name: other")
        .replace("replicas: 2", "replicas: 1");
    let other = other.split("---").next().expect("a Deployment comes first");
    namespace.apply(other);
    namespace.apply(&deployment);
    namespace.kubectl(&rollout);
    let shop = Shop { namespace };
    // The first pods are behind the Service until they have ended.
    let what = "Captured names the pod that stays";
    eventually(what, Duration::from_secs(30), || {
        let captured = shop.condition("Captured");
        let message = captured["message"].as_str();
        let named = message.is_some_and(|it| it.contains("pod other-"));
        (captured["reason"] == "MixedPods" && named)
            .then_some(())
            .ok_or(captured.to_string())
    });
    shop.namespace.kubectl(&["delete", "deployment", "other"]);
    shop.wait_condition("Captured", "True");
}

/// Which injected pods are ready, sorted.
fn ready(namespace: &Namespace) -> Vec<String> {
    let pods = namespace.get(&["pods", "--selector=endpoints.dev/injected=true"]);
    let mut ready: Vec<_> = pods["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(is_ready)
        .collect();
    ready.sort();
    ready
}

fn is_ready(pod: &Value) -> String {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    ready
        .and_then(|condition| condition["status"].as_str())
        .unwrap_or("False")
        .to_owned()
}
