//! How the process reaches key sets and backends outside, as its environment says. Read here only:
//! the library takes values.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;
use rustls::RootCertStore;

use crate::jwks::{AddressRule, HttpFetcher, ProxySettings};
use crate::tls;

/// What `--help` says of these variables.
pub(super) const HELP: &str = "\
Environment, for fetching key sets:
  SSL_CERT_FILE            PEM file of the roots to trust [default: built-in ones]
  HTTPS_PROXY, HTTP_PROXY  http://[USER:PASSWORD@]HOST[:PORT] of the proxy for https:, http: URLs
  NO_PROXY                 hosts to go to directly: names (with those below), .suffixes, addresses,
                           networks; each with an optional port; * for all";

/// A fetcher of key sets that trusts the roots of `SSL_CERT_FILE`, else the built-in ones, and goes
/// through the proxies of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
///
/// # Errors
/// One of them cannot be used.
pub(super) fn key_fetcher(rule: AddressRule) -> anyhow::Result<HttpFetcher> {
    fetcher(rule, |name| std::env::var_os(name))
}

/// What kube takes for the proxy of a kubeconfig that names none.
pub(super) fn environment_proxy() -> Option<http::Uri> {
    ["HTTPS_PROXY", "https_proxy"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .and_then(|value| value.parse().ok())
}

/// What remote servers are trusted by: the roots of `SSL_CERT_FILE`, else the built-in ones.
///
/// # Errors
/// The file cannot be used.
pub(super) fn roots() -> anyhow::Result<RootCertStore> {
    roots_of(|name| std::env::var_os(name))
}

fn roots_of(variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<RootCertStore> {
    let file = variable("SSL_CERT_FILE").filter(|value| !value.is_empty());
    Ok(tls::roots(file.as_deref().map(Path::new))?)
}

fn fetcher(
    rule: AddressRule,
    variable: impl Fn(&str) -> Option<OsString>,
) -> anyhow::Result<HttpFetcher> {
    let roots = roots_of(&variable)?;
    let proxies = ProxySettings::read(|name| Some(variable(name)?.to_string_lossy().into_owned()))?;
    let fetcher = HttpFetcher::new(rule, roots).context("cannot set up TLS")?;
    Ok(fetcher.with_proxies(proxies))
}
