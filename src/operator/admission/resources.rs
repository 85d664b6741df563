//! What the sidecar asks of its node, and how the pod's own resources make room for it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Denial;
use crate::api::annotations::PodResources;

mod quantity;

type List = BTreeMap<String, Quantity>;

const CPU: &str = "cpu";
const MEMORY: &str = "memory";

/// The resources that an earlier injection's container has by now.
#[derive(Debug)]
pub(super) struct Earlier(pub(super) ResourceRequirements);

/// The sidecar's resources. Small, but for a Guaranteed pod limits equal requests, or the pod would
/// lose its quality of service to us. What a LimitRange added to an earlier injection is kept: it
/// is not asked again after the last mutation.
pub(super) fn of_sidecar(spec: &PodSpec, earlier: Option<&Earlier>) -> ResourceRequirements {
    let (mut requests, mut limits) = if is_guaranteed(spec) {
        let both = list([(CPU, "200m"), (MEMORY, "128Mi")]);
        (both.clone(), both)
    } else {
        (
            list([(CPU, "10m"), (MEMORY, "16Mi")]),
            list([(MEMORY, "128Mi")]),
        )
    };
    if let Some(Earlier(earlier)) = earlier {
        keep_others(&mut requests, earlier.requests.as_ref());
        keep_others(&mut limits, earlier.limits.as_ref());
    }
    ResourceRequirements {
        claims: None,
        limits: Some(limits),
        requests: Some(requests),
    }
}

/// Adds the sidecar's share to the pod-level resources, where the pod has them (KEP-2837): a pod
/// whose containers ask for more than the pod is invalid. Returns what was there before.
///
/// # Errors
/// A quantity that does not parse.
pub(super) fn raise_pod_level(
    spec: &mut PodSpec,
    own: &ResourceRequirements,
) -> Result<Option<PodResources>, Denial> {
    let Some(pod) = &mut spec.resources else {
        return Ok(None);
    };
    let requested = own.requests.as_ref();
    let before = PodResources {
        requests: raise("requests", &mut pod.requests, [requested, None])?,
        limits: raise("limits", &mut pod.limits, [own.limits.as_ref(), requested])?,
    };
    Ok((before != PodResources::default()).then_some(before))
}

/// Puts pod-level resources back as they were before the sidecar's share.
pub(super) fn restore_pod_level(spec: &mut PodSpec, before: Option<&PodResources>) {
    let (Some(pod), Some(before)) = (&mut spec.resources, before) else {
        return;
    };
    for (list, before) in [
        (&mut pod.requests, &before.requests),
        (&mut pod.limits, &before.limits),
    ] {
        for (resource, quantity) in list.iter_mut().flatten() {
            if let Some(before) = before.get(resource) {
                quantity.0.clone_from(before);
            }
        }
    }
}

fn raise(
    name: &'static str,
    list: &mut Option<List>,
    shares: [Option<&List>; 2],
) -> Result<BTreeMap<String, String>, Denial> {
    let mut before = BTreeMap::new();
    for resource in [CPU, MEMORY] {
        let Some(quantity) = list.as_mut().and_then(|list| list.get_mut(resource)) else {
            continue;
        };
        let share = shares
            .into_iter()
            .flatten()
            .find_map(|share| share.get(resource));
        let Some(share) = share else { continue };
        let sum = quantity::sum(&quantity.0, &share.0).ok_or_else(|| Denial::Quantity {
            list: name,
            resource,
            quantity: quantity.0.clone(),
        })?;
        before.insert(resource.to_owned(), std::mem::replace(&mut quantity.0, sum));
    }
    Ok(before)
}

/// Kubernetes' quality of service class Guaranteed, as the pod is without the sidecar.
fn is_guaranteed(spec: &PodSpec) -> bool {
    if let Some(pod) = spec.resources.as_ref().filter(|pod| has_any(pod)) {
        return has_equal_limits(pod);
    }
    let mut containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    !spec.containers.is_empty()
        && containers.all(|container| container.resources.as_ref().is_some_and(has_equal_limits))
}

fn has_any(resources: &ResourceRequirements) -> bool {
    let lists = [&resources.requests, &resources.limits];
    lists.into_iter().flatten().any(|list| !list.is_empty())
}

/// Limits for CPU and memory, and requests that are absent (the limits then) or the same.
fn has_equal_limits(resources: &ResourceRequirements) -> bool {
    let of = |list: &Option<List>, resource| {
        list.as_ref()
            .and_then(|list| list.get(resource))
            .map(|quantity| quantity.0.clone())
    };
    [CPU, MEMORY]
        .into_iter()
        .all(|resource| match of(&resources.limits, resource) {
            Some(limit) => of(&resources.requests, resource)
                .is_none_or(|request| quantity::are_equal(&request, &limit)),
            None => false,
        })
}

fn keep_others(list: &mut List, earlier: Option<&List>) {
    for (resource, quantity) in earlier.into_iter().flatten() {
        list.entry(resource.clone())
            .or_insert_with(|| quantity.clone());
    }
}

fn list<const N: usize>(pairs: [(&str, &str); N]) -> List {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Quantity(value.to_owned())))
        .collect()
}
