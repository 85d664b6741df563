//! `endpoints install-check`: whether annotated pods get their sidecar. `helm test` runs it.
//!
//! It asks the API server for a pod as a user would, as a dry run: webhook, certificate, the way from
//! the control plane to the operator and the admission policy are all on that way, and nothing is
//! stored.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::json;

use super::operator::client;
use crate::api::annotations::SIDECAR_CONTAINER;

/// How long the API server may take; the webhook has 5 s of it.
const ANSWER: Duration = Duration::from_secs(20);

/// Arguments of `endpoints install-check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Namespace that the pod is asked for in
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    namespace: String,
}

/// Runs the sub-command: 1 where the pod is refused, or comes without a sidecar.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(check(args))?;
    let _ = writeln!(
        std::io::stdout(),
        "An annotated pod in {} gets its sidecar.",
        args.namespace
    );
    Ok(ExitCode::SUCCESS)
}

async fn check(args: &Args) -> anyhow::Result<()> {
    let pods = Api::<Pod>::namespaced(client().await?, &args.namespace);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let pod = tokio::time::timeout(ANSWER, pods.create(&dry_run, &pod()))
        .await
        .context("the API server does not answer")?
        .context(
            "an annotated pod is refused (a timeout: does a firewall let the control plane through to the \
             nodes' port of the webhook?)",
        )?;
    if !has_sidecar(&pod) {
        bail!(
            "an annotated pod comes without a sidecar: is the MutatingWebhookConfiguration installed?"
        );
    }
    Ok(())
}

/// A pod that any namespace takes, Pod Security "restricted" included.
fn pod() -> Pod {
    let pod = json!({
        "metadata": {
            "generateName": "endpoints-install-check-",
            "annotations": { "endpoints.dev/service": "install-check" }
        },
        "spec": {
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532,
                "seccompProfile": { "type": "RuntimeDefault" }
            },
            "containers": [{
                "name": "app", "image": "app",
                "ports": [{ "name": "http", "containerPort": 8080 }],
                "resources": { "requests": { "cpu": "1m", "memory": "1Mi" },
                               "limits": { "cpu": "1m", "memory": "1Mi" } },
                "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] }
                }
            }]
        }
    });
    serde_json::from_value(pod).expect("a pod, as written above")
}

fn has_sidecar(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let containers = spec.map(|spec| spec.containers.iter());
    let init = spec.and_then(|spec| spec.init_containers.as_ref());
    containers
        .into_iter()
        .flatten()
        .chain(init.into_iter().flatten())
        .any(|container| container.name == SIDECAR_CONTAINER)
}
