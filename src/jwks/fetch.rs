//! Fetching a key set: one GET, under an address rule, with every size and wait bounded.

mod connect;
mod http;
mod no_proxy;
mod proxy;
#[cfg(test)]
mod tests;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};
use url::Url;

pub use self::proxy::{ProxyError, ProxySettings};
use super::address::AddressRule;
use super::discovery;
use crate::policy::ca;
use crate::policy::format::KeySource;
use crate::policy::key_set::KeySetError;
use crate::tls;

/// From the start of a fetch, name look-up included, to the last byte; of a key set that is
/// discovered, from the start of that.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

const BAD_BUNDLE: &str = "the caBundle of the issuer cannot be used";

/// Brings the text of key sets: what the refresher asks. The operator composes one for all kinds of
/// sources.
pub trait FetchKeys: Send + Sync + 'static {
    /// Fetches the text of a source's key set, not parsed.
    fn fetch<'a>(&'a self, source: &'a KeySource) -> BoxFuture<'a, Result<Vec<u8>, FetchError>>;
}

/// Why keys could not be had: a class, for conditions and logs. Never quotes what was received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not an absolute URL with a host, or one with a user name or password in it.
    #[error("the address is not a URL with a host and without credentials")]
    BadUrl,
    /// The rule asks for https.
    #[error("the URL is not https")]
    NotHttps,
    /// The name has no address.
    #[error("the name of the host does not resolve")]
    Unresolvable,
    /// The rule refuses every address of the name; with a proxy, any.
    #[error(
        "the host has a loopback, link-local or metadata address, which is not fetched from \
         (--jwks-allow makes exceptions)"
    )]
    AddressRefused,
    /// No connection.
    #[error("the host cannot be connected to, or closed the connection")]
    Unreachable,
    /// No connection to the proxy, or it does not speak HTTP.
    #[error(
        "the proxy cannot be connected to, or did not answer as one (see HTTPS_PROXY; NO_PROXY \
         makes exceptions)"
    )]
    ProxyUnreachable,
    /// The proxy's own answer: it wants other credentials (407), or does not go there.
    #[error("the proxy refused with status {0} (see HTTPS_PROXY; NO_PROXY makes exceptions)")]
    ProxyRefused(u16),
    /// No trust.
    #[error(
        "the host failed the TLS handshake or is not trusted (SSL_CERT_FILE names other roots)"
    )]
    Tls,
    /// Over [`FETCH_TIMEOUT`].
    #[error("nothing whole was received within 5 seconds")]
    Timeout,
    /// Redirects are not followed: they would lead around the address that was reviewed.
    #[error("the host redirects, which is not followed: name the final URL")]
    Redirect,
    /// Neither 200 nor a redirect.
    #[error("the host answered with status {0}")]
    Status(u16),
    /// The answer is not HTTP/1.1.
    #[error("the host does not answer with HTTP")]
    NotHttp,
    /// Over [`crate::policy::key_set::MAX_KEY_SET_BYTES`].
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
    /// Received, but not usable.
    #[error(transparent)]
    NotAKeySet(#[from] KeySetError),
    /// Of the discovery document that should name the key set.
    #[error("the discovery document of the issuer: {0}")]
    Discovery(#[source] Box<FetchError>),
    /// Of the key set that the discovery document names.
    #[error("the key set that the discovery document names in `jwks_uri`: {0}")]
    Discovered(#[source] Box<FetchError>),
    /// Received from the discovery URL, but no issuer and `jwks_uri` in it.
    #[error(
        "the discovery document is not JSON with `issuer` and `jwks_uri`: name the key set in jwt.issuers[].jwksUri"
    )]
    NotADiscoveryDocument,
    /// The discovery document is another issuer's; this one.
    #[error(
        "the discovery document is of the issuer {0}: if tokens say otherwise, name the key set in jwt.issuers[].jwksUri"
    )]
    OtherIssuer(String),
    /// Keys were asked of this cluster for an issuer that is not its own; this one is.
    #[error("this cluster's issuer is {0}")]
    NotThisCluster(String),
    /// Of sources that are not URLs: in words for people, naming the remedy.
    #[error("{0}")]
    Source(String),
}

/// Fetches sources that are URLs, over HTTP/1.1. Sends no credentials, follows no redirect.
#[derive(Clone, Debug)]
pub struct HttpFetcher {
    rule: AddressRule,
    proxies: ProxySettings,
    tls: Arc<ClientConfig>,
}

