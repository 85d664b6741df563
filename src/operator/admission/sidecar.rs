//! The sidecar's container and volumes.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource,
    HTTPGetAction, ObjectFieldSelector, PodSpec, Probe, ProjectedVolumeSource,
    ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{InjectorConfig, SidecarSettings};
use crate::api::annotations::{
    BACKEND_TLS_FOLDER, LISTENER_TLS_FOLDER, PUSH_AUDIENCE, SIDECAR_CONTAINER, TakenPort,
};

/// The sidecar's first listener; further taken ports follow upward. Outside the ranges that meshes
/// use (15000–15100, 4140–4191, 3500, 50001).
pub(super) const FIRST_LISTENER: u16 = 14080;
/// The sidecar's `/livez`, `/readyz` and `/metrics`.
pub(super) const ADMIN_PORT: u16 = 14070;

/// The token that the sidecar shows to the operator.
const TOKEN_VOLUME: &str = "endpoints-token";
const TOKEN_FOLDER: &str = "/var/run/secrets/endpoints.dev";
/// Nothing, in the place where admission would mount the app's API token.
const NO_API_TOKEN_VOLUME: &str = "endpoints-no-api-token";
const API_TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The Secrets that the service names.
const LISTENER_TLS_VOLUME: &str = "endpoints-listener-tls";
const BACKEND_TLS_VOLUME: &str = "endpoints-backend-tls";
/// As long as kubelet's own default; it renews at 80 %.
const TOKEN_SECONDS: i64 = 3600;
/// `nonroot` of the well-known static images, and the `USER` of ours.
const USER: i64 = 65532;

/// Whether a container of this name is the sidecar.
pub(super) fn is_own_container(name: &str) -> bool {
    name == SIDECAR_CONTAINER
}

/// Whether a volume of this name is the sidecar's.
pub(super) fn is_own_volume(name: &str) -> bool {
    [
        TOKEN_VOLUME,
        NO_API_TOKEN_VOLUME,
        LISTENER_TLS_VOLUME,
        BACKEND_TLS_VOLUME,
    ]
    .contains(&name)
}

/// Puts the sidecar into the pod, first of all containers: natively when it says so itself.
pub(super) fn add(
    spec: &mut PodSpec,
    mut container: Container,
    settings: &SidecarSettings,
    set_run_as_user: bool,
) {
    let root = spec
        .security_context
        .as_ref()
        .and_then(|context| context.run_as_user)
        == Some(0);
    if root && set_run_as_user {
        // Root at pod level beside our runAsNonRoot would be a CreateContainerConfigError.
        container
            .security_context
            .get_or_insert_default()
            .run_as_user = Some(USER);
    }
    if container.restart_policy.is_some() {
        spec.init_containers
            .get_or_insert_default()
            .insert(0, container);
    } else {
        spec.containers.insert(0, container);
    }
    spec.volumes
        .get_or_insert_default()
        .extend([token_volume(), no_api_token_volume()]);
    let secrets = secrets(settings).map(|(volume, _, secret)| secret_volume(volume, secret));
    spec.volumes.get_or_insert_default().extend(secrets);
}

/// Takes the sidecar and its volumes out of the pod; `None`, and nothing done, when it has none, or
/// more than one: no injection leaves that.
pub(super) fn remove(spec: &mut PodSpec) -> Option<Container> {
    let all = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    if all
        .filter(|container| is_own_container(&container.name))
        .count()
        != 1
    {
        return None;
    }
    let mut removed = Vec::new();
    for list in spec
        .init_containers
        .as_mut()
        .into_iter()
        .chain([&mut spec.containers])
    {
        removed.extend(list.extract_if(.., |container| is_own_container(&container.name)));
    }
    let removed = removed.into_iter().next()?;
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| !is_own_volume(&volume.name));
    }
    Some(removed)
}

/// The sidecar for these ports.
pub(super) fn container(
    config: &InjectorConfig,
    service: &str,
    taken: &[TakenPort],
    settings: &SidecarSettings,
    resources: ResourceRequirements,
) -> Container {
    let mounts = [
        read_only(TOKEN_VOLUME, TOKEN_FOLDER),
        read_only(NO_API_TOKEN_VOLUME, API_TOKEN_FOLDER),
    ];
    let secrets = secrets(settings).map(|(volume, folder, _)| read_only(volume, folder));
    Container {
        name: SIDECAR_CONTAINER.to_owned(),
        image: Some(config.image.clone()),
        image_pull_policy: config.image_pull_policy.clone(),
        args: Some(vec!["proxy".to_owned()]),
        env: Some(environment(config, service, taken, settings)),
        ports: Some(container_ports(taken)),
        resources: Some(resources),
        restart_policy: config.native_sidecars.then(|| "Always".to_owned()),
        security_context: Some(security_context()),
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
        volume_mounts: Some(mounts.into_iter().chain(secrets).collect()),
        ..Container::default()
    }
}

/// Volume, folder and name of each Secret that the service names.
fn secrets(
    settings: &SidecarSettings,
) -> impl Iterator<Item = (&'static str, &'static str, &String)> {
    let listener = settings.listener_secret.iter();
    let backend = settings.backend_secret.iter();
    listener
        .map(|secret| (LISTENER_TLS_VOLUME, LISTENER_TLS_FOLDER, secret))
        .chain(backend.map(|secret| (BACKEND_TLS_VOLUME, BACKEND_TLS_FOLDER, secret)))
}

fn environment(
    config: &InjectorConfig,
    service: &str,
    taken: &[TakenPort],
    settings: &SidecarSettings,
) -> Vec<EnvVar> {
    let listeners: Vec<_> = taken
        .iter()
        .map(|port| format!("{}={}", port.listen, port.app))
        .collect();
    let mut variables = vec![
        literal("ENDPOINTS_SERVICE", service),
        field("ENDPOINTS_POD_NAME", "metadata.name"),
        field("ENDPOINTS_POD_NAMESPACE", "metadata.namespace"),
        field("ENDPOINTS_POD_UID", "metadata.uid"),
        literal("ENDPOINTS_OPERATOR_ADDRESS", &config.operator_address),
        literal("ENDPOINTS_TRUST_BUNDLE", &config.trust_bundle),
        literal("ENDPOINTS_TOKEN_FILE", &format!("{TOKEN_FOLDER}/token")),
        literal("ENDPOINTS_LISTENERS", &listeners.join(",")),
        literal("ENDPOINTS_ADMIN_PORT", &ADMIN_PORT.to_string()),
    ];
    let workers = settings.workers.map(|workers| workers.to_string());
    variables.extend(workers.map(|workers| literal("ENDPOINTS_WORKERS", &workers)));
    variables
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

fn container_ports(taken: &[TakenPort]) -> Vec<ContainerPort> {
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

/// Pod Security "restricted".
fn security_context() -> SecurityContext {
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

fn read_only(volume: &str, folder: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: folder.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn token_volume() -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: Some(PUSH_AUDIENCE.to_owned()),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: "token".to_owned(),
    };
    let source = VolumeProjection {
        service_account_token: Some(token),
        ..VolumeProjection::default()
    };
    Volume {
        name: TOKEN_VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![source]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A Secret that need not be there: without it the sidecar says what it lacks, where a pod would only
/// wait.
fn secret_volume(volume: &str, secret: &str) -> Volume {
    Volume {
        name: volume.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            optional: Some(true),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn no_api_token_volume() -> Volume {
    Volume {
        name: NO_API_TOKEN_VOLUME.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity("4Ki".to_owned())),
        }),
        ..Volume::default()
    }
}
