//! `examples/bookstore` in a namespace: the manifests that the README tells users to apply.

use std::fs;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{eventually, image};
use crate::http::{Request, Response};
use crate::installation::{self, Shared};
use crate::namespace::Namespace;

/// An origin that the example allows.
pub(crate) const ORIGIN: &str = "https://shop.example.com";
/// The audience that the example adds.
pub(crate) const AUDIENCE: &str = "bookstore-clients";
/// How long a rollout may take on a small machine.
const ROLLOUT_SECONDS: u32 = 90;

/// The image that the examples name.
pub(crate) const RELEASED_IMAGE: &str = concat!("endpoints-operator:", env!("CARGO_PKG_VERSION"));

/// A bookstore, its client pod and its sidecars.
pub(crate) struct Shop {
    pub(crate) namespace: Namespace,
}

/// An injected pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sidecar {
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) address: String,
    /// Where it listens in place of the app.
    pub(crate) port: u16,
    /// `containerd://ID`.
    pub(crate) container_id: String,
    pub(crate) restarts: i64,
}

/// The bookstore that several tests look at and none changes.
pub(crate) fn shared() -> (Shop, Shared) {
    static SHARED: OnceLock<Shop> = OnceLock::new();
    let installation = installation::shared();
    let shop = SHARED.get_or_init(|| {
        let shop = Shop::apply_to(Namespace::shared("shop"), 3);
        shop.wait_programmed();
        shop
    });
    let namespace = shop.namespace.again();
    (Shop { namespace }, installation)
}