impl HttpFetcher {
    /// A fetcher that trusts these roots ([`tls::roots`]) and uses no proxy.
    ///
    /// # Errors
    /// The crypto provider does not support the protocol versions: a defect of the build.
    pub fn new(rule: AddressRule, roots: RootCertStore) -> Result<Self, rustls::Error> {
        let mut tls = ClientConfig::builder_with_provider(tls::crypto_provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            rule,
            proxies: ProxySettings::default(),
            tls: Arc::new(tls),
        })
    }

    /// Fetches through these proxies.
    #[must_use]
    pub fn with_proxies(self, proxies: ProxySettings) -> Self {
        Self { proxies, ..self }
    }

    /// Fetches a URL.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        self.get_until(url, Instant::now() + FETCH_TIMEOUT).await
    }

    /// Fetches the discovery document of an issuer and the key set that it names, under the same
    /// rules; both together within [`FETCH_TIMEOUT`].
    async fn discover(&self, url: &str, issuer: &str) -> Result<Vec<u8>, FetchError> {
        let end = Instant::now() + FETCH_TIMEOUT;
        let document = self.get_until(url, end).await;
        let document = document.map_err(|error| FetchError::Discovery(Box::new(error)))?;
        let jwks_uri = discovery::jwks_uri(&document, issuer)?;
        let key_set = self.get_until(&jwks_uri, end).await;
        key_set.map_err(|error| FetchError::Discovered(Box::new(error)))
    }

    /// The same, but that it trusts these authorities (PEM) and nobody else.
    fn trusting(&self, ca_bundle: &str) -> Result<Self, FetchError> {
        let of_no_use = |_| FetchError::Source(BAD_BUNDLE.to_owned());
        let mut roots = RootCertStore::empty();
        for certificate in ca::certificates(ca_bundle).map_err(of_no_use)? {
            roots.add(certificate).map_err(|_| of_no_use(""))?;
        }
        let other = Self::new(self.rule.clone(), roots).map_err(|_| of_no_use(""))?;
        Ok(other.with_proxies(self.proxies.clone()))
    }

    async fn get_until(&self, url: &str, end: Instant) -> Result<Vec<u8>, FetchError> {
        let url = self.check(url)?;
        let fetch = http::get(&url, &self.rule, &self.proxies, &self.tls);
        timeout_at(end, fetch)
            .await
            .map_err(|_| FetchError::Timeout)?
    }

    fn check(&self, url: &str) -> Result<Url, FetchError> {
        let url = Url::parse(url).map_err(|_| FetchError::BadUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.rule.allow_http => {}
            _ => return Err(FetchError::NotHttps),
        }
        if !url.has_host() || !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::BadUrl);
        }
        Ok(url)
    }
}

impl FetchKeys for HttpFetcher {
    fn fetch<'a>(&'a self, source: &'a KeySource) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        Box::pin(async move {
            match source {
                KeySource::Url(url) => self.get(url).await,
                KeySource::Discovery { url, issuer } => self.discover(url, issuer).await,
                KeySource::Trusting { ca_bundle, source } => {
                    self.trusting(ca_bundle)?.fetch(source).await
                }
                KeySource::Inline(text) => Ok(text.clone().into_bytes()),
                KeySource::Kubernetes { .. } => Err(FetchError::Source(
                    "the keys of a cluster are read by the operator inside it: give a jwksUri here"
                        .to_owned(),
                )),
            }
        })
    }
}

impl FetchError {
    /// A short stable name, for conditions and metrics.
    pub fn class(&self) -> &'static str {
        match self {
            Self::BadUrl => "BadUrl",
            Self::NotHttps => "NotHttps",
            Self::Unresolvable => "Unresolvable",
            Self::AddressRefused => "AddressRefused",
            Self::Unreachable => "Unreachable",
            Self::ProxyUnreachable => "ProxyUnreachable",
            Self::ProxyRefused(_) => "ProxyRefused",
            Self::Tls => "Tls",
            Self::Timeout => "Timeout",
            Self::Redirect => "Redirect",
            Self::Status(_) => "Status",
            Self::NotHttp => "NotHttp",
            Self::TooLarge => "TooLarge",
            Self::NotAKeySet(_) => "NotAKeySet",
            Self::Discovery(error) | Self::Discovered(error) => error.class(),
            Self::NotADiscoveryDocument => "NotADiscoveryDocument",
            Self::OtherIssuer(_) => "OtherIssuer",
            Self::NotThisCluster(_) => "NotThisCluster",
            Self::Source(_) => "Source",
        }
    }
}
