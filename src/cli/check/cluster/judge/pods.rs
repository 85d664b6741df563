//! Pods that should have another sidecar than they have, and annotations that reach none.

use std::collections::BTreeMap;

use super::{Found, groups, object, restart, several};
use crate::cli::check::cluster::codes;
use crate::cli::check::cluster::facts::{BarePod, Facts, Misplaced, Namespace};
use crate::openapi::Diagnostic;
use crate::openapi::diagnostic::Place;

pub(super) fn judge(namespace: &str, facts: &Namespace, all: &Facts, found: &mut Found) {
    for misplaced in &facts.misplaced {
        let object = format!("{}/{}", misplaced.kind, misplaced.name);
        found.push(namespace, &object, outside(namespace, misplaced));
    }
    bare(namespace, &facts.bare, found);
    if all.seen.entries {
        missing(namespace, facts, found);
    }
    outdated(namespace, facts, all.operator_version.as_deref(), found);
}

fn outside(namespace: &str, misplaced: &Misplaced) -> Diagnostic {
    let Misplaced {
        kind,
        name,
        annotations,
    } = misplaced;
    let keys: Vec<_> = annotations.keys().map(String::as_str).collect();
    let path: &[&str] = match *kind {
        "cronjob" => &[
            "spec",
            "jobTemplate",
            "spec",
            "template",
            "metadata",
            "annotations",
        ],
        _ => &["spec", "template", "metadata", "annotations"],
    };
    // What goes into a shell is what no shell reads anything into.
    let is_plain = |text: &String| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./,:-_".contains(&byte);
        text.bytes().all(plain)
    };
    let help = match annotations
        .iter()
        .all(|(key, value)| is_plain(key) && is_plain(value))
    {
        true if *kind != "job" => {
            let patch = path.iter().rev().fold(
                serde_json::json!(annotations),
                |inner, key| serde_json::json!({ *key: inner }),
            );
            format!("kubectl patch {kind} {name} -n {namespace} -p '{patch}'")
        }
        _ => format!("move it to {}", path.join(".")),
    };
    Diagnostic::error(
        codes::ANNOTATION_OUTSIDE_TEMPLATE,
        Place::resource("/metadata/annotations"),
        format!(
            "{} stands on the {kind} itself and not in its pod template: its pods get no sidecar by it",
            keys.join(", ")
        ),
    )
    .help(help)
}

fn bare(namespace: &str, bare: &[BarePod], found: &mut Found) {
    let mut grouped: BTreeMap<String, Vec<&BarePod>> = BTreeMap::new();
    for pod in bare {
        let key = object(pod.workload.as_ref(), &pod.name);
        grouped.entry(key).or_default().push(pod);
    }
    for (object, pods) in grouped {
        let first = pods[0];
        let finding = Diagnostic::error(
            codes::POD_NOT_INJECTED,
            Place::resource("/spec/containers"),
            format!(
                "annotated, but without a sidecar: pod {}",
                several(&first.name, pods.len())
            ),
        )
        .help(format!(
            "what was made before the operator was installed has none: {}",
            restart(namespace, first.workload.as_ref())
        ));
        found.push(namespace, &object, finding);
    }
}

fn missing(namespace: &str, facts: &Namespace, found: &mut Found) {
    for ((service, object), pods) in groups(facts.pods.values()) {
        if facts.entries.contains_key(service) {
            continue;
        }
        let finding = Diagnostic::error(
            codes::ENDPOINTS_SERVICE_MISSING,
            Place::resource("/metadata/annotations"),
            format!(
                "annotated with EndpointsService {service}, which does not exist in namespace \
                 {namespace}: pod {}",
                several(&pods[0].name, pods.len())
            ),
        )
        .help("create it, or correct endpoints.dev/service in the pod template");
        found.push(namespace, &object, finding);
    }
}

fn outdated(namespace: &str, facts: &Namespace, operator: Option<&str>, found: &mut Found) {
    let own = env!("CARGO_PKG_VERSION");
    let (newest, whose) = match operator.filter(|version| number(version).is_some()) {
        Some(version) => (version, "the operator's"),
        None => (own, "this command's"),
    };
    for ((_, object), pods) in groups(facts.pods.values()) {
        let old: Vec<_> = pods
            .iter()
            .filter_map(|pod| {
                let version = facts.details.get(&pod.name)?.version.as_deref()?;
                (number(version)? < number(newest)?).then_some((*pod, version))
            })
            .collect();
        let Some((first, version)) = old.first() else {
            continue;
        };
        let finding = Diagnostic::warning(
            codes::SIDECAR_OUTDATED,
            Place::resource("/spec/containers"),
            format!(
                "the sidecar is of version {version}, older than {whose} {newest}: pod {}",
                several(&first.name, old.len())
            ),
        )
        .help(restart(namespace, first.workload.as_ref()));
        found.push(namespace, &object, finding);
    }
}

/// `1.2.3` as numbers; what follows them (`-rc.1`) does not count.
fn number(version: &str) -> Option<[u64; 3]> {
    let plain = version.split(['-', '+']).next()?;
    let mut parts = plain.split('.').map(str::parse);
    let number = [(); 3].map(|()| parts.next().and_then(Result::ok));
    match (number, parts.next()) {
        ([Some(major), Some(minor), Some(patch)], None) => Some([major, minor, patch]),
        _ => None,
    }
}
