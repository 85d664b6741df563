//! The forms of injection that the bookstore does not have: capture by number, classic sidecars, Jobs.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::{busybox, eventually, image};
use crate::http::Request;
use crate::installation;
use crate::namespace::{Namespace, RESTRICTED_CONTEXT};
use crate::shop::example;

/// Of the bookstore: it wants a token.
const PROTECTED: &str = "/v1/me";

/// Numeric targetPorts, headless Services and the pod's own address: whoever comes from outside meets
/// the sidecar, but kubelet gets through to the app.
#[test]
fn a_redirected_pod_is_captured_whichever_way_requests_come() {
    let _installation = installation::shared();
    let namespace = Namespace::new("redirect");
    let privileged = "pod-security.kubernetes.io/enforce=privileged";
    namespace.kubectl(&[
        "label",
        "--overwrite",
        "namespace",
        &namespace.name,
        privileged,
    ]);
    namespace.apply(&example("bookstore/endpointsservice.yaml"));
    // The port has no name: nothing could be taken.
    namespace.apply(&pod(
        "{endpoints.dev/service: bookstore, endpoints.dev/capture: redirect, endpoints.dev/ports: '8080'}",
        "ports: [{containerPort: 8080}]
    readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
    livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}",
    ));
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: by-number}
spec:
  selector: {app: bookstore}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec:
  selector: {app: bookstore}
  clusterIP: None
  ports: [{port: 8080}]
",
    );
    namespace.wait("condition=Ready", "pod/bookstore", 90);
    let found = namespace.get(&["pod", "bookstore"]);
    let probe = &found["spec"]["containers"][0]["readinessProbe"]["httpGet"];
    assert_eq!(probe["path"], "/app/bookstore/readyz", "{found:#}");
    let address = found["status"]["podIP"].as_str().expect("an address");

    let protected = Request::get(PROTECTED);
    eventually("endpoints are programmed", Duration::from_secs(30), || {
        let answer = protected.try_send(&namespace, "by-number", 80);
        answer.map(|_| ())
    });
    for (host, port) in [("by-number", 80), ("headless", 8080), (address, 8080)] {
        let answer = namespace.send_to(&protected, host, port);
        assert_eq!(answer.status, 401, "{host}:{port}: {answer:?}");
    }
    // kubelet's way to the app, and no further: without a token nothing else of it is reached.
    let ready = Request::get("/app/bookstore/readyz");
    assert_eq!(namespace.send_to(&ready, address, 14070).status, 200);
    let other = Request::get("/app/bookstore/readyz/../../v1/me");
    assert_eq!(namespace.send_to(&other, address, 14070).status, 404);
    // Nor has the pod been restarted by its liveness probe.
    let found = namespace.get(&["pod", "bookstore"]);
    assert_eq!(found["status"]["containerStatuses"][0]["restartCount"], 0);
}

/// The app starts when the sidecar listens, and the sidecar ends after the app.
#[test]
fn a_classic_sidecar_serves_from_first_to_last() {
    let _installation = installation::shared();
    let namespace = Namespace::new("classic");
    namespace.apply(&example("bookstore/endpointsservice.yaml"));
    namespace.apply(&pod(
        "{endpoints.dev/service: bookstore, endpoints.dev/sidecar: classic}",
        "ports: [{name: http, containerPort: 8080}]",
    ));
    namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: bookstore}
spec:
  selector: {app: bookstore}
  ports: [{port: 80, targetPort: http}]
",
    );
    namespace.wait("condition=Ready", "pod/bookstore", 90);
    let found = namespace.get(&["pod", "bookstore"]);
    assert_eq!(found["spec"]["containers"][0]["name"], "endpoints-proxy");
    assert_eq!(found["spec"]["initContainers"], Value::Null);
    let started = |name: &str| {
        let statuses = found["status"]["containerStatuses"]
            .as_array()
            .expect("a list");
        let status = statuses.iter().find(|status| status["name"] == name);
        let status = status.expect("a container");
        status["state"]["running"]["startedAt"]
            .as_str()
            .expect("it runs")
            .to_owned()
    };
    assert!(started("endpoints-proxy") <= started("bookstore"));
    eventually("endpoints are programmed", Duration::from_secs(30), || {
        let answer = Request::get(PROTECTED).try_send(&namespace, "bookstore", 80)?;
        (answer.status == 401)
            .then_some(())
            .ok_or_else(|| format!("{answer:?}"))
    });
    // Its hook ends when the app has closed its port: far before the 30 s of grace are over.
    namespace.kubectl(&["delete", "pod", "bookstore", "--timeout=20s"]);
}

#[test]
fn a_job_with_a_sidecar_ends() {
    let _installation = installation::shared();
    let namespace = Namespace::new("job");
    namespace.apply(&example("bookstore/endpointsservice.yaml"));
    namespace.apply(&format!(
        "apiVersion: batch/v1
kind: Job
metadata: {{name: report}}
spec:
  backoffLimit: 0
  template:
    metadata: {{annotations: {{endpoints.dev/service: bookstore}}}}
    spec:
      restartPolicy: Never
      containers:
      - name: report
        image: {}
        command: [wget, -q, -O, '-', 'http://127.0.0.1:14070/livez']
        ports: [{{name: http, containerPort: 8080}}]
        securityContext: {RESTRICTED_CONTEXT}
",
        busybox()
    ));
    // The sidecar listened before the job began, or it would have failed.
    namespace.wait("condition=Complete", "job/report", 90);
}

/// The bookstore's app, alone in its pod.
fn pod(annotations: &str, container: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: bookstore, labels: {{app: bookstore}}, annotations: {annotations}}}
spec:
  containers:
  - name: bookstore
    image: {}
    args: [echo, --listen, '0.0.0.0:8080']
    {container}
    securityContext: {RESTRICTED_CONTEXT}
",
        image()
    )
}
