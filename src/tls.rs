//! TLS, one crypto provider for the whole process (aws-lc-rs).

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Installs the process's crypto provider; a second call changes nothing.
pub fn install_crypto_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The provider, for configurations that are built by hand.
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The roots that remote servers are verified by: built-in ones (the image is empty).
pub fn built_in_roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

/// The roots that remote servers are verified by: those of the PEM file, where `SSL_CERT_FILE` names
/// one, else the built-in ones.
///
/// # Errors
/// The file cannot be read, or holds no certificate.
pub fn roots(ssl_cert_file: Option<&Path>) -> Result<RootCertStore, RootsError> {
    let Some(path) = ssl_cert_file else {
        return Ok(built_in_roots());
    };
    let fail = |problem: String| RootsError {
        path: path.to_owned(),
        problem,
    };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| fail(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| fail(error.to_string()))?;
        // System bundles hold certificates that webpki cannot use; the others still count.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        return Err(fail("it holds no usable certificate".to_owned()));
    }
    Ok(roots)
}

/// Why the file of roots cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("SSL_CERT_FILE {}: {problem}", path.display())]
pub struct RootsError {
    path: PathBuf,
    problem: String,
}
