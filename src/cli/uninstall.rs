//! `endpoints uninstall`: what must happen in the cluster before the operator goes. The chart's
//! pre-delete hook runs it.
//!
//! ```text
//! pods with sidecars? ──yes, and not forced──► list them, change nothing
//!        │ no
//!        ▼
//! binding ──► policy ──► webhooks ──► operator to 0 ──► CA Secret, Lease
//! ```
//!
//! The admission policy goes before the webhook: the other way round it would refuse the pods that
//! the webhook no longer injects. Secret and Lease are the operator's own, so Helm does not know
//! them; a running operator would make them again, so it ends first.

mod remaining;

use std::fmt::Debug;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;

use super::operator::client;
use crate::api::annotations::INJECTED;
use crate::operator::pod::InjectedPod;
use remaining::Remaining;

/// The Deployment's annotation that uninstalls although pods with sidecars run; its value is `force`.
const FORCE: &str = "endpoints.dev/uninstall";
/// Of the pods that the injector went over, those that have not ended.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";
/// How many pods one answer of the API server holds: some tens of KiB each.
const PAGE: u32 = 100;
/// How often the operator's pods are looked at while they end.
const POLL: Duration = Duration::from_millis(500);

/// Arguments of `endpoints uninstall`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Namespace the operator runs in
    #[arg(long, env = "POD_NAMESPACE", default_value = "endpoints-system")]
    namespace: String,
    /// Name of the operator's Deployment, webhook configurations, admission policy and binding
    #[arg(long, default_value = "endpoints-operator")]
    name: String,
    /// Secrets that the operator made; repeatable
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,
    /// Leases that the operator made; repeatable
    #[arg(long, value_name = "NAME")]
    lease: Vec<String>,
    /// How long the operator may take to end, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// Runs the sub-command: 1 where pods still have sidecars.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(uninstall(args))
}

async fn uninstall(args: &Args) -> anyhow::Result<ExitCode> {
    let client = client().await?;
    let deployments = Api::<Deployment>::namespaced(client.clone(), &args.namespace);
    let deployment = deployments
        .get_opt(&args.name)
        .await
        .context("cannot read the operator's Deployment")?;

    let remaining = injected_pods(client.clone()).await?;
    if !remaining.is_empty() {
        let forced = deployment.as_ref().is_some_and(is_forced);
        say(&remaining.describe());
        if !forced {
            say(&remaining::remedy(&args.namespace, &args.name, FORCE));
            return Ok(ExitCode::FAILURE);
        }
        say("Going on, as the Deployment's annotation says.");
    }

    delete_global::<ValidatingAdmissionPolicyBinding>(&client, &args.name).await?;
    delete_global::<ValidatingAdmissionPolicy>(&client, &args.name).await?;
    delete_global::<MutatingWebhookConfiguration>(&client, &args.name).await?;
    delete_global::<ValidatingWebhookConfiguration>(&client, &args.name).await?;
    if let Some(deployment) = deployment {
        end_operator(args, &client, &deployments, &deployment).await?;
    }
    for secret in &args.secret {
        delete(
            &Api::<Secret>::namespaced(client.clone(), &args.namespace),
            secret,
        )
        .await?;
    }
    for lease in &args.lease {
        delete(
            &Api::<Lease>::namespaced(client.clone(), &args.namespace),
            lease,
        )
        .await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_forced(deployment: &Deployment) -> bool {
    let annotations = deployment.metadata.annotations.as_ref();
    annotations
        .and_then(|all| all.get(FORCE))
        .is_some_and(|value| value == "force")
}

/// The pods whose sidecars would lose their operator, page by page: of most only their number is
/// kept. The label alone makes no sidecar: anybody may put it on a pod.
async fn injected_pods(client: Client) -> anyhow::Result<Remaining> {
    let pods = Api::<Pod>::all(client);
    let mut remaining = Remaining::default();
    let mut params = ListParams::default()
        .labels(INJECTED)
        .fields(NOT_ENDED)
        .limit(PAGE);
    loop {
        let page = pods
            .list(&params)
            .await
            .context("cannot list the pods with sidecars")?;
        for pod in page.items {
            // One that is being deleted needs nobody any more.
            if pod.metadata.deletion_timestamp.is_none() && InjectedPod::read(&pod).is_some() {
                remaining.add(
                    pod.metadata.namespace.unwrap_or_default(),
                    pod.metadata.name.unwrap_or_default(),
                );
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(remaining),
        }
    }
}

/// Scales the operator to nothing and waits for its last pod.
async fn end_operator(
    args: &Args,
    client: &Client,
    deployments: &Api<Deployment>,
    deployment: &Deployment,
) -> anyhow::Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    deployments
        .patch_scale(&args.name, &PatchParams::default(), &patch)
        .await
        .context("cannot scale the operator down")?;
    let labels = deployment.spec.as_ref().map(|spec| &spec.selector);
    let labels = labels.and_then(|selector| selector.match_labels.as_ref());
    let Some(labels) = labels.filter(|labels| !labels.is_empty()) else {
        bail!("the Deployment {} selects no pods by labels", args.name);
    };
    let selector: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let params = ListParams::default().labels(&selector.join(",")).limit(1);
    let pods = Api::<Pod>::namespaced(client.clone(), &args.namespace);
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    loop {
        let left = pods
            .list_metadata(&params)
            .await
            .context("cannot list the operator's pods")?;
        if left.items.is_empty() {
            say("The operator has ended.");
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!(
                "the operator's pods did not end within {} seconds: look at them, then uninstall again",
                args.timeout
            );
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn delete_global<K>(client: &Client, name: &str) -> anyhow::Result<()>
where
    K: Resource<Scope = k8s_openapi::ClusterResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    delete(&Api::<K>::all(client.clone()), name).await
}

/// Deletes an object; it need not be there.
async fn delete<K>(api: &Api<K>, name: &str) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let kind = K::kind(&());
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => say(&format!("Removed {kind} {name}.")),
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot delete {kind} {name}"));
        }
    }
    Ok(())
}

/// For whoever reads the hook's log; nothing depends on it.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
