//! The annotations and labels that pods carry: their names, what users may write (raw → checked),
//! and what the injector writes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The prefix of every annotation and label of ours.
pub const PREFIX: &str = "endpoints.dev/";
/// Annotation: the EndpointsService (same namespace) that protects this pod.
pub const SERVICE: &str = "endpoints.dev/service";
/// Annotation: the ports to protect, names or numbers, comma-separated.
pub const PORTS: &str = "endpoints.dev/ports";
/// Label, set by the injector: the operator watches only pods that carry it (value `true`).
pub const INJECTED: &str = "endpoints.dev/injected";
/// Annotation, set by the injector: what was injected (an [`InjectionStatus`] as JSON).
pub const STATUS: &str = "endpoints.dev/status";
/// The sidecar container's name.
pub const SIDECAR_CONTAINER: &str = "endpoints-proxy";
/// The audience of the projected token that a sidecar shows to the operator.
pub const PUSH_AUDIENCE: &str = "push.endpoints.dev";

/// Folder of the sidecar where the Secret of `listener.tls.secretRef` is mounted.
pub const LISTENER_TLS_FOLDER: &str = "/var/run/endpoints.dev/listener-tls";
/// Folder of the sidecar where the Secret of `backend.tls.clientCertificateRef` is mounted.
pub const BACKEND_TLS_FOLDER: &str = "/var/run/endpoints.dev/backend-tls";

/// The annotations that users may write.
pub const USER_KEYS: [&str; 2] = [SERVICE, PORTS];
/// The most ports that one pod may have protected.
pub const MAX_PORTS: usize = 16;

/// What a pod's annotations ask for, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionRequest {
    /// The EndpointsService, in the pod's namespace.
    pub service: String,
    /// The ports to protect; empty when the choice is left to the injector.
    pub ports: Vec<PortReference>,
}

/// A port as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortReference {
    /// By the name that the pod declares.
    Name(String),
    /// By its number.
    Number(u16),
}

/// How requests get to the sidecar instead of the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaptureMode {
    /// The sidecar has the name of the app's port: Services that say the name lead to it.
    #[default]
    Named,
    /// Whatever comes to the app's port from outside the pod goes to the sidecar.
    Redirect,
    /// Nothing: who configures the Services sees to it.
    None,
}

/// What the injector did to a pod, kept in the annotation [`STATUS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InjectionStatus {
    /// The operator's version.
    pub version: String,
    /// The ports that the sidecar took over.
    pub ports: Vec<TakenPort>,
    /// How requests to them get to the sidecar.
    #[serde(default, skip_serializing_if = "CaptureMode::is_named")]
    pub capture: CaptureMode,
    /// The pod-level resources as they were before ours were added, so that they can be put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_resources: Option<PodResources>,
}

/// A port that the sidecar took over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenPort {
    /// The name that Services reach: the sidecar's port has it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the sidecar listens.
    pub listen: u16,
    /// Where the app listens.
    pub app: u16,
    /// The name that the app's port has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed: Option<String>,
}

/// Requests and limits of a whole pod (KEP-2837), as quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodResources {
    /// What the scheduler reserves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// What the pod may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

/// An annotation that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnnotationError {
    /// A key under our prefix that means nothing.
    #[error("annotation {key} is unknown")]
    UnknownKey {
        /// The key as written.
        key: String,
    },
    /// An annotation of ours on a pod that names no service.
    #[error("annotation {key} has no effect without {SERVICE}: add it, or remove {key}")]
    WithoutService {
        /// The key as written.
        key: String,
    },
    /// The service is not a resource name.
    #[error(
        "annotation {SERVICE}: {value:?} is not the name of an EndpointsService \
         (lower-case letters, digits, '-' and '.', at most 253)"
    )]
    Service {
        /// The value, shortened.
        value: String,
    },
    /// An entry of the list of ports is neither a name nor a number.
    #[error(
        "annotation {PORTS}: {value:?} is neither a port name (at most 15 of a-z, 0-9 and '-', one of \
         them a letter) nor a number from 1 to 65535"
    )]
    Port {
        /// The entry, shortened.
        value: String,
    },
    /// The list of ports is too long.
    #[error("annotation {PORTS}: at most {MAX_PORTS} ports, not {count}")]
    TooManyPorts {
        /// Entries found.
        count: usize,
    },
}

impl InjectionRequest {
    /// Reads a pod's annotations; `None` when none of them is ours.
    ///
    /// # Errors
    /// An unknown key under our prefix, one of ours without the service, or a value out of form.
    pub fn read(annotations: &BTreeMap<String, String>) -> Result<Option<Self>, AnnotationError> {
        let mut ours = annotations
            .keys()
            .filter(|key| key.starts_with(PREFIX))
            .peekable();
        let Some(&first) = ours.peek() else {
            return Ok(None);
        };
        if let Some(key) = ours.find(|key| *key != STATUS && !USER_KEYS.contains(&key.as_str())) {
            return Err(AnnotationError::UnknownKey {
                key: shortened(key),
            });
        }
        let Some(service) = annotations.get(SERVICE) else {
            return Err(AnnotationError::WithoutService { key: first.clone() });
        };
        if !is_resource_name(service) {
            return Err(AnnotationError::Service {
                value: shortened(service),
            });
        }
        let ports = annotations
            .get(PORTS)
            .map(|list| read_ports(list))
            .transpose()?;
        Ok(Some(Self {
            service: service.clone(),
            ports: ports.unwrap_or_default(),
        }))
    }
}

impl CaptureMode {
    fn is_named(&self) -> bool {
        *self == Self::Named
    }
}

impl InjectionStatus {
    /// Reads a pod's [`STATUS`]; `None` when it is absent or not ours. Users can write anything
    /// there, also more ports than can be taken ([`MAX_PORTS`]), each of which would be compared with
    /// every container: what it says counts only for a pod that has the sidecar container.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let status: Self = serde_json::from_str(annotations.get(STATUS)?).ok()?;
        (status.ports.len() <= MAX_PORTS).then_some(status)
    }
}

fn read_ports(list: &str) -> Result<Vec<PortReference>, AnnotationError> {
    let count = list.split(',').count();
    if count > MAX_PORTS {
        return Err(AnnotationError::TooManyPorts { count });
    }
    list.split(',')
        .map(|entry| read_port(entry.trim()))
        .collect()
}

fn read_port(entry: &str) -> Result<PortReference, AnnotationError> {
    if is_port_name(entry) {
        return Ok(PortReference::Name(entry.to_owned()));
    }
    match entry.parse() {
        Ok(number) if number != 0 && entry.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(PortReference::Number(number))
        }
        _ => Err(AnnotationError::Port {
            value: shortened(entry),
        }),
    }
}

/// DNS-1123 subdomain, the form of a custom resource's name, and of a Secret's.
pub fn is_resource_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty()
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// IANA service name (RFC 6335 section 5.1) in lower case, as Kubernetes wants port names.
fn is_port_name(name: &str) -> bool {
    name.len() <= 15
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// Enough of a value to recognise it by.
fn shortened(value: &str) -> String {
    const MOST: usize = 80;
    let mut characters = value.chars();
    let mut short: String = characters.by_ref().take(MOST).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
