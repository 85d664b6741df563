//! Where a backend is, and how it is spoken to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::uri::Authority;
use rustls_pki_types::ServerName;

#[cfg(test)]
mod tests;

/// A host and a port, and what is spoken there: `http://`, `https://` (TLS), `grpc://` (HTTP/2),
/// `grpcs://` (both). Equal addresses share connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendAddress {
    host: Box<str>,
    port: u16,
    tls: bool,
    http2: bool,
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
            host: host.into(),
            port,
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

    /// A name or an IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; where the address named none, 80, or 443 with TLS.
    pub fn port(&self) -> u16 {
        self.port
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
        let port = (self.port != default_port(self.tls)).then_some(self.port);
        match (port, self.host.contains(':')) {
            (Some(port), true) => format!("[{}]:{port}", self.host),
            (Some(port), false) => format!("{}:{port}", self.host),
            (None, true) => format!("[{}]", self.host),
            (None, false) => self.host.to_string(),
        }
    }

    /// Whom its certificate must name.
    pub(in crate::proxy) fn server_name(&self) -> Option<ServerName<'static>> {
        match self.host.parse::<IpAddr>() {
            Ok(address) => Some(address.into()),
            Err(_) => ServerName::try_from(self.host.to_string()).ok(),
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
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads `SCHEME://HOST[:PORT]`.
impl FromStr for BackendAddress {
    type Err = BadBackendAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why| BadBackendAddress {
            address: text.to_owned(),
            why,
        };
        let unknown = || bad("it does not start with http://, https://, grpc:// or grpcs://");
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
            host: host.to_ascii_lowercase().into(),
            port,
            tls,
            http2,
        };
        if tls && address.server_name().is_none() {
            return Err(bad("its host cannot be the name on a certificate"));
        }
        Ok(address)
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}
