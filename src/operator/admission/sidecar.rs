//! The sidecar's containers and volumes.

mod container;
mod environment;
mod redirect;
mod volumes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};

pub(super) use self::volumes::is_own_volume;
pub use self::volumes::mounted_secrets;
use super::resources::{Earlier, keep_added};
use super::{InjectorConfig, SidecarSettings, probes};
use crate::api::annotations::{
    CaptureMode, InjectionRequest, REDIRECT_CONTAINER, SIDECAR_CONTAINER, TakenPort,
};
use crate::api::probes::{self as app_probes, AppProbe};

/// The sidecar's first listener; further taken ports follow upward. Outside the ranges that meshes
/// use (15000–15100, 4140–4191, 3500, 50001).
pub(super) const FIRST_LISTENER: u16 = 14080;
/// The sidecar's `/livez`, `/readyz` and `/metrics`.
pub(super) const ADMIN_PORT: u16 = 14070;

/// `nonroot` of the well-known static images, and the `USER` of ours.
const USER: i64 = 65532;

/// What is put into a pod.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) config: &'a InjectorConfig,
    /// What the pod asks for.
    pub(super) request: &'a InjectionRequest,
    /// What the service says about its sidecars.
    pub(super) settings: &'a SidecarSettings,
    pub(super) taken: &'a [TakenPort],
    pub(super) probes: &'a [AppProbe],
    /// An init container that stays, or a container like the app's.
    pub(super) native: bool,
    /// For each of our containers.
    pub(super) resources: ResourceRequirements,
    /// What those of an earlier injection have by now.
    pub(super) earlier: Earlier,
}

/// Whether a container of this name is one of ours.
pub(super) fn is_own_container(name: &str) -> bool {
    name == SIDECAR_CONTAINER || name == REDIRECT_CONTAINER
}

/// Puts the sidecar into the pod, first of all containers of its kind, and the redirection (if any)
/// before everything.
pub(super) fn add(spec: &mut PodSpec, plan: &Plan<'_>) {
    let with_resources = |mut container: Container| {
        let mut resources = plan.resources.clone();
        keep_added(&mut resources, plan.earlier.0.get(&container.name));
        container.resources = Some(resources);
        container
    };
    let sidecar = with_resources(container::container(spec, plan));
    if plan.native {
        spec.init_containers
            .get_or_insert_default()
            .insert(0, sidecar);
    } else {
        spec.containers.insert(0, sidecar);
    }
    if plan.request.capture == CaptureMode::Redirect {
        spec.init_containers
            .get_or_insert_default()
            .insert(0, with_resources(redirect::container(plan)));
    }
    spec.volumes
        .get_or_insert_default()
        .extend(volumes::all(plan.settings));
}

/// Takes the sidecar and all that came with it out of the pod; `None`, and nothing done, when it has
/// none, or more than one, or one that no injection made. The resources of its containers. Volumes of
/// our names that no injection makes stay: they are somebody else's.
pub(super) fn remove(spec: &mut PodSpec) -> Option<Earlier> {
    let all = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let count = |name: &str| {
        let named = all.clone().filter(|container| container.name == name);
        named.count()
    };
    if count(SIDECAR_CONTAINER) != 1 || count(REDIRECT_CONTAINER) > 1 {
        return None;
    }
    let mut own = all.filter(|container| is_own_container(&container.name));
    if !own.all(environment::is_of_injection) {
        return None;
    }
    let mut removed = Vec::new();
    for list in spec
        .init_containers
        .as_mut()
        .into_iter()
        .chain([&mut spec.containers])
    {
        removed.extend(list.extract_if(.., |container| is_own_container(&container.name)));
    }
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| !volumes::is_of_injection(volume));
    }
    let probes = removed.iter().find_map(asked_probes).unwrap_or_default();
    probes::put_back(spec, &probes);
    let resources: BTreeMap<_, _> = removed
        .into_iter()
        .filter_map(|container| Some((container.name, container.resources?)))
        .collect();
    Some(Earlier(resources))
}

fn asked_probes(container: &Container) -> Option<Vec<AppProbe>> {
    let mut variables = container.env.iter().flatten();
    let variable = variables.find(|variable| variable.name == app_probes::ENVIRONMENT)?;
    app_probes::read(variable.value.as_deref()?)
}
