//! `backend.tls`: whom backends are known by, and what they are shown.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use endpoints::proxy::Limits;
use endpoints::tls;
use rcgen::{CertificateParams, KeyPair};
use rustls::RootCertStore;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use crate::backend::{Backend, ok, read_request};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;
use crate::remote_backends::{Authority, encrypted};

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

/// A policy with a backend and these fields of `backend.tls`, as JSON.
fn policy(address: &str, tls: &serde_json::Value) -> String {
    let backend = serde_json::json!({ "address": address, "tls": tls });
    format!("{OPEN}backend: {backend}\n")
}

/// Answers with the name that it is greeted by.
async fn greeted(acceptor: tokio_rustls::TlsAcceptor) -> std::net::SocketAddr {
    encrypted(acceptor, |mut stream, _| async move {
        let name = stream
            .get_ref()
            .1
            .server_name()
            .unwrap_or("nobody")
            .to_owned();
        let mut buffer = Vec::new();
        while read_request(&mut stream, &mut buffer).await.is_some() {
            if stream.write_all(&ok(&name)).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_bundle_takes_the_place_of_the_usual_roots() {
    let (usual, own) = (Authority::new(), Authority::new());
    let by_usual = greeted(usual.acceptor("localhost", &[])).await;
    let by_own = greeted(own.acceptor("localhost", &[])).await;
    let app = Backend::start().await;
    for (server, tls, status) in [
        (by_usual, serde_json::json!({}), 200),
        (by_own, serde_json::json!({}), 503),
        (by_own, serde_json::json!({ "caBundle": own.pem() }), 200),
        (by_usual, serde_json::json!({ "caBundle": own.pem() }), 503),
        (
            by_usual,
            serde_json::json!({ "caBundle": own.pem() + &usual.pem() }),
            200,
        ),
    ] {
        let address = format!("https://localhost:{}", server.port());
        let proxy = usual.proxy(app.address).under(&policy(&address, &tls));
        let answer = ask(proxy.address, GET).await;
        assert_eq!(answer.status, status, "{tls} {answer:?}");
    }
}

#[tokio::test]
async fn a_server_name_is_greeted_and_verified_in_the_place_of_the_host() {
    let authority = Authority::new();
    let server = greeted(authority.acceptor("books.internal", &[])).await;
    let address = format!("https://127.0.0.1:{}", server.port());
    let app = Backend::start().await;
    let named = |name: &str| {
        let tls = serde_json::json!({ "serverName": name });
        authority.proxy(app.address).under(&policy(&address, &tls))
    };
    let answer = ask(named("Books.internal").address, GET).await;
    assert_eq!((answer.status, &*answer.body), (200, "books.internal"));
    let answer = ask(named("other.internal").address, GET).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (503, "BackendUnreachable")
    );
    assert!(answer.body.contains("not for this host"), "{answer:?}");
}

/// A certificate of this authority in a folder, as a Secret is mounted.
fn write_identity(authority: &Authority, folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["sidecar".to_owned()]).unwrap();
    let certificate = authority.sign(params, &key);
    std::fs::write(folder.join("tls.crt"), certificate).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
}

fn trusting(authority: &Authority, folder: &Path, app: &Backend) -> TestProxy {
    TestProxy::showing(
        Some(folder.to_owned()),
        authority.roots(),
        app.address,
        Limits::default(),
        1,
    )
}

const SECRET: &str = r#"{"clientCertificateRef": {"name": "sidecar"}}"#;

#[tokio::test]
async fn a_backend_that_asks_is_shown_the_certificate_of_the_folder() {
    let (authority, app) = (Authority::new(), Backend::start().await);
    let asking = authority.asking_acceptor("localhost");
    let shown = Arc::new(AtomicUsize::new(0));
    let count = shown.clone();
    let server = encrypted(asking, move |mut stream, _| {
        let shown = count.clone();
        async move {
            let certificates = stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
            shown.fetch_add(certificates, Ordering::SeqCst);
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = stream.write_all(&ok("ok")).await;
            }
        }
    })
    .await;
    let address = format!("https://localhost:{}", server.port());
    let folder = tempfile::tempdir().unwrap();
    write_identity(&authority, folder.path());
    let tls = serde_json::from_str(SECRET).unwrap();
    let proxy = trusting(&authority, folder.path(), &app).under(&policy(&address, &tls));
    let answer = ask(proxy.address, GET).await;
    assert_eq!((answer.status, &*answer.body), (200, "ok"));
    assert_eq!(shown.load(Ordering::SeqCst), 1);

    // A policy that does not say so shows nothing.
    let proxy = proxy.under(&policy(&address, &serde_json::json!({})));
    assert_eq!(ask(proxy.address, GET).await.status, 502);
    assert_eq!(shown.load(Ordering::SeqCst), 1);
}

/// Also towards a backend that would not have asked: the policy says that it is to be known.
#[tokio::test]
async fn without_the_certificate_that_the_policy_demands_no_request_goes_out() {
    let (authority, app) = (Authority::new(), Backend::start().await);
    let server = greeted(authority.acceptor("localhost", &[])).await;
    let address = format!("https://localhost:{}", server.port());
    let tls = serde_json::from_str(SECRET).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let policy = policy(&address, &tls);
    let proxy = trusting(&authority, folder.path(), &app).under(&policy);
    let mut client = Client::connect(proxy.address).await;
    let answer = client.ask(GET).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (503, "BackendUnreachable")
    );
    assert!(answer.body.contains("no client certificate"), "{answer:?}");
    assert!(app.requests().is_empty());

    // It comes: nobody needs to restart.
    write_identity(&authority, folder.path());
    let comes = async {
        while client.ask(GET).await.status != 200 {
            sleep(Duration::from_millis(200)).await;
        }
    };
    patient(comes).await;
}

impl Authority {
    /// A server that demands a certificate of this authority.
    fn asking_acceptor(&self, name: &str) -> tokio_rustls::TlsAcceptor {
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::<RootCertStore>::new(self.roots()),
            tls::crypto_provider(),
        )
        .build()
        .unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        self.acceptor_verifying(params, &[], verifier)
    }
}
