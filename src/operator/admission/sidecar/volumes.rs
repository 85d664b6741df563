//! The sidecar's volumes.

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, PodSpec, ProjectedVolumeSource, SecretVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::api::annotations::{BACKEND_TLS_FOLDER, LISTENER_TLS_FOLDER, PUSH_AUDIENCE};
use crate::operator::admission::{MountedSecrets, SidecarSettings};

/// The token that the sidecar shows to the operator.
const TOKEN_VOLUME: &str = "endpoints-token";
/// Where it is mounted.
pub(super) const TOKEN_FOLDER: &str = "/var/run/secrets/endpoints.dev";
/// Nothing, in the place where admission would mount the app's API token.
const NO_API_TOKEN_VOLUME: &str = "endpoints-no-api-token";
const API_TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the sidecar keeps for the next start of its container. In memory: it lives as long as the pod,
/// holds back no autoscaler, and counts as the sidecar's memory.
const STATE_VOLUME: &str = "endpoints-state";
/// Where it is mounted.
pub(super) const STATE_FOLDER: &str = "/var/lib/endpoints.dev";
/// A policy and its keys take some KiB; this bounds what they may come to.
const STATE_SIZE: &str = "8Mi";
/// The Secrets that the service names.
const LISTENER_TLS_VOLUME: &str = "endpoints-listener-tls";
const BACKEND_TLS_VOLUME: &str = "endpoints-backend-tls";
/// As long as kubelet's own default; it renews at 80 %.
const TOKEN_SECONDS: i64 = 3600;

/// Whether a volume of this name is the sidecar's.
pub(in crate::operator::admission) fn is_own_volume(name: &str) -> bool {
    [
        TOKEN_VOLUME,
        NO_API_TOKEN_VOLUME,
        STATE_VOLUME,
        LISTENER_TLS_VOLUME,
        BACKEND_TLS_VOLUME,
    ]
    .contains(&name)
}

/// Whether a volume is as an injection makes it: of one of our names, and of its kind.
pub(super) fn is_of_injection(volume: &Volume) -> bool {
    match volume.name.as_str() {
        TOKEN_VOLUME => volume.projected.is_some(),
        NO_API_TOKEN_VOLUME | STATE_VOLUME => volume.empty_dir.is_some(),
        LISTENER_TLS_VOLUME | BACKEND_TLS_VOLUME => volume.secret.is_some(),
        _ => false,
    }
}

/// The Secrets that the sidecar of this pod was given.
pub fn mounted_secrets(spec: &PodSpec) -> MountedSecrets {
    let secret = |name: &str| {
        let mut volumes = spec.volumes.iter().flatten();
        let volume = volumes.find(|volume| volume.name == name)?;
        volume.secret.as_ref()?.secret_name.clone()
    };
    MountedSecrets {
        listener: secret(LISTENER_TLS_VOLUME),
        backend: secret(BACKEND_TLS_VOLUME),
    }
}

/// All volumes of the sidecar.
pub(super) fn all(settings: &SidecarSettings) -> impl Iterator<Item = Volume> {
    let secrets = secrets(settings).map(|(volume, _, secret)| secret_volume(volume, secret));
    let nothing = memory_volume(NO_API_TOKEN_VOLUME, "4Ki");
    let state = memory_volume(STATE_VOLUME, STATE_SIZE);
    [token_volume(), nothing, state].into_iter().chain(secrets)
}

/// Where the sidecar has them.
pub(super) fn mounts(settings: &SidecarSettings) -> Vec<VolumeMount> {
    let secrets = secrets(settings).map(|(volume, folder, _)| read_only(volume, folder));
    let state = VolumeMount {
        name: STATE_VOLUME.to_owned(),
        mount_path: STATE_FOLDER.to_owned(),
        ..VolumeMount::default()
    };
    [read_only(TOKEN_VOLUME, TOKEN_FOLDER), no_api_token(), state]
        .into_iter()
        .chain(secrets)
        .collect()
}

/// Takes the place of the app's API token.
pub(super) fn no_api_token() -> VolumeMount {
    read_only(NO_API_TOKEN_VOLUME, API_TOKEN_FOLDER)
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

fn memory_volume(name: &str, size: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity(size.to_owned())),
        }),
        ..Volume::default()
    }
}
