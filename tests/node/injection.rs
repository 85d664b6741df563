//! What the cluster does with a pod when it is created: inject it, refuse it, leave it alone.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::{eventually, image};
use crate::installation;
use crate::namespace::{Namespace, RESTRICTED_CONTEXT};
use crate::shop::example;

#[test]
fn a_pod_without_annotation_is_untouched() {
    let _installation = installation::shared();
    let namespace = Namespace::new("untouched");
    namespace.apply(&web_pod("plain", "{team: shop}", "http"));
    let pod = namespace.get(&["pod", "plain"]);
    let text = pod.to_string();
    assert!(!text.contains("endpoints.dev"), "{pod:#}");
    assert_eq!(pod["spec"]["initContainers"], Value::Null);
    let containers = pod["spec"]["containers"].as_array().expect("a list");
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0]["ports"][0]["name"], "http");
}

#[test]
fn a_mistyped_annotation_is_refused_and_the_nearest_named() {
    let _installation = installation::shared();
    let namespace = Namespace::new("mistyped");
    let refusal = namespace
        .try_apply(&web_pod(
            "mistyped",
            "{endpoints.dev/servce: bookstore}",
            "http",
        ))
        .expect_failure();
    assert!(refusal.contains("endpoints.dev/servce"), "{refusal}");
    assert!(
        refusal.contains("did you mean endpoints.dev/service?"),
        "{refusal}"
    );
}

#[test]
fn a_pod_without_a_port_to_protect_is_refused_with_the_ports_it_has() {
    let _installation = installation::shared();
    let namespace = Namespace::new("no-port");
    let refusal = namespace
        .try_apply(&web_pod(
            "no-port",
            "{endpoints.dev/service: bookstore}",
            "admin",
        ))
        .expect_failure();
    assert!(refusal.contains("endpoints.dev/ports"), "{refusal}");
    assert!(refusal.contains("admin"), "{refusal}");
    assert!(refusal.contains("8080"), "{refusal}");
}

#[test]
fn a_pod_of_a_service_that_does_not_exist_waits_unready_and_an_event_says_so() {
    let _installation = installation::shared();
    let namespace = Namespace::new("no-service");
    namespace.apply(&web_pod(
        "early",
        "{endpoints.dev/service: bookstore}",
        "http",
    ));
    let event = eventually("an event on the pod", Duration::from_secs(30), || {
        let events = namespace.get(&["events", "--field-selector=involvedObject.name=early"]);
        let mut events = events["items"].as_array().expect("a list").iter();
        let found = events.find(|event| {
            // That it was injected is told, too.
            event["type"] == "Warning"
        });
        found.cloned().ok_or_else(|| format!("{events:?}"))
    });
    assert!(
        event["message"]
            .as_str()
            .is_some_and(|text| text.contains("EndpointsService") && text.contains("bookstore")),
        "{event:#}"
    );
    // The app runs, and only the sidecar is not ready: nobody's start waits for a resource.
    namespace.wait(
        "jsonpath={.status.containerStatuses[0].ready}=true",
        "pod/early",
        60,
    );
    namespace.wait("condition=Ready=false", "pod/early", 5);
    // GitOps applies in any order: the pod becomes ready when its service comes.
    namespace.apply(&example("bookstore/endpointsservice.yaml"));
    namespace.wait("condition=Ready", "pod/early", 30);
}

/// The namespaces of all these tests enforce "restricted"; that they do is shown here.
#[test]
fn pod_security_restricted_accepts_the_injected_pod_and_would_refuse_a_careless_one() {
    let _installation = installation::shared();
    let namespace = Namespace::new("restricted");
    let pod = web_pod("web", "{endpoints.dev/service: bookstore}", "http");
    namespace.apply(&pod);
    let careless = pod.replace(&format!("    securityContext: {RESTRICTED_CONTEXT}\n"), "");
    assert_ne!(careless, pod);
    let refusal = namespace.try_apply(&careless.replace("name: web}", "name: careless}"));
    let refusal = refusal.expect_failure();
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");
}

/// It is followed when the pod is created: a later change would only look like one.
#[test]
fn the_service_of_a_running_pod_cannot_be_changed() {
    let _installation = installation::shared();
    let namespace = Namespace::new("immutable");
    namespace.apply(&web_pod(
        "web",
        "{endpoints.dev/service: bookstore}",
        "http",
    ));
    let change = [
        "annotate",
        "--overwrite",
        "pod/web",
        "endpoints.dev/service=other",
    ];
    let refusal = namespace.try_kubectl(&change, "").expect_failure();
    assert!(refusal.contains("cannot be changed"), "{refusal}");
    namespace.kubectl(&["annotate", "pod/web", "team=shop"]);
}

/// A pod that answers on 8080, with the port's name and the annotations given.
fn web_pod(name: &str, annotations: &str, port: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{annotations: {annotations}, name: {name}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: {}
    args: [echo, --listen, '0.0.0.0:8080']
    ports: [{{name: {port}, containerPort: 8080}}]
    securityContext: {RESTRICTED_CONTEXT}
",
        image()
    )
}
