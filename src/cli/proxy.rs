//! `endpoints proxy`: the sidecar. The data path runs on threads of its own; this one keeps the
//! policy stream and waits for the signal to end.

mod sink;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;

use anyhow::Context;
use rustls::RootCertStore;

use self::sink::PolicySink;
use super::drain::drain;
use super::egress;
use crate::api::annotations::{BACKEND_TLS_FOLDER, LISTENER_TLS_FOLDER};
use crate::api::endpoints_service::MAX_WORKERS;
use crate::proxy::{
    BackendAddress, CertificateFiles, Config, Limits, Listener, LogOutput, PolicyCell, Proxy,
};
use crate::push::client;
use crate::push::wire::PodRef;
use crate::readiness::Readiness;
use crate::{shutdown, telemetry};

#[cfg(test)]
mod tests;

/// Arguments of `endpoints proxy`. The injector gives them as environment variables.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// EndpointsService that protects this pod, in the pod's namespace
    #[arg(long, env = "ENDPOINTS_SERVICE", value_name = "NAME")]
    service: String,
    /// Name of this pod
    #[arg(long, env = "ENDPOINTS_POD_NAME", value_name = "NAME")]
    pod_name: String,
    /// Namespace of this pod
    #[arg(long, env = "ENDPOINTS_POD_NAMESPACE", value_name = "NAMESPACE")]
    pod_namespace: String,
    /// UID of this pod
    #[arg(long, env = "ENDPOINTS_POD_UID", value_name = "UID")]
    pod_uid: String,
    /// Where the operator serves policies; several are tried in order
    #[arg(
        long,
        env = "ENDPOINTS_OPERATOR_ADDRESS",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        required = true
    )]
    operator_address: Vec<String>,
    /// Certificates (PEM) of the authorities that the operator is recognised by
    #[arg(long, env = "ENDPOINTS_TRUST_BUNDLE", value_name = "PEM")]
    trust_bundle: String,
    /// File with the token that this pod shows to the operator
    #[arg(
        long,
        env = "ENDPOINTS_TOKEN_FILE",
        value_name = "FILE",
        default_value = "/var/run/secrets/endpoints.dev/token"
    )]
    token_file: PathBuf,
    /// Ports to listen on, each with the app's port behind it
    #[arg(
        long,
        env = "ENDPOINTS_LISTENERS",
        value_name = "LISTEN=APP",
        value_delimiter = ',',
        required = true
    )]
    listeners: Vec<PortPair>,
    /// Port for /livez, /readyz and /metrics
    #[arg(
        long,
        env = "ENDPOINTS_ADMIN_PORT",
        value_name = "PORT",
        default_value = "14070"
    )]
    admin_port: u16,
    /// Folder with tls.crt and tls.key, for policies that want TLS towards clients
    #[arg(
        long,
        env = "ENDPOINTS_LISTENER_TLS",
        value_name = "FOLDER",
        default_value = LISTENER_TLS_FOLDER
    )]
    listener_tls: PathBuf,
    /// Threads that serve requests: 1 to 4, or auto (the CPU limit, 4 at most)
    #[arg(
        long,
        env = "ENDPOINTS_WORKERS",
        value_name = "NUMBER",
        default_value = "1"
    )]
    workers: WorkerCount,
    /// What to log, as in RUST_LOG: info, endpoints=debug
    #[arg(
        long,
        env = "ENDPOINTS_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    log: String,
}

/// A port to listen on, and the app's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PortPair {
    listen: u16,
    app: u16,
}

/// How many workers there are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WorkerCount(NonZeroUsize);

/// Runs the sub-command until SIGTERM.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let log_filter = telemetry::init(&args.log).context("--log")?;
    telemetry::log_panics();
    let config = Config {
        log_filter: Some(log_filter),
        ..args.proxy(unspecified(), egress::roots()?)
    };
    let (trigger, shutdown) = shutdown::channel();
    let policies = PolicyCell::new();
    let sink = PolicySink::new(policies.clone(), args.listener_tls.clone());
    let client = args.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control runtime")?;
    let running = Proxy::start(config, policies, Readiness::new(), shutdown.clone())?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        addresses = ?running.addresses(),
        admin = ?running.admin_address(),
        "the sidecar listens"
    );
    let signal = runtime.block_on(async {
        tokio::select! {
            signal = trigger.on_signal() => signal.map(Some),
            () = client::run(client, sink, shutdown) => Ok(None),
        }
    });
    // A trigger that is dropped never fires: without signals the workers would not end.
    let again = signal.context("cannot wait for signals")?;
    tracing::info!("the sidecar drains");
    Ok(drain(runtime, running, again))
}

impl Args {
    fn proxy(&self, any: IpAddr, roots: RootCertStore) -> Config {
        let listener = |pair: &PortPair| Listener {
            address: SocketAddr::new(any, pair.listen),
            backend: BackendAddress::new("127.0.0.1", pair.app),
        };
        Config {
            listeners: self.listeners.iter().map(listener).collect(),
            workers: self.workers.0,
            admin: Some(SocketAddr::new(any, self.admin_port)),
            limits: Limits::default(),
            access_log: LogOutput::stdout(),
            log_filter: None,
            roots,
            client_certificate: Some(PathBuf::from(BACKEND_TLS_FOLDER)),
            certificate: Some(CertificateFiles::in_folder(&self.listener_tls)),
        }
    }

    fn client(self) -> anyhow::Result<client::Config> {
        let trust = client::Trust::new(&self.trust_bundle).context("ENDPOINTS_TRUST_BUNDLE")?;
        Ok(client::Config {
            addresses: self.operator_address,
            trust,
            token_file: self.token_file,
            pod: PodRef {
                namespace: self.pod_namespace,
                name: self.pod_name,
                uid: self.pod_uid,
            },
            service: self.service,
        })
    }
}

/// Every address of the pod: of both families where the kernel has IPv6.
fn unspecified() -> IpAddr {
    let six = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    match UdpSocket::bind((six, 0)) {
        Ok(_) => six,
        Err(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

impl FromStr for PortPair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
        text.split_once('=')
            .and_then(|(listen, app)| {
                Some(Self {
                    listen: port(listen)?,
                    app: port(app)?,
                })
            })
            .ok_or("write it as LISTEN=APP, two ports: 14080=8080")
    }
}

impl FromStr for WorkerCount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let most = NonZeroUsize::new(MAX_WORKERS as usize).ok_or("no workers at all")?;
        if text == "auto" {
            // Follows the CPU limit: the standard library reads cgroup quotas.
            let processors = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            return Ok(Self(processors.min(most)));
        }
        let number = text.parse().ok().filter(|number| *number <= most);
        number
            .map(Self)
            .ok_or("write a number from 1 to 4, or auto")
    }
}
