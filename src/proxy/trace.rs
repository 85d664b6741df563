//! Traces (W3C Trace Context), where the policy has them on: a request's place in one, and its span.
//!
//! ```text
//! request ─► context (traceparent, tracestate) ─► Trace ─► the backend sees our span as its parent
//!                                                  └─ over ─► otlp (JSON) ─► export ─► collector
//! ```
//!
//! Where they are off, both headers pass as they come.

mod context;
pub(super) mod export;
mod otlp;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use self::context::{Parent, TRACEPARENT, TRACESTATE};
use super::random::Random;
use crate::policy::format::TracingRule;

/// The most of a path that a span holds, in bytes.
const MAX_PATH: usize = 1024;

/// A request's place in a trace.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) span: Span,
}

/// What a span says beside what is known of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    trace: u128,
    span: u64,
    /// The span of whoever sent the request.
    parent: Option<u64>,
    /// Whether it is exported, and the backend's likewise.
    pub(super) sampled: bool,
    /// Without query; empty where it is not exported.
    path: String,
    /// What the client takes for our name.
    host: Option<HeaderValue>,
}

impl Trace {
    /// Goes on with the trace that the request comes with, or begins one. A `tracestate` that is not
    /// valid, or belongs to no trace, is removed.
    pub(super) fn begin(rule: &TracingRule, parts: &mut Parts, random: &Random) -> Self {
        let parent = Parent::read(&parts.headers);
        if parent.is_none() || !context::is_state(&parts.headers) {
            parts.headers.remove(TRACESTATE);
        }
        let (trace, sampled) = match &parent {
            Some(parent) => (parent.trace, parent.sampled),
            None => (trace_id(random), random.chance(rule.sample)),
        };
        let mut span = Span {
            trace,
            span: random.next().max(1),
            parent: parent.map(|parent| parent.span),
            sampled,
            path: String::new(),
            host: None,
        };
        if sampled {
            let path = parts.uri.path();
            path.get(..MAX_PATH)
                .unwrap_or(path)
                .clone_into(&mut span.path);
            let authority = parts.uri.authority();
            span.host = match authority.map(|it| HeaderValue::try_from(it.as_str())) {
                Some(Ok(host)) => Some(host),
                _ => parts.headers.get(HOST).cloned(),
            };
        }
        Self { span }
    }

    /// Makes the span the parent of whatever the backend does.
    pub(super) fn propagate(&self, headers: &mut HeaderMap) {
        let flags = u8::from(self.span.sampled);
        let text = format!(
            "00-{:032x}-{:016x}-{flags:02x}",
            self.span.trace, self.span.span
        );
        // Hexadecimal digits and dashes always are a value.
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

impl Span {
    /// As logs show it.
    pub(super) fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// As logs show it.
    pub(super) fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }
}

/// Never zero, which is no name.
fn trace_id(random: &Random) -> u128 {
    (u128::from(random.next()) << 64) | u128::from(random.next().max(1))
}

#[cfg(test)]
mod tests;
