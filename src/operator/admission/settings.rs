//! What an accepted EndpointsService says about its sidecars themselves: what they must be given when
//! their pods are created, for no policy can bring it later.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::Workers;
use crate::push::wire::ServiceKey;

/// What the sidecars of one service are to be given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SidecarSettings {
    /// How many threads serve requests.
    pub workers: Option<Workers>,
    /// The Secret with the certificate towards clients.
    pub listener_secret: Option<String>,
    /// The Secret with the certificate towards backends.
    pub backend_secret: Option<String>,
}

/// The Secrets that a sidecar was given when its pod was created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountedSecrets {
    /// The one with the certificate towards clients.
    pub listener: Option<String>,
    /// The one with the certificate towards backends.
    pub backend: Option<String>,
}

impl SidecarSettings {
    /// What a sidecar with these Secrets lacks, if anything: the field that names it, and the Secret. No
    /// policy can bring it later: the pod is to be made anew.
    pub fn lacking(&self, mounted: &MountedSecrets) -> Option<(&'static str, &str)> {
        let wanted = [
            ("listener.tls", &self.listener_secret, &mounted.listener),
            ("backend.tls", &self.backend_secret, &mounted.backend),
        ];
        wanted.into_iter().find_map(|(field, wanted, mounted)| {
            let wanted = wanted.as_ref().filter(|_| wanted != mounted)?;
            Some((field, wanted.as_str()))
        })
    }

    /// Reads them out of a spec.
    pub fn of(spec: &EndpointsServiceSpec) -> Self {
        let listener = spec.listener.as_ref();
        let tls = listener.and_then(|listener| listener.tls.as_ref());
        let backend_tls = spec.backend.as_ref().and_then(|it| it.tls.as_ref());
        let certificate = backend_tls.and_then(|tls| tls.client_certificate_ref.as_ref());
        Self {
            workers: listener.and_then(|listener| listener.workers),
            listener_secret: tls.map(|tls| tls.secret_ref.name.clone()),
            backend_secret: certificate.map(|secret| secret.name.clone()),
        }
    }
}

/// The settings of all services: in step with the controller's index, readable from every review. Cheap
/// to clone.
#[derive(Clone, Debug, Default)]
pub struct SettingsCache(Arc<RwLock<BTreeMap<ServiceKey, SidecarSettings>>>);

impl SettingsCache {
    /// Notes what a service says now.
    pub fn set(&self, key: ServiceKey, settings: SidecarSettings) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if settings == SidecarSettings::default() {
            known.remove(&key);
        } else {
            known.insert(key, settings);
        }
    }

    /// What a service says; nothing, if there is no such service (yet).
    pub fn get(&self, namespace: &str, name: &str) -> SidecarSettings {
        let key = ServiceKey {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&key).cloned().unwrap_or_default()
    }
}
