//! TLS, one crypto provider for the whole process (aws-lc-rs).

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;

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
