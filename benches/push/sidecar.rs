//! Sidecars without a proxy: they dial, say hello, take what comes and acknowledge it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use endpoints::policy::format::FORMAT;
use endpoints::push::client::tls_config;
use endpoints::push::wire::{
    self, Decoder, Hello, MAX_FRAME, PROTOCOL, PodRef, ToOperator, ToSidecar,
};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

use crate::figures::Quantiles;
use crate::objects::Shop;
use crate::operator::Operator;

/// Sooner than real ones: they come back all at once.
const RETRY: Duration = Duration::from_millis(200);

pub struct Fleet {
    sidecars: Vec<Arc<Sidecar>>,
}

/// What one did.
pub struct Sidecar {
    pod: PodRef,
    service: usize,
    service_name: String,
    token: String,
    /// Nanoseconds after `epoch` when it last applied something; 0: never.
    applied: AtomicU64,
    policies: AtomicUsize,
    streams: AtomicUsize,
    frame: AtomicUsize,
    epoch: Instant,
}

/// What some sidecars had before an edit.
pub struct Expected(Vec<(Arc<Sidecar>, usize)>);

impl Fleet {
    pub fn start(shop: &Shop, operator: &Operator, bundle: &str) -> Self {
        let mut tls = tls_config(bundle).unwrap();
        // Pods are different machines: none has another one's session.
        tls.resumption = Resumption::disabled();
        let connector = TlsConnector::from(Arc::new(tls));
        let epoch = Instant::now();
        let sidecars: Vec<_> = shop
            .pods
            .iter()
            .map(|pod| {
                Arc::new(Sidecar {
                    pod: pod.pod.clone(),
                    service: pod.service,
                    service_name: pod.service_name.clone(),
                    token: pod.token.clone(),
                    applied: AtomicU64::new(0),
                    policies: AtomicUsize::new(0),
                    streams: AtomicUsize::new(0),
                    frame: AtomicUsize::new(0),
                    epoch,
                })
            })
            .collect();
        for sidecar in &sidecars {
            tokio::spawn(run(sidecar.clone(), connector.clone(), operator.push_port));
        }
        Self { sidecars }
    }

    pub async fn all_run(&self, expected: usize, longest: Duration) {
        self.until(longest, expected, |sidecar| {
            sidecar.policies.load(Ordering::Relaxed) > 0
        })
        .await;
    }

    pub fn streams(&self) -> Vec<usize> {
        let all = self.sidecars.iter();
        all.map(|it| it.streams.load(Ordering::Relaxed)).collect()
    }

    /// Until each has a newer stream, and on it was told what it has.
    pub async fn reconnected(&self, before: &[usize], longest: Duration) {
        let deadline = Instant::now() + longest;
        loop {
            let now = self.streams();
            let back = now.iter().zip(before).filter(|(now, before)| now > before);
            let back = back.count();
            if back == self.sidecars.len() {
                return;
            }
            assert!(Instant::now() < deadline, "{back} are back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn expect(&self, service: usize) -> Expected {
        self.before(|sidecar| sidecar.service == service)
    }

    pub fn expect_all(&self) -> Expected {
        self.before(|_| true)
    }

    /// Bytes of the last snapshot's frame.
    pub fn frame(&self) -> usize {
        self.sidecars[0].frame.load(Ordering::Relaxed)
    }

    fn before(&self, which: impl Fn(&Sidecar) -> bool) -> Expected {
        let some = self.sidecars.iter().filter(|sidecar| which(sidecar));
        Expected(
            some.map(|it| (it.clone(), it.policies.load(Ordering::Relaxed)))
                .collect(),
        )
    }

    async fn until(&self, longest: Duration, expected: usize, done: impl Fn(&Sidecar) -> bool) {
        let deadline = Instant::now() + longest;
        loop {
            let some = self.sidecars.iter().filter(|sidecar| done(sidecar)).count();
            if some == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{some} of {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Expected {
    /// How long after `began` each of them ran something newer.
    pub async fn wait(self, began: Instant) -> Quantiles {
        let deadline = Instant::now() + Duration::from_secs(60);
        let newer = |(sidecar, before): &(Arc<Sidecar>, usize)| {
            sidecar.policies.load(Ordering::Acquire) > *before
        };
        while !self.0.iter().all(newer) {
            assert!(Instant::now() < deadline, "an edit does not arrive");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut delays = Quantiles::default();
        for (sidecar, _) in &self.0 {
            let applied = Duration::from_nanos(sidecar.applied.load(Ordering::Relaxed));
            delays.push((sidecar.epoch + applied).saturating_duration_since(began));
        }
        delays
    }
}

async fn run(sidecar: Arc<Sidecar>, connector: TlsConnector, port: u16) {
    let mut hash = None;
    loop {
        // Whatever went wrong, it comes back.
        let _ = stream(&sidecar, &connector, port, &mut hash).await;
        tokio::time::sleep(RETRY).await;
    }
}

/// One stream, until it ends.
async fn stream(
    sidecar: &Sidecar,
    connector: &TlsConnector,
    port: u16,
    hash: &mut Option<String>,
) -> Option<()> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    tcp.set_nodelay(true).ok()?;
    let name = ServerName::try_from(wire::TLS_NAME).ok()?;
    let tls = connector.connect(name, tcp).await.ok()?;
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(256 * 1024)
        .handshake(TokioIo::new(tls))
        .await
        .ok()?;
    let connection = tokio::spawn(connection);
    let (answers, frames) = mpsc::channel::<Bytes>(2);
    let hello = ToOperator::Hello(Hello {
        pod: sidecar.pod.clone(),
        service: sidecar.service_name.clone(),
        version: "0.1.0".to_owned(),
        format: FORMAT,
        protocol: PROTOCOL,
        hash: hash.clone(),
    });
    answers.send(wire::encode(&hello).ok()?).await.ok()?;
    let frames = futures_util::stream::unfold(frames, |mut frames| async {
        let frame = frames.recv().await?;
        Some((
            Ok::<_, std::convert::Infallible>(Frame::data(frame)),
            frames,
        ))
    });
    let request = Request::post(format!("https://{}{}", wire::TLS_NAME, wire::PATH))
        .header(header::AUTHORIZATION, format!("Bearer {}", sidecar.token))
        .body(StreamBody::new(Box::pin(frames)))
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let mut body = response.into_body();
    let mut decoder = Decoder::new(MAX_FRAME);
    let mut greeted = false;
    while let Some(frame) = body.frame().await {
        decoder.push(&frame.ok()?.into_data().ok()?);
        while let Some(message) = decoder.message::<ToSidecar>().ok()? {
            if let ToSidecar::Snapshot(snapshot) = message {
                let length = 4 + snapshot.body.len() + snapshot.hash.len();
                sidecar.frame.store(length, Ordering::Relaxed);
                let elapsed = u64::try_from(sidecar.epoch.elapsed().as_nanos()).ok()?;
                sidecar.applied.store(elapsed, Ordering::Relaxed);
                sidecar.policies.fetch_add(1, Ordering::Release);
                *hash = Some(snapshot.hash.clone());
                let applied = ToOperator::Applied {
                    hash: snapshot.hash,
                };
                answers.send(wire::encode(&applied).ok()?).await.ok()?;
            } else if !matches!(message, ToSidecar::Unchanged { .. }) {
                continue;
            }
            if !greeted {
                greeted = true;
                sidecar.streams.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    connection.abort();
    Some(())
}
