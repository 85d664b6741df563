//! `endpoints redirect`: the init container of `capture: redirect`. Programs the kernel and ends.

use std::process::ExitCode;

use super::port_pair::PortPair;
use crate::redirect::{self, Redirect};

/// Arguments of `endpoints redirect`. The injector gives them as environment variables.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sidecar's ports, each with the app's port whose connections it is to get
    #[arg(
        long,
        env = "ENDPOINTS_LISTENERS",
        value_name = "LISTEN=APP",
        value_delimiter = ',',
        required = true
    )]
    listeners: Vec<PortPair>,
}

/// Runs the sub-command.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let redirects: Vec<_> = args
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
