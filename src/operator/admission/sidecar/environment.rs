//! What the sidecar's processes are told.

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, PodSpec};

use super::volumes::{STATE_FOLDER, TOKEN_FOLDER};
use super::{ADMIN_PORT, Plan};
use crate::api::annotations::TakenPort;
use crate::api::probes;
use crate::jwks::AddressRule;

/// The variable that each of our containers has, of whatever version.
const LISTENERS: &str = "ENDPOINTS_LISTENERS";

/// Whether a container of one of our names was made by an injection. A user's own has not what only
/// our processes read.
pub(super) fn is_of_injection(container: &Container) -> bool {
    let mut variables = container.env.iter().flatten();
    variables.any(|variable| variable.name == LISTENERS)
}

/// The sidecar's variables.
pub(super) fn of_sidecar(spec: &PodSpec, plan: &Plan<'_>) -> Vec<EnvVar> {
    let mut variables = vec![
        literal("ENDPOINTS_SERVICE", &plan.request.service),
        field("ENDPOINTS_POD_NAME", "metadata.name"),
        field("ENDPOINTS_POD_NAMESPACE", "metadata.namespace"),
        field("ENDPOINTS_POD_UID", "metadata.uid"),
        literal("ENDPOINTS_OPERATOR_ADDRESS", &operator_address(spec, plan)),
        literal("ENDPOINTS_TRUST_BUNDLE", &plan.config.trust_bundle),
        literal("ENDPOINTS_TOKEN_FILE", &format!("{TOKEN_FOLDER}/token")),
        literal("ENDPOINTS_STATE_FOLDER", STATE_FOLDER),
        listeners(plan.taken),
        literal("ENDPOINTS_ADMIN_PORT", &ADMIN_PORT.to_string()),
    ];
    let workers = plan.settings.workers.map(|workers| workers.to_string());
    variables.extend(workers.map(|workers| literal("ENDPOINTS_WORKERS", &workers)));
    let level = plan.request.log_level;
    variables.extend(level.map(|level| literal("ENDPOINTS_LOG", level.name())));
    variables.extend(key_addresses(&plan.config.key_addresses));
    if !plan.probes.is_empty() {
        let probes = serde_json::to_string(plan.probes).expect("strings and numbers are JSON");
        // kubelet replaces $(NAME) in values.
        let probes = probes.replace('$', "\\u0024");
        variables.push(literal(probes::ENVIRONMENT, &probes));
    }
    variables
}

/// `14080=8080,14081=9090`: each listener with the app's port behind it.
pub(super) fn listeners(taken: &[TakenPort]) -> EnvVar {
    let pairs: Vec<_> = taken
        .iter()
        .map(|port| format!("{}={}", port.listen, port.app))
        .collect();
    literal(LISTENERS, &pairs.join(","))
}

/// What the operator may fetch beyond the rules, the sidecar may, too: it does when the operator is
/// away for long.
fn key_addresses(rule: &AddressRule) -> impl Iterator<Item = EnvVar> {
    let networks: Vec<_> = rule.allowed.iter().map(ToString::to_string).collect();
    let networks = networks.join(",");
    let allowed = (!networks.is_empty()).then(|| literal("ENDPOINTS_JWKS_ALLOW", &networks));
    let http = rule
        .allow_http
        .then(|| literal("ENDPOINTS_JWKS_ALLOW_HTTP", "true"));
    allowed.into_iter().chain(http)
}

/// The operator's name, and where the pod's DNS does not know Services its address as well: the
/// sidecar tries both, and knows the operator by its certificate.
fn operator_address(spec: &PodSpec, plan: &Plan<'_>) -> String {
    let name = &plan.config.operator_address;
    let knows_services = !matches!(spec.dns_policy.as_deref(), Some("Default" | "None"));
    match plan.config.operator_fallback {
        Some(address) if !knows_services => format!("{name},{address}"),
        _ => name.clone(),
    }
}

fn literal(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    let field_ref = ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: path.to_owned(),
    };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(field_ref),
            ..EnvVarSource::default()
        }),
    }
}
