//! The resources of a whole pod (KEP-2837): a pod whose containers ask for more than the pod is invalid.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{CPU, List, MEMORY, has_any};
use crate::api::annotations::PodResources;
use crate::api::quantity;
use crate::operator::admission::Denial;

/// Adds the sidecar's share to the pod's resources, where it has them. Returns what was there before;
/// what was not, but is now, is not in it.
///
/// # Errors
/// A quantity that does not parse.
pub(in crate::operator::admission) fn raise(
    spec: &mut PodSpec,
    own: &ResourceRequirements,
) -> Result<Option<PodResources>, Denial> {
    let defaults = default_requests(spec);
    let Some(pod) = spec.resources.as_mut().filter(|pod| has_any(pod)) else {
        return Ok(None);
    };
    let requested = own.requests.as_ref();
    let mut before = PodResources {
        requests: BTreeMap::new(),
        limits: raise_list("limits", &mut pod.limits, [own.limits.as_ref(), requested])?,
    };
    if !defaults.is_empty() {
        pod.requests
            .get_or_insert_default()
            .extend(defaults.clone());
    }
    before.requests = raise_list("requests", &mut pod.requests, [requested, None])?;
    before
        .requests
        .retain(|resource, _| !defaults.contains_key(resource));
    Ok(Some(before))
}

/// Puts a pod's resources back as they were before the sidecar's share.
pub(in crate::operator::admission) fn restore(spec: &mut PodSpec, before: Option<&PodResources>) {
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
    // What we wrote, or the API server because of what our container asks for.
    let is_ours = |resource: &str| {
        [CPU, MEMORY].contains(&resource) && !before.requests.contains_key(resource)
    };
    let Some(requests) = &mut pod.requests else {
        return;
    };
    let count = requests.len();
    requests.retain(|resource, _| !is_ours(resource));
    if requests.is_empty() && count > 0 {
        pod.requests = None;
    }
}

/// The requests that the API server adds to a pod with limits: what the containers ask for, else the
/// limits (`defaultPodRequests` in Kubernetes), else nothing, to which it would add ours: once ours are
/// there, it takes them for all that the containers ask for.
pub(super) fn default_requests(spec: &PodSpec) -> List {
    let pod = spec.resources.as_ref();
    let limits = pod.and_then(|pod| pod.limits.as_ref());
    let Some(limits) = limits.filter(|limits| !limits.is_empty()) else {
        return List::new();
    };
    let requests = pod.and_then(|pod| pod.requests.as_ref());
    let is_said = |resource: &str| requests.is_some_and(|list| list.contains_key(resource));
    [CPU, MEMORY]
        .into_iter()
        .filter(|resource| !is_said(resource))
        .map(|resource| {
            let limit = || limits.get(resource).map(|limit| limit.0.clone());
            let request = asked_by_containers(spec, resource).or_else(limit);
            let request = request.unwrap_or_else(|| "0".to_owned());
            (resource.to_owned(), Quantity(request))
        })
        .collect()
}

/// What all containers need together: those of the app beside the sidecars, or one of the init
/// containers beside the sidecars before it, whichever is more.
fn asked_by_containers(spec: &PodSpec, resource: &str) -> Option<String> {
    let mut sidecars = None;
    let mut most = None;
    for init in spec.init_containers.iter().flatten() {
        let together = add(sidecars.clone(), asked(init, resource));
        if init.restart_policy.as_deref() == Some("Always") {
            sidecars.clone_from(&together);
        }
        most = larger(most, together);
    }
    let asked = spec.containers.iter().map(|it| asked(it, resource));
    larger(most, asked.fold(sidecars, add))
}

/// A container's request, or its limit, which stands for it.
fn asked(container: &Container, resource: &str) -> Option<String> {
    let resources = container.resources.as_ref()?;
    let lists = [&resources.requests, &resources.limits].into_iter();
    let quantity = lists.flatten().find_map(|list| list.get(resource))?;
    Some(quantity.0.clone())
}

fn add(left: Option<String>, right: Option<String>) -> Option<String> {
    match (&left, &right) {
        (Some(one), Some(other)) => quantity::sum(one, other),
        _ => left.or(right),
    }
}

fn larger(left: Option<String>, right: Option<String>) -> Option<String> {
    match (&left, &right) {
        (Some(one), Some(other)) if quantity::compare(one, other) == Some(Ordering::Less) => right,
        _ => left.or(right),
    }
}

fn raise_list(
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
