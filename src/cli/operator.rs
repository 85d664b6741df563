//! `endpoints operator`: puts the control plane's parts together, starts and ends them in order.
//!
//! ```text
//! certificates ──► webhook ─┐
//!       └──► caBundle       ├──► ready
//! caches ──► policy stream ─┘
//! ```

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::cli::egress;
use crate::jwks::{AddressRule, HttpFetcher};
use crate::operator::admin;
use crate::operator::admission::{self, InjectorConfig, SettingsCache};
use crate::operator::authenticate::{Options, TokenReviewAuthenticator};
use crate::operator::certificates::{self, BundleKeeper, CertificateMetrics, Certificates, Keeper};
use crate::operator::controller::Controller;
use crate::operator::key_sources::ClusterFetcher;
use crate::operator::metrics::Metrics;
use crate::operator::pod::PodCache;
use crate::policy::compile::parse_duration;
use crate::push::server::{Hub, serve as serve_policies};
use crate::push::wire::TLS_NAME;
use crate::readiness::Readiness;
use crate::shutdown;
use crate::telemetry;

/// The first minor version of Kubernetes 1 whose Services certainly find ports of native sidecars:
/// fixed in 1.33, in the controller manager, which may be one minor behind the API server.
const NATIVE_SIDECARS_SINCE: u32 = 34;
/// How often the server's version is looked at again: clusters are upgraded under us.
const VERSION_INTERVAL: Duration = Duration::from_secs(300);
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
    /// Name of the Secret that holds the CA; made if absent
    #[arg(long, default_value = "endpoints-operator-ca")]
    ca_secret: String,
    /// How long a new CA is trusted by everybody before it signs anything (below 1h: for tests)
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = overlap)]
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
    let (trigger, shutdown) = shutdown::channel();
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
    let (certificates, issuing) = issue(&args, &client, certificate_metrics).await?;
    drop(certificate);
    let injector = Arc::new(ArcSwap::from_pointee(
        injector(&args, &certificates, &client).await?,
    ));
    // Until there are several replicas, this one leads.
    let (_leads, leadership) = watch::channel(true);

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
        metrics: metrics.clone(),
    };
    let authenticator = Arc::new(TokenReviewAuthenticator::new(
        client.clone(),
        Arc::new(pods),
        Options {
            check_peer_address: args.check_peer_address,
        },
    ));

    let mut parts = Parts::default();
    let tls = certificates.server_config();
    parts.start(
        "webhook",
        admission::server::serve(
            webhook_listener,
            tls.clone(),
            injector.clone(),
            settings,
            webhook_metrics,
            shutdown.clone(),
        ),
    );
    parts.start(
        "version check",
        keep_version(client.clone(), injector.clone()),
    );
    parts.start("trust bundle", keep_trust(certificates.trust(), injector));
    let bundle_keeper = |ready| BundleKeeper {
        client: client.clone(),
        name: args.webhook_configuration.clone(),
        trust: certificates.trust(),
        leadership: args
            .certificate_folder
            .is_none()
            .then(|| leadership.clone()),
        ready,
        metrics: metrics.clone(),
    };
    parts.start(
        "caBundle",
        bundle_keeper(Some(bundle)).run::<MutatingWebhookConfiguration>(),
    );
    // Only warns: nothing waits for it.
    parts.start(
        "caBundle of the checks",
        bundle_keeper(None).run::<ValidatingWebhookConfiguration>(),
    );
    parts.start(
        "certificate's expiry",
        certificates.clone().watch_expiry(readiness),
    );
    match issuing {
        Issuing::Own(held) => {
            let keeper = Keeper {
                client,
                namespace: args.namespace,
                name: args.ca_secret,
                overlap: args.ca_overlap,
                leadership,
                certificates,
                metrics,
            };
            parts.start("certificates", keeper.run(*held));
        }
        Issuing::Files(files) => parts.start("certificates", files.keep(certificates)),
    }
    let (synced, listed) = oneshot::channel();
    parts.start("controller", controller.run(synced, shutdown.clone()));
    let stop = shutdown.clone();
    parts.start("policy stream", async move {
        // A sidecar that dials before everything is listed would be told that it does not exist.
        if listed.await.is_ok() {
            drop(caches);
            serve_policies(push_listener, tls, hub, authenticator, stop).await;
        }
    });
    let result = parts.run(trigger).await;
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

    /// Runs until a signal, then lets the servers finish. A part that ends before that ends the
    /// process: whoever supervises it starts it anew.
    async fn run(mut self, trigger: shutdown::Trigger) -> anyhow::Result<()> {
        tokio::select! {
            // Starts the shutdown of every part.
            signal = trigger.on_signal() => {
                signal.context("cannot wait for signals")?;
            }
            ended = self.0.join_next() => match ended {
                Some(Err(error)) => return Err(anyhow!(error).context("a part of the operator failed")),
                Some(Ok(name)) => bail!("the {name} ended unexpectedly"),
                None => bail!("the operator has no parts"),
            },
        }
        tracing::info!("shutting down");
        // Servers bound their own ends (5 s); those that only watch are cut.
        let servers = async {
            let mut waiting = vec!["webhook", "policy stream", "controller"];
            while let Some(ended) = self.0.join_next().await {
                waiting.retain(|name| ended.as_ref().ok() != Some(name));
                if waiting.is_empty() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(10), servers).await;
        Ok(())
    }
}

