//! TLS towards clients.

use std::sync::Arc;

use rustls::ServerConfig;

use super::certificate::{Certificate, ShownTo};
use crate::tls;

/// HTTP versions, the better one first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// How clients are spoken to by TLS. Cheap to clone; all clones have one certificate.
#[derive(Clone, Debug)]
pub(super) struct ClientTls {
    config: Arc<ServerConfig>,
    pub(super) certificate: Certificate,
}

impl ClientTls {
    /// Without a certificate, so far.
    ///
    /// # Errors
    /// The crypto provider cannot be used: a defect of the build.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let certificate = Certificate::new(ShownTo::Clients);
        let mut config = ServerConfig::builder_with_provider(tls::crypto_provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(certificate.resolver());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self {
            config: Arc::new(config),
            certificate,
        })
    }

    /// How clients are spoken to; None: there is no usable certificate.
    pub(super) fn config(&self) -> Option<&Arc<ServerConfig>> {
        self.certificate.is_there().then_some(&self.config)
    }
}
