//! By whom the operator is recognised: what came with the pod, and what the operator said since.

use std::io::Cursor;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::push::wire::MAX_TRUST;
use crate::tls;

#[cfg(test)]
mod tests;

/// The trust bundle is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Over [`MAX_TRUST`].
    #[error("the trust bundle has more than {MAX_TRUST} bytes")]
    TooLarge,
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

/// The authorities of two bundles, either of which may be out of date: the pod's is as old as the pod,
/// and the operator's is lost with the volume that keeps it. Never empty.
#[derive(Clone, Debug)]
pub struct Trust {
    injected: RootCertStore,
    authorities: usize,
    tls: Arc<rustls::ClientConfig>,
}

impl Trust {
    /// Trusts the authorities that the pod was created with (PEM) and nobody else.
    ///
    /// # Errors
    /// See [`TrustError`].
    pub fn new(injected: &str) -> Result<Self, TrustError> {
        let injected = roots(injected)?;
        Ok(Self {
            authorities: injected.len(),
            tls: Arc::new(config(injected.clone())),
            injected,
        })
    }

    /// Trusts these authorities (PEM) beside the pod's, instead of those learnt before.
    ///
    /// # Errors
    /// See [`TrustError`]; nothing has changed then.
    pub fn learn(&mut self, bundle: &str) -> Result<(), TrustError> {
        let mut all = roots(bundle)?;
        all.roots.extend(self.injected.roots.iter().cloned());
        self.authorities = all.len();
        self.tls = Arc::new(config(all));
        Ok(())
    }

    /// How many authorities are trusted; one that both bundles hold counts twice.
    pub fn authorities(&self) -> usize {
        self.authorities
    }

    /// The TLS configuration to dial with.
    pub(super) fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.tls.clone()
    }
}

/// Trusts the authorities in `bundle` (PEM) and nobody else.
///
/// # Errors
/// See [`TrustError`].
pub fn tls_config(bundle: &str) -> Result<rustls::ClientConfig, TrustError> {
    roots(bundle).map(config)
}

fn roots(bundle: &str) -> Result<RootCertStore, TrustError> {
    if bundle.len() > MAX_TRUST {
        return Err(TrustError::TooLarge);
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_reader_iter(Cursor::new(bundle)) {
        let certificate = certificate.map_err(TrustError::Pem)?;
        roots.add(certificate).map_err(TrustError::Certificate)?;
    }
    if roots.is_empty() {
        return Err(TrustError::Empty);
    }
    Ok(roots)
}

fn config(roots: RootCertStore) -> rustls::ClientConfig {
    let mut config = rustls::ClientConfig::builder_with_provider(tls::crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}
