//! One request and its answer, for those who count and tell: begun with the head, over when the last
//! byte of the answer is made or the client has gone.

mod record;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::SystemTime;

use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Version};
use tokio::time::Instant;

pub(super) use self::record::Record;
use super::client::Client;
use super::metrics::{Outcome, Source};
use super::trace::Trace;
use super::upstream::{Backend, UpstreamError};
use super::worker::{InForce, Worker};
use crate::policy::format::AccessLogRule;
use crate::policy::headers::client_address;
use crate::policy::verdict::{Reason, Refusal};

/// nginx's status for a client that went away before its answer; never sent.
const CLIENT_GONE: u16 = 499;

/// What is known of a request so far; counted and told when it is dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    worker: Rc<Worker>,
    client: Rc<Client>,
    /// Who asks, where that is not the peer.
    address: Option<IpAddr>,
    started: Instant,
    method: Method,
    version: Version,
    policy: Option<Rc<InForce>>,
    operation: Option<usize>,
    backend: Option<Rc<Backend>>,
    status: Option<StatusCode>,
    source: Source,
    refusal: Option<Box<Refusal>>,
    broken_off: Option<Reason>,
    ends: Option<Instant>,
    response_bytes: u64,
    /// It gets a line in the access log, however it ends.
    chosen: bool,
    /// When the head of the backend's answer came, where someone wants to know.
    answered: Option<Instant>,
    trace: Option<Box<Trace>>,
    audited: Option<Reason>,
}

impl Exchange {
    /// Begins with a head and the policy that is in force.
    pub(super) fn begin(
        worker: Rc<Worker>,
        client: Rc<Client>,
        parts: &mut Parts,
        policy: Option<&Rc<InForce>>,
    ) -> Self {
        worker.metrics.requests_in_flight.add(1);
        client.request_bytes.set(0);
        let settings = policy.map(|policy| &policy.settings().observability);
        let chosen = match settings.map(|settings| settings.access_log) {
            Some(AccessLogRule::All) => true,
            Some(AccessLogRule::Sampled(share)) => worker.random.chance(share),
            _ => false,
        };
        let trace = settings
            .and_then(|settings| settings.tracing.as_ref())
            .map(|rule| Box::new(Trace::begin(rule, parts, &worker.random)));
        let hops = policy.map_or(0, |policy| policy.snapshot.prepared.headers.trusted_hops);
        let address = (hops > 0).then(|| client_address(&parts.headers, client.peer.ip(), hops));
        Self {
            worker,
            client,
            address,
            started: Instant::now(),
            method: parts.method.clone(),
            version: parts.version,
            policy: policy.cloned(),
            operation: None,
            backend: None,
            status: None,
            source: Source::Proxy,
            refusal: None,
            broken_off: None,
            ends: None,
            response_bytes: 0,
            chosen,
            answered: None,
            trace,
            audited: None,
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    pub(super) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// The operation was found.
    pub(super) fn routed(&mut self, operation: usize) {
        self.operation = Some(operation);
    }

    /// A backend is asked, with these headers: those of a trace that is on are put in.
    pub(super) fn asks(&mut self, backend: &Rc<Backend>, headers: &mut HeaderMap) {
        backend.metrics.requests_in_flight.add(1);
        self.backend = Some(backend.clone());
        if let Some(trace) = &self.trace {
            trace.propagate(headers);
        }
    }

    /// The backend answered.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.source = Source::Backend;
        self.status = Some(status);
        if self.chosen || self.trace.is_some() || status.is_server_error() {
            self.answered = Some(Instant::now());
        }
    }

    /// The answer is ours, and nobody is to blame.
    pub(super) fn answered_by_us(&mut self, status: StatusCode) {
        self.source = Source::Proxy;
        self.status = Some(status);
    }

    /// The answer is ours instead of the backend's.
    pub(super) fn refused(&mut self, refusal: Refusal) {
        self.answered_by_us(refusal.status);
        self.refusal = Some(Box::new(refusal));
    }

    /// Bytes of the answer's body went out.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.response_bytes += bytes as u64;
    }

    /// Streams and upgraded connections of it end then: its token expires.
    pub(super) fn end_at(&mut self, instant: Instant) {
        self.ends = Some(instant);
    }

    /// When a stream or an upgraded connection of it must end.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// The policy forbids it, and lets it through all the same.
    pub(super) fn audited(&mut self, reason: Reason) {
        self.audited = Some(reason);
    }

    /// The answer was broken off in the middle.
    pub(super) fn broken_off(&mut self, error: &UpstreamError) {
        self.broken_off = Some(error.reason());
    }

    /// Whether the policy wants a line of it.
    fn is_logged(&self, failed: bool) -> bool {
        match &self.policy {
            _ if self.chosen => true,
            Some(policy) => {
                failed && policy.settings().observability.access_log != AccessLogRule::Off
            }
            // Nobody has said otherwise.
            None => failed,
        }
    }

    /// Takes what is known.
    fn record(&mut self, outcome_code: u16, ended: Instant) -> Record {
        let duration = ended - self.started;
        let now = SystemTime::now();
        Record {
            began: now.checked_sub(duration).unwrap_or(now),
            duration,
            answered_after: self.answered.map(|answered| answered - self.started),
            snapshot: self.policy.as_ref().map(|policy| policy.snapshot.clone()),
            operation: self.operation,
            method: self.method.clone(),
            version: self.version,
            scheme: self.client.scheme(),
            status: outcome_code,
            source: self.source,
            refusal: self.refusal.take(),
            broken_off: self.broken_off,
            audited: self.audited,
            request_bytes: self.client.request_bytes.get(),
            response_bytes: self.response_bytes,
            client: self
                .address
                .unwrap_or_else(|| self.client.peer.ip().to_canonical()),
            backend: self
                .backend
                .as_ref()
                .map(|backend| backend.address().clone()),
            span: self.trace.take().map(|trace| Box::new(trace.span)),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = Instant::now();
        self.client.end(now);
        self.worker.metrics.requests_in_flight.subtract(1);
        if let Some(backend) = &self.backend {
            backend.metrics.requests_in_flight.subtract(1);
        }
        let code = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        let outcome = Outcome {
            method: &self.method,
            code,
            source: self.source,
            duration: now - self.started,
            request_bytes: self.client.request_bytes.get(),
            response_bytes: self.response_bytes,
        };
        match (&self.policy, self.operation) {
            (Some(policy), Some(operation)) => policy.count(operation, &outcome),
            _ => self.worker.metrics.count_unrouted(&outcome),
        }
        let refused = self.refusal.as_deref().map(|refusal| refusal.reason);
        let reason = refused.or(self.broken_off);
        if let Some(reason) = reason {
            self.worker.metrics.count_refusal(reason);
        }
        if let Some(reason) = self.audited {
            self.worker.metrics.count_audited(reason);
        }
        let told = reason.or(self.audited).is_some();
        let failed = told || code >= 500 || code == CLIENT_GONE;
        let logged = self.is_logged(failed);
        let recorded = self.trace.as_ref().is_some_and(|trace| trace.span.sampled);
        if logged || recorded {
            let record = self.record(code, now);
            let teller = &self.worker.teller;
            match (logged, recorded) {
                (true, false) => teller.log(record),
                (false, _) => teller.export(record),
                (true, true) => {
                    teller.log(record.clone());
                    teller.export(record);
                }
            }
        }
    }
}
