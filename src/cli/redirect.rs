//! `endpoints redirect`: the init container of `capture: redirect`. Programs the kernel and ends.

use std::process::ExitCode;

use super::port_pair::Listeners;
use crate::redirect::{self, Redirect};

/// Arguments of `endpoints redirect`. The injector gives them as environment variables.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    ports: Listeners,
}

/// Runs the sub-command.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let redirects: Vec<_> = args
        .ports
        .listeners
        .iter()
        .map(|pair| Redirect {
            from: pair.app,
            to: pair.listen,
        })
        .collect();
    redirect::apply(&redirects)?;
    Ok(ExitCode::SUCCESS)
}
