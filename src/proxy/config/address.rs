//! Where a backend is, and how it is spoken to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::uri::Authority;
use rustls_pki_types::ServerName;

#[cfg(test)]
mod tests;

/// The longest path that names a socket (`sun_path` of unix(7), with the byte that ends it).
const MAX_SOCKET_BYTES: usize = 107;

/// A place, and what is spoken there: `http://`, `https://` (TLS), `grpc://` (HTTP/2), `grpcs://`
/// (both), `unix:` (a local socket). Equal addresses share connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendAddress {
    place: Place,
    tls: bool,
    http2: bool,
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::proxy) enum Place {
    /// A name or an IP address without brackets, and a port.
    Network {
        /// In lower case.
        host: Box<str>,
        /// Where the address named none, 80, or 443 with TLS.
        port: u16,
    },
    /// A socket: the path of its file, or `@` and a name in the network namespace (abstract).
    Unix(Box<str>),
}

/// Not the address of a backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is not a backend address: {why}")]
pub struct BadBackendAddress {
    /// What was given.
    pub address: String,
    /// What is wrong with it, and the remedy.
    pub why: &'static str,
}

impl BackendAddress {
    /// The app in the pod, or anything else that has an address already; over HTTP/1.1.
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            place: Place::Network {
                host: host.into(),
                port,
            },
            tls: false,
            http2: false,
        }
    }

    /// The same place, spoken to in HTTP/2.
    #[must_use]
    pub fn over_http2(self) -> Self {
        Self {
            http2: true,
            ..self
        }
    }

    /// Host (without brackets) and port; None: a local socket.
    pub fn network(&self) -> Option<(&str, u16)> {
        match &self.place {
            Place::Network { host, port } => Some((host, *port)),
            Place::Unix(_) => None,
        }
    }

    /// What is connected to.
    pub(in crate::proxy) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether it is encrypted.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// Whether it is HTTP/2; else HTTP/1.1.
    pub fn http2(&self) -> bool {
        self.http2
    }

    /// What a request to it names in `Host`: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let Place::Network { host, port } = &self.place else {
            return String::from("localhost");
        };
        let port = (*port != default_port(self.tls)).then_some(*port);
        match (port, host.contains(':')) {
            (Some(port), true) => format!("[{host}]:{port}"),
            (Some(port), false) => format!("{host}:{port}"),
            (None, true) => format!("[{host}]"),
            (None, false) => host.to_string(),
        }
    }

    /// Whom its certificate must name.
    pub(in crate::proxy) fn server_name(&self) -> Option<ServerName<'static>> {
        let Place::Network { host, .. } = &self.place else {
            return None;
        };
        match host.parse::<IpAddr>() {
            Ok(address) => Some(address.into()),
            Err(_) => ServerName::try_from(host.to_string()).ok(),
        }
    }
}

impl From<SocketAddr> for BackendAddress {
    fn from(address: SocketAddr) -> Self {
        Self::new(&address.ip().to_string(), address.port())
    }
}

/// With its port always, and with its scheme unless that is `http://`.
impl fmt::Display for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.tls, self.http2) {
            (false, false) => "",
            (false, true) => "grpc://",
            (true, false) => "https://",
            (true, true) => "grpcs://",
        })?;
        match &self.place {
            Place::Network { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Network { host, port } => write!(f, "{host}:{port}"),
            Place::Unix(socket) => write!(f, "unix:{socket}"),
        }
    }
}

/// Reads `SCHEME://HOST[:PORT]` and `unix:SOCKET`.
impl FromStr for BackendAddress {
    type Err = BadBackendAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why| BadBackendAddress {
            address: text.to_owned(),
            why,
        };
        if let Some(socket) = text.strip_prefix("unix:") {
            return Ok(Self {
                place: Place::Unix(read_socket(socket).map_err(bad)?),
                tls: false,
                http2: false,
            });
        }
        let unknown =
            || bad("it does not start with http://, https://, grpc://, grpcs:// or unix:");
        let (scheme, rest) = text.split_once("://").ok_or_else(unknown)?;
        let (tls, http2) = match scheme {
            "http" => (false, false),
            "https" => (true, false),
            "grpc" => (false, true),
            "grpcs" => (true, true),
            _ => return Err(unknown()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let authority: Authority = authority
            .parse()
            .map_err(|_| bad("write it as http://HOST[:PORT]"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it may not hold a user name"));
        }
        // `Authority::port` is silent about a port that is none.
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None => default_port(tls),
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(bad("its port is not a number from 1 to 65535")),
                Ok(port) => port,
            },
        };
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        let address = Self {
            place: Place::Network {
                host: host.to_ascii_lowercase().into(),
                port,
            },
            tls,
            http2,
        };
        if tls && address.server_name().is_none() {
            return Err(bad("its host cannot be the name on a certificate"));
        }
        Ok(address)
    }
}

fn read_socket(socket: &str) -> Result<Box<str>, &'static str> {
    let named = socket.strip_prefix(['/', '@']).unwrap_or_default();
    if named.is_empty() {
        return Err("write it as unix:/PATH, or as unix:@NAME");
    }
    if socket.len() > MAX_SOCKET_BYTES || socket.contains(char::is_control) {
        return Err("no socket has such a path");
    }
    Ok(socket.into())
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}
