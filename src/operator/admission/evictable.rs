//! `cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes`: older cluster autoscalers keep a
//! node for the sake of any pod with an emptyDir that is not listed there. Ours hold nothing that is
//! worth a node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;

use super::sidecar::is_own_volume;

const KEY: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

/// Adds our volumes to whatever the user lists.
pub(super) fn list(annotations: &mut BTreeMap<String, String>, spec: &PodSpec) {
    let own = spec
        .volumes
        .iter()
        .flatten()
        .filter(|volume| volume.empty_dir.is_some() && is_own_volume(&volume.name))
        .map(|volume| volume.name.as_str());
    let listed = annotations.get(KEY).map(String::as_str).unwrap_or_default();
    let all: Vec<_> = others(listed).chain(own).collect();
    annotations.insert(KEY.to_owned(), all.join(","));
}

/// Takes our volumes out again.
pub(super) fn unlist(annotations: &mut BTreeMap<String, String>) {
    let Some(listed) = annotations.get_mut(KEY) else {
        return;
    };
    if !listed.split(',').any(|name| is_own_volume(name.trim())) {
        return;
    }
    let rest: Vec<_> = others(listed).collect();
    match rest.is_empty() {
        true => {
            annotations.remove(KEY);
        }
        false => *listed = rest.join(","),
    }
}

fn others(listed: &str) -> impl Iterator<Item = &str> {
    let names = listed.split(',').map(str::trim);
    names.filter(|name| !name.is_empty() && !is_own_volume(name))
}
