//! The data path: listener, connections, forwarding, drain. I/O around the decisions of
//! [`crate::policy`]; it does not know where a policy came from.
//!
//! ```text
//! worker accepts ─► guard (socket) ─► service ─► policy decides ─► upstream ─► response headers ─► access_log, metrics
//!                                        └─ respond: every answer of our own
//! ```
//!
//! One current-thread runtime per worker, with its own listeners and its own connections to the
//! backend: no lock and no cross-thread wake-up on the request path. Metrics and probes are served
//! by a thread of their own, so that a scrape never delays a request.

mod access_log;
mod admin;
mod app_probes;
mod body;
mod certificate;
mod client;
mod client_tls;
mod config;
mod connection;
mod control;
mod date;
mod delivery;
mod drain;
mod exchange;
mod guard;
mod http1;
mod incoming;
mod listen;
mod loopback;
mod metrics;
mod random;
mod respond;
mod service;
mod snapshot;
mod teller;
mod timer;
mod trace;
mod upgrade;
mod upstream;
mod worker;

pub use access_log::LogOutput;
pub use app_probes::{AppProbe, Question};
pub use config::{BackendAddress, BadBackendAddress, CertificateFiles, Config, Limits, Listener};
pub use delivery::{Delivery, PolicySource};
pub use snapshot::{PolicyCell, Snapshot, SnapshotError};

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use self::access_log::Writer;
use self::admin::Admin;
use self::certificate::{Certificate, ShownTo};
use self::client_tls::ClientTls;
use self::control::Control;
use self::metrics::Metrics;
use self::teller::Teller;
use self::upstream::BackendTls;
use self::worker::Setup;
use crate::readiness::Readiness;
use crate::shutdown::{self, Shutdown, Trigger};

/// The data path of one process.
#[derive(Debug)]
pub struct Proxy;

/// A proxy that runs, until the shutdown it was started with.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    workers: Vec<JoinHandle<()>>,
    /// Whoever reads the certificate for backends.
    certificates: Option<JoinHandle<()>>,
    control: Option<Control>,
    log: Option<Writer>,
    /// Reads the certificate towards clients.
    certificate: Option<(Trigger, JoinHandle<()>)>,
}

/// Why a proxy cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be taken; most often another process has it.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The crypto provider cannot be used: a defect of the build.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// A thread or its runtime cannot be made.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl Proxy {
    /// Binds all listeners, then starts the workers and the admin server on threads of their own.
    /// Needs no runtime around it. Until `policies` holds a policy every request is answered 503.
    ///
    /// # Errors
    /// An address that cannot be taken, or a thread that cannot be made; nothing runs on then.
    pub fn start(
        config: Config,
        policies: PolicyCell,
        readiness: Readiness,
        shutdown: Shutdown,
    ) -> Result<Running, StartError> {
        let workers = config.workers.get();
        let mut addresses = Vec::new();
        let mut sockets: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        for listener in config.listeners {
            let (address, bound) = listen::bind(listener.address, workers)?;
            addresses.push(address);
            for (socket, of_worker) in bound.into_iter().zip(&mut sockets) {
                of_worker.push((socket, listener.backend.clone()));
            }
        }
        let admin_socket = config
            .admin
            .map(|address| listen::bind(address, 1))
            .transpose()?;

        let identity = Certificate::new(ShownTo::Backends);
        let tls = BackendTls::new(config.roots, identity.clone())?;
        let client_tls = ClientTls::new()?;
        let metrics = Metrics::new(workers, policies.clone());
        // Workers end with the process's shutdown, or at once if the start fails half-way.
        let (abandon, abandoned) = shutdown::channel();
        let (started, starts) = mpsc::channel();
        let mut running = Running {
            addresses,
            admin_address: admin_socket.as_ref().map(|(address, _)| *address),
            workers: Vec::new(),
            certificates: None,
            control: None,
            log: None,
            certificate: None,
        };
        if let Some(files) = config.client_certificate {
            let watching = identity.watch(files, shutdown.clone());
            running.certificates = Some(watching.map_err(StartError::Thread)?);
        }
        if let Some(files) = config.certificate {
            let (trigger, ended) = shutdown::channel();
            let reading = client_tls.certificate.watch(files, ended);
            let reading = reading.map_err(StartError::Thread)?;
            running.certificate = Some((trigger, reading));
        }
        let (teller, queues) = Teller::new(metrics.process());
        let outcome = running.start_threads(sockets, &started, |index, listeners| Setup {
            listeners,
            workers,
            limits: config.limits.clone(),
            tls: tls.clone(),
            client_tls: client_tls.clone(),
            policies: policies.clone(),
            metrics: metrics.worker(index),
            teller: teller.clone(),
            shutdown: shutdown.clone(),
            abandoned: abandoned.clone(),
        });
        let outcome = outcome.and_then(|()| {
            for _ in 0..workers {
                starts
                    .recv()
                    .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
            }
            let log = Writer::start(queues.lines, config.access_log, metrics.process())?;
            running.log = Some(log);
            let process = metrics.process();
            let admin = admin_socket.and_then(|(_, mut bound)| bound.pop());
            let admin = admin.map(|socket| {
                let admin = Admin {
                    metrics,
                    policies,
                    tls: client_tls,
                    readiness,
                    shutdown,
                    log_filter: config.log_filter,
                    app_probes: config.app_probes,
                };
                (admin, socket)
            });
            running.control = Some(Control::start(control::Setup {
                admin,
                spans: queues.spans,
                tls,
                metrics: process,
            })?);
            Ok(())
        });
        // What the workers have is all there is: when they end, log and spans do.
        drop(teller);
        if let Err(error) = outcome {
            abandon.start();
            running.join();
            return Err(StartError::Thread(error));
        }
        Ok(running)
    }
}

impl Running {
    /// Where the listeners are, in the order of [`Config::listeners`] (a port 0 is resolved).
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the admin server listens, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Waits, blocking, until the shutdown has come and every worker has drained. Probes and metrics
    /// are served until then.
    pub fn join(self) {
        for worker in self.workers {
            // A worker that panicked has said so on stderr.
            let _ = worker.join();
        }
        // Ends with the shutdown, too; where the start failed, it may go on until that comes.
        drop(self.certificates);
        if let Some((trigger, certificate)) = self.certificate {
            trigger.start();
            let _ = certificate.join();
        }
        if let Some(control) = self.control {
            control.join();
        }
        if let Some(log) = self.log {
            log.join();
        }
    }

    fn start_threads(
        &mut self,
        sockets: Vec<Vec<(std::net::TcpListener, BackendAddress)>>,
        started: &mpsc::Sender<io::Result<()>>,
        setup: impl Fn(usize, Vec<(std::net::TcpListener, BackendAddress)>) -> Setup,
    ) -> io::Result<()> {
        for (index, listeners) in sockets.into_iter().enumerate() {
            self.workers.push(worker::spawn(
                index,
                setup(index, listeners),
                started.clone(),
            )?);
        }
        Ok(())
    }
}
