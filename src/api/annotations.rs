//! The annotations and labels that pods carry: their names, what users may write (raw → checked),
//! and what the injector writes back.

mod error;
mod request;
mod status;
mod values;

pub use self::error::AnnotationError;
pub use self::request::{InjectionRequest, PortReference, SidecarResources};
pub use self::status::{InjectionStatus, PodResources, TakenPort};
pub use self::values::{CaptureMode, LogLevel, SidecarKind, is_resource_name};

/// The prefix of every annotation and label of ours.
pub const PREFIX: &str = "endpoints.dev/";
/// Annotation: the EndpointsService (same namespace) that protects this pod.
pub const SERVICE: &str = "endpoints.dev/service";
/// Annotation: the ports to protect, names or numbers, comma-separated.
pub const PORTS: &str = "endpoints.dev/ports";
/// Annotation: how requests come to the sidecar (a [`CaptureMode`]).
pub const CAPTURE: &str = "endpoints.dev/capture";
/// Annotation: which form the sidecar's container takes (a [`SidecarKind`]).
pub const SIDECAR: &str = "endpoints.dev/sidecar";
/// Annotation: how much the sidecar logs (a [`LogLevel`]).
pub const SIDECAR_LOG_LEVEL: &str = "endpoints.dev/sidecar-log-level";
/// Annotation: the CPU that is reserved for the sidecar, a quantity.
pub const SIDECAR_CPU_REQUEST: &str = "endpoints.dev/sidecar-cpu-request";
/// Annotation: the most CPU that the sidecar gets, a quantity.
pub const SIDECAR_CPU_LIMIT: &str = "endpoints.dev/sidecar-cpu-limit";
/// Annotation: the memory that is reserved for the sidecar, a quantity.
pub const SIDECAR_MEMORY_REQUEST: &str = "endpoints.dev/sidecar-memory-request";
/// Annotation: the most memory that the sidecar gets, a quantity.
pub const SIDECAR_MEMORY_LIMIT: &str = "endpoints.dev/sidecar-memory-limit";
/// Label, set by the injector: the operator watches only pods that carry it (value `true`).
pub const INJECTED: &str = "endpoints.dev/injected";
/// Annotation, set by the injector: what was injected (an [`InjectionStatus`] as JSON).
pub const STATUS: &str = "endpoints.dev/status";
/// The sidecar container's name.
pub const SIDECAR_CONTAINER: &str = "endpoints-proxy";
/// The name of the init container that programs the kernel for `capture: redirect`.
pub const REDIRECT_CONTAINER: &str = "endpoints-redirect";
/// The audience of the projected token that a sidecar shows to the operator.
pub const PUSH_AUDIENCE: &str = "push.endpoints.dev";

/// Folder of the sidecar where the Secret of `listener.tls.secretRef` is mounted.
pub const LISTENER_TLS_FOLDER: &str = "/var/run/endpoints.dev/listener-tls";
/// Folder of the sidecar where the Secret of `backend.tls.clientCertificateRef` is mounted.
pub const BACKEND_TLS_FOLDER: &str = "/var/run/endpoints.dev/backend-tls";

/// The annotations that users may write.
pub const USER_KEYS: [&str; 9] = [
    SERVICE,
    PORTS,
    CAPTURE,
    SIDECAR,
    SIDECAR_LOG_LEVEL,
    SIDECAR_CPU_REQUEST,
    SIDECAR_CPU_LIMIT,
    SIDECAR_MEMORY_REQUEST,
    SIDECAR_MEMORY_LIMIT,
];
/// The most ports that one pod may have protected.
pub const MAX_PORTS: usize = 16;

#[cfg(test)]
mod tests;
