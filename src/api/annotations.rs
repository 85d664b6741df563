//! Names of the annotations and labels that pods carry, raw and as written by us.

/// The prefix of every annotation and label of ours.
pub const PREFIX: &str = "endpoints.dev/";
/// Annotation: the EndpointsService (same namespace) that protects this pod.
pub const SERVICE: &str = "endpoints.dev/service";
/// Annotation: the ports to protect, names or numbers, comma-separated.
pub const PORTS: &str = "endpoints.dev/ports";
/// Label, set by the injector: the operator watches only pods that carry it (value `true`).
pub const INJECTED: &str = "endpoints.dev/injected";
/// Annotation, set by the injector: what was injected (version, image and taken ports).
pub const STATUS: &str = "endpoints.dev/status";
/// The sidecar container's name.
pub const SIDECAR_CONTAINER: &str = "endpoints-proxy";
/// The audience of the projected token that a sidecar shows to the operator.
pub const PUSH_AUDIENCE: &str = "push.endpoints.dev";
