//! The injection itself: a pure function from pod to pod.

use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use super::sidecar::Plan;
use super::{Denial, SidecarSettings, evictable, platform, ports, probes, resources, sidecar};
use crate::api::annotations::{
    CAPTURE, CaptureMode, INJECTED, InjectionRequest, InjectionStatus, SIDECAR, STATUS, SidecarKind,
};
use crate::jwks::AddressRule;

/// What every injected pod gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectorConfig {
    /// The sidecar's image.
    pub image: String,
    /// When kubelet pulls it; absent: Kubernetes decides by the tag.
    pub image_pull_policy: Option<String>,
    /// Where sidecars dial for their policy: `HOST:PORT`.
    pub operator_address: String,
    /// The same by its cluster IP, for pods whose DNS does not know Services; absent while unknown.
    pub operator_fallback: Option<SocketAddr>,
    /// What key sets may be fetched from: sidecars fetch for themselves while the operator is away.
    pub key_addresses: AddressRule,
    /// The certificates (PEM) that sidecars verify the operator by. Public, not a secret.
    pub trust_bundle: Arc<str>,
    /// Whether the server routes Services to native sidecars (Kubernetes ≥ 1.34).
    pub native_sidecars: bool,
    /// Whether to choose a user for the sidecar where the pod's own would be root. Off where the
    /// platform assigns users itself (OpenShift).
    pub set_run_as_user: bool,
}

#[cfg(test)]
impl InjectorConfig {
    /// What the tests inject, unless they say otherwise.
    pub(super) fn of_tests() -> Self {
        Self {
            image: "image".to_owned(),
            image_pull_policy: None,
            operator_address: "operator:9444".to_owned(),
            operator_fallback: None,
            key_addresses: AddressRule::default(),
            trust_bundle: "PEM".into(),
            native_sidecars: true,
            set_run_as_user: true,
        }
    }
}

/// The EndpointsService that a pod asks for; none where [`inject`] leaves the pod alone, or denies it.
pub fn service_of(pod: &Pod) -> Option<String> {
    let annotations = pod.metadata.annotations.as_ref()?;
    let request = InjectionRequest::read(annotations).ok()??;
    Some(request.service)
}

/// Puts the sidecar into a pod that asks for it; any other pod comes back as it was. `settings`: what
/// the pod's EndpointsService says about its sidecars.
///
/// Idempotent: what an earlier run put in is taken out first, so that another webhook's later
/// changes, or a copied pod, end the same way. The ports that it chose stay chosen.
///
/// # Errors
/// What the author of the pod has to change.
pub fn inject(
    mut pod: Pod,
    config: &InjectorConfig,
    settings: &SidecarSettings,
) -> Result<Pod, Denial> {
    let Some(annotations) = &pod.metadata.annotations else {
        return Ok(pod);
    };
    let Some(request) = InjectionRequest::read(annotations)? else {
        return Ok(pod);
    };
    let claimed = InjectionStatus::read(annotations);

    let spec = pod.spec.get_or_insert_default();
    let native = is_native(request.sidecar, config);
    refuse_unsupported(spec, request.sidecar, native)?;
    if platform::is_root(spec) && !config.set_run_as_user {
        return Err(Denial::RootUser);
    }
    let earlier = claimed.and_then(|status| Some((strip(spec, &status)?, status.ports)));
    let (earlier, chosen) = earlier.unwrap_or_default();
    refuse_reserved(spec)?;

    let taken = ports::take(spec, &request.ports, request.capture, &chosen)?;
    let asked = match request.capture {
        CaptureMode::Redirect => probes::ask_sidecar(spec, &taken)?,
        CaptureMode::Named | CaptureMode::None => Vec::new(),
    };
    let own_resources = resources::of_sidecar(spec, &request.resources);
    let pod_resources = resources::raise_pod_level(spec, &own_resources)?;
    let default_container = spec
        .containers
        .first()
        .map(|container| container.name.clone());
    let plan = Plan {
        config,
        request: &request,
        settings,
        taken: &taken,
        probes: &asked,
        native,
        resources: own_resources,
        earlier,
    };
    sidecar::add(spec, &plan);

    let status = InjectionStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capture: request.capture,
        ports: taken,
        pod_resources,
    };
    let status = serde_json::to_string(&status).expect("strings and numbers are JSON");
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(STATUS.to_owned(), status);
    evictable::unlist(annotations);
    evictable::list(annotations, spec);
    if let Some(name) = default_container {
        annotations
            .entry(DEFAULT_CONTAINER.to_owned())
            .or_insert(name);
    }
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(INJECTED.to_owned(), "true".to_owned());
    Ok(pod)
}

