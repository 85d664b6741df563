//! Which ports are meant.

use k8s_openapi::api::core::v1::{ContainerPort, PodSpec};

use super::{app_ports, is_tcp, service_ports, text};
use crate::api::annotations::{PortReference, TakenPort};
use crate::operator::admission::denial::{Denial, nearest};

/// Containers that meshes inject, also after us. Whatever their ports are called, the API is not there.
const MESH_CONTAINERS: [&str; 5] = [
    "consul-dataplane",
    "daprd",
    "istio-proxy",
    "kuma-sidecar",
    "linkerd-proxy",
];
/// Words in names of ports that monitors scrape without a token.
const SCRAPED: [&str; 4] = ["metrics", "monitoring", "prom", "prometheus"];

/// A named TCP port of an app container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its container, by its place among `spec.containers`.
    pub(super) container: usize,
    pub(super) name: String,
    pub(super) number: u16,
}

/// The named ports that are wanted, in the order of the annotation. `earlier`: those that an injection
/// before this one took.
///
/// # Errors
/// One of them is not there, or cannot be told apart, or has no name.
pub(super) fn places(
    spec: &PodSpec,
    wanted: &[PortReference],
    earlier: &[TakenPort],
) -> Result<Vec<Place>, Denial> {
    if wanted.is_empty() {
        return Ok(vec![the_http_port(spec, earlier)?]);
    }
    wanted
        .iter()
        .map(|reference| match reference {
            PortReference::Name(name) => by_name(spec, name),
            PortReference::Number(number) => by_number(spec, *number),
        })
        .collect()
}

/// The numbers that are wanted, in the order of the annotation. A number need not be declared.
///
/// # Errors
/// A name is not there, or means several numbers, or a port is none of TCP's.
pub(super) fn numbers(
    spec: &PodSpec,
    wanted: &[PortReference],
    earlier: &[TakenPort],
) -> Result<Vec<u16>, Denial> {
    if wanted.is_empty() {
        let place = the_http_port(spec, earlier)?;
        refuse_shared_names(spec, &place.name)?;
        return Ok(vec![place.number]);
    }
    wanted
        .iter()
        .map(|reference| match reference {
            PortReference::Name(name) => {
                let place = by_name(spec, name)?;
                refuse_shared_names(spec, &place.name)?;
                Ok(place.number)
            }
            PortReference::Number(number) => {
                let mut declared = app_ports(spec)
                    .filter(|(_, port)| port.container_port == i32::from(*number))
                    .peekable();
                let only_others = declared.peek().copied();
                match only_others.filter(|_| declared.all(|(_, port)| !is_tcp(port))) {
                    // Says what is wrong with it.
                    Some((container, port)) => place(spec, container, port).map(|_| *number),
                    None => Ok(*number),
                }
            }
        })
        .collect()
}

/// Refuses a name that several ports have.
///
/// # Errors
/// They do.
pub(super) fn refuse_shared_names(spec: &PodSpec, name: &str) -> Result<(), Denial> {
    let named: Vec<_> = service_ports(spec)
        .filter(|(_, port)| port.name.as_deref() == Some(name))
        .collect();
    if named.len() <= 1 {
        return Ok(());
    }
    let places: Vec<_> = named
        .iter()
        .map(|(container, port)| format!("{} in {}", port.container_port, container.name))
        .collect();
    Err(Denial::Ambiguous {
        port: name.to_owned(),
        places: places.join(", "),
    })
}

/// The only port that looks like HTTP. Of several, the one that an earlier injection took: the others
/// came with containers that other webhooks added since, and the author of the pod never wrote them.
fn the_http_port(spec: &PodSpec, earlier: &[TakenPort]) -> Result<Place, Denial> {
    let found: Vec<_> = app_ports(spec)
        .filter(|(index, _)| !MESH_CONTAINERS.contains(&spec.containers[*index].name.as_str()))
        .filter(|(_, port)| is_tcp(port) && port.name.as_deref().is_some_and(looks_like_http))
        .collect();
    let was_taken = |port: &ContainerPort| {
        let same_name = |taken: &TakenPort| taken.name.is_none() || taken.name == port.name;
        earlier
            .iter()
            .any(|taken| i32::from(taken.app) == port.container_port && same_name(taken))
    };
    let taken: Vec<_> = found.iter().filter(|(_, port)| was_taken(port)).collect();
    if let [(container, port)] = taken[..] {
        return place(spec, *container, port);
    }
    match found[..] {
        [(container, port)] => place(spec, container, port),
        _ => Err(Denial::Undecided {
            found: if found.is_empty() {
                "none".to_owned()
            } else {
                text::describe(found)
            },
            declared: text::declared(spec),
        }),
    }
}

fn looks_like_http(name: &str) -> bool {
    let rest = name
        .strip_prefix("http-")
        .or_else(|| name.strip_prefix("grpc-"));
    let is_scraped = |rest: &str| rest.split('-').any(|word| SCRAPED.contains(&word));
    matches!(name, "http" | "web" | "api" | "grpc") || rest.is_some_and(|rest| !is_scraped(rest))
}

fn by_name(spec: &PodSpec, name: &str) -> Result<Place, Denial> {
    let found = app_ports(spec).find(|(_, port)| port.name.as_deref() == Some(name));
    let Some((container, port)) = found else {
        let names = app_ports(spec).filter_map(|(_, port)| port.name.as_deref());
        return Err(Denial::NotDeclared {
            port: name.to_owned(),
            nearest: nearest(name, names),
            declared: text::declared(spec),
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
                declared: text::declared(spec),
            }),
        },
        _ => Err(Denial::Ambiguous {
            port: number.to_string(),
            places: text::describe(usable),
        }),
    }
}

fn place(spec: &PodSpec, index: usize, port: &ContainerPort) -> Result<Place, Denial> {
    let container = || spec.containers[index].name.clone();
    if !is_tcp(port) {
        return Err(Denial::Protocol {
            port: text::label(port),
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
