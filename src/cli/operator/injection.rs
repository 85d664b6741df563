//! How pods are injected in this cluster, which may be upgraded under us.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use kube::Client;

use super::Args;
use crate::operator::admission::InjectorConfig;

/// The first minor version of Kubernetes 1 whose Services certainly find ports of native sidecars:
/// fixed in 1.33, in the controller manager, which may be one minor behind the API server.
const NATIVE_SIDECARS_SINCE: u32 = 34;
/// How often the server's version is looked at again: clusters are upgraded under us.
const VERSION_INTERVAL: Duration = Duration::from_secs(300);

/// How pods are injected in this cluster.
pub(super) async fn config(
    args: &Args,
    client: &Client,
    trust_bundle: Arc<str>,
) -> anyhow::Result<InjectorConfig> {
    let native_sidecars = native_sidecars(client)
        .await
        .context("cannot read the server's version")?;
    tracing::info!(native_sidecars, "decided by the server's version");
    Ok(InjectorConfig {
        image: args.sidecar_image.clone(),
        image_pull_policy: args.sidecar_image_pull_policy.clone(),
        operator_address: format!(
            "{}.{}.svc:{}",
            args.service_name, args.namespace, args.push_port
        ),
        operator_fallback: None,
        key_addresses: args.key_addresses(),
        trust_bundle,
        native_sidecars,
        set_run_as_user: args.sidecar_run_as_user,
    })
}

async fn native_sidecars(client: &Client) -> Result<bool, kube::Error> {
    let version = client.apiserver_version().await?;
    Ok(has_native_sidecars(&version.major, &version.minor))
}

/// Providers write `34+` for 1.34.
fn has_native_sidecars(major: &str, minor: &str) -> bool {
    let number = |text: &str| {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..end].parse::<u32>().unwrap_or(0)
    };
    (number(major), number(minor)) >= (1, NATIVE_SIDECARS_SINCE)
}

/// Follows upgrades (and roll-backs) of the cluster.
pub(super) async fn keep_version(client: Client, injector: Arc<ArcSwap<InjectorConfig>>) {
    loop {
        tokio::time::sleep(VERSION_INTERVAL).await;
        let native_sidecars = match native_sidecars(&client).await {
            Ok(native_sidecars) => native_sidecars,
            Err(error) => {
                tracing::warn!(%error, "cannot read the server's version");
                continue;
            }
        };
        if injector.load().native_sidecars != native_sidecars {
            tracing::info!(native_sidecars, "the server's version changed");
            injector.rcu(|current| InjectorConfig {
                native_sidecars,
                ..(**current).clone()
            });
        }
    }
}
