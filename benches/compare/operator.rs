//! An operator that knows one pod, to push policies to the real sidecar. It reads what to publish
//! from its input, one word a line, and prints `applied` when the sidecar says so.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use endpoints::policy::format::KeySource;
use endpoints::push::server::{Authenticate, Event, Hub, PodIdentity, Refused, Snapshot, serve};
use endpoints::push::wire::{Hello, Keys, ServiceKey, TLS_NAME};
use endpoints::{shutdown, tls};
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::shop::{self, KEYS, Shape};

/// Everybody is who they say.
struct Trusting;

impl Authenticate for Trusting {
    fn authenticate<'a>(
        &'a self,
        _: &'a str,
        _: IpAddr,
        hello: &'a Hello,
    ) -> BoxFuture<'a, Result<PodIdentity, Refused>> {
        let identity = PodIdentity {
            pod: hello.pod.clone(),
            expires: SystemTime::now() + Duration::from_secs(24 * 3600),
        };
        ready(Ok(identity)).boxed()
    }
}

/// Serves until its input ends; prints its port, then its authority's certificate in one line.
pub async fn run(keys: &Path) {
    tls::install_crypto_provider();
    let (config, authority) = certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("bound").port());
    println!("{}", serde_json::json!(authority));
    let (hub, mut reports) = Hub::new();
    let (_trigger, shutdown) = shutdown::channel();
    tokio::spawn(serve(
        listener,
        config,
        hub.clone(),
        Arc::new(Trusting),
        shutdown,
    ));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    hub.publish_keys(Keys {
        source: KeySource::Url(KEYS.to_owned()),
        version: "1".to_owned(),
        fetched_at: now.expect("after 1970").as_secs(),
        set: std::fs::read_to_string(keys).expect("the keys are there"),
    })
    .expect("they are few");
    let service = ServiceKey {
        namespace: "bench".to_owned(),
        name: "shop".to_owned(),
    };
    let mut generation = 0;
    let (written, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let _ = written.send(line.expect("text"));
        }
    });
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return };
                generation += 1;
                let policy = shop::policy(shape(&line, generation)).canonical_bytes();
                let snapshot = Snapshot::new("bench".to_owned(), generation, &policy);
                hub.publish(&service, snapshot.expect("a policy"));
            }
            Some(report) = reports.recv() => match report.event {
                Event::Applied { .. } => println!("applied"),
                Event::Rejected { reason, .. } => println!("rejected: {reason}"),
                Event::Connected { .. } | Event::Gone => {}
            }
        }
    }
}

/// What is published under a name.
fn shape(name: &str, generation: i64) -> Shape {
    let whole = Shape {
        whole: true,
        ..Shape::default()
    };
    match name {
        "plain" => Shape::default(),
        "whole" => whole,
        "uncached" => Shape {
            remembered: Some(0),
            ..whole
        },
        "remembering" => Shape {
            remembered: Some(20_000),
            ..whole
        },
        "thousand" => Shape {
            // Another one each time.
            further: 950 + usize::try_from(generation).unwrap_or_default() % 2,
            ..whole
        },
        other => panic!("{other} is no policy of this bench"),
    }
}

fn certificate() -> (Arc<rustls::ServerConfig>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![TLS_NAME.to_owned()])
        .expect("a name")
        .signed_by(&key, &issuer)
        .expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(tls::crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("they belong together");
    (Arc::new(config), issuer.pem())
}
