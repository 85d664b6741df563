//! `endpoints operator`: puts the control plane's parts together, starts and ends them in order.
//!
//! ```text
//! certificates ──► webhook ─┐
//!       └──► caBundle       ├──► ready
//! caches ──► policy stream ─┘
//! ```

mod address;
mod certificates;
mod thread;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::cli::egress;
use crate::jwks::{AddressRule, HttpFetcher};
use crate::operator::admin;
use crate::operator::admission::{self, InjectorConfig, SettingsCache};
use crate::operator::authenticate::{
    KubePods, Options, ReplicaAuthenticator, TokenReviewAuthenticator,
};
use crate::operator::certificates::CertificateMetrics;
use crate::operator::controller::Controller;
use crate::operator::key_sources::ClusterFetcher;
use crate::operator::lease::Candidate;
use crate::operator::metrics::Metrics;
use crate::operator::pod::PodCache;
use crate::operator::replicas::Reporter;
use crate::push::replica::{self, Outbox, ReplicaPort};
use crate::push::server::{Hub, serve_all as serve_policies};
use crate::push::wire::PodRef;
use crate::readiness::Readiness;
use crate::shutdown::{self, Trigger};
use crate::telemetry;

/// The first minor version of Kubernetes 1 whose Services certainly find ports of native sidecars:
/// fixed in 1.33, in the controller manager, which may be one minor behind the API server.
const NATIVE_SIDECARS_SINCE: u32 = 34;
/// How often the server's version is looked at again: clusters are upgraded under us.
const VERSION_INTERVAL: Duration = Duration::from_secs(300);
/// How long a part may take to end: a little more than it allows itself.
const LONGEST_END: Duration = Duration::from_secs(9);
/// Messages of other replicas that wait to be handled; when there are more, they wait to be sent.
const REPLICA_MESSAGES: usize = 64;
/// How long the API server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `endpoints operator`.
#[derive(Debug, clap::Args)]
#[command(after_help = egress::HELP)]
pub(super) struct Args {
    /// Namespace the operator runs in
    #[arg(long, env = "POD_NAMESPACE", default_value = "endpoints-system")]
    namespace: String,
    /// Name of the Service in front of the operator: API server and sidecars dial it
    #[arg(long, default_value = "endpoints-operator")]
    service_name: String,
    /// Name of the MutatingWebhookConfiguration whose caBundle is kept current
    #[arg(long, default_value = "endpoints-operator")]
    webhook_configuration: String,
    /// Name of the Lease by which replicas agree who writes statuses; made if absent
    #[arg(long, default_value = "endpoints-operator")]
    lease: String,
    /// Name of the pod this runs in
    #[arg(long, env = "POD_NAME", default_value = "endpoints-operator")]
    pod_name: String,
    /// Address of the pod this runs in: the other replicas dial it while this one leads
    #[arg(long, env = "POD_IP")]
    pod_ip: Option<IpAddr>,
    /// Uid of the pod this runs in
    #[arg(long, env = "POD_UID", default_value = "")]
    pod_uid: String,
    /// Name of the service account this runs as: the other replicas' is the same
    #[arg(
        long,
        env = "POD_SERVICE_ACCOUNT",
        default_value = "endpoints-operator"
    )]
    service_account: String,
    /// File with this pod's token for the policy port of the replica that leads
    #[arg(long, default_value = "/var/run/secrets/endpoints.dev/replica/token")]
    replica_token_file: PathBuf,
    /// Name of the Secret that holds the CA; made if absent
    #[arg(long, default_value = "endpoints-operator-ca")]
    ca_secret: String,
    /// How long a new CA is trusted by everybody before it signs anything (below 1h: for tests)
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = certificates::overlap)]
    ca_overlap: Duration,
    /// Folder with tls.crt, tls.key and ca.crt (as cert-manager writes them into a Secret) to present
    /// in the place of a CA of our own; whoever writes them also keeps the webhooks' caBundle
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["ca_secret", "ca_overlap"])]
    certificate_folder: Option<PathBuf>,
    /// Port of the admission webhook (HTTPS)
    #[arg(long, default_value_t = 9443)]
    webhook_port: u16,
    /// Port of the policy stream (TLS); the Service has it under the same number
    #[arg(long, default_value_t = 9444)]
    push_port: u16,
    /// Port of /livez, /readyz and /metrics (HTTP)
    #[arg(long, default_value_t = 9445)]
    admin_port: u16,
    /// Image of the sidecar
    #[arg(long, env = "ENDPOINTS_SIDECAR_IMAGE")]
    sidecar_image: String,
    /// When kubelet pulls it [default: as Kubernetes decides by the tag]
    #[arg(long, value_parser = ["Always", "IfNotPresent", "Never"])]
    sidecar_image_pull_policy: Option<String>,
    /// Whether sidecars run as user 65532 where the pod's own user would be root (off on OpenShift,
    /// which assigns users itself)
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    sidecar_run_as_user: bool,
    /// Whether a sidecar must connect from one of its pod's addresses (off only where a network
    /// translates addresses between pods)
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    check_peer_address: bool,
    /// Network that key sets may be fetched from although its addresses are refused otherwise
    /// (loopback, link-local, metadata); repeatable
    #[arg(long, value_name = "CIDR")]
    jwks_allow: Vec<IpNet>,
    /// Fetch key sets over http:, too
    #[arg(long)]
    jwks_allow_http: bool,
    /// Whether ConfigMaps that EndpointsServices name are read
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    read_config_maps: bool,
    /// What is logged, as in RUST_LOG
    #[arg(long, env = "ENDPOINTS_LOG", default_value = "info")]
    log: String,
}

