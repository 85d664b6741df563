//! Proxies towards the outside, as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name them.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::no_proxy::NoProxy;

/// Through which proxy a URL is fetched, if any. Nobody's key set source can choose one: that is up
/// to whoever runs the process.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    https: Option<Arc<Proxy>>,
    http: Option<Arc<Proxy>>,
    no_proxy: NoProxy,
}

/// A forward proxy, spoken to in plain HTTP. Its credentials show nowhere.
pub(super) struct Proxy {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// The value of `Proxy-Authorization` (RFC 7617).
    pub(super) authorization: Option<HeaderValue>,
}

/// Why a variable does not name a proxy. Does not quote it: there may be a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is not of the form http://[USER:PASSWORD@]HOST[:PORT]: {problem}")]
pub struct ProxyError {
    variable: &'static str,
    problem: &'static str,
}

impl ProxySettings {
    /// Reads the variables of an environment, given as a function of their names: upper case first,
    /// then lower case; an empty one counts as not there.
    ///
    /// # Errors
    /// A proxy of another kind, or no URL at all. Going around it would not be what was asked for.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = variable(name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            })
        };
        let proxy = |names| {
            first(names)
                .map(|(name, value)| Proxy::parse(name, &value).map(Arc::new))
                .transpose()
        };
        Ok(Self {
            https: proxy(["HTTPS_PROXY", "https_proxy"])?,
            http: proxy(["HTTP_PROXY", "http_proxy"])?,
            no_proxy: first(["NO_PROXY", "no_proxy"])
                .map(|(_, list)| NoProxy::parse(&list))
                .unwrap_or_default(),
        })
    }

    /// The proxy for a host; none: it is connected to directly.
    pub(super) fn proxy(&self, scheme: &str, host: &Host<&str>, port: u16) -> Option<&Proxy> {
        let proxy = match scheme {
            "https" => self.https.as_deref(),
            _ => self.http.as_deref(),
        };
        proxy.filter(|_| !self.no_proxy.exempts(host, port))
    }
}

impl Proxy {
    fn parse(variable: &'static str, text: &str) -> Result<Self, ProxyError> {
        let fail = |problem| ProxyError { variable, problem };
        // The scheme is often left out, and then means this one.
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let url = url.map_err(|_| {
            fail("it is no URL (special characters of a password are written percent-encoded)")
        })?;
        if url.scheme() != "http" {
            return Err(fail("proxies are spoken to in plain HTTP only"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(fail("there is something after the host and port"));
        }
        let host = match url.host().ok_or_else(|| fail("it has no host"))? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self {
            host,
            port: url.port_or_known_default().unwrap_or(80),
            authorization: authorization(&url).ok_or_else(|| fail("its user is not usable"))?,
        })
    }
}

/// RFC 7617 section 2. `None`: the user's name has a colon in it, so the password would start there.
fn authorization(url: &Url) -> Option<Option<HeaderValue>> {
    if url.username().is_empty() && url.password().is_none() {
        return Some(None);
    }
    let mut plain: Vec<u8> = percent_decode_str(url.username()).collect();
    if plain.contains(&b':') {
        return None;
    }
    plain.push(b':');
    plain.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain))).ok()?;
    value.set_sensitive(true);
    Some(Some(value))
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
