//! What a proxy is told at start; everything else comes with the policy.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use crate::policy::limits;

/// What a proxy is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// One for each port taken from the app.
    pub listeners: Vec<Listener>,
    /// How many threads serve requests; each has listeners and connections of its own.
    pub workers: NonZeroUsize,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub admin: Option<SocketAddr>,
    /// Bounds on every connection and request.
    pub limits: Limits,
}

/// A port and the app behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where clients connect; port 0 takes any free one.
    pub address: SocketAddr,
    /// Where requests go, unless the policy names a backend.
    pub backend: BackendAddress,
}

/// Bounds on every connection and request; [`crate::policy::limits`] says what each is for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// [`limits::HEADER_BYTES`].
    pub header_bytes: usize,
    /// [`limits::HEADER_COUNT`].
    pub header_count: usize,
    /// [`limits::URI_BYTES`].
    pub uri_bytes: usize,
    /// [`limits::CONNECTIONS`].
    pub connections: usize,
    /// [`limits::STREAMS`].
    pub streams: u32,
    /// [`limits::HEAD_TIMEOUT`].
    pub head_timeout: Duration,
    /// [`limits::IDLE_TIMEOUT`].
    pub idle_timeout: Duration,
    /// [`limits::BODY_PROGRESS_TIMEOUT`].
    pub body_progress_timeout: Duration,
    /// [`limits::WRITE_PROGRESS_TIMEOUT`].
    pub write_progress_timeout: Duration,
    /// [`limits::BACKEND_DEADLINE`].
    pub backend_deadline: Duration,
    /// [`limits::BACKEND_CONNECT_TIMEOUT`].
    pub backend_connect_timeout: Duration,
    /// [`limits::BACKEND_IDLE_TIMEOUT`].
    pub backend_idle_timeout: Duration,
    /// [`limits::DRAIN_GRACE`].
    pub drain_grace: Duration,
}

/// A backend over plain HTTP: a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendAddress {
    host: Box<str>,
    port: u16,
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

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: limits::HEADER_BYTES,
            header_count: limits::HEADER_COUNT,
            uri_bytes: limits::URI_BYTES,
            connections: limits::CONNECTIONS,
            streams: limits::STREAMS,
            head_timeout: limits::HEAD_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            body_progress_timeout: limits::BODY_PROGRESS_TIMEOUT,
            write_progress_timeout: limits::WRITE_PROGRESS_TIMEOUT,
            backend_deadline: limits::BACKEND_DEADLINE,
            backend_connect_timeout: limits::BACKEND_CONNECT_TIMEOUT,
            backend_idle_timeout: limits::BACKEND_IDLE_TIMEOUT,
            drain_grace: limits::DRAIN_GRACE,
        }
    }
}

// === impl BackendAddress ===

impl BackendAddress {
    /// The app in the pod, or anything else that has an address already.
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// A name or an IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 80 where the address named none.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl From<SocketAddr> for BackendAddress {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string().into(),
            port: address.port(),
        }
    }
}

impl fmt::Display for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads `http://HOST[:PORT]`.
impl FromStr for BackendAddress {
    type Err = BadBackendAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why| BadBackendAddress {
            address: text.to_owned(),
            why,
        };
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| bad("it does not start with http://"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let authority: http::uri::Authority = authority
            .parse()
            .map_err(|_| bad("write it as http://HOST[:PORT]"))?;
        if authority.as_str().contains('@') {
            return Err(bad("it may not hold a user name"));
        }
        // `Authority::port` is silent about a port that is none.
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None => 80,
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
        Ok(Self::new(host, port))
    }
}

#[cfg(test)]
mod tests;
