//! A pod's ports in words, for denials.

use k8s_openapi::api::core::v1::{ContainerPort, PodSpec};

use super::{app_ports, is_tcp};

/// All ports of the app's containers.
pub(super) fn declared(spec: &PodSpec) -> String {
    describe(app_ports(spec).collect())
}

pub(super) fn describe(ports: Vec<(usize, &ContainerPort)>) -> String {
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
pub(super) fn label(port: &ContainerPort) -> String {
    let number = match &port.protocol {
        Some(protocol) if !is_tcp(port) => format!("{}/{protocol}", port.container_port),
        _ => port.container_port.to_string(),
    };
    match &port.name {
        Some(name) => format!("{name} ({number})"),
        None => number,
    }
}
