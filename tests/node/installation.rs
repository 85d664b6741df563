//! The one installation of the chart that all tests share, as a user installs it.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::cluster::{get, image, kubectl, shell, try_kubectl, variable};

/// The release, and the operator's Deployment.
pub(crate) const RELEASE: &str = "endpoints-operator";
/// The namespace it is in.
pub(crate) const NAMESPACE: &str = "endpoints-system";
/// How many operators the chart runs.
pub(crate) const REPLICAS: u8 = 2;
/// As the README says.
const INSTALL: &str = "helm install endpoints-operator charts/endpoints-operator -n endpoints-system --create-namespace --wait";

/// Readers use the installation, the writer takes it away.
static IN_USE: RwLock<()> = RwLock::new(());
/// Whether it is there.
static INSTALLED: Mutex<bool> = Mutex::new(false);

/// The installation, while others use it too.
pub(crate) struct Shared(#[allow(dead_code)] RwLockReadGuard<'static, ()>);

/// The installation, while nobody else uses it.
pub(crate) struct Alone(#[allow(dead_code)] RwLockWriteGuard<'static, ()>);

/// The installation, made by the first test that asks.
pub(crate) fn shared() -> Shared {
    // A test that failed alone has put back what it could: the others say if that was not enough.
    let guard = IN_USE.read().unwrap_or_else(PoisonError::into_inner);
    install();
    Shared(guard)
}

/// The installation, for a test that takes the operator away.
pub(crate) fn alone() -> Alone {
    let guard = IN_USE.write().unwrap_or_else(PoisonError::into_inner);
    install();
    Alone(guard)
}

/// The operators are away; they come back with this, also if the test failed.
pub(crate) struct Away<'a>(&'a Alone);

impl Drop for Away<'_> {
    fn drop(&mut self) {
        self.0.scale(REPLICAS);
    }
}

/// An operator's pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Operator {
    pub(crate) pod: String,
    /// `containerd://ID`.
    pub(crate) container_id: String,
    pub(crate) ready: bool,
}

/// The operators' pods that are not about to go.
pub(crate) fn operators() -> Vec<Operator> {
    let selector = format!("app.kubernetes.io/name={RELEASE}");
    let pods = get(&["pods", "--namespace", NAMESPACE, "--selector", &selector]);
    let mut operators: Vec<_> = pods["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .filter_map(|pod| {
            let status = &pod["status"]["containerStatuses"][0];
            Some(Operator {
                pod: pod["metadata"]["name"].as_str()?.to_owned(),
                container_id: status["containerID"].as_str()?.to_owned(),
                ready: status["ready"].as_bool()?,
            })
        })
        .collect();
    operators.sort();
    operators
}

impl Alone {
    /// Takes the operators away until the guard goes.
    pub(crate) fn away(&self) -> Away<'_> {
        self.scale(0);
        Away(self)
    }

    /// How many operators run; returns when they do, or when none is left.
    #[allow(clippy::unused_self)] // Being alone is the point.
    fn scale(&self, replicas: u8) {
        let deployment = format!("deployment/{RELEASE}");
        kubectl(&[
            "scale",
            &deployment,
            "--namespace",
            NAMESPACE,
            &format!("--replicas={replicas}"),
        ]);
        if replicas == 0 {
            let selector = format!("app.kubernetes.io/name={RELEASE}");
            kubectl(&[
                "wait",
                "--for=delete",
                "pod",
                "--selector",
                &selector,
                "--namespace",
                NAMESPACE,
                "--timeout=90s",
            ]);
        } else {
            kubectl(&[
                "rollout",
                "status",
                &deployment,
                "--namespace",
                NAMESPACE,
                "--timeout=90s",
            ]);
        }
    }

    /// The operators that run, by pod name.
    #[allow(clippy::unused_self)]
    pub(crate) fn operators(&self) -> Vec<Operator> {
        operators()
    }

    /// Replaces every operator's pod, as `kubectl rollout restart` does, and waits for the new ones.
    pub(crate) fn restart(&self) {
        let deployment = format!("deployment/{RELEASE}");
        kubectl(&["rollout", "restart", &deployment, "--namespace", NAMESPACE]);
        self.wait_for_rollout();
    }

    /// Waits until as many operators are ready as there shall be.
    #[allow(clippy::unused_self)]
    pub(crate) fn wait_for_rollout(&self) {
        let deployment = format!("deployment/{RELEASE}");
        kubectl(&[
            "rollout",
            "status",
            &deployment,
            "--namespace",
            NAMESPACE,
            "--timeout=120s",
        ]);
    }
}

/// Prints what the operator said last: a failed test's first clue.
pub(crate) fn print_logs() {
    let deployment = format!("deployment/{RELEASE}");
    for arguments in [
        &["get", "pods,events", "--namespace", NAMESPACE][..],
        &["logs", &deployment, "--namespace", NAMESPACE, "--tail=60"],
    ] {
        let outcome = try_kubectl(arguments, "");
        eprintln!(
            "--- operator: {}\n{}{}",
            arguments[0], outcome.stdout, outcome.stderr
        );
    }
}

fn install() {
    let mut installed = installed();
    if *installed {
        return;
    }
    let image = image();
    let (repository, tag) = image.rsplit_once(':').expect("an image has a tag");
    let outcome = std::panic::catch_unwind(|| {
        // The key sets of these tests are served by pods. An overlap of two CAs is as short as the operator
        // takes it: users give sidecars that are away an hour.
        let line = format!(
            "{INSTALL} --timeout 90s --set jwks.allowHttp=true --set certificates.overlap=5s \
             --set image.repository={repository} --set image.tag={tag}"
        );
        shell(&line, &variable("E2E_KUBECONFIG"));
    });
    if let Err(panic) = outcome {
        print_logs();
        std::panic::resume_unwind(panic);
    }
    *installed = true;
}

fn installed() -> MutexGuard<'static, bool> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}
