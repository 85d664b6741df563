//! The header plan of a policy: prepared once, one branch where it asks for nothing.

use core::net::IpAddr;
use std::borrow::Cow;

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::forwarded::{client_address, forward};
use super::names::{DEFAULT_PREFIX, Seen, check_prefix, check_target};
use super::sanitise;
use super::value::{RequestVariable, ValueTemplate};
use crate::policy::format::{ForwardedMode, HeaderEdits, Policy};

/// What a policy says about headers, ready to be done.
#[derive(Debug)]
pub struct HeaderPlan {
    /// `X-Endpoint-API-UserInfo`, or what it is called here.
    pub user_info: HeaderName,
    /// How many proxies in front are believed about where a request came from.
    pub trusted_hops: u8,
    /// Of generated names, in lower case, where it is not ESPv2's.
    own_prefix: Option<Box<str>>,
    /// Who is told the operation's name, and the names of all operations.
    operation: Option<(HeaderName, Box<[Option<HeaderValue>]>)>,
    forwarded: ForwardedMode,
    request: Edits,
    response: Edits,
    /// Whether `response` needs something of the request.
    captures: bool,
    /// In lower case: what the proxy reads or sets, and trailers do not bring.
    guarded: Box<[HeaderName]>,
}

/// What variables are made of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'r> {
    /// As it goes to the backend.
    pub method: &'r Method,
    /// As it goes to the backend, without query.
    pub path: &'r str,
    /// As the client sent it, but what was stripped.
    pub headers: &'r HeaderMap,
    /// The HTTP version that the client speaks.
    pub protocol: Version,
    /// Who is connected.
    pub peer: IpAddr,
    /// The operation's name, if there is one.
    pub operation: Option<&'r str>,
}

/// Where a request came from, as backends are told.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'c> {
    /// [`super::forwarded_peer`].
    pub peer: &'c HeaderValue,
    /// `http` or `https`.
    pub scheme: &'static str,
}

/// What the headers of an answer need of the request, in the order of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured(Vec<Box<[u8]>>);

#[derive(Debug, Default)]
struct Edits {
    /// What is there goes.
    set: Box<[(HeaderName, ValueTemplate)]>,
    append: Box<[(HeaderName, ValueTemplate)]>,
}

impl HeaderPlan {
    /// Prepares what a policy says. `tokens`: the headers in which tokens come.
    ///
    /// # Errors
    /// A name or a value that the compiler never lets through.
    pub fn new(policy: &Policy, tokens: &[HeaderName]) -> Result<Self, String> {
        let settings = &policy.settings.headers;
        let prefix = settings.generated_prefix.as_deref();
        if let Some(prefix) = prefix
            && (check_prefix(prefix).is_err() || prefix == DEFAULT_PREFIX)
        {
            return Err(format!("`{prefix}` is no prefix of headers"));
        }
        let prefix_or_default = prefix.unwrap_or(DEFAULT_PREFIX);
        let request = Edits::new(&settings.request, prefix_or_default, false)?;
        let response = Edits::new(&settings.response, prefix_or_default, true)?;
        let generated = |name: &str| {
            format!("{prefix_or_default}{name}")
                .parse::<HeaderName>()
                .map_err(|_| format!("`{prefix_or_default}` is no prefix of headers"))
        };
        let names = || {
            let names = policy.operations.iter().map(|operation| &operation.name);
            names
                .map(|name| HeaderValue::from_bytes(name.as_bytes()).ok())
                .collect()
        };
        let operation = match settings.operation_name {
            true => Some((generated("api-operation-name")?, names())),
            false => None,
        };
        let guarded = tokens
            .iter()
            .chain(request.all().map(|(name, _)| name))
            .cloned();
        let captures = response
            .all()
            .any(|(_, value)| value.of_request().next().is_some());
        Ok(Self {
            user_info: generated("api-userinfo")?,
            trusted_hops: settings.trusted_hops,
            own_prefix: prefix.map(Into::into),
            operation,
            forwarded: settings.forwarded,
            captures,
            guarded: guarded.collect(),
            request,
            response,
        })
    }

    /// Strips from a request what may not go on. `seen`: what a look at its names found.
    pub fn sanitise(&self, headers: &mut HeaderMap, seen: Seen) {
        sanitise::request(headers, seen, self);
    }

    /// Strips from a request's trailers what a request may not bring in its head either, and what
    /// means something only there (RFC 9110 section 6.5.1).
    pub fn sanitise_trailers(&self, trailers: &mut HeaderMap) {
        sanitise::trailers(trailers, self);
    }

    /// Whether [`HeaderPlan::capture`] has something to do.
    pub fn captures(&self) -> bool {
        self.captures
    }

    /// Notes what the answer's headers need of the request.
    pub fn capture(&self, facts: &Facts<'_>) -> Captured {
        let values = self.response.all().map(|(_, value)| value);
        Captured(
            values
                .flat_map(ValueTemplate::of_request)
                .map(|variable| self.variable(variable, facts).into())
                .collect(),
        )
    }

