//! A real server, real clients and hand-made peers, over TLS on loopback.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{pod, service};
use crate::policy::Policy;
use crate::policy::format::{FORMAT, KeySource};
use crate::push::body::{self, Writer};
use crate::push::client::{self, Apply, Config, Origin};
use crate::push::server::{
    Authenticate, Event, Hub, PodIdentity, Refused, Report, Snapshot, serve,
};
use crate::push::wire::{self, Hello, Keys, PodRef, ToOperator};
use crate::shutdown::{self, Trigger};
use crate::tls;

/// A certificate authority and the operator's certificate by it.
pub(in crate::push) struct Authority {
    pub(in crate::push) pem: String,
    pub(in crate::push) server: Arc<rustls::ServerConfig>,
}

/// A server and what it serves.
pub(super) struct Rig {
    pub(super) hub: Hub,
    pub(super) reports: UnboundedReceiver<Report>,
    pub(super) address: SocketAddr,
    pub(super) authority: Arc<Authority>,
    pub(super) authenticator: Arc<FakeAuthenticator>,
    trigger: Trigger,
    server: JoinHandle<()>,
}

/// A fake: pods are who their token says, `token-of-UID`.
#[derive(Default)]
pub(in crate::push) struct FakeAuthenticator {
    pub(super) forbidden: Mutex<HashSet<String>>,
    /// Told of each refusal.
    pub(super) refused: Notify,
}

/// A sidecar's client and what it was handed.
pub(super) struct Sidecar {
    pub(super) seen: UnboundedReceiver<Seen>,
    pub(super) token: std::path::PathBuf,
    pub(super) wants: UnboundedSender<KeySource>,
    _trigger: Trigger,
    _directory: TempDir,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// A set of this version.
    Keys(String),
    /// A policy of this service name.
    Policy(String),
    /// A bundle.
    Trust(String),
    /// Why readiness is withheld, if it is.
    Withhold(Option<String>),
}

/// Tells what comes. A trust bundle and that nothing is withheld are not told: most tests do not ask.
struct Recorder {
    seen: UnboundedSender<Seen>,
    wanted: UnboundedReceiver<KeySource>,
    tells_all: bool,
}

impl Authority {
    pub(in crate::push) fn new() -> Self {
        Self::naming(wire::TLS_NAME)
    }

    /// One whose certificate has another name.
    pub(super) fn naming(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(tls::crypto_provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        Self {
            pem: issuer.pem(),
            server: Arc::new(server),
        }
    }
}

impl Rig {
    pub(super) async fn new() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::at(address, Arc::new(Authority::new())).await
    }

    /// One that a certain authority vouches for.
    pub(super) async fn at(address: SocketAddr, authority: Arc<Authority>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (hub, reports) = Hub::new();
        let (trigger, shutdown) = shutdown::channel();
        let authenticator = Arc::new(FakeAuthenticator::default());
        let server = tokio::spawn(serve(
            listener,
            authority.server.clone(),
            hub.clone(),
            authenticator.clone(),
            shutdown,
        ));
        Self {
            hub,
            reports,
            address,
            authority,
            authenticator,
            trigger,
            server,
        }
    }

    pub(super) async fn stop(self) -> (SocketAddr, Arc<Authority>) {
        self.trigger.start();
        self.server.await.unwrap();
        (self.address, self.authority)
    }

    /// Another process at the same address.
    pub(super) async fn restart(self) -> Self {
        let (address, authority) = self.stop().await;
        Self::at(address, authority).await
    }

    pub(super) fn publish(&self, policy: &Policy) -> String {
        let canonical = policy.canonical_bytes();
        let snapshot = Snapshot::new("uid".into(), 1, &canonical).unwrap();
        let hash = snapshot.hash().to_owned();
        self.hub.publish(&service(), snapshot);
        hash
    }

    /// The next report of this pod.
    pub(super) async fn event(&mut self, uid: &str) -> Event {
        soon(async {
            loop {
                let report = self.reports.recv().await.unwrap();
                if report.pod.uid == uid {
                    assert_eq!(report.service, service());
                    return report.event;
                }
            }
        })
        .await
    }

    pub(super) fn sidecar(&self, uid: &str) -> Sidecar {
        Sidecar::new(self.address, &self.authority.pem, pod(uid))
    }

    /// A peer that says hello properly, and then what the test says.
    pub(super) async fn peer(&self, uid: &str) -> (Writer, Response<Incoming>) {
        let hello = ToOperator::Hello(hello(uid));
        self.request(wire::PATH, uid, wire::encode(&hello).unwrap())
            .await
            .unwrap()
    }

