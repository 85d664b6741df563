//! The sidecar's side: dials the operator, for ever, and hands over what it sends.

mod session;

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use self::session::{Session, SessionError};
use super::backoff::Backoff;
use super::wire::{Hello, Keys, PodRef};
use crate::policy::Policy;
use crate::policy::format::FORMAT;
use crate::shutdown::Shutdown;
use crate::tls;

#[cfg(test)]
mod tests;

/// What runs the policies that arrive.
pub trait Apply: Send {
    /// New keys of one source; before the policy that needs them, and whenever they were fetched.
    fn keys(&mut self, keys: Keys);

    /// A policy, whole and with the hash it was announced with. From its return on it decides every
    /// new request.
    ///
    /// # Errors
    /// It cannot be run; why, for people. The one before goes on.
    fn apply(&mut self, policy: Policy, origin: &Origin) -> Result<(), String>;
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
    /// From [`tls_config`].
    pub tls: Arc<rustls::ClientConfig>,
    /// The projected token; read at each connect, as the kubelet renews it.
    pub token_file: PathBuf,
    /// The pod this runs in.
    pub pod: PodRef,
    /// The EndpointsService, in the pod's namespace.
    pub service: String,
}

/// The trust bundle is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Not PEM.
    #[error("the trust bundle is not PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// Nothing in it.
    #[error("the trust bundle holds no certificate")]
    Empty,
    /// A certificate that cannot be one of an authority.
    #[error("the trust bundle holds a certificate that cannot be used")]
    Certificate(#[source] rustls::Error),
}

/// Trusts the authorities in `bundle` (PEM) and nobody else.
///
/// # Errors
/// See [`TrustError`].
pub fn tls_config(bundle: &str) -> Result<rustls::ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_reader_iter(Cursor::new(bundle)) {
        let certificate = certificate.map_err(TrustError::Pem)?;
        roots.add(certificate).map_err(TrustError::Certificate)?;
    }
    if roots.is_empty() {
        return Err(TrustError::Empty);
    }
    let mut config = rustls::ClientConfig::builder_with_provider(tls::crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Keeps a stream to the operator until `shutdown`. What was applied stays applied, however long
/// the operator is away.
pub async fn run(config: Config, mut apply: impl Apply, mut shutdown: Shutdown) {
    let mut backoff = Backoff::default();
    let mut hash = None;
    while !shutdown.started() {
        let hello = Hello {
            pod: config.pod.clone(),
            service: config.service.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            format: FORMAT,
            hash: hash.clone(),
        };
        let mut session = Session {
            config: &config,
            apply: &mut apply,
            hash: &mut hash,
            fresh: false,
        };
        let end = tokio::select! {
            end = session.run(hello) => end,
            () = shutdown.wait() => return,
        };
        if session.fresh {
            backoff.reset();
        }
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

/// One line with all causes.
fn log(error: &SessionError, has_policy: bool) {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if has_policy {
        tracing::warn!(error = text, "no policy stream; the last policy goes on");
    } else {
        tracing::warn!(error = text, "no policy stream, and no policy yet");
    }
}
