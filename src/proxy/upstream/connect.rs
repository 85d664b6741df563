//! Connecting to a backend: name look-up, socket, TLS, within one limit of time.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::stream::Stream;
use super::tls::{self, BackendTls};
use crate::proxy::config::BackendAddress;

/// How long the addresses of a name are believed.
const RESOLVED_FOR: Duration = Duration::from_secs(30);

/// Makes the connections to one backend.
#[derive(Debug)]
pub(super) struct Connector {
    address: BackendAddress,
    tls: BackendTls,
    resolved: RefCell<Option<(Instant, Vec<SocketAddr>)>>,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::proxy) enum ConnectError {
    /// No connection at all.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// Connected, but not trusted.
    #[error("the TLS handshake failed")]
    Tls(#[source] Arc<io::Error>),
    /// Trusted, but it does not speak HTTP/2.
    #[error("the backend did not agree to HTTP/2 (ALPN)")]
    NoHttp2,
    /// It took too long.
    #[error("connecting, or the TLS handshake, took too long")]
    Timeout,
}

impl Connector {
    pub(super) fn new(address: BackendAddress, tls: BackendTls) -> Self {
        Self {
            address,
            tls,
            resolved: RefCell::default(),
        }
    }

    pub(super) fn address(&self) -> &BackendAddress {
        &self.address
    }

    /// Connects, ready for HTTP.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Stream, ConnectError> {
        let connecting = async {
            let stream = self.open().await?;
            stream.set_nodelay(true)?;
            if !self.address.tls() {
                return Ok(Stream::Plain(stream));
            }
            let stream = self.tls.handshake(&self.address, stream).await?;
            Ok(Stream::Tls(Box::new(stream)))
        };
        timeout(limit, connecting)
            .await
            .unwrap_or(Err(ConnectError::Timeout))
    }

    /// Tries all addresses of the backend, in the resolver's order.
    async fn open(&self) -> io::Result<TcpStream> {
        if let Ok(ip) = self.address.host().parse::<IpAddr>() {
            return TcpStream::connect((ip, self.address.port())).await;
        }
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.resolve().await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        // What did not answer may have moved.
        self.resolved.replace(None);
        Err(last)
    }

    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some((when, addresses)) = &*self.resolved.borrow()
            && when.elapsed() < RESOLVED_FOR
        {
            return Ok(addresses.clone());
        }
        let found = lookup_host((self.address.host(), self.address.port())).await?;
        let addresses: Vec<_> = found.collect();
        self.resolved
            .replace(Some((Instant::now(), addresses.clone())));
        Ok(addresses)
    }
}

impl ConnectError {
    /// The kind of a failure, for people who may not learn more.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused",
                io::ErrorKind::TimedOut => "connection timeout",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route",
                io::ErrorKind::NotFound => "the name has no address",
                _ => "cannot connect",
            },
            Self::Tls(error) => tls::cause(error),
            Self::NoHttp2 => "TLS: HTTP/2 is not spoken there (ALPN)",
            Self::Timeout => "connection timeout",
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
