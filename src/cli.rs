//! Arguments, exit codes, output for people. One sub-command, one file.

mod check;
mod crd;
mod dev;
mod drain;
mod echo;
mod egress;
mod inject;
mod install_check;
mod manifest;
mod operator;
mod port_pair;
mod proxy;
mod redirect;
mod report;
mod uninstall;
mod wait;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Cloud Endpoints for every Kubernetes cluster.
#[derive(Debug, Parser)]
#[command(name = "endpoints", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check OpenAPI documents and EndpointsServices: what is wrong, where, and what to write instead
    Check(check::Args),
    /// Serve an EndpointsService or OpenAPI document on this machine, no cluster needed
    Dev(dev::Args),
    /// Run the stand-in backend: answers with what it received
    Echo(echo::Args),
    /// Put the sidecar into manifests, as the webhook does into pods; no cluster needed
    Inject(inject::Args),
    /// Run the control plane (in a cluster; installed by the Helm chart)
    Operator(operator::Args),
    /// Run the sidecar (in a pod; injected by the operator)
    Proxy(proxy::Args),
    /// Hand what arrives at the app's ports to the sidecar's (in an init container of the injector)
    Redirect(redirect::Args),
    /// Wait for the sidecar or the app of this pod (the hooks of a classic sidecar)
    Wait(wait::Args),
    /// Print the EndpointsService CustomResourceDefinition
    Crd(crd::Args),
    /// Ask the cluster for an annotated pod, as a dry run: does it get its sidecar? (`helm test`)
    InstallCheck(install_check::Args),
    /// Remove webhooks and admission policy, unless pods have sidecars (before `helm uninstall`)
    Uninstall(uninstall::Args),
}

/// Runs the binary: 0 = done, 1 = an error (printed with its causes), 2 = wrong arguments (and
/// what `check` cannot read).
pub fn main() -> ExitCode {
    crate::tls::install_crypto_provider();
    let result = match Arguments::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Dev(args) => dev::run(args),
        Command::Echo(args) => echo::run(args),
        Command::Inject(args) => inject::run(&args),
        Command::Operator(args) => operator::run(args),
        Command::Proxy(args) => proxy::run(args),
        Command::Redirect(args) => redirect::run(&args),
        Command::Wait(args) => wait::run(&args),
        Command::Crd(args) => crd::run(&args),
        Command::InstallCheck(args) => install_check::run(&args),
        Command::Uninstall(args) => uninstall::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to report to when stderr is gone.
            let _ = writeln!(std::io::stderr(), "endpoints: {error:#}");
            ExitCode::FAILURE
        }
    }
}
