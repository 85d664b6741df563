//! One request and its answer, for those who count and log: begun with the head, over when the last
//! byte of the answer is made or the client has gone.

use std::rc::Rc;

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::access_log;
use super::client::Client;
use super::metrics::{Outcome, Source};
use super::upstream::UpstreamError;
use super::worker::{InForce, Worker};
use crate::policy::verdict::Reason;

/// nginx's status for a client that went away before its answer; never sent.
const CLIENT_GONE: u16 = 499;

/// What is known of a request so far; noted when it is dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    worker: Rc<Worker>,
    client: Rc<Client>,
    started: Instant,
    method: Method,
    operation: Option<(Rc<InForce>, usize)>,
    status: Option<StatusCode>,
    source: Source,
    reason: Option<Reason>,
    broken_off: Option<Reason>,
    audited: Option<Reason>,
}

impl Exchange {
    pub(super) fn begin(worker: Rc<Worker>, client: Rc<Client>, method: Method) -> Self {
        worker.metrics.requests_in_flight.add(1);
        Self {
            worker,
            client,
            started: Instant::now(),
            method,
            operation: None,
            status: None,
            source: Source::Proxy,
            reason: None,
            broken_off: None,
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

    /// The operation was found; `method` is what it is called by, after an override.
    pub(super) fn routed(&mut self, policy: Rc<InForce>, operation: usize) {
        self.operation = Some((policy, operation));
    }

    /// The backend answered.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.source = Source::Backend;
        self.status = Some(status);
    }

    /// The answer is ours.
    pub(super) fn answered_by_us(&mut self, status: StatusCode, reason: Option<Reason>) {
        self.source = Source::Proxy;
        self.status = Some(status);
        self.reason = reason;
    }

    /// The policy forbids it, and lets it through all the same.
    pub(super) fn audited(&mut self, reason: Reason) {
        self.audited = Some(reason);
    }

    /// The answer was broken off in the middle.
    pub(super) fn broken_off(&mut self, error: &UpstreamError) {
        self.broken_off = Some(error.reason());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let now = Instant::now();
        self.client.end(now);
        self.worker.metrics.requests_in_flight.subtract(1);
        let outcome = Outcome {
            method: &self.method,
            code: self.status.map_or(CLIENT_GONE, |status| status.as_u16()),
            source: self.source,
            reason: self.reason,
            broken_off: self.broken_off,
            duration: now - self.started,
            request_bytes: 0,
            response_bytes: 0,
        };
        let operation = match &self.operation {
            Some((policy, index)) => {
                policy.count(*index, &outcome);
                policy.operation(*index)
            }
            None => {
                self.worker.metrics.count_unrouted(&outcome);
                None
            }
        };
        if let Some(reason) = self.reason.or(self.broken_off) {
            self.worker.metrics.count_refusal(reason);
        }
        if let Some(reason) = self.audited {
            self.worker.metrics.count_audited(reason);
            access_log::let_through(reason, &self.method, operation, self.client.peer);
        }
        access_log::write(&outcome, operation, self.client.peer);
    }
}
