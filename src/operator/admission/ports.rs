//! Which ports the sidecar stands in front of, and the names that make Services follow.
//!
//! A Service whose `targetPort` is a name resolves it against the pod's containers. So with
//! `capture: named` the sidecar takes the name, the app's port gets another one, and the app itself
//! notices nothing: it listens where it did. kubelet resolves the names in probes and lifecycle
//! handlers inside the same container only, so those follow the app's port. The other modes go by the
//! port's number, and leave all names alone.

mod choose;
mod names;
mod text;

use k8s_openapi::api::core::v1::{Container, ContainerPort, PodSpec};

pub(super) use self::names::give_back;
use super::denial::Denial;
use super::sidecar::{ADMIN_PORT, FIRST_LISTENER};
use crate::api::annotations::{CaptureMode, PortReference, TakenPort};

/// Puts the sidecar in front of the wanted ports (none = the one that looks like HTTP). `earlier`: the
/// ports that an injection before this one took; where the choice is ours, it stays the same.
///
/// # Errors
/// A port that is not there, not to be told apart, or that the sidecar cannot stand in front of.
pub(super) fn take(
    spec: &mut PodSpec,
    wanted: &[PortReference],
    capture: CaptureMode,
    earlier: &[TakenPort],
) -> Result<Vec<TakenPort>, Denial> {
    match capture {
        CaptureMode::Named => take_names(spec, wanted, earlier),
        CaptureMode::Redirect | CaptureMode::None => stand_before_numbers(spec, wanted, earlier),
    }
}

fn take_names(
    spec: &mut PodSpec,
    wanted: &[PortReference],
    earlier: &[TakenPort],
) -> Result<Vec<TakenPort>, Denial> {
    let mut places = Vec::new();
    for place in choose::places(spec, wanted, earlier)? {
        choose::refuse_shared_names(spec, &place.name)?;
        refuse_host_port(spec, place.number)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let listeners = (FIRST_LISTENER..).take(places.len());
    refuse_collisions(spec, listeners.clone())?;
    Ok(names::take(spec, places.into_iter().zip(listeners)))
}

fn stand_before_numbers(
    spec: &PodSpec,
    wanted: &[PortReference],
    earlier: &[TakenPort],
) -> Result<Vec<TakenPort>, Denial> {
    let mut numbers = Vec::new();
    for number in choose::numbers(spec, wanted, earlier)? {
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let listeners = (FIRST_LISTENER..).take(numbers.len());
    refuse_collisions(spec, listeners.clone())?;
    if let Some(number) = numbers
        .iter()
        .find(|number| **number == ADMIN_PORT || listeners.clone().any(|own| own == **number))
    {
        return Err(Denial::OwnPort { port: *number });
    }
    let taken = numbers.into_iter().zip(listeners);
    Ok(taken
        .map(|(app, listen)| TakenPort {
            name: None,
            listen,
            app,
            renamed: None,
        })
        .collect())
}

/// The node forwards a host port to the app's number, and no name can change that: whichever entry of
/// whichever container says so, for they all share the pod's network.
fn refuse_host_port(spec: &PodSpec, number: u16) -> Result<(), Denial> {
    let found = all_ports(spec).find_map(|(container, port)| {
        let host_port = port.host_port.filter(|host_port| *host_port > 0)?;
        let leads_there = is_tcp(port) && port.container_port == i32::from(number);
        leads_there.then_some((container, port, host_port))
    });
    match found {
        Some((container, port, host_port)) => Err(Denial::HostPort {
            port: text::label(port),
            container: container.name.clone(),
            host_port,
        }),
        None => Ok(()),
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
    let inits = spec.init_containers.iter().flatten();
    ports_of(spec.containers.iter().chain(inits))
}

/// The ports that a Service looks names up among: those of containers that stay.
fn service_ports(spec: &PodSpec) -> impl Iterator<Item = (&Container, &ContainerPort)> {
    let stays = |init: &&Container| init.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(stays);
    ports_of(spec.containers.iter().chain(sidecars))
}

fn ports_of<'s>(
    containers: impl Iterator<Item = &'s Container>,
) -> impl Iterator<Item = (&'s Container, &'s ContainerPort)> {
    containers.flat_map(|container| {
        let ports = container.ports.iter().flatten();
        ports.map(move |port| (container, port))
    })
}

/// Nothing, written or not, is TCP.
fn is_tcp(port: &ContainerPort) -> bool {
    let protocol = port.protocol.as_deref().unwrap_or_default();
    matches!(protocol, "" | "TCP")
}