/// The container that `kubectl logs` and `kubectl exec` take when none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Which form the sidecar takes: the annotation's, or the one whose ports the cluster's Services find.
fn is_native(wanted: SidecarKind, config: &InjectorConfig) -> bool {
    match wanted {
        SidecarKind::Auto => config.native_sidecars,
        SidecarKind::Native => true,
        SidecarKind::Classic => false,
    }
}

fn refuse_unsupported(spec: &PodSpec, wanted: SidecarKind, native: bool) -> Result<(), Denial> {
    if spec.host_network == Some(true) {
        return Err(Denial::HostNetwork);
    }
    if platform::is_windows(spec) {
        return Err(Denial::Windows);
    }
    let policy = spec.restart_policy.as_deref();
    match policy.filter(|policy| !policy.is_empty()) {
        Some(policy) if policy != "Always" && !native => Err(Denial::NeverCompletes {
            policy: policy.to_owned(),
            remedy: match wanted {
                SidecarKind::Classic => "remove annotation endpoints.dev/sidecar",
                SidecarKind::Auto | SidecarKind::Native => {
                    "annotate endpoints.dev/sidecar: native, or use Kubernetes 1.34, where it is the default"
                }
            },
        }),
        _ => Ok(()),
    }
}

/// Takes an earlier injection out again. The status is a user's to forge: it counts only beside a
/// container that an injection made. Returns the resources that its containers have by now.
fn strip(spec: &mut PodSpec, status: &InjectionStatus) -> Option<resources::Earlier> {
    let resources = sidecar::remove(spec)?;
    ports::give_back(spec, &status.ports);
    resources::restore_pod_level(spec, status.pod_resources.as_ref());
    Some(resources)
}

/// What the author of a pod that is injected should know: for whoever applies it, where somebody
/// reads it (a pod made by a ReplicaSet has no such reader).
pub fn warnings(pod: &Pod, config: &InjectorConfig) -> Vec<String> {
    let annotations = pod.metadata.annotations.as_ref();
    let Some(Ok(Some(request))) = annotations.map(InjectionRequest::read) else {
        return Vec::new();
    };
    let mut warnings = Vec::new();
    if request.capture == CaptureMode::Redirect {
        warnings.push(format!(
            "{CAPTURE}: redirect adds an init container that runs as root with NET_ADMIN: namespaces \
             that enforce Pod Security baseline or restricted refuse the pod"
        ));
    }
    let by_name = request.capture == CaptureMode::Named;
    if request.sidecar == SidecarKind::Native && !config.native_sidecars && by_name {
        warnings.push(format!(
            "{SIDECAR}: native: Services find the named ports of native sidecars from Kubernetes 1.33 \
             on, and certainly from 1.34 on; before that they have no endpoints"
        ));
    }
    warnings
}

fn refuse_reserved(spec: &PodSpec) -> Result<(), Denial> {
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    let mut containers = containers.map(|container| &container.name);
    if let Some(name) = containers.find(|name| sidecar::is_own_container(name)) {
        return Err(Denial::Reserved {
            what: "container",
            name: name.clone(),
        });
    }
    let mut volumes = spec.volumes.iter().flatten().map(|volume| &volume.name);
    match volumes.find(|name| sidecar::is_own_volume(name)) {
        Some(name) => Err(Denial::Reserved {
            what: "volume",
            name: name.clone(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
