//! Keeps our CA in the webhook configurations: the API server calls us only if it can verify us.
//!
//! Watched, so that a hand edit or an upgrade that drops the bundle heals by itself. Only the
//! bundle is patched: everything else belongs to whoever installed the configuration.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{TryStreamExt, pin_mut};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::json;

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

/// Keeps `ca` (PEM) in every webhook of the configuration `name`, for as long as it is polled.
/// `ready`, if given, is let go once it was read back: until then pods that ask for injection are
/// refused.
pub async fn keep_ca_bundle<K: Configuration>(
    client: Client,
    name: String,
    ca: String,
    mut ready: Option<Pending>,
) {
    let api = Api::<K>::all(client);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let configurations = watcher(api.clone(), config)
        .default_backoff()
        .applied_objects();
    pin_mut!(configurations);
    let mut retry = false;
    loop {
        let next = tokio::time::timeout(RETRY, configurations.try_next());
        let configuration = match next.await {
            Ok(Ok(Some(configuration))) => configuration,
            Ok(Ok(None)) => return tracing::error!("the watch of the webhook configuration ended"),
            Ok(Err(error)) => {
                tracing::warn!(%name, %error, "cannot watch the webhook configuration");
                continue;
            }
            Err(_) if !retry => continue,
            Err(_) => match api.get_opt(&name).await {
                Ok(Some(configuration)) => configuration,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(%name, %error, "cannot read the webhook configuration");
                    continue;
                }
            },
        };
        retry = false;
        let Some(patch) = patch(&configuration, &ca) else {
            // A configuration without webhooks calls nobody.
            if !configuration.webhooks().is_empty() {
                drop(ready.take());
            }
            continue;
        };
        let patch: Patch<()> = Patch::Json(patch);
        match api.patch(&name, &PatchParams::default(), &patch).await {
            // Read back through the watch.
            Ok(_) => tracing::info!(%name, "wrote our CA into the webhook configuration"),
            Err(error) => {
                tracing::warn!(%name, %error, "cannot write our CA into the webhook configuration");
                retry = true;
            }
        }
    }
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
