//! What the sidecar asks of its node, and how the pod's own resources make room for it.

mod pod_level;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub(super) use self::pod_level::{raise as raise_pod_level, restore as restore_pod_level};
use crate::api::annotations::SidecarResources;
use crate::api::quantity;

type List = BTreeMap<String, Quantity>;

const CPU: &str = "cpu";
const MEMORY: &str = "memory";

/// The resources that an earlier injection's containers have by now, by container.
#[derive(Debug, Default)]
pub(super) struct Earlier(pub(super) BTreeMap<String, ResourceRequirements>);

/// What the sidecar's containers are to have: what the pod's annotations say, else little.
///
/// For a Guaranteed pod limits equal requests, or the pod would lose its quality of service to us:
/// there, who says one says both.
pub(super) fn of_sidecar(spec: &PodSpec, wanted: &SidecarResources) -> ResourceRequirements {
    let cpu = (wanted.cpu_request.as_ref(), wanted.cpu_limit.as_ref());
    let memory = (wanted.memory_request.as_ref(), wanted.memory_limit.as_ref());
    let (cpu, memory) = if is_guaranteed(spec) {
        (
            equal_unless_both(cpu, "200m"),
            equal_unless_both(memory, "128Mi"),
        )
    } else {
        (
            fitting(cpu, "10m", None),
            fitting(memory, "16Mi", Some("128Mi")),
        )
    };
    let list = |cpu: Option<String>, memory: Option<String>| {
        let pairs = [(CPU, cpu), (MEMORY, memory)].into_iter();
        pairs
            .filter_map(|(name, value)| Some((name.to_owned(), Quantity(value?))))
            .collect()
    };
    ResourceRequirements {
        claims: None,
        limits: Some(list(cpu.1, memory.1)),
        requests: Some(list(cpu.0, memory.0)),
    }
}

/// Keeps what a LimitRange added to an earlier injection's container: it is not asked again after the
/// last mutation.
pub(super) fn keep_added(own: &mut ResourceRequirements, earlier: Option<&ResourceRequirements>) {
    let Some(earlier) = earlier else { return };
    keep_others(
        own.requests.get_or_insert_default(),
        earlier.requests.as_ref(),
    );
    keep_others(own.limits.get_or_insert_default(), earlier.limits.as_ref());
}

/// Request and limit, as far as somebody says.
type Wanted<'a> = (Option<&'a String>, Option<&'a String>);

/// One amount for both, whichever is said; two where both are.
fn equal_unless_both(
    (request, limit): Wanted<'_>,
    otherwise: &str,
) -> (Option<String>, Option<String>) {
    let value = |first: Option<&String>, second: Option<&String>| {
        let said = first.or(second).cloned();
        Some(said.unwrap_or_else(|| otherwise.to_owned()))
    };
    (value(request, limit), value(limit, request))
}

/// What is said, and defaults that fit it: a request is at most its limit.
fn fitting(
    (request, limit): Wanted<'_>,
    least: &str,
    most: Option<&str>,
) -> (Option<String>, Option<String>) {
    let is_more = |left: &str, right: &str| {
        quantity::compare(left, right) == Some(std::cmp::Ordering::Greater)
    };
    let request = match (request, limit) {
        (Some(request), _) => request.clone(),
        (None, Some(limit)) if is_more(least, limit) => limit.clone(),
        (None, _) => least.to_owned(),
    };
    let limit = match (limit, most) {
        (Some(limit), _) => Some(limit.clone()),
        (None, Some(most)) if is_more(&request, most) => Some(request.clone()),
        (None, most) => most.map(str::to_owned),
    };
    (Some(request), limit)
}

/// Kubernetes' quality of service class Guaranteed, as the pod is without the sidecar.
fn is_guaranteed(spec: &PodSpec) -> bool {
    if let Some(pod) = spec.resources.as_ref().filter(|pod| has_any(pod)) {
        let mut pod = pod.clone();
        let defaults = pod_level::default_requests(spec);
        pod.requests.get_or_insert_default().extend(defaults);
        return has_equal_limits(&pod);
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
