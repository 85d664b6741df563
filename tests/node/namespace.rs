//! A namespace of one test, with a client pod in it.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::{self, Outcome, busybox, eventually, kubectl, try_kubectl};
use crate::http::{Request, Response};
use crate::installation;

/// Found and removed by `tests/node/run` when a test could not.
const LABEL: &str = "endpoints-operator/e2e=true";
/// Everything here runs under Pod Security "restricted", the sidecar included.
const RESTRICTED: &str = "pod-security.kubernetes.io/enforce=restricted";

/// A namespace; a failed test prints what happened in it, and it goes when this does.
pub(crate) struct Namespace {
    pub(crate) name: String,
    /// Whether other tests use it too.
    shared: bool,
}

impl Namespace {
    /// A namespace for one test, with a client pod that is ready.
    pub(crate) fn new(name: &str) -> Self {
        Self::create(name, false)
    }

    /// A namespace for several tests: it stays until the end of the run.
    pub(crate) fn shared(name: &str) -> Self {
        Self::create(name, true)
    }

    /// The same namespace in another test.
    pub(crate) fn again(&self) -> Self {
        Self {
            name: self.name.clone(),
            shared: true,
        }
    }

    fn create(name: &str, shared: bool) -> Self {
        let name = format!("e2e-{name}");
        // What an earlier run against this cluster left.
        kubectl(&[
            "delete",
            "namespace",
            &name,
            "--ignore-not-found",
            "--timeout=90s",
        ]);
        kubectl(&["create", "namespace", &name]);
        kubectl(&["label", "namespace", &name, LABEL, RESTRICTED]);
        let namespace = Self { name, shared };
        eventually(
            "the default ServiceAccount is there",
            Duration::from_secs(20),
            || {
                let outcome = namespace.try_kubectl(&["get", "serviceaccount", "default"], "");
                if outcome.success {
                    Ok(())
                } else {
                    Err(outcome.stderr)
                }
            },
        );
        namespace.apply(&client_pod());
        namespace.wait("condition=Ready", "pod/client", 60);
        namespace
    }

    /// kubectl in this namespace, which must succeed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments, "").expect_success()
    }

    /// kubectl in this namespace; the caller looks at how it ended.
    pub(crate) fn try_kubectl(&self, arguments: &[&str], input: &str) -> Outcome {
        try_kubectl(&[&["--namespace", &self.name], arguments].concat(), input)
    }

    /// An object, or a list of them.
    pub(crate) fn get(&self, arguments: &[&str]) -> Value {
        cluster::get(&[&["--namespace", &self.name], arguments].concat())
    }

    /// Applies YAML, as a user does.
    pub(crate) fn apply(&self, yaml: &str) {
        self.try_apply(yaml).expect_success();
    }

    /// Applies YAML that may be refused.
    pub(crate) fn try_apply(&self, yaml: &str) -> Outcome {
        self.try_kubectl(&["apply", "--filename", "-"], yaml)
    }

    /// `kubectl wait`, which must succeed.
    pub(crate) fn wait(&self, what: &str, object: &str, seconds: u32) {
        self.kubectl(&[
            "wait",
            &format!("--for={what}"),
            object,
            &format!("--timeout={seconds}s"),
        ]);
    }

    /// A token of this cluster's own issuer for a ServiceAccount here.
    pub(crate) fn token(&self, audience: &str) -> String {
        let token = self.kubectl(&["create", "token", "default", "--audience", audience]);
        token.trim().to_owned()
    }

    /// Sends a request from the client pod to a Service, or an address, and port 80; HTTP must
    /// come back.
    pub(crate) fn send(&self, request: &Request, host: &str) -> Response {
        request
            .try_send(self, host, 80)
            .unwrap_or_else(|reason| panic!("{reason}"))
    }

    /// Like [`Self::send`], on another port.
    pub(crate) fn send_to(&self, request: &Request, host: &str, port: u16) -> Response {
        request
            .try_send(self, host, port)
            .unwrap_or_else(|reason| panic!("{reason}"))
    }

    fn print_state(&self) {
        let resources = "pods,services,endpointsservices,events";
        for arguments in [
            &["get", resources, "--output", "wide"][..],
            &[
                "get",
                "endpointsservices",
                "--output",
                "jsonpath={.items[*].status}",
            ],
            &[
                "logs",
                "--selector=endpoints.dev/injected=true",
                "--container=endpoints-proxy",
                "--prefix",
                "--tail=30",
            ],
        ] {
            let outcome = self.try_kubectl(arguments, "");
            eprintln!(
                "--- {}: {}\n{}{}",
                self.name, arguments[0], outcome.stdout, outcome.stderr
            );
        }
        installation::print_logs();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_state();
        }
        if !self.shared {
            // Nobody waits for it, and the run ends well without.
            self.try_kubectl(&["delete", "namespace", &self.name, "--wait=false"], "");
        }
    }
}

/// A container's settings under Pod Security "restricted".
pub(crate) const RESTRICTED_CONTEXT: &str = "{runAsNonRoot: true, runAsUser: 65532, \
    allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";

fn client_pod() -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: client}}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{{name: tmp, emptyDir: {{}}}}]
  containers:
  - name: client
    image: {}
    command: [sleep, infinity]
    volumeMounts: [{{name: tmp, mountPath: /tmp}}]
    securityContext: {RESTRICTED_CONTEXT}
",
        busybox()
    )
}