    /// A request of ours by hand, with these first bytes of its body.
    pub(super) async fn request(
        &self,
        path: &str,
        uid: &str,
        first: Bytes,
    ) -> hyper::Result<(Writer, Response<Incoming>)> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector =
            TlsConnector::from(Arc::new(client::tls_config(&self.authority.pem).unwrap()));
        let name = ServerName::try_from(wire::TLS_NAME).unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(connection);
        let (writer, body) = body::channel();
        writer.write(first).await.unwrap();
        let request = Request::post(format!("https://{}{path}", wire::TLS_NAME))
            .header("authorization", format!("Bearer token-of-{uid}"))
            .body(body)
            .unwrap();
        Ok((writer, soon(sender.send_request(request)).await?))
    }
}

impl Authenticate for FakeAuthenticator {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
        _peer: IpAddr,
        hello: &'a Hello,
    ) -> BoxFuture<'a, Result<PodIdentity, Refused>> {
        let answer = if token != format!("token-of-{}", hello.pod.uid) {
            Err(Refused::new(StatusCode::UNAUTHORIZED, "a bad token"))
        } else if self.forbidden.lock().unwrap().contains(&hello.pod.uid) {
            Err(Refused::new(StatusCode::FORBIDDEN, "not you"))
        } else {
            let expires = SystemTime::now() + Duration::from_secs(600);
            Ok(PodIdentity {
                pod: hello.pod.clone(),
                expires,
            })
        };
        if answer.is_err() {
            self.refused.notify_one();
        }
        std::future::ready(answer).boxed()
    }
}

impl Sidecar {
    pub(super) fn new(address: SocketAddr, bundle: &str, pod: PodRef) -> Self {
        Self::with(address, bundle, pod, false)
    }

    /// One that also tells of trust bundles, and of readiness that is not withheld.
    pub(super) fn that_tells_all(address: SocketAddr, bundle: &str, pod: PodRef) -> Self {
        Self::with(address, bundle, pod, true)
    }

    fn with(address: SocketAddr, bundle: &str, pod: PodRef, tells_all: bool) -> Self {
        let directory = TempDir::new().unwrap();
        let token = directory.path().join("token");
        std::fs::write(&token, format!("token-of-{}\n", pod.uid)).unwrap();
        let config = Config {
            // The first address answers nobody.
            addresses: vec!["127.0.0.1:1".into(), address.to_string()],
            trust: client::Trust::new(bundle).unwrap(),
            token_file: token.clone(),
            pod,
            service: service().name,
        };
        let (sender, seen) = unbounded_channel();
        let (wants, wanted) = unbounded_channel();
        let recorder = Recorder {
            seen: sender,
            wanted,
            tells_all,
        };
        let (trigger, shutdown) = shutdown::channel();
        tokio::spawn(client::run(config, recorder, shutdown));
        Self {
            seen,
            token,
            wants,
            _trigger: trigger,
            _directory: directory,
        }
    }

    pub(super) async fn next(&mut self) -> Seen {
        soon(self.seen.recv()).await.unwrap()
    }
}

impl Apply for Recorder {
    fn keys(&mut self, keys: Keys) {
        let _ = self.seen.send(Seen::Keys(keys.version));
    }

    fn trust(&mut self, bundle: &str) {
        if self.tells_all {
            let _ = self.seen.send(Seen::Trust(bundle.to_owned()));
        }
    }

    fn withhold(&mut self, reason: Option<&str>) {
        if self.tells_all || reason.is_some() {
            let _ = self.seen.send(Seen::Withhold(reason.map(str::to_owned)));
        }
    }

    async fn wanted(&mut self) -> KeySource {
        match self.wanted.recv().await {
            Some(source) => source,
            None => std::future::pending().await,
        }
    }

    fn apply(&mut self, policy: Policy, origin: &Origin) -> Result<(), String> {
        assert_eq!(origin.service_uid, "uid");
        assert!(policy.service != "panics", "as asked for");
        if policy.service == "bad" {
            return Err("it is bad".into());
        }
        let _ = self.seen.send(Seen::Policy(policy.service));
        Ok(())
    }
}

pub(super) fn hello(uid: &str) -> Hello {
    Hello {
        pod: pod(uid),
        service: service().name,
        version: "0.1.0".into(),
        format: FORMAT,
        protocol: wire::PROTOCOL,
        hash: None,
    }
}

/// What must happen soon; a test that hangs says where.
#[track_caller]
pub(in crate::push) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    tokio::time::timeout(Duration::from_secs(20), future)
        .map(move |done| done.unwrap_or_else(|_| panic!("nothing happened at {place}")))
}
