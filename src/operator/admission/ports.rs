//! Which ports the sidecar takes over, and the names that make Services follow.
//!
//! A Service whose `targetPort` is a name resolves it against the pod's containers. So the sidecar
//! takes the name, the app's port gets another one, and the app itself notices nothing: it listens
//! where it did. kubelet resolves the names in probes and lifecycle handlers inside the same
//! container only, so those follow the app's port.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::denial::{Denial, nearest};
use super::sidecar::{ADMIN_PORT, FIRST_LISTENER};
use crate::api::annotations::{PortReference, TakenPort};

/// Kubernetes' bound on port names.
const MAX_NAME: usize = 15;

/// Takes the wanted ports (none = the one that looks like HTTP) away from the app.
///
/// # Errors
/// A port that is not there, not to be told apart, or that the sidecar cannot stand in front of.
pub(super) fn take(spec: &mut PodSpec, wanted: &[PortReference]) -> Result<Vec<TakenPort>, Denial> {
    let mut places: Vec<Place> = Vec::new();
    for place in choose(spec, wanted)? {
        check(spec, &place)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let listeners = (FIRST_LISTENER..).take(places.len());
    refuse_collisions(spec, listeners.clone())?;

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
    let taken = places.into_iter().zip(listeners);
    Ok(taken
        .map(|(place, listen)| rename(spec, place, listen, &mut names))
        .collect())
}

/// Gives taken ports their own names back.
pub(super) fn give_back(spec: &mut PodSpec, taken: &[TakenPort]) {
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

/// A named TCP port of an app container.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    container: usize,
    name: String,
    number: u16,
}

fn choose(spec: &PodSpec, wanted: &[PortReference]) -> Result<Vec<Place>, Denial> {
    if wanted.is_empty() {
        return Ok(vec![the_http_port(spec)?]);
    }
    wanted
        .iter()
        .map(|reference| match reference {
            PortReference::Name(name) => by_name(spec, name),
            PortReference::Number(number) => by_number(spec, *number),
        })
        .collect()
}

fn the_http_port(spec: &PodSpec) -> Result<Place, Denial> {
    let looks_like_http = |name: &str| {
        matches!(name, "http" | "web" | "api" | "grpc")
            || name.starts_with("http-")
            || name.starts_with("grpc-")
    };
    let found: Vec<_> = app_ports(spec)
        .filter(|(_, port)| is_tcp(port) && port.name.as_deref().is_some_and(looks_like_http))
        .collect();
    match found[..] {
        [(container, port)] => place(spec, container, port),
        _ => Err(Denial::Undecided {
            found: if found.is_empty() {
                "none".to_owned()
            } else {
                describe(found)
            },
            declared: declared(spec),
        }),
    }
}

fn by_name(spec: &PodSpec, name: &str) -> Result<Place, Denial> {
    let found = app_ports(spec).find(|(_, port)| port.name.as_deref() == Some(name));
    let Some((container, port)) = found else {
        let names = app_ports(spec).filter_map(|(_, port)| port.name.as_deref());
        return Err(Denial::NotDeclared {
            port: name.to_owned(),
            nearest: nearest(name, names),
            declared: declared(spec),
        });
    };
    place(spec, container, port)
}

fn by_number(spec: &PodSpec, number: u16) -> Result<Place, Denial> {
    let all: Vec<_> = app_ports(spec)
        .filter(|(_, port)| port.container_port == i32::from(number))
        .collect();
    let usable: Vec<_> = all
        .iter()
        .filter(|(_, port)| is_tcp(port) && port.name.is_some())
        .copied()
        .collect();
    match usable[..] {
        [(container, port)] => place(spec, container, port),
        [] => match all.iter().find(|(_, port)| is_tcp(port)).or(all.first()) {
            // Says what is wrong with it.
            Some(&(container, port)) => place(spec, container, port),
            None => Err(Denial::NotDeclared {
                port: number.to_string(),
                nearest: String::new(),
                declared: declared(spec),
            }),
        },
        _ => Err(Denial::Ambiguous {
            port: number.to_string(),
            places: describe(usable),
        }),
    }
}

fn place(spec: &PodSpec, index: usize, port: &ContainerPort) -> Result<Place, Denial> {
    let container = || spec.containers[index].name.clone();
    if !is_tcp(port) {
        return Err(Denial::Protocol {
            port: label(port),
            container: container(),
            protocol: port.protocol.clone().unwrap_or_default(),
        });
    }
    let Some(name) = port.name.clone() else {
        return Err(Denial::Unnamed {
            port: port.container_port,
            container: container(),
        });
    };
    match u16::try_from(port.container_port) {
        Ok(number) if number != 0 => Ok(Place {
            container: index,
            name,
            number,
        }),
        _ => Err(Denial::OutOfRange {
            port: port.container_port,
            container: container(),
        }),
    }
}

fn check(spec: &PodSpec, place: &Place) -> Result<(), Denial> {
    // Services look through native sidecars, too.
    let named: Vec<_> = all_ports(spec)
        .filter(|(_, port)| port.name.as_ref() == Some(&place.name))
        .collect();
    if named.len() > 1 {
        let places: Vec<_> = named
            .iter()
            .map(|(container, port)| format!("{} in {}", port.container_port, container.name))
            .collect();
        return Err(Denial::Ambiguous {
            port: place.name.clone(),
            places: places.join(", "),
        });
    }
    match named.first() {
        Some((
            container,
            ContainerPort {
                host_port: Some(host_port @ 1..),
                ..
            },
        )) => Err(Denial::HostPort {
            port: place.name.clone(),
            container: container.name.clone(),
            host_port: *host_port,
        }),
        _ => Ok(()),
    }
}

fn refuse_collisions(
    spec: &PodSpec,
    listeners: impl Iterator<Item = u16> + Clone,
) -> Result<(), Denial> {
    let is_ours = |number: i32| {
        number == i32::from(ADMIN_PORT)
            || listeners
                .clone()
                .any(|listener| number == i32::from(listener))
    };
    match all_ports(spec).find(|(_, port)| is_tcp(port) && is_ours(port.container_port)) {
        Some((container, port)) => Err(Denial::Collision {
            port: port.container_port,
            container: container.name.clone(),
        }),
        None => Ok(()),
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

/// The app containers' ports, each with its container's index.
fn app_ports(spec: &PodSpec) -> impl Iterator<Item = (usize, &ContainerPort)> {
    let containers = spec.containers.iter().enumerate();
    containers.flat_map(|(index, container)| {
        container
            .ports
            .iter()
            .flatten()
            .map(move |port| (index, port))
    })
}

/// Every container's ports, init containers (native sidecars among them) included.
fn all_ports(spec: &PodSpec) -> impl Iterator<Item = (&Container, &ContainerPort)> {
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    containers.flat_map(|container| {
        container
            .ports
            .iter()
            .flatten()
            .map(move |port| (container, port))
    })
}

fn is_tcp(port: &ContainerPort) -> bool {
    port.protocol
        .as_deref()
        .is_none_or(|protocol| protocol == "TCP")
}

fn declared(spec: &PodSpec) -> String {
    describe(app_ports(spec).collect())
}

fn describe(ports: Vec<(usize, &ContainerPort)>) -> String {
    /// A message is read by people.
    const MOST: usize = 16;
    if ports.is_empty() {
        return "no port".to_owned();
    }
    let more = if ports.len() > MOST { ", …" } else { "" };
    let labels: Vec<_> = ports
        .into_iter()
        .take(MOST)
        .map(|(_, port)| label(port))
        .collect();
    format!("{}{more}", labels.join(", "))
}

/// `http (8080)`, `8080`, `dns (53/UDP)`.
fn label(port: &ContainerPort) -> String {
    let number = match &port.protocol {
        Some(protocol) if !is_tcp(port) => format!("{}/{protocol}", port.container_port),
        _ => port.container_port.to_string(),
    };
    match &port.name {
        Some(name) => format!("{name} ({number})"),
        None => number,
    }
}
