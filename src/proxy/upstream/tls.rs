//! TLS to backends: the certificate must be trusted and name the host.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::ConnectError;
use super::options::UpstreamPolicy;
use crate::proxy::certificate::Certificate;
use crate::proxy::config::BackendAddress;
use crate::tls;

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// How the backends of one policy are trusted; shared by workers. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct BackendTls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    /// What the proxy trusts, where a policy has no authorities of its own.
    roots: Arc<RootCertStore>,
    identity: Certificate,
    /// Backends are shown a certificate: without one, none is talked to.
    shows_identity: bool,
}

impl BackendTls {
    /// Trusts these roots; `identity`: what is shown to backends where a policy says so.
    ///
    /// # Errors
    /// The crypto provider does not support the protocol versions: a defect of the build.
    pub(in crate::proxy) fn new(
        roots: RootCertStore,
        identity: Certificate,
    ) -> Result<Self, Error> {
        let roots = Arc::new(roots);
        let (http1, http2) = configs(roots.clone(), None)?;
        Ok(Self {
            http1,
            http2,
            roots,
            identity,
            shows_identity: false,
        })
    }

    /// The same under a policy.
    pub(in crate::proxy) fn under(&self, policy: &UpstreamPolicy) -> Self {
        let shows_identity = policy.settings.tls.client_certificate;
        if policy.roots.is_none() && !shows_identity {
            return self.clone();
        }
        let roots = match &policy.roots {
            Some(roots) => Arc::new(roots.clone()),
            None => self.roots.clone(),
        };
        let identity = shows_identity.then_some(&self.identity);
        let (http1, http2) =
            configs(roots, identity).expect("the provider was good for the proxy's own");
        Self {
            http1,
            http2,
            shows_identity,
            ..self.clone()
        }
    }

    /// The handshake. `name`: whom the certificate must name; None: the address's host.
    ///
    /// # Errors
    /// It failed, the certificate is not good, or HTTP/2 is needed and not agreed on.
    pub(in crate::proxy) async fn handshake(
        &self,
        address: &BackendAddress,
        name: Option<&ServerName<'static>>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        if self.shows_identity && !self.identity.is_there() {
            return Err(ConnectError::NoIdentity);
        }
        let name = name.cloned().or_else(|| address.server_name());
        let name = name.ok_or_else(|| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "no name for a certificate");
            ConnectError::Tls(Arc::new(error))
        })?;
        let config = match address.http2() {
            true => &self.http2,
            false => &self.http1,
        };
        let stream = TlsConnector::from(config.clone())
            .connect(name, stream)
            .await
            .map_err(|error| ConnectError::Tls(Arc::new(error)))?;
        if address.http2() && stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(ConnectError::NoHttp2);
        }
        Ok(stream)
    }
}

fn configs(
    roots: Arc<RootCertStore>,
    identity: Option<&Certificate>,
) -> Result<(Arc<ClientConfig>, Arc<ClientConfig>), Error> {
    let builder = ClientConfig::builder_with_provider(tls::crypto_provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut http1 = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()),
    };
    if identity.is_some() {
        // A resumed session would go on under a certificate that has been replaced.
        http1.resumption = Resumption::disabled();
    }
    let mut http2 = http1.clone();
    http1.alpn_protocols = vec![HTTP1.to_vec()];
    http2.alpn_protocols = vec![HTTP2.to_vec()];
    Ok((Arc::new(http1), Arc::new(http2)))
}

/// What is wrong, for people who may not learn more than that.
pub(super) fn cause(error: &io::Error) -> &'static str {
    let Some(error) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    else {
        return "TLS: the connection was closed in the handshake";
    };
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "TLS: the certificate is not for this host"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "TLS: the certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "TLS: the certificate is not valid yet"
            }
            CertificateError::UnknownIssuer => {
                "TLS: the certificate's issuer is not trusted (SSL_CERT_FILE names other roots)"
            }
            _ => "TLS: the certificate is not good",
        },
        Error::InvalidMessage(_) => "TLS: the answer is not TLS",
        Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | Error::NoApplicationProtocol => "TLS: the protocol is not spoken there",
        Error::AlertReceived(_) => "TLS: the backend refused the handshake",
        _ => "TLS: the handshake failed",
    }
}
