//! Sidecars without a proxy: they dial from an address of their own, say hello, take what comes and
//! acknowledge it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use endpoints::policy::format::FORMAT;
use endpoints::push::client::tls_config;
use endpoints::push::wire::{self, Decoder, Hello, MAX_FRAME, PROTOCOL, ToOperator, ToSidecar};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::objects::{Shop, SimulatedPod};

/// As a real one: for the connection and the handshake each, and for the answer to its hello.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// As a real one: anything up to a bound that doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub struct Fleet {
    sidecars: Vec<Arc<Sidecar>>,
    shared: Arc<Shared>,
}

/// What one did.
struct Sidecar {
    pod: SimulatedPod,
    /// Nanoseconds after the fleet's epoch when it last applied something.
    applied: AtomicU64,
    policies: AtomicUsize,
    streams: AtomicUsize,
}

struct Shared {
    connector: TlsConnector,
    port: u16,
    /// Whether the operator's Service has somebody who is ready.
    open: watch::Sender<bool>,
    epoch: Instant,
    dials: AtomicUsize,
    /// Bytes of response bodies.
    received: AtomicU64,
}

/// What some sidecars had before an edit.
pub struct Expected<'a> {
    fleet: &'a Fleet,
    before: Vec<(Arc<Sidecar>, usize)>,
}

impl Fleet {
    pub fn start(shop: &mut Shop, port: u16, bundle: &str) -> Self {
        let mut tls = tls_config(bundle).unwrap();
        // Pods are different machines: none has another one's session.
        tls.resumption = Resumption::disabled();
        let shared = Arc::new(Shared {
            connector: TlsConnector::from(Arc::new(tls)),
            port,
            open: watch::Sender::new(true),
            epoch: Instant::now(),
            dials: AtomicUsize::new(0),
            received: AtomicU64::new(0),
        });
        let pods = std::mem::take(&mut shop.pods).into_iter();
        let sidecars: Vec<_> = pods.map(|pod| Arc::new(Sidecar::new(pod))).collect();
        for sidecar in &sidecars {
            tokio::spawn(run(sidecar.clone(), shared.clone()));
        }
        Self { sidecars, shared }
    }

    /// Waits until every one has a policy.
    pub async fn all_run(&self) {
        self.until("have a policy", |sidecar, _| {
            sidecar.policies.load(Ordering::Relaxed) > 0
        })
        .await;
    }

    /// From now on nobody answers; how many streams each had so far.
    pub fn close(&self) -> Vec<usize> {
        self.shared.open.send_replace(false);
        let all = self.sidecars.iter();
        all.map(|it| it.streams.load(Ordering::Relaxed)).collect()
    }

    /// Somebody answers again: all dial at once.
    pub fn open(&self) {
        self.shared.open.send_replace(true);
    }

    /// Waits until each has a newer stream, and on it was told what it has.
    pub async fn reconnected(&self, before: &[usize]) {
        self.until("are back", |sidecar, place| {
            sidecar.streams.load(Ordering::Relaxed) > before[place]
        })
        .await;
    }

    /// Of this service's sidecars.
    pub fn expect(&self, service: usize) -> Expected<'_> {
        self.before(|sidecar| sidecar.pod.service == service)
    }

    pub fn expect_all(&self) -> Expected<'_> {
        self.before(|_| true)
    }

    /// How often they dialled so far.
    pub fn dials(&self) -> usize {
        self.shared.dials.load(Ordering::Relaxed)
    }

    /// Bytes that came on their streams so far, and the policies that they had in them.
    pub fn received(&self) -> (u64, u64) {
        let policies = self.sidecars.iter();
        let policies = policies.map(|it| it.policies.load(Ordering::Relaxed) as u64);
        (self.shared.received.load(Ordering::Relaxed), policies.sum())
    }

    fn before(&self, which: impl Fn(&Sidecar) -> bool) -> Expected<'_> {
        let some = self.sidecars.iter().filter(|sidecar| which(sidecar));
        let before = some.map(|it| (it.clone(), it.policies.load(Ordering::Relaxed)));
        Expected {
            fleet: self,
            before: before.collect(),
        }
    }

    async fn until(&self, what: &str, done: impl Fn(&Sidecar, usize) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let all = self.sidecars.iter().enumerate();
            let some = all.filter(|(place, sidecar)| done(sidecar, *place)).count();
            if some == self.sidecars.len() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{some} of {} {what}",
                self.sidecars.len()
            );
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Sidecar {
    fn new(pod: SimulatedPod) -> Self {
        Self {
            pod,
            applied: AtomicU64::new(0),
            policies: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
        }
    }
}

