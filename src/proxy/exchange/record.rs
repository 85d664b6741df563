//! What is told of a request that is over: by the access log, and by a span. Made where one of them
//! wants it, so that a request that nobody tells of costs nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Version};

use crate::policy::format::Operation;
use crate::policy::verdict::{Facts, Fault, Reason, Refusal};
use crate::proxy::config::BackendAddress;
use crate::proxy::metrics::Source;
use crate::proxy::snapshot::Snapshot;
use crate::proxy::trace::Span;

/// A request that is over.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Record {
    pub(in crate::proxy) began: SystemTime,
    pub(in crate::proxy) duration: Duration,
    /// From its beginning to the head of the backend's answer.
    pub(in crate::proxy) answered_after: Option<Duration>,
    /// The policy that it was decided under.
    pub(in crate::proxy) snapshot: Option<Arc<Snapshot>>,
    /// Its place in the policy.
    pub(in crate::proxy) operation: Option<usize>,
    pub(in crate::proxy) method: Method,
    pub(in crate::proxy) version: Version,
    /// `http` or `https`.
    pub(in crate::proxy) scheme: &'static str,
    pub(in crate::proxy) status: u16,
    pub(in crate::proxy) source: Source,
    /// The verdict, where the proxy answered instead of the backend.
    pub(in crate::proxy) refusal: Option<Box<Refusal>>,
    /// Why the answer ended before its end.
    pub(in crate::proxy) broken_off: Option<Reason>,
    /// What the policy forbids, and its mode `Audit` lets through.
    pub(in crate::proxy) audited: Option<Reason>,
    pub(in crate::proxy) request_bytes: u64,
    pub(in crate::proxy) response_bytes: u64,
    /// Who asked, as the policy's `trustedHops` finds it.
    pub(in crate::proxy) client: IpAddr,
    /// Who was asked.
    pub(in crate::proxy) backend: Option<BackendAddress>,
    /// Of a trace that is on.
    pub(in crate::proxy) span: Option<Box<Span>>,
}

impl Record {
    /// Its operation.
    pub(in crate::proxy) fn operation(&self) -> Option<&Operation> {
        let policy = &self.snapshot.as_ref()?.prepared.policy;
        policy.operations.get(self.operation?)
    }

    /// As the access log and spans name it.
    pub(in crate::proxy) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            _ => "HTTP/1.1",
        }
    }

    /// The template of its path, also where there is no operation for its method.
    pub(in crate::proxy) fn template(&self) -> Option<&str> {
        match (self.operation(), self.facts()) {
            (Some(operation), _) => Some(&operation.path),
            (None, Some(Facts::Path { template })) => Some(template),
            _ => None,
        }
    }

    /// The issuer whose token it was about.
    pub(in crate::proxy) fn issuer(&self) -> Option<&str> {
        let Some(Facts::Provider { index }) = self.facts() else {
            return None;
        };
        let policy = &self.snapshot.as_ref()?.prepared.policy;
        let provider = policy.providers.values().nth(*index)?;
        Some(&provider.issuer)
    }

    /// What the verdict rests on.
    pub(in crate::proxy) fn facts(&self) -> Option<&Facts> {
        self.refusal.as_deref().map(|refusal| &refusal.facts)
    }

    /// Why it did not go well.
    pub(in crate::proxy) fn reason(&self) -> Option<Reason> {
        let refused = self.refusal.as_deref().map(|refusal| refusal.reason);
        self.broken_off.or(refused)
    }

    /// Who has to do something about it, if somebody has.
    pub(in crate::proxy) fn fault(&self) -> Option<Fault> {
        match self.reason() {
            Some(reason) => Some(reason.fault()),
            None if self.status == super::CLIENT_GONE => Some(Fault::Client),
            None if self.status >= 500 => Some(match self.source {
                Source::Backend => Fault::Backend,
                Source::Proxy => Fault::Proxy,
            }),
            None => None,
        }
    }
}
