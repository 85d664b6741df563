//! One client connection: what its guard, its service and its answers share.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::Limits;
use super::guard::Head;
use super::metrics::WorkerMetrics;
use super::timer::LazyTimer;
use super::upgrade;
use super::worker::Worker;
use crate::policy::headers::forwarded_peer;
use crate::policy::verdict::Refusal;

/// What the parts of one client connection share; they all run in one task.
#[derive(Debug)]
pub(super) struct Client {
    /// Whose policy says what bounds hold here.
    worker: Rc<Worker>,
    limits: RefCell<Rc<Limits>>,
    /// Who is connected.
    pub(super) peer: SocketAddr,
    /// The peer as `X-Forwarded-For` has it.
    pub(super) forwarded_for: HeaderValue,
    /// The backend's deadline for the request being served.
    pub(super) deadline: RefCell<LazyTimer>,
    /// Of the body of the request being served, as far as it was read.
    pub(super) request_bytes: Cell<u64>,
    /// How many pieces of its body were read, where its silence is looked at.
    pub(super) sent: Cell<u64>,
    /// How far a change of protocols has come.
    pub(super) upgrade: upgrade::Slot,
    head: RefCell<Option<Result<Head, Refusal>>>,
    idle_since: Cell<Option<Instant>>,
}

impl Client {
    pub(super) fn new(worker: &Rc<Worker>, peer: SocketAddr) -> Self {
        Self {
            limits: RefCell::new(worker.limits()),
            worker: worker.clone(),
            peer,
            forwarded_for: forwarded_peer(peer.ip()),
            deadline: RefCell::new(LazyTimer::default()),
            request_bytes: Cell::new(0),
            sent: Cell::new(0),
            upgrade: upgrade::Slot::default(),
            head: RefCell::default(),
            idle_since: Cell::new(Some(Instant::now())),
        }
    }

    /// What its worker counts.
    pub(super) fn metrics(&self) -> &WorkerMetrics {
        &self.worker.metrics
    }

    /// The same client, for one stream of a connection that has several.
    pub(super) fn stream(&self) -> Self {
        Self {
            limits: RefCell::new(self.limits()),
            worker: self.worker.clone(),
            peer: self.peer,
            forwarded_for: self.forwarded_for.clone(),
            deadline: RefCell::default(),
            request_bytes: Cell::new(0),
            sent: Cell::new(0),
            upgrade: upgrade::Slot::default(),
            head: RefCell::default(),
            idle_since: Cell::new(None),
        }
    }

    /// Bounds that hold here.
    pub(super) fn limits(&self) -> Rc<Limits> {
        self.limits.borrow().clone()
    }

    /// A request begins: from here on the bounds of the policy in force hold.
    pub(super) fn renew_limits(&self) -> Rc<Limits> {
        let limits = self.worker.limits();
        if !Rc::ptr_eq(&limits, &self.limits.borrow()) {
            self.limits.replace(limits.clone());
        }
        limits
    }

    /// The guard notes what it saw of the head that it passes on.
    pub(super) fn note_head(&self, head: Result<Head, Refusal>) {
        self.head.replace(Some(head));
    }

    /// The service begins with the head noted last. None: a head that the guard never saw.
    pub(super) fn begin(&self) -> Option<Result<Head, Refusal>> {
        self.idle_since.set(None);
        self.head.take()
    }

    /// The answer is made, to its last byte.
    pub(super) fn end(&self, now: Instant) {
        self.deadline.borrow_mut().clear();
        self.idle_since.set(Some(now));
    }

    /// Since when no request is being served.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.idle_since.get()
    }

    /// Starts the deadline of the request being served; `of_rule`: where it is not the usual one.
    pub(super) fn start_deadline(&self, from: Instant, of_rule: Option<Duration>) {
        let deadline = of_rule.unwrap_or_else(|| self.limits.borrow().backend_deadline);
        self.deadline.borrow_mut().set(from + deadline);
    }

    /// Waits not longer than the deadline; None: it passed.
    pub(super) async fn within_deadline<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            self.deadline.borrow_mut().poll(context).map(|()| None)
        })
        .await
    }
}
