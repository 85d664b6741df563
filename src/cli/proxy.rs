//! `endpoints proxy`: the sidecar. The data path runs on threads of its own; this one keeps the
//! policy stream and waits for the signal to end.

mod app_probes;
mod last_good;
mod memory;
mod sink;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use ipnet::IpNet;
use rustls::RootCertStore;

use self::app_probes::AppProbes;
use self::last_good::LastGood;
use self::memory::Memory;
use self::sink::{Certificates, PolicySink};
use super::drain::drain;
use super::egress;
use super::port_pair::{Admin, Listeners, PortPair};
use crate::api::annotations::{BACKEND_TLS_FOLDER, LISTENER_TLS_FOLDER};
use crate::api::endpoints_service::MAX_WORKERS;
use crate::api::probes;
use crate::jwks::AddressRule;
use crate::proxy::{
    BackendAddress, CertificateFiles, Config, Limits, Listener, LogOutput, PolicyCell, Proxy,
};
use crate::push::client;
use crate::push::wire::PodRef;
use crate::readiness::Readiness;
use crate::{priority, shutdown, telemetry};

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
    #[command(flatten)]
    ports: Listeners,
    #[command(flatten)]
    admin: Admin,
    /// Probes of the app that kubelet asks here, where the kernel hands the app's port to the sidecar
    #[arg(
        long,
        env = probes::ENVIRONMENT,
        value_name = "JSON",
        default_value = "[]"
    )]
    app_probes: AppProbes,
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
    /// Folder where the last good policy is kept for the next start of this container; without it a
    /// restarted container waits for the operator
    #[arg(long, env = "ENDPOINTS_STATE_FOLDER", value_name = "FOLDER")]
    state_folder: Option<PathBuf>,
    /// Network that key sets may be fetched from although its addresses are refused otherwise, when the
    /// operator has been away for long
    #[arg(
        long,
        env = "ENDPOINTS_JWKS_ALLOW",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    jwks_allow: Vec<IpNet>,
    /// Fetch key sets over http:, too
    #[arg(long, env = "ENDPOINTS_JWKS_ALLOW_HTTP")]
    jwks_allow_http: bool,
    /// What to log, as in RUST_LOG: info, endpoints=debug
    #[arg(
        long,
        env = "ENDPOINTS_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    log: String,
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
    let readiness = Readiness::new();
    let memory = Memory::new(args.last_good(), policies.clone(), readiness.clone());
    let fetcher = egress::key_fetcher(args.key_addresses())?;
    let certificates = Certificates {
        listener: args.listener_tls.clone(),
        backend: PathBuf::from(BACKEND_TLS_FOLDER),
    };
    let mut client = args.client()?;
    let mut sink = PolicySink::new(policies.clone(), certificates, memory.clone());
    sink.restore(&mut client.trust);
    let follower = sink.follower(Arc::new(fetcher));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control runtime")?;
    let running = Proxy::start(config, policies, readiness, shutdown.clone())?;
    // The workers run; what this thread does from here on is read and prepare policies and keys.
    priority::background();
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
            () = follower.run() => Ok(None),
            () = memory.keep_first_readiness() => Ok(None),
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
            listeners: self.ports.listeners.iter().map(listener).collect(),
            workers: self.workers.0,
            admin: Some(SocketAddr::new(any, self.admin.admin_port)),
            app_probes: self.app_probes.0.clone(),
            limits: Limits::default(),
            access_log: LogOutput::stdout(),
            log_filter: None,
            roots,
            client_certificate: Some(CertificateFiles::in_folder(Path::new(BACKEND_TLS_FOLDER))),
            certificate: Some(CertificateFiles::in_folder(&self.listener_tls)),
        }
    }

    fn last_good(&self) -> Option<LastGood> {
        let folder = self.state_folder.clone()?;
        Some(LastGood::new(folder, &self.pod(), &self.service))
    }

    /// The operator's own rules.
    fn key_addresses(&self) -> AddressRule {
        AddressRule {
            allow_http: self.jwks_allow_http,
            ..AddressRule::strict(self.jwks_allow.clone())
        }
    }

    fn pod(&self) -> PodRef {
        PodRef {
            namespace: self.pod_namespace.clone(),
            name: self.pod_name.clone(),
            uid: self.pod_uid.clone(),
        }
    }

    fn client(self) -> anyhow::Result<client::Config> {
        let trust = client::Trust::new(&self.trust_bundle).context("ENDPOINTS_TRUST_BUNDLE")?;
        Ok(client::Config {
            pod: self.pod(),
            addresses: self.operator_address,
            trust,
            token_file: self.token_file,
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