fn key_fetcher(args: &Args) -> anyhow::Result<HttpFetcher> {
    let rule = AddressRule {
        allow_http: args.jwks_allow_http,
        ..AddressRule::strict(args.jwks_allow.clone())
    };
    egress::key_fetcher(rule)
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

async fn client() -> anyhow::Result<Client> {
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

/// Where certificates come from.
enum Issuing {
    /// Our own CA, as the Secret held it.
    Own(Box<certificates::Authorities>),
    /// Somebody else's.
    Files(certificates::Files),
}

async fn issue(
    args: &Args,
    client: &Client,
    metrics: CertificateMetrics,
) -> anyhow::Result<(Certificates, Issuing)> {
    let now = SystemTime::now();
    let names = certificates::names(&args.service_name, &args.namespace);
    if let Some(folder) = &args.certificate_folder {
        // The API server's name for us, and sidecars'.
        let needed = [&names[0], TLS_NAME].map(str::to_owned).to_vec();
        let files = certificates::Files::new(folder.clone(), needed);
        let certificates = files.certificates(metrics, now)?;
        return Ok((certificates, Issuing::Files(files)));
    }
    let (client, namespace) = (client.clone(), &args.namespace);
    let held = certificates::load_or_create(client, namespace, &args.ca_secret, now).await?;
    let certificates = Certificates::new(&held, names, metrics, now)
        .context("cannot sign a serving certificate")?;
    Ok((certificates, Issuing::Own(Box::new(held))))
}

/// Pods to come are injected with the bundle of their time.
async fn keep_trust(mut trust: watch::Receiver<Arc<str>>, injector: Arc<ArcSwap<InjectorConfig>>) {
    loop {
        let trust_bundle = trust.borrow_and_update().clone();
        injector.rcu(|current| InjectorConfig {
            trust_bundle: trust_bundle.clone(),
            ..(**current).clone()
        });
        if trust.changed().await.is_err() {
            // Nobody can change it any more.
            std::future::pending::<()>().await;
        }
    }
}

/// The shortest overlap that leaves everybody the time to hear of the next CA at all.
const SHORTEST_OVERLAP: Duration = Duration::from_secs(5);

fn overlap(text: &str) -> Result<Duration, String> {
    let overlap = parse_duration(text)?;
    if overlap < SHORTEST_OVERLAP {
        return Err("it is shorter than 5s".to_owned());
    }
    Ok(overlap)
}

async fn injector(
    args: &Args,
    certificates: &Certificates,
    client: &Client,
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
        trust_bundle: certificates.trust().borrow().clone(),
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
        let current = injector.load();
        if current.native_sidecars != native_sidecars {
            tracing::info!(native_sidecars, "the server's version changed");
            injector.rcu(|current| InjectorConfig {
                native_sidecars,
                ..(**current).clone()
            });
        }
    }
}