    /// Adds to a request what its backend is told: the operation, and what the policy sets. `index`:
    /// of the operation.
    pub fn request(&self, index: Option<usize>, facts: &Facts<'_>) -> Option<RequestEdits> {
        let operation = self.operation.as_ref().and_then(|(name, values)| {
            let value = values.get(index?)?.clone()?;
            Some((name.clone(), value))
        });
        if operation.is_none() && self.request.is_empty() {
            return None;
        }
        let value = |(name, value): &(HeaderName, ValueTemplate)| {
            let value = value.value(|variable| self.variable(variable, facts), None);
            (name.clone(), value)
        };
        Some(RequestEdits {
            operation,
            set: self.request.set.iter().map(value).collect(),
            append: self.request.append.iter().map(value).collect(),
        })
    }

    /// Tells the backend where the request came from. `host`: what the client asked for.
    pub fn forward(&self, headers: &mut HeaderMap, origin: Origin<'_>, host: Option<&HeaderValue>) {
        let scheme = HeaderValue::from_static(origin.scheme);
        forward(headers, self.forwarded, origin.peer, scheme, host);
    }

    /// Sets on an answer what the policy says.
    pub fn respond(&self, captured: &Captured, code: u16, headers: &mut HeaderMap) {
        if self.response.is_empty() {
            return;
        }
        let mut captured = captured.0.iter();
        let mut value = |(name, value): &(HeaderName, ValueTemplate), headers: &HeaderMap| {
            let next = |_: &RequestVariable| {
                let bytes = captured.next().map(|bytes| &**bytes);
                Cow::Borrowed(bytes.unwrap_or_default())
            };
            (name.clone(), value.value(next, Some((code, headers))))
        };
        let set: Vec<_> = self
            .response
            .set
            .iter()
            .map(|edit| value(edit, headers))
            .collect();
        let append: Vec<_> = self
            .response
            .append
            .iter()
            .map(|edit| value(edit, headers))
            .collect();
        apply(headers, set, append);
    }

    pub(super) fn own_prefix(&self) -> Option<&str> {
        self.own_prefix.as_deref()
    }

    /// Whether the proxy reads or sets this header.
    pub(super) fn is_guarded(&self, name: &str) -> bool {
        self.guarded.iter().any(|guarded| guarded.as_str() == name)
    }

    fn variable<'v>(&self, variable: &RequestVariable, facts: &Facts<'v>) -> Cow<'v, [u8]> {
        let header = |name: &HeaderName| {
            let first = facts.headers.get(name).map(HeaderValue::as_bytes);
            Cow::Borrowed(first.unwrap_or_default())
        };
        let address = |address: IpAddr| Cow::Owned(address.to_string().into_bytes());
        match variable {
            RequestVariable::Header(name) => header(name),
            RequestVariable::Authority => header(&HOST),
            RequestVariable::Method => Cow::Borrowed(facts.method.as_str().as_bytes()),
            RequestVariable::Path => Cow::Borrowed(facts.path.as_bytes()),
            RequestVariable::Client => {
                address(client_address(facts.headers, facts.peer, self.trusted_hops))
            }
            RequestVariable::Peer => address(facts.peer.to_canonical()),
            RequestVariable::Protocol => Cow::Borrowed(match facts.protocol {
                Version::HTTP_10 => b"HTTP/1.0",
                Version::HTTP_2 => b"HTTP/2",
                _ => b"HTTP/1.1",
            }),
            RequestVariable::Operation => {
                Cow::Borrowed(facts.operation.unwrap_or_default().as_bytes())
            }
        }
    }
}

/// What a request gets: made of what came, done when all of it was read.
#[derive(Debug)]
pub struct RequestEdits {
    operation: Option<(HeaderName, HeaderValue)>,
    set: Vec<(HeaderName, Option<HeaderValue>)>,
    append: Vec<(HeaderName, Option<HeaderValue>)>,
}

impl RequestEdits {
    /// Does it.
    pub fn apply(self, headers: &mut HeaderMap) {
        apply(headers, self.set, self.append);
        if let Some((name, value)) = self.operation {
            headers.insert(name, value);
        }
    }
}

type Made = Vec<(HeaderName, Option<HeaderValue>)>;

/// A header to be set whose value is none is removed: what came would pass for what the policy says.
fn apply(headers: &mut HeaderMap, set: Made, append: Made) {
    for (name, value) in set {
        match value {
            Some(value) => headers.insert(name, value),
            None => headers.remove(name),
        };
    }
    for (name, value) in append {
        if let Some(value) = value {
            headers.append(name, value);
        }
    }
}

impl Edits {
    fn new(written: &HeaderEdits, prefix: &str, of_response: bool) -> Result<Self, String> {
        let ready = |list: &std::collections::BTreeMap<String, String>| {
            list.iter()
                .map(|(name, value)| {
                    let header = check_target(name, prefix)
                        .map_err(|why| format!("header `{name}`: {why}"))?;
                    if header.as_str() != name {
                        return Err(format!("header `{name}` is not in lower case"));
                    }
                    let value = ValueTemplate::parse(value, of_response)
                        .map_err(|why| format!("header `{name}`: {why}"))?;
                    Ok((header, value))
                })
                .collect::<Result<_, _>>()
        };
        Ok(Self {
            set: ready(&written.set)?,
            append: ready(&written.append)?,
        })
    }

    fn all(&self) -> impl Iterator<Item = &(HeaderName, ValueTemplate)> {
        self.set.iter().chain(&self.append)
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.append.is_empty()
    }
}
