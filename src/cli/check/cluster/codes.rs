//! The names of what is found in clusters: stable, each with a section of `docs/cluster-findings.md`.

macro_rules! codes {
    ($($constant:ident = $name:literal, $summary:literal;)*) => {
        $(pub(in crate::cli::check) const $constant: &str = $name;)*

        /// All of them, by name, each with what it stands for.
        const CODES: &[(&str, &str)] = &[$(($name, $summary)),*];
    };
}

codes! {
    ANNOTATION_OUTSIDE_TEMPLATE = "annotation-outside-template", "an annotation on a workload itself, where nobody reads it";
    CAPTURE_NONE = "capture-none", "pods that leave capture to their Services, one of which goes around them";
    ENDPOINTS_SERVICE_MISSING = "endpoints-service-missing", "pods are annotated with an EndpointsService that does not exist";
    ENDPOINTS_SERVICE_UNUSED = "endpoints-service-unused", "no pod has a sidecar for an EndpointsService";
    GOES_AROUND = "goes-around", "a Service, or a port of the node, leads to the app, around its sidecar";
    MIXED_PODS = "mixed-pods", "a Service leads to sidecars, and to pods that have none";
    NETWORK_POLICY_BLOCKS_OPERATOR = "network-policy-blocks-operator", "NetworkPolicies keep a sidecar from the operator";
    NETWORK_POLICY_BLOCKS_SIDECAR = "network-policy-blocks-sidecar", "NetworkPolicies keep requests from a sidecar";
    NOT_ACCEPTED = "not-accepted", "an EndpointsService does not compile";
    NOT_OBSERVED = "not-observed", "the operator has not looked at an EndpointsService";
    NOT_PROGRAMMED = "not-programmed", "not every sidecar runs its policy";
    NOT_RESOLVED = "not-resolved", "key sets could not be fetched";
    NOT_SELECTED = "not-selected", "no Service leads to the sidecars";
    POD_NOT_INJECTED = "pod-not-injected", "annotated pods without a sidecar";
    REACHABLE_AROUND_SIDECAR = "reachable-around-sidecar", "the app's own port takes requests from other pods";
    SIDECAR_OUTDATED = "sidecar-outdated", "sidecars of an older version";
}

/// What a name stands for.
pub(in crate::cli::check) fn summary(name: &str) -> Option<&'static str> {
    let found = CODES.iter().find(|(code, _)| *code == name)?;
    Some(found.1)
}

/// All names.
#[cfg(test)]
pub(in crate::cli::check) fn names() -> impl Iterator<Item = &'static str> {
    CODES.iter().map(|(name, _)| *name)
}