/// A file of the examples, with the image that the nodes have.
pub(crate) fn example(path: &str) -> String {
    let path = format!("{}/examples/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.replace(RELEASED_IMAGE, &image())
}

impl Shop {
    /// A bookstore of a test's own.
    pub(crate) fn new(name: &str, replicas: u8) -> Self {
        let shop = Self::apply_to(Namespace::new(name), replicas);
        shop.wait_programmed();
        shop
    }

    fn apply_to(namespace: Namespace, replicas: u8) -> Self {
        let deployment = example("bookstore/deployment.yaml");
        let wanted = deployment.replace("replicas: 3", &format!("replicas: {replicas}"));
        assert!(
            replicas == 3 || wanted != deployment,
            "the example has 3 replicas"
        );
        namespace.apply(&example("bookstore/endpointsservice.yaml"));
        namespace.apply(&wanted);
        let timeout = format!("--timeout={ROLLOUT_SECONDS}s");
        namespace.kubectl(&["rollout", "status", "deployment/bookstore", &timeout]);
        Self { namespace }
    }

    /// What a user's script does after an edit.
    pub(crate) fn wait_programmed(&self) {
        self.namespace
            .wait("condition=Programmed", "eps/bookstore", 30);
    }

    /// Where its Service is reached from the node.
    pub(crate) fn address(&self) -> SocketAddr {
        let service = self.namespace.get(&["service", "bookstore"]);
        let address = service["spec"]["clusterIP"]
            .as_str()
            .and_then(|ip| ip.parse().ok());
        SocketAddr::new(address.expect("the Service has an address"), 80)
    }

    /// Whether `kubectl get eps` counts this many of this many sidecars, within the time that a
    /// status takes.
    pub(crate) fn wait_sidecars(&self, summary: &str) {
        eventually(
            &format!("kubectl get eps shows {summary}"),
            Duration::from_secs(60),
            || {
                let status = self.resource()["status"]["sidecars"].clone();
                if status["summary"] == summary {
                    Ok(())
                } else {
                    Err(status.to_string())
                }
            },
        );
    }

    /// Sends a request through the Service.
    pub(crate) fn send(&self, request: &Request) -> Response {
        self.namespace.send(request, "bookstore")
    }

    pub(crate) fn resource(&self) -> Value {
        self.namespace.get(&["endpointsservice", "bookstore"])
    }

    /// Merges into the resource's spec (RFC 7386).
    pub(crate) fn patch_spec(&self, spec: &Value) {
        let patch = json!({ "spec": spec }).to_string();
        self.namespace.kubectl(&[
            "patch",
            "eps",
            "bookstore",
            "--type=merge",
            "--patch",
            &patch,
        ]);
    }

    /// Allows this origin and no other, and looks that the edit has reached every sidecar: `Programmed` is
    /// about it, and is true.
    pub(crate) fn allow_origin(&self, origin: &str) {
        self.patch_spec(&json!({ "cors": { "allowOrigins": [origin] } }));
        self.wait_condition("Programmed", "True");
        let preflight = Request::preflight("/v1/shelves", origin, "POST", "");
        for sidecar in self.sidecars() {
            let Sidecar { address, port, .. } = &sidecar;
            let response = self.namespace.send_to(&preflight, address, *port);
            assert_eq!(response.status, 200, "{response:#?}");
        }
        assert_eq!(self.send(&preflight).status, 200);
    }

    /// Edits the OpenAPI text, which must hold `old`.
    pub(crate) fn edit_document(&self, old: &str, new: &str) {
        let resource = self.resource();
        let text = resource["spec"]["openapi"]["inline"]
            .as_str()
            .expect("the example is inline");
        assert!(text.contains(old), "the example has no {old:?}:\n{text}");
        self.patch_spec(&json!({ "openapi": { "inline": text.replace(old, new) } }));
    }

    /// A condition of the resource's status.
    pub(crate) fn condition(&self, kind: &str) -> Value {
        condition(&self.resource(), kind)
    }

    /// Waits until the status says this of a condition, about the newest spec. A sidecar whose operator
    /// went without another to dial may take 30 s until it dials again.
    pub(crate) fn wait_condition(&self, kind: &str, status: &str) -> Value {
        let what = format!("condition {kind} is {status}");
        eventually(&what, Duration::from_secs(45), || {
            let resource = self.resource();
            let condition = condition(&resource, kind);
            let current = condition["observedGeneration"] == resource["metadata"]["generation"];
            if current && condition["status"] == status {
                Ok(condition)
            } else {
                Err(condition.to_string())
            }
        })
    }

    /// Its injected pods, by name.
    pub(crate) fn sidecars(&self) -> Vec<Sidecar> {
        let pods = self.namespace.get(&["pods", "--selector=app=bookstore"]);
        let pods = pods["items"].as_array().expect("a list");
        let mut sidecars: Vec<_> = pods
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .map(Sidecar::read)
            .collect();
        sidecars.sort();
        sidecars
    }
}

impl Sidecar {
    /// Where it listens.
    pub(crate) fn socket_address(&self) -> SocketAddr {
        SocketAddr::new(self.address.parse().expect("an IP address"), self.port)
    }

    /// Reads an injected pod.
    pub(crate) fn read(pod: &Value) -> Self {
        let text = |value: &Value| {
            value
                .as_str()
                .unwrap_or_else(|| panic!("{pod:#}"))
                .to_owned()
        };
        let injected = text(&pod["metadata"]["annotations"]["endpoints.dev/status"]);
        let injected: Value = serde_json::from_str(&injected).expect("the status is JSON");
        let port = injected["ports"][0]["listen"]
            .as_u64()
            .and_then(|port| port.try_into().ok());
        let status = container_statuses(pod)
            .find(|status| status["name"] == "endpoints-proxy")
            .unwrap_or_else(|| panic!("no status of the sidecar: {:#}", pod["status"]));
        Self {
            pod: text(&pod["metadata"]["name"]),
            uid: text(&pod["metadata"]["uid"]),
            address: text(&pod["status"]["podIP"]),
            port: port.unwrap_or_else(|| panic!("no port in {injected}")),
            container_id: text(&status["containerID"]),
            restarts: status["restartCount"].as_i64().expect("a number"),
        }
    }
}

/// Native sidecars are init containers, classic ones are not.
fn container_statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten()
}

fn condition(resource: &Value, kind: &str) -> Value {
    let conditions = resource["status"]["conditions"].as_array();
    let found = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == kind));
    found.cloned().unwrap_or_default()
}
