//! `endpoints echo`.

use std::process::ExitCode;

/// Arguments of `endpoints echo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs the sub-command.
pub(super) fn run(_args: Args) -> anyhow::Result<ExitCode> {
    todo!("echo helper")
}