/// Runs the sub-command until SIGTERM or SIGINT.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init(&args.log).context("--log")?;
    telemetry::log_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(operate(args));
    // What is still under way (a name lookup) must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.map(|()| ExitCode::SUCCESS)
}

async fn operate(args: Args) -> anyhow::Result<()> {
    let fetcher = key_fetcher(&args)?;
    // In this order they end: what is asked of us, the lead, then what sidecars hang on.
    let (stop, shutdown) = shutdown::channel();
    let (stop_leading, not_leading) = shutdown::channel();
    let (stop_streams, no_streams) = shutdown::channel();
    let (stop_controller, no_controller) = shutdown::channel();
    let webhook_listener = listen("webhook", args.webhook_port).await?;
    let push_listener = listen("policy stream", args.push_port).await?;
    let admin_listener = listen("admin", args.admin_port).await?;

    let readiness = Readiness::new();
    let certificate = readiness.pending("the certificate");
    let caches = readiness.pending("the caches");
    let bundle = readiness.pending("our CA in the webhook configuration");
    let mut registry = Registry::default();
    let webhook_metrics = admission::server::Metrics::default();
    webhook_metrics.register(&mut registry);
    let certificate_metrics = CertificateMetrics::default();
    certificate_metrics.register(&mut registry);
    let metrics = Metrics::new(registry);
    let admin = admin::serve(
        admin_listener,
        readiness.clone(),
        metrics.clone(),
        shutdown.clone(),
    );
    let admin = tokio::spawn(admin);

    let client = client().await?;
    let issued = certificates::issue(&args, &client, certificate_metrics).await?;
    drop(certificate);
    let trust = issued.certificates.trust();
    let injector = injector(&args, &client, trust.borrow().clone()).await?;
    let injector = Arc::new(ArcSwap::from_pointee(injector));

    let address = push_listener.local_addr().ok();
    let address = args
        .pod_ip
        .zip(address)
        .map(|(ip, listener)| SocketAddr::new(ip, listener.port()).to_string());
    let candidate = Candidate::new(args.lease.clone(), &args.pod_name, address);
    let leadership = candidate.leadership();
    let outbox = Outbox::default();
    let (heard, replica_reports) = mpsc::channel(REPLICA_MESSAGES);

    let (hub, reports) = Hub::new();
    let pods = PodCache::default();
    let settings = SettingsCache::default();
    let controller = Controller {
        client: client.clone(),
        hub: hub.clone(),
        reports,
        fetcher: Arc::new(ClusterFetcher::new(fetcher, client.clone())),
        pods: pods.clone(),
        settings: settings.clone(),
        read_config_maps: args.read_config_maps,
        leadership: leadership.clone(),
        transitions: candidate.transitions(),
        heard: replica_reports,
        outbox: outbox.clone(),
        metrics: metrics.clone(),
    };
    let authenticator = Arc::new(TokenReviewAuthenticator::new(
        client.clone(),
        Arc::new(pods),
        Options {
            check_peer_address: args.check_peer_address,
        },
    ));

    let replicas = ReplicaPort {
        authenticator: Arc::new(ReplicaAuthenticator::new(
            authenticator.clone(),
            Arc::new(KubePods::new(client.clone(), &args.namespace)),
            args.namespace.clone(),
            args.service_account.clone(),
        )),
        leads: leadership.clone(),
        heard,
    };
    let reporter = Reporter {
        identity: candidate.identity().to_owned(),
        leader: candidate.leader(),
        config: replica::Config {
            replica: PodRef {
                namespace: args.namespace.clone(),
                name: args.pod_name.clone(),
                uid: args.pod_uid.clone(),
            },
            token_file: args.replica_token_file.clone(),
        },
        trust,
        outbox,
    };

    let mut parts = Parts::default();
    parts.start("reports to the leader", reporter.run(no_streams.clone()));
    let tls = issued.certificates.server_config();
    let webhook = {
        let (tls, injector) = (tls.clone(), injector.clone());
        let shutdown = shutdown.clone();
        thread::serve("webhook", webhook_listener, move |listener| {
            admission::server::serve(listener, tls, injector, settings, webhook_metrics, shutdown)
        })
    };
    parts.start("webhook", webhook);
    parts.start(
        "version check",
        keep_version(client.clone(), injector.clone()),
    );
    parts.start("own address", address::keep_fallback(injector.clone()));
    issued.start(
        &mut parts,
        &args,
        certificates::Audience {
            client: client.clone(),
            injector,
            hub: hub.clone(),
            leadership,
            metrics,
            readiness,
            ready: bundle,
        },
    );
    let standing = {
        let (client, namespace) = (client.clone(), args.namespace.clone());
        async move { candidate.run(client, &namespace, not_leading).await }
    };
    parts.start("lease", standing);
    let (synced, listed) = oneshot::channel();
    parts.start("controller", controller.run(synced, no_controller));
    parts.start("policy stream", async move {
        // A sidecar that dials before everything is listed would be told that it does not exist.
        if listed.await.is_ok() {
            drop(caches);
            serve_policies(
                push_listener,
                tls,
                hub,
                authenticator,
                Some(replicas),
                no_streams,
            )
            .await;
        }
    });
    let result = parts
        .run([
            ("webhook", stop),
            ("lease", stop_leading),
            ("policy stream", stop_streams),
            ("controller", stop_controller),
        ])
        .await;
    admin.abort();
    result
}

