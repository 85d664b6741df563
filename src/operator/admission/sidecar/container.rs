//! The sidecar itself.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler,
    PodSpec, Probe, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{ADMIN_PORT, Plan, USER, environment, volumes};
use crate::api::annotations::{SIDECAR_CONTAINER, TakenPort};
use crate::operator::admission::platform;

/// The binary in our image.
const BINARY: &str = "/endpoints";
/// kubelet's default for `terminationGracePeriodSeconds`.
const GRACE_SECONDS: i64 = 30;
/// As long as `endpoints wait` takes.
const MOST_SECONDS: i64 = 24 * 3600;
/// Of that, what is left to a classic sidecar for its own end after the app's.
const OWN_GRACE_SECONDS: i64 = 5;

/// The sidecar for a pod, without its resources.
pub(super) fn container(spec: &PodSpec, plan: &Plan<'_>) -> Container {
    Container {
        name: SIDECAR_CONTAINER.to_owned(),
        image: Some(plan.config.image.clone()),
        image_pull_policy: plan.config.image_pull_policy.clone(),
        args: Some(vec!["proxy".to_owned()]),
        env: Some(environment::of_sidecar(spec, plan)),
        lifecycle: (!plan.native).then(|| hooks(spec)),
        ports: Some(ports(plan.taken)),
        restart_policy: plan.native.then(|| "Always".to_owned()),
        security_context: Some(SecurityContext {
            // Root at pod level beside our runAsNonRoot would be a CreateContainerConfigError. (Where the
            // operator sets no users, such a pod was denied.)
            run_as_user: platform::is_root(spec).then_some(USER),
            ..restricted()
        }),
        // The process listens: nothing that waits for the network may hold back the app's start.
        startup_probe: Some(Probe {
            period_seconds: Some(1),
            failure_threshold: Some(60),
            ..probe("/livez")
        }),
        // It has a policy. No liveness probe: a restart cures nothing here and loses the policy.
        readiness_probe: Some(Probe {
            period_seconds: Some(2),
            failure_threshold: Some(2),
            ..probe("/readyz")
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(volumes::mounts(plan.settings)),
        ..Container::default()
    }
}

/// Pod Security "restricted".
pub(super) fn restricted() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}

/// What kubelet does by itself for a native sidecar: it starts before the app and ends after it. (A
/// native one has no preStop, which kubelet would run when the pod's end begins, long before its own.)
fn hooks(spec: &PodSpec) -> Lifecycle {
    let grace = spec
        .termination_grace_period_seconds
        .unwrap_or(GRACE_SECONDS);
    let at_most = grace
        .saturating_sub(OWN_GRACE_SECONDS)
        .clamp(1, MOST_SECONDS);
    let hook = |arguments: &[&str]| LifecycleHandler {
        exec: Some(ExecAction {
            command: Some(
                [BINARY, "wait"]
                    .iter()
                    .chain(arguments)
                    .map(|word| (*word).to_owned())
                    .collect(),
            ),
        }),
        ..LifecycleHandler::default()
    };
    Lifecycle {
        post_start: Some(hook(&["listening"])),
        pre_stop: Some(hook(&["app-closed", &format!("--at-most={at_most}")])),
        ..Lifecycle::default()
    }
}

fn ports(taken: &[TakenPort]) -> Vec<ContainerPort> {
    let port = |number: u16, name: Option<String>| ContainerPort {
        container_port: number.into(),
        name,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let listeners = taken
        .iter()
        .map(|taken| port(taken.listen, taken.name.clone()));
    listeners.chain([port(ADMIN_PORT, None)]).collect()
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(ADMIN_PORT.into()),
            ..HTTPGetAction::default()
        }),
        ..Probe::default()
    }
}
