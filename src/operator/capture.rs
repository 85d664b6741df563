//! Whether Services lead to the sidecars or around them.
//!
//! Capture by name is steering: the sidecar has the name that a Service's `targetPort` asks for. A
//! numeric (or omitted) `targetPort`, a name that still means the app's port, and the clients of a
//! headless Service reach the app itself. Computed from every Service that selects the pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::pod::InjectedPod;

#[cfg(test)]
mod tests;

/// The most ways around that a message lists; the rest is counted.
const MAX_LISTED: usize = 3;

/// What the control plane needs to know of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFacts {
    /// `metadata.name`.
    pub name: String,
    /// `spec.selector`; empty: selects nothing.
    pub selector: BTreeMap<String, String>,
    /// `clusterIP: None`.
    pub headless: bool,
    /// Its TCP ports.
    pub ports: Vec<ServicePort>,
}

/// A TCP port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its number.
    pub port: u16,
    /// Where it leads.
    pub target: Target,
}

/// Where a Service's port leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `targetPort` is a number.
    Number(u16),
    /// No `targetPort`: the Service's own number.
    Omitted,
    /// `targetPort` is a name, looked up in each pod.
    Name(String),
}

/// What the Services that select a service's pods do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    /// There are no injected pods to capture anything for.
    NoSidecars,
    /// No Service leads to the sidecars; none leads around them either.
    NotSelected,
    /// All of these do, none leads around.
    All {
        /// How many Services lead to the sidecars.
        services: usize,
    },
    /// Some lead around the sidecars.
    Around(Around),
}

/// A way around the sidecars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// One of [`crate::api::conditions::reason`].
    pub reason: &'static str,
    /// The Services and the fix.
    pub message: String,
}

impl ServiceFacts {
    /// Reads a Service. One without a selector, or of type ExternalName, selects nothing.
    pub fn read(service: &Service) -> Self {
        let spec = service.spec.as_ref();
        let external = spec.is_some_and(|spec| spec.type_.as_deref() == Some("ExternalName"));
        let selector = spec
            .and_then(|spec| spec.selector.clone())
            .unwrap_or_default();
        let ports = spec
            .and_then(|spec| spec.ports.as_deref())
            .unwrap_or_default();
        Self {
            name: service.name_any(),
            selector: if external { BTreeMap::new() } else { selector },
            headless: spec.is_some_and(|spec| spec.cluster_ip.as_deref() == Some("None")),
            ports: ports
                .iter()
                .filter(|port| port.protocol.as_deref().is_none_or(|name| name == "TCP"))
                .filter_map(|port| {
                    let target = match &port.target_port {
                        None => Target::Omitted,
                        Some(IntOrString::Int(number)) => {
                            Target::Number((*number).try_into().ok()?)
                        }
                        Some(IntOrString::String(name)) => Target::Name(name.clone()),
                    };
                    Some(ServicePort {
                        port: port.port.try_into().ok()?,
                        target,
                    })
                })
                .collect(),
        }
    }

    /// Whether a pod with these labels is behind it.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.selector.is_empty()
            && self
                .selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
    }
}

/// Computes [`Capture`] for the pods of one EndpointsService from the Services of its namespace.
pub fn capture<'a>(
    pods: &[&InjectedPod],
    services: impl Iterator<Item = &'a ServiceFacts>,
) -> Capture {
    use crate::api::conditions::reason::{HEADLESS_SERVICE, NUMERIC_TARGET_PORT};

    if pods.is_empty() {
        return Capture::NoSidecars;
    }
    let (mut leading, mut numeric, mut headless) = (0, Vec::new(), Vec::new());
    for service in services {
        let selected: Vec<_> = pods
            .iter()
            .filter(|pod| service.selects(&pod.labels))
            .collect();
        if selected.is_empty() {
            continue;
        }
        if service.headless {
            headless.push(headless_message(service));
            continue;
        }
        let mut leads = false;
        for port in &service.ports {
            let ways = selected.iter().map(|pod| way(port, pod));
            let (mut around, mut through) = (None, false);
            for way in ways {
                match way {
                    Way::Around(name) => around = around.or(Some(name)),
                    Way::Through => through = true,
                    Way::Elsewhere => {}
                }
            }
            leads |= through;
            if let Some(name) = around {
                numeric.push(numeric_message(service, port, name));
            }
        }
        leading += usize::from(leads);
    }
    if !numeric.is_empty() {
        return Capture::Around(Around {
            reason: NUMERIC_TARGET_PORT,
            message: list(&numeric),
        });
    }
    if !headless.is_empty() {
        return Capture::Around(Around {
            reason: HEADLESS_SERVICE,
            message: list(&headless),
        });
    }
    if leading == 0 {
        Capture::NotSelected
    } else {
        Capture::All { services: leading }
    }
}

/// Where one port of a Service leads in one pod.
enum Way<'p> {
    Through,
    /// To the app's protected port; the name that the sidecar took for it.
    Around(Option<&'p str>),
    Elsewhere,
}

fn way<'p>(port: &ServicePort, pod: &'p InjectedPod) -> Way<'p> {
    let number = match &port.target {
        Target::Number(number) => Some(*number),
        Target::Omitted => Some(port.port),
        Target::Name(name) => pod.port(name),
    };
    let Some(number) = number else {
        return Way::Elsewhere;
    };
    if let Some(taken) = pod.taken.iter().find(|taken| taken.app == number) {
        return Way::Around(taken.name.as_deref());
    }
    match pod.taken.iter().any(|taken| taken.listen == number) {
        true => Way::Through,
        false => Way::Elsewhere,
    }
}

fn numeric_message(service: &ServiceFacts, port: &ServicePort, name: Option<&str>) -> String {
    let is = match &port.target {
        Target::Omitted => {
            format!("has no targetPort, so {} is the app's own port", port.port)
        }
        Target::Number(number) => format!("has targetPort {number}, the app's own port"),
        Target::Name(name) => format!("has targetPort {name}, which is the app's own port"),
    };
    let fix = match name {
        Some(name) => format!("set its targetPort to {name}"),
        None => "set its targetPort to the name of the protected port".to_owned(),
    };
    format!(
        "Service {} port {} {is}: requests go around the sidecar; {fix}",
        service.name, port.port
    )
}

fn headless_message(service: &ServiceFacts) -> String {
    format!(
        "Service {} is headless (clusterIP: None): its clients dial the app's own port, around the \
         sidecar; give it a cluster IP, or a selector that leaves these pods out",
        service.name
    )
}

fn list(messages: &[String]) -> String {
    let mut text = messages
        .iter()
        .take(MAX_LISTED)
        .cloned()
        .collect::<Vec<_>>()
        .join(". ");
    if let Some(more @ 1..) = messages.len().checked_sub(MAX_LISTED) {
        text.push_str(&format!(". And {more} more"));
    }
    text
}