/// The parts that run side by side. None of them ends by itself.
#[derive(Default)]
struct Parts(JoinSet<&'static str>);

impl Parts {
    fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            part.await;
            name
        });
    }

    /// Runs until a signal, then ends the parts in `order`, one after the other. A part that ends before
    /// that ends the process: whoever supervises it starts it anew.
    async fn run<const N: usize>(
        mut self,
        order: [(&'static str, Trigger); N],
    ) -> anyhow::Result<()> {
        tokio::select! {
            signal = shutdown::signalled() => {
                signal.context("cannot wait for signals")?;
            }
            ended = self.0.join_next() => match ended {
                Some(Err(error)) => return Err(anyhow!(error).context("a part of the operator failed")),
                Some(Ok(name)) => bail!("the {name} ended unexpectedly"),
                None => bail!("the operator has no parts"),
            },
        }
        tracing::info!("shutting down");
        let mut ended = BTreeSet::new();
        for (name, trigger) in order {
            trigger.start();
            let ending = async {
                while !ended.contains(name) {
                    match self.0.join_next().await {
                        Some(Ok(name)) => drop(ended.insert(name)),
                        // It was logged when it panicked.
                        Some(Err(_)) => {}
                        None => break,
                    }
                }
            };
            // Each bounds its own end; those that only watch are cut with the process.
            if tokio::time::timeout(LONGEST_END, ending).await.is_err() {
                tracing::warn!(part = name, "did not end in time");
            }
        }
        Ok(())
    }
}

fn key_fetcher(args: &Args) -> anyhow::Result<HttpFetcher> {
    egress::key_fetcher(key_addresses(args))
}

fn key_addresses(args: &Args) -> AddressRule {
    AddressRule {
        allow_http: args.jwks_allow_http,
        ..AddressRule::strict(args.jwks_allow.clone())
    }
}

/// Both address families where the kernel has both.
async fn listen(what: &'static str, port: u16) -> anyhow::Result<TcpListener> {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let listener = match TcpListener::bind(any).await {
        Ok(listener) => listener,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            return Err(error).with_context(|| format!("cannot listen on port {port} ({what})"));
        }
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .await
            .with_context(|| format!("cannot listen on port {port} ({what})"))?,
    };
    let address = listener
        .local_addr()
        .context("a listener without an address")?;
    tracing::info!(what, port = address.port(), "listening");
    Ok(listener)
}

