//! `endpoints dev`: the same compiler and the same proxy as in a cluster, on this machine, reloading
//! when FILE changes. Alone it is complete: an echo backend and an issuer are built in.
//!
//! ```text
//! FILE ──source──► spec ──compile──► Policy ──snapshot──► PolicyCell ◄── proxy (same as the sidecar's)
//!   └── reload: polled, so that rename, symlink swap and in-place edits all count
//! ```

mod hints;
mod issuer;
mod keys;
mod reload;
mod source;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use tokio::net::TcpListener;

use self::keys::KeyRing;
use crate::cli::drain::drain;
use crate::cli::{echo, egress, report};
use crate::policy::{Compiled, Policy, Prepared};
use crate::proxy::{
    BackendAddress, CertificateFiles, Config, Limits, Listener, LogOutput, PolicyCell, Proxy,
    Snapshot,
};
use crate::readiness::Readiness;
use crate::shutdown;

/// Arguments of `endpoints dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = egress::HELP)]
pub(super) struct Args {
    /// An EndpointsService manifest, or a bare OpenAPI document
    file: PathBuf,
    /// With a bare OpenAPI document: the proxy answers for CORS, any origin (`cors: {}`)
    #[arg(long)]
    cors: bool,
    /// Proxy to this backend (`http://HOST[:PORT]`) instead of the built-in echo
    #[arg(long, value_name = "URL")]
    backend: Option<BackendAddress>,
    /// Whose tokens pass; embedded unless there is a --backend
    #[arg(long, value_name = "WHOSE")]
    issuers: Option<Issuers>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Speak TLS to clients, with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// What is logged, as in RUST_LOG
    #[arg(
        long,
        value_name = "FILTER",
        env = "ENDPOINTS_LOG",
        default_value = "warn"
    )]
    log: String,
}

/// Whose tokens pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Issuers {
    /// The built-in issuer's, which stands in for those of the document
    Embedded,
    /// Those of the document's issuers, whose keys are fetched
    Real,
}

/// Serves FILE until SIGTERM or SIGINT.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let log_filter = crate::telemetry::init(&args.log).context("--log")?;
    crate::telemetry::log_panics();
    if let Some(backend) = &args.backend {
        refuse_own_address(backend, args.listen)?;
    }
    let text = source::read(&args.file)?;
    let Some(compiled) = compile(&args, &text)? else {
        return Ok(ExitCode::FAILURE);
    };

    // Files, keys and signals live on this runtime; requests on the proxy's own threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .thread_name("control")
        .build()?;
    let (trigger, shutdown) = shutdown::channel();
    let signals = runtime.spawn(trigger.on_signal());
    let backend = match &args.backend {
        Some(backend) => backend.clone(),
        None => {
            let listener = runtime
                .block_on(TcpListener::bind("127.0.0.1:0"))
                .context("cannot start the echo backend")?;
            let address = listener.local_addr()?;
            runtime.spawn(echo::serve(listener, shutdown.clone()));
            BackendAddress::from(address)
        }
    };
    let keys = match args.issuers() {
        Issuers::Embedded => KeyRing::embedded()?,
        Issuers::Real => KeyRing::real(runtime.handle())?,
    };
    let policies = PolicyCell::new();
    let lines = printed(&compiled.policy, &keys)?;
    let ready = snapshot(compiled.policy, &keys)?;
    policies.store(ready.with_tls(args.tls_cert.is_some()));
    let running = Proxy::start(
        Config {
            listeners: vec![Listener {
                address: args.listen,
                backend,
            }],
            workers: NonZeroUsize::MIN,
            admin: None,
            limits: Limits::default(),
            access_log: LogOutput::stderr(),
            log_filter: Some(log_filter),
            roots: egress::roots()?,
            client_certificate: None,
            app_probes: Vec::new(),
            certificate: args.certificate(),
        },
        policies.clone(),
        Readiness::new(),
        shutdown.clone(),
    )?;
    let address = running.addresses().first().copied().unwrap_or(args.listen);
    lines.print(args.scheme(), address)?;
    runtime.block_on(reload::watch(
        &args.file,
        text,
        shutdown,
        |text| match compile(&args, text)? {
            Some(compiled) => {
                let lines = printed(&compiled.policy, &keys)?;
                let ready = snapshot(compiled.policy, &keys)?;
                policies.store(ready.with_tls(args.tls_cert.is_some()));
                lines.print(args.scheme(), address)
            }
            None => say("the last good policy stays"),
        },
    ));
    let again = runtime.block_on(signals)??;
    Ok(drain(runtime, running, Some(again)))
}

