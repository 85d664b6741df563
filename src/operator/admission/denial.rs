//! Why a pod is refused, in words for the person who wrote it.

use thiserror::Error;

use crate::api::annotations::{AnnotationError, CAPTURE, PORTS, USER_KEYS};

/// A pod that cannot be injected as its author asked. The message names the place and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Denial {
    /// An annotation is out of form.
    #[error("{error}{}", hint(error))]
    Annotation {
        /// What is wrong with it.
        error: AnnotationError,
    },
    /// The pod shares the node's network: every port of the sidecar would be the node's.
    #[error(
        "hostNetwork pods cannot be protected: the sidecar's ports would be the node's own; remove hostNetwork"
    )]
    HostNetwork,
    /// The sidecar is a Linux program.
    #[error("Windows pods cannot be protected: the sidecar runs on Linux only")]
    Windows,
    /// The sidecar would have to run as the pod's user, root, and may not.
    #[error(
        "spec.securityContext.runAsUser: 0 would make the sidecar root, as which it does not start, and this \
         operator leaves users to the platform (setRunAsUser: false): set runAsUser: 0 in the containers that \
         need it, not on the pod"
    )]
    RootUser,
    /// A classic sidecar never ends, so neither would the pod.
    #[error(
        "restartPolicy {policy} needs a native sidecar, and a classic one would keep the pod from ever \
         completing: {remedy}"
    )]
    NeverCompletes {
        /// The pod's restart policy.
        policy: String,
        /// What makes it native.
        remedy: &'static str,
    },
    /// The user's pod has something of our name that we did not put there.
    #[error("{what} {name} is reserved for the sidecar: rename yours")]
    Reserved {
        /// `container` or `volume`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// No port, or several, look like HTTP.
    #[error(
        "{found} of the pod's ports look like HTTP (http, http-*, web, api, grpc, grpc-*, none for metrics): \
         name the ones to protect in annotation {PORTS}; the pod declares {declared}"
    )]
    Undecided {
        /// `none`, or those that do.
        found: String,
        /// All declared ports.
        declared: String,
    },
    /// The annotation names a port that no container declares.
    #[error(
        "annotation {PORTS}: no container declares port {port}{nearest}; the pod declares {declared}"
    )]
    NotDeclared {
        /// As the annotation has it.
        port: String,
        /// `; did you mean …?`, or nothing.
        nearest: String,
        /// All declared ports.
        declared: String,
    },
    /// A Service reaches the sidecar by the port's name, and this one has none.
    #[error(
        "port {port} of container {container} has no name, and a Service reaches the sidecar by name: give \
         it one (name: http), and use the name as the Service's targetPort, or capture by number \
         ({CAPTURE}: redirect)"
    )]
    Unnamed {
        /// Its number.
        port: i32,
        /// Who declares it.
        container: String,
    },
    /// Several ports fit what the annotation says.
    #[error("port {port} is declared more than once ({places}): give each port a name of its own")]
    Ambiguous {
        /// Name or number.
        port: String,
        /// Where it is declared.
        places: String,
    },
    /// Only HTTP over TCP is understood.
    #[error("port {port} of container {container} is {protocol}: only TCP ports can be protected")]
    Protocol {
        /// Its name.
        port: String,
        /// Who declares it.
        container: String,
        /// Its protocol.
        protocol: String,
    },
    /// The node forwards a host port to the app's number, around the sidecar.
    #[error(
        "port {port} of container {container} has hostPort {host_port}, which leads around the sidecar: \
         remove hostPort, or capture by number ({CAPTURE}: redirect)"
    )]
    HostPort {
        /// Its name and number.
        port: String,
        /// Who declares it.
        container: String,
        /// The node's port.
        host_port: i32,
    },
    /// The app listens where the sidecar would.
    #[error(
        "port {port} of container {container} is the sidecar's own: let the app listen on another port"
    )]
    Collision {
        /// The number.
        port: i32,
        /// Who declares it.
        container: String,
    },
    /// The annotation names a port of the sidecar.
    #[error("annotation {PORTS}: port {port} is the sidecar's own: name the app's")]
    OwnPort {
        /// The number.
        port: u16,
    },
    /// The sidecar asks the app over plain HTTP.
    #[error(
        "a probe of container {container} asks port {port} over HTTPS, where {CAPTURE}: redirect puts the \
         sidecar, which asks without TLS: probe another port, or use {CAPTURE}: named"
    )]
    HttpsProbe {
        /// Whose probe it is.
        container: String,
        /// The port.
        port: u16,
    },
    /// More probes of protected ports than any pod has.
    #[error(
        "more than {most} probes and lifecycle handlers ask protected ports: use {CAPTURE}: named"
    )]
    TooManyProbes {
        /// The most there may be.
        most: usize,
    },
    /// A port number that TCP does not have.
    #[error("port {port} of container {container} is not a port number (1 to 65535)")]
    OutOfRange {
        /// The number.
        port: i32,
        /// Who declares it.
        container: String,
    },
    /// A pod-level resource that cannot be added to.
    #[error("spec.resources.{list}.{resource}: {quantity:?} is not a quantity")]
    Quantity {
        /// `requests` or `limits`.
        list: &'static str,
        /// `cpu` or `memory`.
        resource: &'static str,
        /// As written.
        quantity: String,
    },
}

impl From<AnnotationError> for Denial {
    fn from(error: AnnotationError) -> Self {
        Self::Annotation { error }
    }
}

/// `; did you mean X?`, when one of the known names is close to what was written.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    /// More edits than this, and it is another word.
    const MOST_EDITS: usize = 3;
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(written, name), name))
        .min()
        .filter(|(edits, name)| *edits <= MOST_EDITS && *edits < name.chars().count())
        .map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}

/// The nearest right key or value.
fn hint(error: &AnnotationError) -> String {
    match error {
        AnnotationError::UnknownKey { key } => {
            let hint = nearest(key, USER_KEYS);
            if hint.is_empty() {
                format!("; known are {}", USER_KEYS.join(", "))
            } else {
                hint
            }
        }
        AnnotationError::Value { value, known, .. } => {
            nearest(&value.to_lowercase(), known.iter().copied())
        }
        _ => String::new(),
    }
}

impl Denial {
    /// The metric's label: a name for each kind of mistake.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Annotation { error } => match error {
                AnnotationError::UnknownKey { .. } => "UnknownAnnotation",
                AnnotationError::WithoutService { .. } => "NoService",
                _ => "InvalidAnnotation",
            },
            Self::HostNetwork => "HostNetwork",
            Self::Windows => "Windows",
            Self::RootUser => "RootUser",
            Self::NeverCompletes { .. } => "NeverCompletes",
            Self::Reserved { .. } => "ReservedName",
            Self::Undecided { .. } => "UndecidedPort",
            Self::NotDeclared { .. } => "PortNotDeclared",
            Self::Unnamed { .. } => "UnnamedPort",
            Self::Ambiguous { .. } => "AmbiguousPort",
            Self::Protocol { .. } => "NotTcp",
            Self::HostPort { .. } => "HostPort",
            Self::Collision { .. } | Self::OwnPort { .. } => "PortCollision",
            Self::HttpsProbe { .. } | Self::TooManyProbes { .. } => "Probe",
            Self::OutOfRange { .. } => "InvalidPort",
            Self::Quantity { .. } => "InvalidResources",
        }
    }
}

#[cfg(test)]
mod tests;
