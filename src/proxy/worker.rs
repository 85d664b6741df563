//! A worker: one thread with its own runtime, listeners, clients and connections to backends.

mod accept;
mod in_force;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use arc_swap::{ArcSwapOption, Cache};
use tokio::net::TcpListener;
use tokio::runtime::LocalRuntime;
use tokio::task::spawn_local;
use tokio::time::{interval, timeout};

use self::accept::accept;
pub(super) use self::in_force::InForce;
use super::client_tls::ClientTls;
use super::connection::Buffers;
use super::date::Date;
use super::drain::Drain;
use super::metrics::WorkerMetrics;
use super::random::Random;
use super::snapshot::{PolicyCell, Snapshot};
use super::teller::Teller;
use super::upstream::{BackendTls, Backends};
use super::{BackendAddress, Limits};
use crate::policy::format::LimitSettings;
use crate::policy::jwt::TokenCache;
use crate::shutdown::Shutdown;

/// How often unused connections to backends are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// What a worker thread is started with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) listeners: Vec<(std::net::TcpListener, BackendAddress)>,
    pub(super) limits: Limits,
    /// How many workers share [`Limits::connections`].
    pub(super) workers: usize,
    pub(super) tls: BackendTls,
    pub(super) client_tls: ClientTls,
    pub(super) policies: PolicyCell,
    pub(super) metrics: Arc<WorkerMetrics>,
    pub(super) teller: Teller,
    pub(super) shutdown: Shutdown,
    /// The start of the proxy failed elsewhere: end without serving.
    pub(super) abandoned: Shutdown,
}

/// What the connections of one worker share; all of it belongs to one thread.
#[derive(Debug)]
pub(super) struct Worker {
    /// What holds where the policy says nothing else.
    defaults: Rc<Limits>,
    pub(super) metrics: Arc<WorkerMetrics>,
    pub(super) drain: Rc<Drain>,
    pub(super) teller: Teller,
    pub(super) random: Random,
    date: Date,
    pub(super) buffers: Rc<Buffers>,
    pub(super) tokens: RefCell<TokenCache>,
    policies: RefCell<Policies>,
    backends: Backends,
    client_tls: ClientTls,
}

#[derive(Debug)]
struct Policies {
    latest: Cache<Arc<ArcSwapOption<Snapshot>>, Option<Arc<Snapshot>>>,
    current: Option<Rc<InForce>>,
}

/// Starts a worker on a thread of its own. Its runtime is made here, on that thread; what goes wrong
/// with it is told through the channel.
pub(super) fn spawn(
    index: usize,
    setup: Setup,
    started: std::sync::mpsc::Sender<io::Result<()>>,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            let _ended = NoteEnd(setup.metrics.clone());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(tokio::runtime::LocalOptions::default());
            match runtime {
                Ok(runtime) => run(&runtime, setup, &started),
                Err(error) => {
                    // The starter waits for exactly one message of each worker.
                    let _ = started.send(Err(error));
                }
            }
        })
}

/// However the thread ends.
struct NoteEnd(Arc<WorkerMetrics>);

impl Drop for NoteEnd {
    fn drop(&mut self) {
        self.0.note_end();
    }
}

fn run(runtime: &LocalRuntime, setup: Setup, started: &std::sync::mpsc::Sender<io::Result<()>>) {
    runtime.block_on(async move {
        let mut listeners = Vec::new();
        for (listener, backend) in setup.listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => listeners.push((listener, backend)),
                Err(error) => {
                    let _ = started.send(Err(error));
                    return;
                }
            }
        }
        let _ = started.send(Ok(()));
        let worker = Rc::new(Worker::new(
            setup.limits,
            setup.metrics,
            &setup.policies,
            setup.tls,
            setup.client_tls,
            setup.teller,
        ));
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|(listener, backend)| {
                let backend = worker.backends.listener(&backend);
                let workers = setup.workers;
                spawn_local(accept(
                    worker.clone(),
                    listener,
                    backend,
                    workers,
                    setup.shutdown.clone(),
                ))
            })
            .collect();
        let sweeping = spawn_local(sweep(worker.clone()));

        let (mut shutdown, mut abandoned) = (setup.shutdown, setup.abandoned);
        tokio::select! {
            () = shutdown.wait() => {}
            () = abandoned.wait() => return,
        }
        for accepting in accepting {
            // A listener that ended by a panic has nothing left to accept either.
            let _ = accepting.await;
        }
        let grace = worker.drain_grace();
        worker.metrics.draining.set(1);
        if timeout(grace, worker.drain.run()).await.is_err() {
            let connections = worker.drain.connections();
            tracing::warn!(
                connections,
                ?grace,
                "requests in flight were cut off: the grace is over"
            );
        }
        sweeping.abort();
    });
}

