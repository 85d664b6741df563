//! Condition types and reasons, as constants: one spelling for code, tests and documentation.

/// The spec compiles to a policy.
pub const ACCEPTED: &str = "Accepted";
/// Every key set that the policy names was fetched.
pub const RESOLVED_REFS: &str = "ResolvedRefs";
/// No Service reaches a protected port around the sidecar (pods with `capture: none` excepted), or a
/// pod that has none.
pub const CAPTURED: &str = "Captured";
/// Every sidecar runs this generation's policy.
pub const PROGRAMMED: &str = "Programmed";
/// Sidecars refuse what the policy forbids.
pub const ENFORCED: &str = "Enforced";
/// Accepted, ResolvedRefs, Captured and Programmed.
pub const READY: &str = "Ready";

/// Reasons, grouped by the condition that carries them.
pub mod reason {
    /// Accepted: the spec compiles.
    pub const VALID: &str = "Valid";
    /// Accepted: the document does not parse or contradicts itself.
    pub const INVALID_OPENAPI: &str = "InvalidOpenAPI";
    /// Accepted: a field around the document is wrong.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Accepted: the document uses something that this version does not enforce.
    pub const UNSUPPORTED_FEATURE: &str = "UnsupportedFeature";
    /// Accepted: security that cannot be enforced (API key, basic, unknown scheme).
    pub const UNSUPPORTED_SECURITY: &str = "UnsupportedSecurity";
    /// Accepted: a ConfigMap that the spec names cannot be read, so nobody can tell.
    pub const UNRESOLVED: &str = "Unresolved";
    /// Accepted: two operations with one route.
    pub const CONFLICTING_ROUTES: &str = "ConflictingRoutes";

    /// ResolvedRefs: all key sets are known.
    pub const RESOLVED: &str = "Resolved";
    /// ResolvedRefs: the first fetch has not ended yet.
    pub const FETCHING: &str = "Fetching";
    /// ResolvedRefs: a key set could not be fetched.
    pub const KEY_SET_UNAVAILABLE: &str = "KeySetUnavailable";
    /// ResolvedRefs: a ConfigMap that the spec names, or its key, is not there.
    pub const CONFIG_MAP_NOT_FOUND: &str = "ConfigMapNotFound";
    /// ResolvedRefs: the key of a ConfigMap does not hold usable text.
    pub const INVALID_CONFIG_MAP: &str = "InvalidConfigMap";
    /// ResolvedRefs: the operator may not read ConfigMaps.
    pub const CONFIG_MAPS_NOT_READ: &str = "ConfigMapsNotRead";
    /// ResolvedRefs: the namespace names more ConfigMaps than are watched for one.
    pub const TOO_MANY_CONFIG_MAPS: &str = "TooManyConfigMaps";
    /// ResolvedRefs: `kubernetes: true` for an issuer that is not this cluster's.
    pub const NOT_THIS_CLUSTER: &str = "NotThisCluster";

    /// Captured: every Service that selects the pods goes through the sidecar.
    pub const ALL_CAPTURED: &str = "AllCaptured";
    /// Captured: a Service's numeric (or omitted) targetPort goes around the sidecar.
    pub const NUMERIC_TARGET_PORT: &str = "NumericTargetPort";
    /// Captured: clients of a headless Service dial the app's own number.
    pub const HEADLESS_SERVICE: &str = "HeadlessService";
    /// Captured: endpoints that were written by hand lead to the app's own number.
    pub const MANUAL_ENDPOINTS: &str = "ManualEndpoints";
    /// Captured: a port of the node is forwarded to the app's own number.
    pub const HOST_PORT: &str = "HostPort";
    /// Captured: a Service leads to sidecars, and to pods that have none.
    pub const MIXED_PODS: &str = "MixedPods";
    /// Captured: every pod has `capture: none`, so its Services are its owner's matter.
    pub const EXEMPT: &str = "Exempt";
    /// Captured: EndpointSlices are still being listed.
    pub const CHECKING: &str = "Checking";
    /// Captured, Programmed: no pod of the service has a sidecar.
    pub const NO_SIDECARS: &str = "NoSidecars";
    /// Captured: no Service selects the pods.
    pub const NOT_SELECTED: &str = "NotSelected";

    /// Programmed: every sidecar acknowledged.
    pub const ALL_CURRENT: &str = "AllCurrent";
    /// Programmed: some sidecars have not acknowledged yet.
    pub const PENDING: &str = "Pending";
    /// Programmed: a sidecar refused the policy.
    pub const REJECTED: &str = "Rejected";
    /// Programmed: a pod was made without a Secret that the policy needs.
    pub const PODS_OUTDATED: &str = "PodsOutdated";
    /// Programmed, Ready: there is no policy of this generation to run.
    pub const NOT_ACCEPTED: &str = "NotAccepted";

    /// Enforced: the policy is enforced.
    pub const ENFORCING: &str = "Enforcing";
    /// Enforced: `mode: Audit`, nothing is refused.
    pub const AUDITING: &str = "Auditing";
    /// Enforced: no policy was ever accepted, so every sidecar answers 503.
    pub const NO_POLICY: &str = "NoPolicy";

    /// Ready: all is well.
    pub const READY: &str = "Ready";
    /// Ready: another condition is not true; the message names it.
    pub const NOT_READY: &str = "NotReady";
}
