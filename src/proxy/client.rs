//! One client connection: what its guard, its service and its answers share.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
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
    secure: bool,
    /// Who is connected.
    pub(super) peer: SocketAddr,
    /// The peer as `X-Forwarded-For` has it.
    pub(super) forwarded_for: HeaderValue,
    /// The backend's deadline for the request being served.
    pub(super) deadline: RefCell<LazyTimer>,
    /// How long the backend has for its answer once it has the request; None: the deadline does not move.
    time: Cell<Option<Duration>>,
    /// The deadline stands still: the rest of the request is waited for.
    held: Cell<bool>,
    /// Of the body of the request being served, as far as it was read.
    pub(super) request_bytes: Cell<u64>,
    /// How many pieces of its body were read, where its silence is looked at.
    pub(super) sent: Cell<u64>,
    /// How far a change of protocols has come.
    pub(super) upgrade: upgrade::Slot,
    /// When the connection has been used for long enough.
    old_at: Instant,
    head: RefCell<Option<Result<Head, Refusal>>>,
    idle_since: Cell<Option<Instant>>,
}

impl Client {
    /// `secure`: by TLS.
    pub(super) fn new(worker: &Rc<Worker>, peer: SocketAddr, secure: bool) -> Self {
        let limits = worker.limits();
        Self {
            secure,
            old_at: Instant::now() + spread(limits.connection_age),
            limits: RefCell::new(limits),
            worker: worker.clone(),
            peer,
            forwarded_for: forwarded_peer(peer.ip()),
            deadline: RefCell::new(LazyTimer::default()),
            time: Cell::default(),
            held: Cell::default(),
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
            secure: self.secure,
            old_at: self.old_at,
            peer: self.peer,
            forwarded_for: self.forwarded_for.clone(),
            deadline: RefCell::default(),
            time: Cell::default(),
            held: Cell::default(),
            request_bytes: Cell::new(0),
            sent: Cell::new(0),
            upgrade: upgrade::Slot::default(),
            head: RefCell::default(),
            idle_since: Cell::new(None),
        }
    }

    /// What the client's URLs begin with.
    pub(super) fn scheme(&self) -> &'static str {
        match self.secure {
            true => "https",
            false => "http",
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

    /// When the connection has been used for long enough.
    pub(super) fn old_at(&self) -> Instant {
        self.old_at
    }

    /// Whether the connection is to end with what is being served: it has been used for long enough, or
    /// the policy in force has clients spoken to otherwise.
    pub(super) fn retires(&self, now: Instant) -> bool {
        let policy = self.worker.policy();
        now >= self.old_at || policy.is_some_and(|it| it.snapshot.speaks_tls() != self.secure)
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

    /// Starts the deadline of the request being served; `of_rule`: where it is not the usual one;
    /// `is_call`: of gRPC, where both sides speak at once, and either may be silent meanwhile.
    pub(super) fn start_deadline(&self, from: Instant, of_rule: Option<Duration>, is_call: bool) {
        let time = of_rule.unwrap_or_else(|| self.limits.borrow().backend_deadline);
        self.time.set((!is_call).then_some(time));
        self.held.set(false);
        self.deadline.borrow_mut().set(from + time);
    }

    /// Gives the backend another time for its answer; returns the one that it had.
    pub(super) fn replace_time(&self, time: Option<Duration>) -> Option<Duration> {
        self.time.replace(time)
    }

    /// How long the backend has for its answer; None: its deadline does not move.
    pub(super) fn time(&self) -> Option<Duration> {
        self.time.get()
    }

    /// Ready: the deadline of the answer passed. `waits`: for more of the request's body, which the
    /// client sends in time of its own ([`Limits::body_progress_timeout`]): the backend's begins when it
    /// has the request, as Envoy's does.
    pub(super) fn poll_deadline(&self, waits: bool, context: &mut Context<'_>) -> Poll<()> {
        if waits && self.time.get().is_some() {
            self.held.set(true);
            return Poll::Pending;
        }
        self.release_deadline();
        self.deadline.borrow_mut().poll(context)
    }

    /// Nobody waits for more of the request's body: the deadline runs again, from its beginning.
    pub(super) fn release_deadline(&self) {
        if let (true, Some(time)) = (self.held.take(), self.time.get()) {
            self.deadline.borrow_mut().set(Instant::now() + time);
        }
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

/// Give or take a tenth: connections made together do not end together.
fn spread(age: Duration) -> Duration {
    // As random as a map's seed.
    let random = RandomState::new().build_hasher().finish();
    let tenth = age / 10;
    let part = u32::try_from(random % 2001).unwrap_or(0);
    age - tenth + tenth * part / 1000
}