async fn sweep(worker: Rc<Worker>) {
    let mut ticks = interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        worker.sweep();
    }
}

// === impl Worker ===

impl Worker {
    pub(super) fn new(
        limits: Limits,
        metrics: Arc<WorkerMetrics>,
        policies: &PolicyCell,
        tls: BackendTls,
        client_tls: ClientTls,
        teller: Teller,
    ) -> Self {
        Self {
            backends: Backends::new(limits.clone(), metrics.clone(), tls),
            defaults: Rc::new(limits),
            metrics,
            drain: Rc::default(),
            teller,
            random: Random::new(),
            date: Date::default(),
            buffers: Rc::default(),
            tokens: RefCell::default(),
            policies: RefCell::new(Policies {
                latest: Cache::new(policies.0.clone()),
                current: None,
            }),
            client_tls,
        }
    }

    /// The policy in force. Costs a comparison of pointers while it stays the same.
    pub(super) fn policy(&self) -> Option<Rc<InForce>> {
        let mut policies = self.policies.borrow_mut();
        let Policies { latest, current } = &mut *policies;
        let latest = latest.load().as_ref()?;
        match current {
            Some(current) if Arc::ptr_eq(&current.snapshot, latest) => Some(current.clone()),
            _ => {
                let jwt = &latest.prepared.policy.settings.jwt;
                self.tokens
                    .borrow_mut()
                    .configure(jwt.token_cache_size(), jwt.token_cache_ttl());
                let limits = self.limits_under(&latest.prepared.policy.settings.limits);
                let fresh = InForce::new(latest.clone(), limits, &self.backends, &self.metrics);
                let fresh = Rc::new(fresh);
                *current = Some(fresh.clone());
                Some(fresh)
            }
        }
    }

    /// The value of `Date` now.
    pub(super) fn date(&self) -> [u8; 29] {
        self.date.at(now())
    }

    /// The bounds of the policy in force.
    pub(super) fn limits(&self) -> Rc<Limits> {
        match self.policy() {
            Some(policy) => policy.limits.clone(),
            None => self.defaults.clone(),
        }
    }

    /// How the policy in force has clients spoken to; None: without TLS.
    ///
    /// # Errors
    /// By TLS, and there is no usable certificate.
    fn client_tls(&self) -> Result<Option<Arc<rustls::ServerConfig>>, NoCertificate> {
        match self.policy() {
            Some(policy) if policy.snapshot.speaks_tls() => {
                let config = self.client_tls.config().ok_or(NoCertificate)?;
                Ok(Some(config.clone()))
            }
            _ => Ok(None),
        }
    }

    fn limits_under(&self, policy: &LimitSettings) -> Rc<Limits> {
        match *policy == LimitSettings::default() {
            true => self.defaults.clone(),
            false => Rc::new(self.defaults.under(policy)),
        }
    }

    /// How long requests in flight may still take when the end has come.
    fn drain_grace(&self) -> Duration {
        let policy = self.policy();
        let of_policy = policy.and_then(|policy| policy.settings().drain.grace_ms);
        of_policy.map_or_else(|| self.limits().drain_grace, Duration::from_millis)
    }

    fn sweep(&self) {
        // A policy that no request has asked for yet is in force all the same.
        self.policy();
        self.backends.sweep();
    }
}

/// A client that is to be shown a certificate when there is none.
#[derive(Debug)]
struct NoCertificate;

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs())
}
