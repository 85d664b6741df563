//! The sidecar's side: dials the operator, for ever, and hands over what it sends.

pub(super) mod session;
mod trust;

use std::path::PathBuf;

use self::session::{Session, SessionError};
pub use self::trust::{Trust, TrustError, tls_config};
use super::backoff::Backoff;
use super::wire::{self, Hello, Keys, PROTOCOL, PodRef, Snapshot};
use crate::policy::Policy;
use crate::policy::format::{self, FORMAT, FormatError, KeySource};
use crate::shutdown::Shutdown;

/// What runs the policies that arrive. Only the first two must be: the others are for a sidecar that
/// remembers, and says more.
pub trait Apply: Send {
    /// New keys of one source; before the policy that needs them, and whenever they were fetched.
    fn keys(&mut self, keys: Keys);

    /// A policy, whole and with the hash it was announced with. From its return on it decides every
    /// new request.
    ///
    /// # Errors
    /// It cannot be run; why, for people. The one before goes on.
    fn apply(&mut self, policy: Policy, origin: &Origin) -> Result<(), String>;

    /// Hash of the policy that it runs, before the first stream: what it remembers.
    fn runs(&self) -> Option<String> {
        None
    }

    /// The snapshot that was just applied, to remember it as it came.
    fn keep(&mut self, _snapshot: &Snapshot) {}

    /// The policy that it runs is the newest.
    fn unchanged(&mut self) {}

    /// The operator is recognised by this bundle (PEM, checked) as well from now on.
    fn trust(&mut self, _bundle: &str) {}

    /// Why the first readiness is to be withheld, or that it is not (any more). Comes before the policy.
    fn withhold(&mut self, _reason: Option<&str>) {}

    /// Whether there is a stream.
    fn connected(&mut self, _connected: bool) {}

    /// Waits until newer keys of a source are wanted. Only asked while there is a stream to an
    /// operator that knows the question; may be dropped while it waits.
    fn wanted(&mut self) -> impl Future<Output = KeySource> + Send {
        std::future::pending()
    }
}

/// What a policy was compiled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `metadata.uid` of the EndpointsService.
    pub service_uid: String,
    /// Its `metadata.generation`.
    pub generation: i64,
    /// [`crate::policy::format::hash`] of the policy's canonical bytes.
    pub hash: String,
}

/// Whom to dial, and as whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// `HOST:PORT` of the operator's push Service, tried in order.
    pub addresses: Vec<String>,
    /// By whom the operator is recognised at first.
    pub trust: Trust,
    /// The projected token; read at each connect, as the kubelet renews it.
    pub token_file: PathBuf,
    /// The pod this runs in.
    pub pod: PodRef,
    /// The EndpointsService, in the pod's namespace.
    pub service: String,
}

/// Keeps a stream to the operator until `shutdown`. What was applied stays applied, however long
/// the operator is away.
pub async fn run(config: Config, mut apply: impl Apply, mut shutdown: Shutdown) {
    let mut backoff = Backoff::default();
    let mut hash = apply.runs();
    let mut trust = config.trust.clone();
    while !shutdown.started() {
        let hello = Hello {
            pod: config.pod.clone(),
            service: config.service.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            format: FORMAT,
            protocol: PROTOCOL,
            hash: hash.clone(),
        };
        let mut session = Session {
            config: &config,
            apply: &mut apply,
            trust: &mut trust,
            hash: &mut hash,
            fresh: false,
            withheld: false,
        };
        let end = tokio::select! {
            end = session.run(hello) => end,
            () = shutdown.wait() => return,
        };
        if session.fresh {
            backoff.reset();
        }
        apply.connected(false);
        let wait = backoff.next();
        match end {
            Ok(()) => tracing::info!("the operator ended the policy stream, reconnecting"),
            Err(error) => log(&error, hash.is_some()),
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.wait() => return,
        }
    }
}

/// Unpacks a policy: whole, with the hash it was announced with, in a format that this build reads.
///
/// # Errors
/// Why not, for people; starts with `SidecarTooOld` where a newer build would read it.
pub fn open(snapshot: &Snapshot) -> Result<(Policy, Origin), String> {
    let canonical = wire::unpack(&snapshot.body).map_err(|error| error.to_string())?;
    if format::hash(&canonical) != snapshot.hash {
        return Err("the policy does not have the hash it was announced with".to_owned());
    }
    let policy = Policy::from_bytes(&canonical).map_err(|error| match error {
        FormatError::TooNew { .. } => format!("SidecarTooOld: {error}"),
        FormatError::Malformed(cause) => format!("the policy cannot be read: {cause}"),
        FormatError::TooLarge(_) => error.to_string(),
    })?;
    let origin = Origin {
        service_uid: snapshot.service_uid.clone(),
        generation: snapshot.generation,
        hash: snapshot.hash.clone(),
    };
    Ok((policy, origin))
}

/// One line with all causes.
fn log(error: &SessionError, has_policy: bool) {
    let text = session::causes(error);
    if has_policy {
        tracing::warn!(error = text, "no policy stream; the last policy goes on");
    } else {
        tracing::warn!(error = text, "no policy stream, and no policy yet");
    }
}