/// A client of the cluster that the process is in, or that its kubeconfig names.
pub(super) async fn client() -> anyhow::Result<Client> {
    let mut config = kube::Config::infer()
        .await
        .context("no way to the API server (neither in a pod nor a kubeconfig)")?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Beside a kubeconfig, kube takes HTTPS_PROXY for the API server, too; that is for key sets.
    if config.proxy_url == egress::environment_proxy() {
        config.proxy_url = None;
    }
    Client::try_from(config).context("cannot set up the API client")
}

async fn injector(
    args: &Args,
    client: &Client,
    trust_bundle: Arc<str>,
) -> anyhow::Result<InjectorConfig> {
    let native_sidecars = native_sidecars(client)
        .await
        .context("cannot read the server's version")?;
    tracing::info!(native_sidecars, "decided by the server's version");
    Ok(InjectorConfig {
        image: args.sidecar_image.clone(),
        image_pull_policy: args.sidecar_image_pull_policy.clone(),
        operator_address: format!(
            "{}.{}.svc:{}",
            args.service_name, args.namespace, args.push_port
        ),
        operator_fallback: None,
        key_addresses: key_addresses(args),
        trust_bundle,
        native_sidecars,
        set_run_as_user: args.sidecar_run_as_user,
    })
}

async fn native_sidecars(client: &Client) -> Result<bool, kube::Error> {
    let version = client.apiserver_version().await?;
    Ok(has_native_sidecars(&version.major, &version.minor))
}

/// Providers write `34+` for 1.34.
fn has_native_sidecars(major: &str, minor: &str) -> bool {
    let number = |text: &str| {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        text[..end].parse::<u32>().unwrap_or(0)
    };
    (number(major), number(minor)) >= (1, NATIVE_SIDECARS_SINCE)
}

/// Follows upgrades (and roll-backs) of the cluster.
async fn keep_version(client: Client, injector: Arc<ArcSwap<InjectorConfig>>) {
    loop {
        tokio::time::sleep(VERSION_INTERVAL).await;
        let native_sidecars = match native_sidecars(&client).await {
            Ok(native_sidecars) => native_sidecars,
            Err(error) => {
                tracing::warn!(%error, "cannot read the server's version");
                continue;
            }
        };
        if injector.load().native_sidecars != native_sidecars {
            tracing::info!(native_sidecars, "the server's version changed");
            injector.rcu(|current| InjectorConfig {
                native_sidecars,
                ..(**current).clone()
            });
        }
    }
}
