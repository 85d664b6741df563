//! Connecting to a backend: name look-up, socket, TLS, within one limit of time.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use super::resolve::Resolver;
use super::stream::Socket;
use super::tls::{self, BackendTls};
use crate::proxy::config::{BackendAddress, Place};
use crate::proxy::loopback;

/// How long one address of a name may take before the next is tried beside it (RFC 8305 section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Makes the connections to one backend.
#[derive(Debug)]
pub(super) struct Connector {
    address: BackendAddress,
    tls: BackendTls,
    /// Whom its certificate must name, if that is not the address's host.
    server_name: Option<ServerName<'static>>,
    target: Target,
}

/// What is connected to.
#[derive(Debug)]
enum Target {
    Address(SocketAddr),
    Name(Resolver),
    Socket(PathBuf),
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::proxy) enum ConnectError {
    /// The name has no address.
    #[error("the name cannot be looked up")]
    Name(#[source] Arc<io::Error>),
    /// No connection at all.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// Connected, but not trusted.
    #[error("the TLS handshake failed")]
    Tls(#[source] Arc<io::Error>),
    /// The policy demands a certificate of ours, and there is none.
    #[error("there is no certificate to show to the backend")]
    NoIdentity,
    /// Trusted, but it does not speak HTTP/2.
    #[error("the backend did not agree to HTTP/2 (ALPN)")]
    NoHttp2,
    /// Connecting took too long.
    #[error("connecting took too long")]
    Timeout,
    /// Connected, and no answer to the TLS handshake in time.
    #[error("the TLS handshake took too long")]
    HandshakeTimeout,
    /// Connected, and no SETTINGS of HTTP/2 in time.
    #[error("the backend did not begin to speak HTTP/2 in time")]
    SettingsTimeout,
    /// Connected, and left before anything of HTTP/2 came.
    #[error("the backend closed the connection before it spoke HTTP/2")]
    Left,
    /// Connected, and no request is allowed.
    #[error("the backend allows no request (SETTINGS_MAX_CONCURRENT_STREAMS is 0)")]
    NoStreams,
}

impl Connector {
    pub(super) fn new(
        address: BackendAddress,
        tls: BackendTls,
        server_name: Option<ServerName<'static>>,
    ) -> Self {
        let target = match address.place() {
            Place::Network { host, port } => match host.parse::<IpAddr>() {
                Ok(ip) => Target::Address(SocketAddr::new(ip, *port)),
                Err(_) => Target::Name(Resolver::new(host, *port)),
            },
            Place::Unix(socket) => Target::Socket(match socket.strip_prefix('@') {
                // The system's spelling of an abstract name.
                Some(name) => PathBuf::from(format!("\0{name}")),
                None => PathBuf::from(&**socket),
            }),
        };
        Self {
            address,
            tls,
            server_name,
            target,
        }
    }

    pub(super) fn address(&self) -> &BackendAddress {
        &self.address
    }

    /// Connects, ready for HTTP.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Socket, ConnectError> {
        let begun = Instant::now();
        let opening = timeout(limit, self.open());
        let stream = match opening.await.map_err(|_| ConnectError::Timeout)?? {
            Socket::Plain(stream) if self.address.tls() => stream,
            ready => return Ok(ready),
        };
        let left = limit.saturating_sub(begun.elapsed());
        let shaking = self
            .tls
            .handshake(&self.address, self.server_name.as_ref(), stream);
        let stream = timeout(left, shaking)
            .await
            .map_err(|_| ConnectError::HandshakeTimeout)??;
        Ok(Socket::Tls(Box::new(stream)))
    }

    async fn open(&self) -> Result<Socket, ConnectError> {
        let stream = match &self.target {
            Target::Socket(path) => return Ok(Socket::Unix(UnixStream::connect(path).await?)),
            Target::Address(address) => loopback::connect(*address).await?,
            Target::Name(resolver) => {
                let addresses = resolver.addresses().await.map_err(ConnectError::Name)?;
                let connected = first_of(&addresses).await;
                connected.inspect_err(|_| resolver.note_exhausted())?
            }
        };
        stream.set_nodelay(true)?;
        Ok(Socket::Plain(stream))
    }
}

/// Tries addresses in their order: the next one when one fails, and beside one that takes long.
async fn first_of(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut rest = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = rest.next() {
            attempts.push(TcpStream::connect(*address));
        }
        let ended = match rest.len() {
            0 => attempts.next().await,
            _ => match timeout(NEXT_ADDRESS_AFTER, attempts.next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = error,
            None => return Err(last),
        }
    }
}

impl ConnectError {
    /// Whether nobody was there, as while a backend restarts.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Io(_))
    }

    /// The kind of a failure, for people who may not learn more.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Name(error) if error.kind() == io::ErrorKind::TimedOut => {
                "looking up its name took too long"
            }
            Self::Name(_) => "its name has no address",
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused",
                io::ErrorKind::TimedOut => "connection timeout",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route",
                io::ErrorKind::NotFound => "there is no such socket",
                io::ErrorKind::PermissionDenied => "permission denied",
                _ => "cannot connect",
            },
            Self::Tls(error) => tls::cause(error),
            Self::NoIdentity => "TLS: the sidecar has no client certificate to show",
            Self::NoHttp2 => "TLS: HTTP/2 is not spoken there (ALPN)",
            Self::Timeout => "connection timeout",
            Self::HandshakeTimeout => {
                "connection timeout, TLS: no answer to the handshake (is it a port without TLS?)"
            }
            Self::SettingsTimeout => {
                "connection timeout, HTTP/2: no SETTINGS came (does it speak HTTP/2?)"
            }
            Self::Left => "HTTP/2: the connection was closed before SETTINGS came",
            Self::NoStreams => {
                "HTTP/2: no request is allowed (SETTINGS_MAX_CONCURRENT_STREAMS is 0)"
            }
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
