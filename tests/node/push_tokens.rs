//! The policy stream's door: who may have a pod's policy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use endpoints::policy::format::FORMAT;
use endpoints::push::client::tls_config;
use endpoints::push::wire::{self, Hello, PodRef, ToOperator};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::cluster::{eventually, get, image, on_the_node};
use crate::installation::{self, NAMESPACE};
use crate::namespace::{Namespace, RESTRICTED_CONTEXT};
use crate::process::Process;
use crate::shop::{Sidecar, example};

const PUSH_AUDIENCE: &str = "push.endpoints.dev";

/// A pod of a StatefulSet gets its name again. From inside the new pod, so that nothing but the
/// token is of the old one.
#[test]
fn a_deleted_pods_token_is_refused_after_a_pod_of_the_same_name_was_made() {
    if !on_the_node() {
        return;
    }
    let _installation = installation::shared();
    let namespace = Namespace::new("token");
    namespace.apply(&example("bookstore/endpointsservice.yaml"));
    namespace.apply(&stateful_set());
    let old = ready_pod(&namespace, None);
    let old_token = push_token(&namespace, &old);
    let (status, body) = dial(&old, &namespace, &old.uid, &old_token);
    assert_eq!(
        status,
        StatusCode::OK,
        "while the pod lives, this is its token: {body}"
    );

    namespace.kubectl(&["delete", "pod", &old.pod, "--wait"]);
    let new = ready_pod(&namespace, Some(&old));
    assert_eq!(new.pod, old.pod);
    assert_ne!(new.uid, old.uid);
    for (claimed, reason) in [
        (&new.uid, "the token is bound to another pod"),
        (
            &old.uid,
            "the pod of that name is another one (its uid differs)",
        ),
    ] {
        let (status, body) = dial(&new, &namespace, claimed, &old_token);
        assert!(
            [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status),
            "{status}: {body}"
        );
        assert!(body.contains(reason), "{status}: {body}");
    }
    let (status, body) = dial(&new, &namespace, &new.uid, &push_token(&namespace, &new));
    assert_eq!(status, StatusCode::OK, "{body}");
}

/// Says hello to the operator from the pod's network, as a pod of this uid; the answer.
fn dial(pod: &Sidecar, namespace: &Namespace, uid: &str, token: &str) -> (StatusCode, String) {
    let hello = Hello {
        pod: PodRef {
            namespace: namespace.name.clone(),
            name: pod.pod.clone(),
            uid: uid.to_owned(),
        },
        service: "bookstore".to_owned(),
        version: "0.0.0".to_owned(),
        format: FORMAT,
        protocol: endpoints::push::wire::PROTOCOL,
        hash: None,
    };
    let hello = wire::encode(&ToOperator::Hello(hello)).expect("a hello is short");
    let request = Request::post(format!("https://{}{}", wire::TLS_NAME, wire::PATH))
        .header(header::CONTENT_TYPE, wire::CONTENT_TYPE)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Full::new(hello))
        .expect("a request");
    let (address, bundle) = (push_address(), trust_bundle());
    Process::of(pod).in_its_network(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let tls = tls_config(&bundle).expect("the bundle is good");
            let stream = TcpStream::connect(address)
                .await
                .expect("the push port is open");
            let name = ServerName::try_from(wire::TLS_NAME).expect("a name");
            let stream = TlsConnector::from(Arc::new(tls))
                .connect(name, stream)
                .await;
            let stream = TokioIo::new(stream.expect("the operator's certificate is trusted"));
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
                .await
                .expect("HTTP/2");
            tokio::spawn(connection);
            let response = sender.send_request(request).await.expect("an answer");
            let status = response.status();
            let body = if status == StatusCode::OK {
                String::new()
            } else {
                let body = response.into_body().collect().await.expect("a body");
                String::from_utf8_lossy(&body.to_bytes()).into_owned()
            };
            (status, body)
        })
    })
}

/// The stateful pod once it is ready, and another than `old`.
fn ready_pod(namespace: &Namespace, old: Option<&Sidecar>) -> Sidecar {
    namespace.kubectl(&[
        "rollout",
        "status",
        "statefulset/bookstore",
        "--timeout=60s",
    ]);
    eventually("the pod is ready", Duration::from_secs(60), || {
        let outcome = namespace.try_kubectl(&["get", "pod", "bookstore-0", "--output=json"], "");
        let pod: Value = serde_json::from_str(&outcome.stdout).map_err(|_| outcome.stderr)?;
        let conditions = pod["status"]["conditions"].as_array();
        let ready = conditions.is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True")
        });
        let is_new = old.is_none_or(|old| pod["metadata"]["uid"] != old.uid);
        if ready && is_new {
            Ok(Sidecar::read(&pod))
        } else {
            Err(pod["status"].to_string())
        }
    })
}

/// What the kubelet projects into the sidecar, asked for by name.
fn push_token(namespace: &Namespace, pod: &Sidecar) -> String {
    let token = namespace.kubectl(&[
        "create",
        "token",
        "default",
        "--audience",
        PUSH_AUDIENCE,
        "--bound-object-kind=Pod",
        "--bound-object-name",
        &pod.pod,
        "--bound-object-uid",
        &pod.uid,
    ]);
    token.trim().to_owned()
}

/// Where sidecars dial.
fn push_address() -> SocketAddr {
    let services = get(&["services", "--namespace", NAMESPACE]);
    let services = services["items"].as_array().expect("a list");
    let found = services.iter().find_map(|service| {
        let ports = service["spec"]["ports"].as_array()?;
        let port = ports.iter().find(|port| port["name"] == "push")?["port"].as_u64()?;
        Some(format!("{}:{port}", service["spec"]["clusterIP"].as_str()?))
    });
    found
        .expect("a Service with a port named push")
        .parse()
        .expect("an address")
}

/// Webhook and stream are of one authority.
fn trust_bundle() -> String {
    let webhooks = get(&["mutatingwebhookconfiguration", installation::RELEASE]);
    let bundle = webhooks["webhooks"][0]["clientConfig"]["caBundle"].as_str();
    let bundle = STANDARD
        .decode(bundle.expect("the operator wrote it"))
        .expect("base64");
    String::from_utf8(bundle).expect("PEM is text")
}

fn stateful_set() -> String {
    format!(
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: bookstore}}
spec:
  serviceName: bookstore
  selector: {{matchLabels: {{app: bookstore}}}}
  template:
    metadata:
      labels: {{app: bookstore}}
      annotations: {{endpoints.dev/service: bookstore}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: {}
        args: [echo, --listen, '0.0.0.0:8080']
        ports: [{{name: http, containerPort: 8080}}]
        securityContext: {RESTRICTED_CONTEXT}
",
        image()
    )
}
