//! TLS to backends: the certificate must be trusted and name the host.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::ConnectError;
use crate::proxy::config::BackendAddress;
use crate::tls;

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// How the backends of one proxy are trusted; shared by its workers. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct BackendTls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl BackendTls {
    /// Trusts these roots.
    ///
    /// # Errors
    /// The crypto provider does not support the protocol versions: a defect of the build.
    pub(in crate::proxy) fn new(roots: RootCertStore) -> Result<Self, Error> {
        let mut http1 = ClientConfig::builder_with_provider(tls::crypto_provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http2 = http1.clone();
        http1.alpn_protocols = vec![HTTP1.to_vec()];
        http2.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(Self {
            http1: Arc::new(http1),
            http2: Arc::new(http2),
        })
    }

    /// The handshake.
    ///
    /// # Errors
    /// It failed, the certificate is not good, or HTTP/2 is needed and not agreed on.
    pub(in crate::proxy) async fn handshake(
        &self,
        address: &BackendAddress,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let name = address.server_name().ok_or_else(|| {
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
