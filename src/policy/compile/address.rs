//! Addresses of backends: `SCHEME://HOST[:PORT][/PATH]`, as `x-google-backend` writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::policy::path::normalise;

/// The longest address, in bytes.
const MAX_BYTES: usize = 2048;
/// The help for what has no better one.
pub(super) const EXAMPLE: &str = "write it like `https://books.example.com/v1`";

/// Where a backend is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// A name in lower case, or an IP address; IPv6 in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether the port was written.
    has_port: bool,
    /// Normalised, without a slash at its end; empty for the root.
    pub(super) path: String,
    /// Whether a query was written; it is not used.
    pub(super) has_query: bool,
}

/// How a backend is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    /// HTTP/2 without TLS.
    Grpc,
    /// HTTP/2 over TLS.
    Grpcs,
}

/// What is wrong with an address, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadAddress {
    pub(super) why: String,
    pub(super) help: String,
}

impl Address {
    /// Parses; no scheme is https, no port is that of the scheme (ESPv2).
    pub(super) fn parse(written: &str) -> Result<Self, BadAddress> {
        check_characters(written)?;
        let (scheme, rest) = Scheme::split(written)?;
        if rest.contains('#') {
            return Err(bad("it has a fragment", "remove the part from `#` on"));
        }
        let (rest, has_query) = match rest.split_once('?') {
            Some((rest, _)) => (rest, true),
            None => (rest, false),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = scheme.authority(authority)?;
        let path = match path {
            "" => String::new(),
            path => match normalise(path) {
                Ok(path) => path.0.trim_end_matches('/').to_owned(),
                Err(_) => {
                    return Err(bad(
                        "its path leaves its root, or has a broken escape",
                        EXAMPLE,
                    ));
                }
            },
        };
        Ok(Self {
            scheme,
            host,
            port,
            has_port: has_port(authority),
            path,
            has_query,
        })
    }

    /// `SCHEME://HOST`, with its port if that was written.
    pub(super) fn as_written(&self) -> String {
        match self.has_port {
            true => self.origin(),
            false => format!("{}://{}", self.scheme.name(), self.host),
        }
    }

    /// `SCHEME://HOST:PORT`.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}:{}", self.scheme.name(), self.host, self.port)
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }

    /// Whether it says HTTP/2 by itself.
    pub(super) fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }

    /// Takes the scheme off an address.
    fn split(written: &str) -> Result<(Self, &str), BadAddress> {
        let end = written.find(['/', '?', '#']).unwrap_or(written.len());
        let scheme = match written[..end].strip_suffix(':') {
            Some(scheme) if written[end..].starts_with("//") => scheme,
            Some(_) => {
                return Err(bad(
                    "its scheme is not followed by `//`, or its port is none",
                    EXAMPLE,
                ));
            }
            None => return Ok((Self::Https, written)),
        };
        let known = [Self::Http, Self::Https, Self::Grpc, Self::Grpcs]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.name()));
        match known {
            Some(known) => Ok((known, &written[end + 2..])),
            None => Err(bad(
                "its scheme is none that backends are spoken to with",
                "write `https://`, `http://`, `grpcs://` or `grpc://`",
            )),
        }
    }

    /// Host and port of `HOST[:PORT]`.
    fn authority(self, written: &str) -> Result<(String, u16), BadAddress> {
        if written.contains('@') {
            return Err(bad("it holds credentials", "remove the part before `@`"));
        }
        if written.is_empty() {
            return Err(bad("it has no host", EXAMPLE));
        }
        // Reads every spelling of an IP address that name lookups read.
        let (like, default_port) = match self {
            Self::Http | Self::Grpc => ("http", 80),
            Self::Https | Self::Grpcs => ("https", 443),
        };
        let url = Url::parse(&format!("{like}://{written}"))
            .map_err(|error| bad(&format!("{error}"), EXAMPLE))?;
        let host = match url.host() {
            Some(Host::Domain(name)) if is_name(name) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => format!("[{address}]"),
            Some(Host::Domain(_)) | None => return Err(bad("its host is none", EXAMPLE)),
        };
        if is_metadata(&host) {
            return Err(bad(
                "it is link-local: the cloud's metadata service answers there with credentials",
                "write the address of a backend of your own",
            ));
        }
        match url.port().unwrap_or(default_port) {
            0 => Err(bad("its port is 0", EXAMPLE)),
            port => Ok((host, port)),
        }
    }
}

/// Of a good `HOST[:PORT]`.
fn has_port(authority: &str) -> bool {
    let after_host = authority
        .rfind(']')
        .map_or(authority, |end| &authority[end..]);
    after_host.contains(':')
}

/// Whether a host is where clouds serve metadata: link-local addresses in any spelling, and the name.
pub(super) fn is_metadata(host: &str) -> bool {
    let host = match Url::parse(&format!("http://{host}")) {
        Ok(url) => url.host().map(|host| host.to_owned()),
        Err(_) => None,
    };
    match host {
        Some(Host::Domain(name)) => matches!(
            name.trim_end_matches('.'),
            "metadata.google.internal" | "metadata"
        ),
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => {
            address.is_unicast_link_local()
                || METADATA_V6.contains(&address)
                || mapped(address).is_some_and(|address| address.is_link_local())
        }
        None => false,
    }
}

/// Metadata services outside the link-local range: Amazon, Google.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

fn mapped(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match IpAddr::V6(address).to_canonical() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// What goes into a Host header, is looked up, and can stand on a certificate.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= 253
        && name
            .strip_suffix('.')
            .unwrap_or(name)
            .split('.')
            .all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            })
}

fn check_characters(written: &str) -> Result<(), BadAddress> {
    if written.is_empty() {
        return Err(bad("it is empty", EXAMPLE));
    }
    if written.len() > MAX_BYTES {
        return Err(bad(
            &format!("it is longer than {MAX_BYTES} bytes"),
            EXAMPLE,
        ));
    }
    let refused =
        |character: &char| !character.is_ascii_graphic() || "\\{}<>^`|\"".contains(*character);
    match written.chars().find(refused) {
        None => Ok(()),
        Some('{' | '}') => Err(bad(
            "it has a variable, and one address is for all requests",
            "write the address itself; `path_translation: APPEND_PATH_TO_ADDRESS` keeps the request's path",
        )),
        Some(_) => Err(bad(
            "it has a character that no URL holds as it is",
            "write ASCII letters, names of other scripts as `xn--…`, and escape the rest (`%20`)",
        )),
    }
}

fn bad(why: &str, help: &str) -> BadAddress {
    BadAddress {
        why: why.to_owned(),
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests;
