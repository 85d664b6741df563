//! Keeps our CA in the webhook configurations: the API server calls us only if it can verify us.
//!
//! Watched, so that a hand edit or an upgrade that drops the bundle heals by itself. Only the
//! bundle is patched: everything else belongs to whoever installed the configuration.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;

use super::pem;
use crate::operator::bounded::bounded;
use crate::operator::list_watch::list_watch;
use crate::operator::metrics::Metrics;
use crate::readiness::Pending;

#[cfg(test)]
mod tests;

/// The pause before a patch that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Either kind of webhook configuration, as far as its bundles go.
pub trait Configuration:
    kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
    + Clone
    + std::fmt::Debug
    + serde::de::DeserializeOwned
    + Send
    + 'static
{
    /// Each webhook's name, and how it is called.
    fn webhooks(&self) -> Vec<(&str, &WebhookClientConfig)>;
}

impl Configuration for MutatingWebhookConfiguration {
    fn webhooks(&self) -> Vec<(&str, &WebhookClientConfig)> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks.map(|it| (&*it.name, &it.client_config)).collect()
    }
}

impl Configuration for ValidatingWebhookConfiguration {
    fn webhooks(&self) -> Vec<(&str, &WebhookClientConfig)> {
        let webhooks = self.webhooks.iter().flatten();
        webhooks.map(|it| (&*it.name, &it.client_config)).collect()
    }
}

/// Keeps the bundle of one configuration.
pub struct BundleKeeper {
    /// The API server.
    pub client: Client,
    /// The configuration's name.
    pub name: String,
    /// The bundle (PEM): see [`super::Certificates::trust`].
    pub trust: watch::Receiver<Arc<str>>,
    /// Whether this process writes: one of several does, or two that disagree for a moment would
    /// write against each other. None: somebody else does (cert-manager).
    pub leadership: Option<watch::Receiver<bool>>,
    /// Let go once our CA was read back: until then pods that ask for injection are refused.
    pub ready: Option<Pending>,
    /// Counts failed watches.
    pub metrics: Metrics,
}

impl BundleKeeper {
    /// Keeps it for as long as it is polled.
    pub async fn run<K: Configuration>(mut self) {
        let api = Api::<K>::all(self.client.clone());
        let name = &self.name;
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut configurations = list_watch(api.clone(), config).applied_objects();
        let mut seen: Option<K> = None;
        let mut retry = false;
        loop {
            tokio::select! {
                next = configurations.try_next() => match next {
                    Ok(Some(configuration)) => seen = Some(configuration),
                    Ok(None) => {
                        return tracing::error!("the watch of the webhook configuration ended");
                    }
                    Err(error) => {
                        self.metrics.watch_errors.inc();
                        tracing::warn!(%name, %error, "cannot watch the webhook configuration");
                        continue;
                    }
                },
                () = changed(Some(&mut self.trust)) => {}
                () = changed(self.leadership.as_mut()) => {}
                // By what the watch saw last: a patch that is about something else is refused.
                () = tokio::time::sleep(RETRY), if retry => {}
            }
            retry = false;
            let Some(configuration) = &seen else {
                continue;
            };
            let trust = self.trust.borrow_and_update().clone();
            if trusts(configuration, &trust) {
                drop(self.ready.take());
            }
            let Some(leadership) = &mut self.leadership else {
                continue;
            };
            if !*leadership.borrow_and_update() {
                continue;
            }
            let Some(patch) = patch(configuration, &trust) else {
                continue;
            };
            let patch: Patch<()> = Patch::Json(patch);
            match bounded(api.patch(name, &PatchParams::default(), &patch)).await {
                // Read back through the watch.
                Ok(_) => tracing::info!(%name, "wrote our CA into the webhook configuration"),
                Err(error) => {
                    tracing::warn!(%name, %error, "cannot write our CA into the webhook configuration");
                    retry = true;
                }
            }
        }
    }
}

/// Waits for a change; for ever where nobody makes one.
async fn changed<T>(receiver: Option<&mut watch::Receiver<T>>) {
    let told = match receiver {
        Some(receiver) => receiver.changed().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending().await
    }
}

/// Whether the API server can verify what we present: every webhook's bundle has the CA that signs. A
/// configuration without webhooks calls nobody.
fn trusts(configuration: &impl Configuration, trust: &str) -> bool {
    let Some(signing) = pem::decode(trust.as_bytes()).and_then(|it| it.into_iter().next()) else {
        return false;
    };
    let webhooks = configuration.webhooks();
    let has_it = |called: &WebhookClientConfig| {
        let bundle = called.ca_bundle.as_ref().map_or(&[][..], |bytes| &bytes.0);
        pem::decode(bundle).is_some_and(|bundle| bundle.contains(&signing))
    };
    !webhooks.is_empty() && webhooks.into_iter().all(|(_, called)| has_it(called))
}

/// What makes every webhook's bundle ours; none: they are. Each step first tests that it is about
/// the webhook that was read.
fn patch(configuration: &impl Configuration, ca: &str) -> Option<json_patch::Patch> {
    let bundle = STANDARD.encode(ca);
    let mut steps = Vec::new();
    for (index, (name, called)) in configuration.webhooks().into_iter().enumerate() {
        let stored = called.ca_bundle.as_ref().map_or(&[][..], |bytes| &bytes.0);
        if stored == ca.as_bytes() {
            continue;
        }
        let path = format!("/webhooks/{index}");
        steps.push(json!({ "op": "test", "path": format!("{path}/name"), "value": name }));
        let bundle_path = format!("{path}/clientConfig/caBundle");
        steps.push(json!({ "op": "add", "path": bundle_path, "value": bundle }));
    }
    if steps.is_empty() {
        return None;
    }
    Some(serde_json::from_value(steps.into()).expect("these are JSON patch operations"))
}
