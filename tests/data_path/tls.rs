//! TLS towards clients: from a certificate in files, where the policy says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use endpoints::proxy::{CertificateFiles, Config};
use endpoints::tls;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::backend::Backend;
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::{TestProxy, snapshot};

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const TLS: &str = "listener: {tls: {secretRef: {name: shop-tls}}}";

/// A folder as kubelet mounts a Secret, and who signed what is in it.
struct Secret {
    folder: tempfile::TempDir,
    roots: RootCertStore,
}

impl Secret {
    /// Empty, as one that does not exist.
    fn missing() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            roots: RootCertStore::empty(),
        }
    }

    fn issued() -> Self {
        let mut secret = Self::missing();
        secret.renew();
        secret
    }

    /// Another certificate for the same name.
    fn renew(&mut self) -> CertificateDer<'static> {
        let signed = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
        self.write("tls.key", &signed.signing_key.serialize_pem());
        self.write("tls.crt", &signed.cert.pem());
        self.roots.add(signed.cert.der().clone()).unwrap();
        signed.cert.der().clone()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// A proxy that finds it.
    fn proxy(&self, backend: SocketAddr) -> TestProxy {
        TestProxy::run(Config {
            certificate: Some(CertificateFiles::in_folder(self.folder.path())),
            ..TestProxy::config(backend)
        })
    }

    async fn try_connect(
        &self,
        address: SocketAddr,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder_with_provider(tls::crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        let stream = patient(TcpStream::connect(address)).await?;
        let name = ServerName::try_from("shop.example").unwrap();
        patient(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> TlsStream<TcpStream> {
        self.try_connect(address, protocols)
            .await
            .expect("a handshake")
    }
}

async fn ask_over(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    patient(stream.write_all(request.as_bytes())).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok") && !answer.ends_with(b"}") {
        let read = patient(stream.read_buf(&mut answer)).await.unwrap_or(0);
        if read == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

async fn ready(proxy: &TestProxy) -> String {
    ask(proxy.admin, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .body
}

#[tokio::test]
async fn http1_and_http2_are_served_by_alpn_and_the_backend_learns_of_https() {
    let secret = Secret::issued();
    let backend = Backend::start().await;
    let proxy = secret
        .proxy(backend.address)
        .under(&format!("{OPEN}{TLS}\n"));
    assert_eq!(ready(&proxy).await, "ok\n");

    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = secret.connect(proxy.address, protocols).await;
        let answer = ask_over(&mut stream, GET).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        let agreed = stream.get_ref().1.alpn_protocol();
        assert_eq!(agreed, protocols.first().map(|it| it.as_bytes()));
    }

    let stream = secret.connect(proxy.address, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let get = Request::get("https://shop.example/v1/shelves");
    let get = get.body(Empty::<bytes::Bytes>::new()).unwrap();
    let answer = patient(sender.send_request(get)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "ok");

    let requests = backend.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.values("x-forwarded-proto"), ["https"]);
        assert_eq!(request.values("x-forwarded-host"), ["shop.example"]);
    }
}

#[tokio::test]
async fn a_span_is_of_https() {
    let secret = Secret::issued();
    // The collector, too.
    let backend = Backend::start().await;
    let collector = format!("http://{}", backend.address);
    let tracing = format!("tracing: {{otlpEndpoint: \"{collector}\", sample: 1}}");
    let proxy = secret
        .proxy(backend.address)
        .under(&format!("{OPEN}{TLS}\n{tracing}\n"));
    let mut stream = secret.connect(proxy.address, &[]).await;
    ask_over(&mut stream, GET).await;
    let exported = patient(async {
        loop {
            let requests = backend.requests();
            let mut exports = requests
                .iter()
                .filter(|it| it.line().starts_with("POST /v1/traces"));
            if let Some(export) = exports.next() {
                return String::from_utf8_lossy(&export.body).into_owned();
            }
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let scheme = r#"{"key":"url.scheme","value":{"stringValue":"https"}}"#;
    assert!(exported.contains(scheme), "{exported}");
}

#[tokio::test]
async fn the_realm_of_a_refusal_is_of_https() {
    let secret = Secret::issued();
    let backend = Backend::start().await;
    let spec = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Books, version: "1"}
    host: shop.example
    securityDefinitions:
      a: {type: oauth2, authorizationUrl: "", flow: implicit, x-google-issuer: i, x-google-jwks_uri: "https://i.example/k"}
    paths:
      /v1/shelves: {get: {security: [{a: []}], responses: {200: {description: ok}}}}
listener: {tls: {secretRef: {name: shop-tls}}}
"#;
    let proxy = secret.proxy(backend.address).under(spec);
    let mut stream = secret.connect(proxy.address, &["http/1.1"]).await;
    let answer = ask_over(&mut stream, GET).await;
    let realm = "www-authenticate: Bearer realm=\"https://shop.example/v1/shelves\"";
    assert!(answer.contains(realm), "{answer}");
}

#[tokio::test]
async fn without_a_usable_certificate_connections_are_refused_and_readiness_says_why() {
    let mut secret = Secret::missing();
    let backend = Backend::start().await;
    let proxy = secret
        .proxy(backend.address)
        .under(&format!("{OPEN}{TLS}\n"));
    let mut plain = Client::connect(proxy.address).await;
    let _ = plain.stream.write_all(GET.as_bytes()).await;
    assert_eq!(plain.rest().await, b"", "neither by TLS nor without");
    assert!(secret.try_connect(proxy.address, &[]).await.is_err());
    let reason = ready(&proxy).await;
    assert!(
        reason.contains("no certificate for TLS towards clients"),
        "{reason}"
    );
    assert!(reason.contains("tls.crt: No such file"), "{reason}");
    let refused = "endpoints_connections_refused_total 2";
    let metrics = crate::admin::metrics(&proxy).await;
    assert!(metrics.contains(refused), "{metrics}");

    // It comes.
    secret.renew();
    patient(async {
        while ready(&proxy).await != "ok\n" {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let mut stream = secret.connect(proxy.address, &[]).await;
    assert!(ask_over(&mut stream, GET).await.contains("200 OK"));
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_a_bad_one_is_not() {
    let mut secret = Secret::issued();
    let backend = Backend::start().await;
    let proxy = secret
        .proxy(backend.address)
        .under(&format!("{OPEN}{TLS}\n"));
    let mut before = secret.connect(proxy.address, &[]).await;
    let renewed = secret.renew();
    let shown = async |secret: &Secret| {
        let stream = secret.connect(proxy.address, &[]).await;
        stream.get_ref().1.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    };
    patient(async {
        while shown(&secret).await != renewed {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    // Who is connected stays so.
    assert!(ask_over(&mut before, GET).await.contains("200 OK"));
    secret.write("tls.crt", "no certificate");
    // Longer than between two looks.
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(shown(&secret).await, renewed, "the last good one stays");
    assert_eq!(ready(&proxy).await, "ok\n");
}

#[tokio::test]
async fn what_is_no_tls_and_what_dawdles_is_let_go() {
    let secret = Secret::issued();
    let backend = Backend::start().await;
    let fields = format!("{OPEN}{TLS}\ntimeouts: {{head: 200ms}}\n");
    let proxy = secret.proxy(backend.address).under(&fields);
    let mut plain = Client::connect(proxy.address).await;
    plain.send(GET).await;
    let rest = plain.rest().await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    let mut silent = Client::connect(proxy.address).await;
    assert_eq!(silent.rest().await, b"");
    let mut half = Client::connect(proxy.address).await;
    half.send(b"\x16\x03\x01\x02\x00").await;
    assert_eq!(half.rest().await, b"");
    // HTTP/1 where HTTP/2 was agreed on.
    let mut liar = secret.connect(proxy.address, &["h2"]).await;
    assert_eq!(ask_over(&mut liar, GET).await, "");
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn open_connections_end_when_the_policy_has_clients_spoken_to_otherwise() {
    let secret = Secret::issued();
    let backend = Backend::start().await;
    let proxy = secret.proxy(backend.address).under(OPEN);
    let mut plain = Client::connect(proxy.address).await;
    assert_eq!(plain.ask(GET).await.value("connection"), None);
    let with_tls = format!("{OPEN}{TLS}\n");
    proxy
        .policies
        .store(snapshot(&with_tls, &Default::default()));
    assert_eq!(plain.ask(GET).await.value("connection"), Some("close"));
    assert_eq!(plain.rest().await, b"");
    let mut stream = secret.connect(proxy.address, &[]).await;
    assert!(ask_over(&mut stream, GET).await.contains("200 OK"));
}
