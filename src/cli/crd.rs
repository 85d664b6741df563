//! `endpoints crd`.

use std::io::Write;
use std::process::ExitCode;

use kube::CustomResourceExt;

use crate::api::EndpointsService;

/// Arguments of `endpoints crd`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs the sub-command.
pub(super) fn run(_args: &Args) -> anyhow::Result<ExitCode> {
    let definition = serde_yaml::to_string(&EndpointsService::crd())?;
    std::io::stdout().lock().write_all(definition.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
