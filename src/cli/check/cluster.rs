//! `endpoints check --cluster`: what keeps requests from passing sidecars, read out of a cluster with
//! the rights of whoever asks.
//!
//! ```text
//! API server ──read──► Facts ──judge──► findings, suggestions ──► text | json | sarif | github
//!   (I/O)               (pure: the same `operator::capture` that writes the condition)
//! ```

pub(super) mod codes;
mod facts;
mod judge;
mod network;
mod read;

use std::path::PathBuf;

use anyhow::Context;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::{Run, Unread};

#[cfg(test)]
mod tests;

/// Arguments that choose a cluster and a part of it, named as kubectl names them.
#[derive(Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// Check what a cluster holds instead of files: read only, with your own rights, no Secrets
    #[arg(long, conflicts_with_all = ["paths", "routes", "explain"])]
    pub(super) cluster: bool,
    /// Namespace to check [default: that of the kubeconfig's context]
    #[arg(
        long,
        short,
        value_name = "NAME",
        requires = "cluster",
        conflicts_with = "all_namespaces"
    )]
    namespace: Option<String>,
    /// Check all namespaces
    #[arg(long, short = 'A', requires = "cluster")]
    all_namespaces: bool,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "cluster")]
    context: Option<String>,
    /// Kubeconfig file [default: as kubectl: KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "cluster")]
    kubeconfig: Option<PathBuf>,
}

/// Which part of a cluster was looked at, and how much was in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// None: all namespaces.
    pub(super) namespace: Option<String>,
    /// Pods with a sidecar.
    pub(super) pods: usize,
}

/// A manifest that would close what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// What it is for, in one line.
    pub(super) purpose: String,
    /// YAML, ready to be applied.
    pub(super) manifest: String,
}

/// Looks at the cluster.
///
/// # Errors
/// There is no way to it. What it does not let us read is in the result.
pub(super) fn run(args: &ClusterArgs) -> anyhow::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let config = args.config().await?;
        let namespace = match args.all_namespaces {
            true => None,
            false => Some(match &args.namespace {
                Some(namespace) => namespace.clone(),
                None => config.default_namespace.clone(),
            }),
        };
        let client = Client::try_from(config).context("cannot set up the API client")?;
        let (facts, unread) = read::read(client, namespace.as_deref()).await?;
        Ok(outcome(&facts, unread, namespace))
    })
}

fn outcome(facts: &facts::Facts, unread: Vec<Unread>, namespace: Option<String>) -> Run {
    let judge::Judgement {
        checked,
        suggestions,
    } = judge::judge(facts);
    Run {
        checked,
        unread,
        suggestions,
        cluster: Some(Scope {
            namespace,
            pods: facts.pods(),
        }),
        services: facts.services(),
    }
}

impl ClusterArgs {
    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = match &self.kubeconfig {
            None if self.context.is_none() => Config::infer()
                .await
                .context("no way to a cluster (neither a kubeconfig nor a pod's own)")?,
            path => {
                let kubeconfig = match path {
                    Some(path) => Kubeconfig::read_from(path),
                    None => Kubeconfig::read(),
                };
                let kubeconfig = kubeconfig.context("cannot read the kubeconfig")?;
                Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .context("the kubeconfig does not say how to reach the cluster")?
            }
        };
        config.connect_timeout = Some(read::TIMEOUT);
        config.read_timeout = Some(read::TIMEOUT);
        Ok(config)
    }
}
