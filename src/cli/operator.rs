//! `endpoints operator`: puts the control plane's parts together, starts and ends them in order.
//!
//! ```text
//! certificates ──► webhook ─┐
//!       └──► caBundle       ├──► ready
//! caches ──► policy stream ─┘
//! ```

mod address;
mod args;
mod certificates;
mod injection;
mod parts;
#[cfg(test)]
mod tests;
mod thread;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

pub(super) use self::args::Args;
use self::parts::Parts;
use crate::cli::egress;
use crate::operator::admin;
use crate::operator::admission::{self, SettingsCache};
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
use crate::shutdown;
use crate::telemetry;

/// Messages of other replicas that wait to be handled; when there are more, they wait to be sent.
const REPLICA_MESSAGES: usize = 64;
/// How long the API server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may say nothing while it owes an answer. kube waits for ever, and a listing that was asked of
/// a server that is lost would be the last of its kind. Watches are ended by the server after 290 s, and
/// given up by kube soon after.
const SILENCE: Duration = Duration::from_secs(360);

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
    let fetcher = egress::key_fetcher(args.key_addresses())?;
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
    let injector = injection::config(&args, &client, trust.borrow().clone()).await?;
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
        injection::keep_version(client.clone(), injector.clone()),
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
    bound(&mut config);
    // Beside a kubeconfig, kube takes HTTPS_PROXY for the API server, too; that is for key sets.
    if config.proxy_url == egress::environment_proxy() {
        config.proxy_url = None;
    }
    Client::try_from(config).context("cannot set up the API client")
}

/// Ends what is waited for in vain.
fn bound(config: &mut kube::Config) {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(SILENCE);
    // A connection that was not used for a while has the whole time for its next answer.
    config.reset_reader_on_write = true;
}
