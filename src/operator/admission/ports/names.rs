//! Names of ports: the sidecar gets the app's, the app's port another one.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::all_ports;
use super::choose::Place;
use crate::api::annotations::TakenPort;

/// Kubernetes' bound on port names.
const MAX_NAME: usize = 15;

/// Takes the names away from the app, each for a listener of the sidecar.
pub(super) fn take(
    spec: &mut PodSpec,
    places: impl Iterator<Item = (Place, u16)>,
) -> Vec<TakenPort> {
    let mut names: BTreeSet<_> = all_ports(spec)
        .filter_map(|(_, port)| port.name.clone())
        .collect();
    // A reference to a port that does not exist must stay one.
    names.extend(
        spec.containers
            .iter_mut()
            .flat_map(references)
            .map(|name| name.clone()),
    );
    places
        .map(|(place, listen)| rename(spec, place, listen, &mut names))
        .collect()
}

/// Gives taken ports their own names back.
pub(in crate::operator::admission) fn give_back(spec: &mut PodSpec, taken: &[TakenPort]) {
    for taken in taken {
        let (Some(name), Some(renamed)) = (&taken.name, &taken.renamed) else {
            continue;
        };
        for container in &mut spec.containers {
            let ports = container.ports.iter_mut().flatten();
            let mut ports = ports.filter(|port| port.container_port == i32::from(taken.app));
            if let Some(port) = ports.find(|port| port.name.as_ref() == Some(renamed)) {
                port.name = Some(name.clone());
                follow(container, renamed, name);
            }
        }
    }
}

fn rename(
    spec: &mut PodSpec,
    place: Place,
    listen: u16,
    names: &mut BTreeSet<String>,
) -> TakenPort {
    let renamed = free_name(&place.name, names);
    names.insert(renamed.clone());
    let container = &mut spec.containers[place.container];
    for port in container.ports.iter_mut().flatten() {
        if port.name.as_ref() == Some(&place.name) {
            port.name = Some(renamed.clone());
        }
    }
    follow(container, &place.name, &renamed);
    TakenPort {
        name: Some(place.name),
        listen,
        app: place.number,
        renamed: Some(renamed),
    }
}

/// `app-NAME`, cut to what Kubernetes allows, with the first free number when it is taken.
fn free_name(name: &str, used: &BTreeSet<String>) -> String {
    let whole = format!("app-{name}");
    let cut = |suffix: &str| {
        let base: String = whole.chars().take(MAX_NAME - suffix.len()).collect();
        format!("{}{suffix}", base.trim_end_matches('-'))
    };
    let numbered = (2_u32..).map(|number| cut(&format!("-{number}")));
    std::iter::once(cut(""))
        .chain(numbered)
        .find(|candidate| !used.contains(candidate))
        .expect("a pod names fewer ports than there are numbers")
}

/// Lets the container's probes and lifecycle handlers follow a renamed port.
fn follow(container: &mut Container, from: &str, to: &str) {
    for reference in references(container)
        .into_iter()
        .filter(|name| *name == from)
    {
        reference.replace_range(.., to);
    }
}

/// The port names that the container's probes and lifecycle handlers use.
fn references(container: &mut Container) -> Vec<&mut String> {
    let mut http = Vec::new();
    let mut tcp = Vec::new();
    let probes = [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ];
    for probe in probes.into_iter().flatten() {
        http.extend(&mut probe.http_get);
        tcp.extend(&mut probe.tcp_socket);
    }
    if let Some(lifecycle) = &mut container.lifecycle {
        for handler in [&mut lifecycle.post_start, &mut lifecycle.pre_stop]
            .into_iter()
            .flatten()
        {
            http.extend(&mut handler.http_get);
            tcp.extend(&mut handler.tcp_socket);
        }
    }
    let http = http.into_iter().map(|action| &mut action.port);
    let tcp = tcp.into_iter().map(|action| &mut action.port);
    http.chain(tcp)
        .filter_map(|port| match port {
            IntOrString::String(name) => Some(name),
            IntOrString::Int(_) => None,
        })
        .collect()
}