impl Expected<'_> {
    /// When each of them ran something newer, with the number of its service.
    pub async fn wait(self) -> Vec<(usize, Instant)> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let newer = |(sidecar, before): &(Arc<Sidecar>, usize)| {
            sidecar.policies.load(Ordering::Acquire) > *before
        };
        while !self.before.iter().all(newer) {
            assert!(Instant::now() < deadline, "an edit does not arrive");
            sleep(Duration::from_millis(2)).await;
        }
        let applied = self.before.iter().map(|(sidecar, _)| {
            let after = Duration::from_nanos(sidecar.applied.load(Ordering::Relaxed));
            (sidecar.pod.service, self.fleet.shared.epoch + after)
        });
        applied.collect()
    }
}

async fn run(sidecar: Arc<Sidecar>, shared: Arc<Shared>) {
    let mut hash = None;
    let mut open = shared.open.subscribe();
    let mut attempt = 0;
    loop {
        let _ = open.wait_for(|open| *open).await;
        let streams = sidecar.streams.load(Ordering::Relaxed);
        shared.dials.fetch_add(1, Ordering::Relaxed);
        // Whatever went wrong, it comes back.
        let _ = stream(&sidecar, &shared, &mut hash).await;
        if sidecar.streams.load(Ordering::Relaxed) > streams {
            attempt = 0;
        }
        if *open.borrow_and_update() {
            let bound = FIRST_PAUSE.saturating_mul(1 << attempt).min(LONGEST_PAUSE);
            sleep(bound.mul_f64(fraction())).await;
            attempt = (attempt + 1).min(16);
        }
    }
}

/// One stream, until it ends.
async fn stream(sidecar: &Sidecar, shared: &Shared, hash: &mut Option<String>) -> Option<()> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((sidecar.pod.address, 0).into()).ok()?;
    let operator = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.port));
    let tcp = timeout(CONNECT_TIMEOUT, socket.connect(operator)).await;
    let tcp = tcp.ok()?.ok()?;
    tcp.set_nodelay(true).ok()?;
    let name = ServerName::try_from(wire::TLS_NAME).ok()?;
    let tls = timeout(CONNECT_TIMEOUT, shared.connector.connect(name, tcp)).await;
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(256 * 1024)
        .handshake(TokioIo::new(tls.ok()?.ok()?))
        .await
        .ok()?;
    let _connection = Aborted(tokio::spawn(connection));
    let (answers, frames) = mpsc::channel::<Bytes>(2);
    let hello = ToOperator::Hello(Hello {
        pod: sidecar.pod.pod.clone(),
        service: sidecar.pod.service_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        format: FORMAT,
        protocol: PROTOCOL,
        hash: hash.clone(),
    });
    answers.send(wire::encode(&hello).ok()?).await.ok()?;
    let frames = futures_util::stream::unfold(frames, |mut frames| async {
        let frame = frames.recv().await?;
        let frame = Ok::<_, std::convert::Infallible>(Frame::data(frame));
        Some((frame, frames))
    });
    let request = Request::post(format!("https://{}{}", wire::TLS_NAME, wire::PATH))
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", sidecar.pod.token),
        )
        .body(StreamBody::new(Box::pin(frames)))
        .ok()?;
    let response = timeout(ANSWER_TIMEOUT, sender.send_request(request)).await;
    let response = response.ok()?.ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let mut body = response.into_body();
    let mut decoder = Decoder::new(MAX_FRAME);
    let mut greeted = false;
    while let Some(frame) = body.frame().await {
        let chunk = frame.ok()?.into_data().ok()?;
        shared
            .received
            .fetch_add(chunk.len() as u64, Ordering::Relaxed);
        decoder.push(&chunk);
        while let Some(message) = decoder.message::<ToSidecar>().ok()? {
            if let ToSidecar::Snapshot(snapshot) = message {
                let elapsed = u64::try_from(shared.epoch.elapsed().as_nanos()).ok()?;
                sidecar.applied.store(elapsed, Ordering::Relaxed);
                sidecar.policies.fetch_add(1, Ordering::Release);
                *hash = Some(snapshot.hash.clone());
                let hash = snapshot.hash;
                let applied = wire::encode(&ToOperator::Applied { hash }).ok()?;
                answers.send(applied).await.ok()?;
            } else if !matches!(message, ToSidecar::Unchanged { .. }) {
                continue;
            }
            if !greeted {
                greeted = true;
                sidecar.streams.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Some(())
}

/// A task that ends with its owner.
struct Aborted<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn fraction() -> f64 {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}