impl Args {
    fn scheme(&self) -> &'static str {
        match self.tls_cert {
            Some(_) => "https",
            None => "http",
        }
    }

    fn certificate(&self) -> Option<CertificateFiles> {
        let (certificate, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        Some(CertificateFiles { certificate, key })
    }

    fn issuers(&self) -> Issuers {
        self.issuers.unwrap_or(match self.backend {
            None => Issuers::Embedded,
            Some(_) => Issuers::Real,
        })
    }
}

/// A proxy that is its own backend would answer itself until the machine gives up.
fn refuse_own_address(backend: &BackendAddress, listen: SocketAddr) -> anyhow::Result<()> {
    let Some((host, port)) = backend.network() else {
        return Ok(());
    };
    let local = match host.parse::<std::net::IpAddr>() {
        Ok(ip) => ip == listen.ip() || ip.is_loopback() && listen.ip().is_unspecified(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    };
    if local && port == listen.port() {
        bail!(
            "--backend http://{backend} is the address that `endpoints dev` itself listens on: \
             give the backend's own, or another --listen"
        );
    }
    Ok(())
}

/// Compiles FILE's text; findings go to stderr, none means errors.
fn compile(args: &Args, text: &str) -> anyhow::Result<Option<Compiled>> {
    let outcome = source::compile(&args.file, text, args.cors);
    if args.cors && outcome.manifest {
        bail!(
            "--cors is for a bare OpenAPI document: write `cors: {{}}` into the EndpointsService"
        );
    }
    let mut stderr = std::io::stderr().lock();
    let color = report::wants_color(&stderr);
    let file = args.file.display().to_string();
    let text = report::render(&file, &outcome.findings, color);
    // Nobody reads a closed terminal.
    let _ = stderr.write_all(text.as_bytes());
    Ok(outcome.compiled)
}

/// Makes a policy ready, its keys' places included.
fn snapshot(policy: Policy, keys: &KeyRing) -> anyhow::Result<Snapshot> {
    let prepared = Prepared::new(policy)?;
    let slots = keys.slots(&prepared.policy);
    // The backend named on the command line, or the echo, answers for every operation.
    let snapshot = Snapshot::new(prepared, slots)?.without_addresses();
    Ok(match keys.hint() {
        Some(hint) => snapshot.with_key_hint(hint),
        None => snapshot,
    })
}

/// The lines that a policy is introduced with.
struct Lines {
    summary: String,
    hints: Vec<hints::Hint>,
    tokens: Option<hints::Tokens>,
}

/// Prepares the lines before the policy is handed over.
fn printed(policy: &Policy, keys: &KeyRing) -> anyhow::Result<Lines> {
    let tokens = keys.tokens(policy)?;
    let protected = policy
        .operations
        .iter()
        .filter(|operation| operation.demands_token());
    let mut summary = format!(
        "{}: {} operations, {} of them protected",
        policy.service,
        policy.operations.len(),
        protected.count(),
    );
    if policy.backend.is_some() || policy.backends.iter().any(|rule| rule.address.is_some()) {
        summary.push_str(" (addresses of backends are for the cluster: --backend names one here)");
    }
    Ok(Lines {
        summary,
        hints: hints::hints(policy, tokens.as_ref()),
        tokens,
    })
}

impl Lines {
    fn print(&self, scheme: &str, address: SocketAddr) -> anyhow::Result<()> {
        let mut stdout = std::io::stdout().lock();
        let color = stdout.is_terminal();
        let host = format!("{scheme}://{}", reachable(address));
        let text = hints::render(&host, &self.hints, self.tokens.as_ref(), color);
        stdout.write_all(text.as_bytes())?;
        stdout.flush().context("cannot print")?;
        say(&format!("{}; listening on {host}", self.summary))
    }
}

/// An address that a client on this machine can use: `0.0.0.0` is one only for listening.
fn reachable(address: SocketAddr) -> SocketAddr {
    use std::net::{Ipv4Addr, Ipv6Addr};
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        address => address,
    }
}

/// One line of news, on stderr: stdout holds what can be pasted.
fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "endpoints dev: {line}").context("cannot print")
}
