//! Keeps our CA in the webhook configuration: the API server calls us only if it can verify us.
//!
//! Watched, so that a hand edit or an upgrade that drops the bundle heals by itself. Only the
//! bundle is patched: everything else belongs to whoever installed the configuration.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{TryStreamExt, pin_mut};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use serde_json::json;

use crate::readiness::Pending;

#[cfg(test)]
mod tests;

/// The pause before a patch that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps `ca` (PEM) in every webhook of the configuration `name`, for as long as it is polled.
/// `ready` is let go once it was read back: until then pods that ask for injection are refused.
pub async fn keep_ca_bundle(client: Client, name: String, ca: String, ready: Pending) {
    let api = Api::<MutatingWebhookConfiguration>::all(client);
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let configurations = watcher(api.clone(), config)
        .default_backoff()
        .applied_objects();
    pin_mut!(configurations);
    let mut ready = Some(ready);
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
            if configuration
                .webhooks
                .is_some_and(|webhooks| !webhooks.is_empty())
            {
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
fn patch(configuration: &MutatingWebhookConfiguration, ca: &str) -> Option<json_patch::Patch> {
    let bundle = STANDARD.encode(ca);
    let mut steps = Vec::new();
    for (index, webhook) in configuration.webhooks.iter().flatten().enumerate() {
        let stored = webhook
            .client_config
            .ca_bundle
            .as_ref()
            .map_or(&[][..], |bytes| &bytes.0);
        if stored == ca.as_bytes() {
            continue;
        }
        let path = format!("/webhooks/{index}");
        let name = &webhook.name;
        steps.push(json!({ "op": "test", "path": format!("{path}/name"), "value": name }));
        let bundle_path = format!("{path}/clientConfig/caBundle");
        steps.push(json!({ "op": "add", "path": bundle_path, "value": bundle }));
    }
    if steps.is_empty() {
        return None;
    }
    Some(serde_json::from_value(steps.into()).expect("these are JSON patch operations"))
}
