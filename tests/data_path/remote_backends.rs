//! Backends that operations name for themselves: over TLS or not, each with its host, its path and
//! its deadline.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use endpoints::policy::format::{BackendRule, PathRule};
use endpoints::proxy::{Limits, Snapshot};
use endpoints::tls;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::backend::{Backend, Recorded, Reply, ok, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::{TestProxy, policy, ready};

const SHELVES: &str = "GET /v1/shelves HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
const SHELF: &str = "GET /v1/shelves/7 HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

/// A backend's rule with nothing but its address.
pub fn at(address: impl ToString) -> BackendRule {
    BackendRule {
        address: Some(address.to_string()),
        http2: false,
        path: None,
        deadline_ms: None,
    }
}

/// [`OPEN`] with these backends; `of`: method and path of an operation, and the place of its backend.
pub fn with_backends(backends: Vec<BackendRule>, of: &[(&str, &str, usize)]) -> Snapshot {
    let mut policy = policy(OPEN);
    policy.format = 2;
    policy.backends.clone_from(&backends);
    policy.backends.sort();
    let sorted = policy.backends.clone();
    for (method, path, place) in of {
        let operation = policy
            .operations
            .iter_mut()
            .find(|operation| operation.method == *method && operation.path == *path);
        let place = sorted.iter().position(|rule| *rule == backends[*place]);
        operation.expect("of the document").backend = place;
    }
    ready(policy, |_| panic!("nobody needs a token"))
}

/// One backend for `GET /v1/shelves`.
pub fn with_backend(rule: BackendRule) -> Snapshot {
    with_backends(vec![rule], &[("GET", "/v1/shelves", 0)])
}

#[tokio::test]
async fn a_laptops_own_backend_answers_for_all_under_their_paths() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let rule = BackendRule {
        path: Some(PathRule::Append("/base".to_owned())),
        ..at("grpcs://elsewhere.example.com:443")
    };
    let snapshot = with_backend(rule).without_addresses();
    proxy.policies.store(snapshot);
    assert_eq!(ask(proxy.address, SHELVES).await.status, 200);
    let seen = backend.only();
    assert_eq!(seen.line(), "GET /base/v1/shelves HTTP/1.1");
    assert_eq!(seen.values("host"), ["api.example.com"]);
}

/// A certificate authority of a test's own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        tls::install_crypto_provider();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // No two authorities have one name.
        let name = format!("{:?}", key.public_key_raw());
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, &name[..60]);
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// A server with a certificate for this name or address.
    pub fn acceptor(&self, name: &str, alpn: &[&str]) -> TlsAcceptor {
        self.acceptor_with(CertificateParams::new([name.to_owned()]).unwrap(), alpn)
    }

    /// The authority's own certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of this authority, as PEM.
    pub fn sign(&self, params: CertificateParams, key: &KeyPair) -> String {
        params.signed_by(key, &self.0).unwrap().pem()
    }

    fn acceptor_with(&self, params: CertificateParams, alpn: &[&str]) -> TlsAcceptor {
        self.acceptor_verifying(params, alpn, WebPkiClientVerifier::no_client_auth())
    }

    /// The same, with what clients are verified by.
    pub fn acceptor_verifying(
        &self,
        params: CertificateParams,
        alpn: &[&str],
        clients: Arc<dyn ClientCertVerifier>,
    ) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let mut config = ServerConfig::builder_with_provider(tls::crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A proxy that trusts it.
    pub fn proxy(&self, default: SocketAddr) -> TestProxy {
        TestProxy::trusting(self.roots(), default, Limits::default(), 1)
    }
}

/// A backend behind TLS that hands each connection to a handler.
pub async fn encrypted<F, R>(acceptor: TlsAcceptor, handler: F) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>, usize) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    raw(move |stream, number| {
        let (acceptor, handler) = (acceptor.clone(), handler.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                handler(stream, number).await;
            }
        }
    })
    .await
}

/// A backend behind TLS that answers `ok`; what it is asked for, with the name that the client greets
/// it by, goes into the record.
async fn recording(acceptor: TlsAcceptor, record: Record) -> SocketAddr {
    encrypted(acceptor, move |mut stream, number| {
        let record = record.clone();
        async move {
            let name = stream.get_ref().1.server_name().map(str::to_owned);
            let mut buffer = Vec::new();
            while let Some(mut request) = read_request(&mut stream, &mut buffer).await {
                request.connection = number;
                record.lock().unwrap().push((name.clone(), request));
                if stream.write_all(&ok("ok")).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

type Record = Arc<Mutex<Vec<(Option<String>, Recorded)>>>;

#[tokio::test]
async fn operations_go_to_their_own_backends_under_their_hosts() {
    let (first, second, app) = (
        Backend::start().await,
        Backend::start().await,
        Backend::start().await,
    );
    let proxy = TestProxy::start(app.address);
    let second_by_name = format!("http://localhost:{}", second.address.port());
    proxy.policies.store(with_backends(
        vec![at(format!("http://{}", first.address)), at(&second_by_name)],
        &[("GET", "/v1/shelves", 0), ("GET", "/v1/shelves/{shelf}", 1)],
    ));
    let mut client = Client::connect(proxy.address).await;
    let request = concat!(
        "GET /v1/shelves?a=1 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer mine\r\n",
        "X-Forwarded-Authorization: Bearer forged\r\n\r\n"
    );
    assert_eq!(client.ask(request).await.status, 200);
    assert_eq!(client.ask(SHELF).await.status, 200);
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.ask(post).await.status, 200);

    let seen = first.only();
    assert_eq!(seen.line(), "GET /v1/shelves?a=1 HTTP/1.1");
    assert_eq!(seen.values("host"), [first.address.to_string()]);
    assert_eq!(seen.values("x-forwarded-host"), ["api.example.com"]);
    assert_eq!(seen.values("authorization"), ["Bearer mine"]);
    assert_eq!(seen.values("x-forwarded-authorization"), [""; 0]);
    let seen = second.only();
    assert_eq!(seen.line(), "GET /v1/shelves/7 HTTP/1.1");
    assert_eq!(
        seen.values("host"),
        [format!("localhost:{}", second.address.port())]
    );
    let seen = app.only();
    assert_eq!(seen.line(), "POST /v1/shelves HTTP/1.1");
    assert_eq!(seen.values("host"), ["api.example.com"], "kept for the app");
}

#[tokio::test]
async fn rules_with_one_address_share_its_connections() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let address = format!("http://{}", backend.address);
    let short = BackendRule {
        deadline_ms: Some(5_000),
        ..at(&address)
    };
    proxy.policies.store(with_backends(
        vec![at(&address), short],
        &[("GET", "/v1/shelves", 0), ("GET", "/v1/shelves/{shelf}", 1)],
    ));
    let mut client = Client::connect(proxy.address).await;
    for request in [SHELVES, SHELF, SHELVES] {
        assert_eq!(client.ask(request).await.status, 200);
    }
    for seen in backend.requests() {
        assert_eq!(seen.connection, 0);
    }
}

#[tokio::test]
async fn a_backend_with_tls_is_verified_by_its_name_and_its_connections_are_kept() {
    let authority = Authority::new();
    let record = Record::default();
    let app = Backend::start().await;
    let server = recording(
        authority.acceptor("localhost", &["http/1.1"]),
        record.clone(),
    )
    .await;
    let proxy = authority.proxy(app.address);
    let address = format!("https://localhost:{}", server.port());
    proxy.policies.store(with_backend(at(&address)));
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..3 {
        let answer = client.ask(SHELVES).await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"));
    }
    let record = record.lock().unwrap();
    assert_eq!(record.len(), 3);
    for (name, seen) in &*record {
        assert_eq!(name.as_deref(), Some("localhost"));
        assert_eq!(seen.connection, 0);
        assert_eq!(
            seen.values("host"),
            [format!("localhost:{}", server.port())]
        );
    }
    assert!(app.requests().is_empty());
}

#[tokio::test]
async fn a_backend_with_tls_may_be_an_address() {
    let authority = Authority::new();
    let record = Record::default();
    let server = recording(authority.acceptor("127.0.0.1", &[]), record.clone()).await;
    let proxy = authority.proxy(server);
    proxy
        .policies
        .store(with_backend(at(format!("https://{server}"))));
    assert_eq!(ask(proxy.address, SHELVES).await.status, 200);
    assert_eq!(record.lock().unwrap()[0].0, None, "an address is no SNI");
}

/// The backend is named, and that it is TLS; the request never reaches it.
#[tokio::test]
async fn a_backend_that_is_not_trusted_is_503_and_says_why() {
    let (authority, other) = (Authority::new(), Authority::new());
    let record = Record::default();
    let mut expired = CertificateParams::new(["localhost".to_owned()]).unwrap();
    expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let plain = raw(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 16]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let closing = raw(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 16]).await;
    })
    .await;
    let server = |acceptor| recording(acceptor, record.clone());
    for (server, why) in [
        (
            server(authority.acceptor("elsewhere.example.com", &[])).await,
            "TLS: the certificate is not for this host",
        ),
        (
            server(authority.acceptor_with(expired, &[])).await,
            "TLS: the certificate has expired",
        ),
        (
            server(other.acceptor("localhost", &[])).await,
            "TLS: the certificate's issuer is not trusted",
        ),
        (
            server(authority.acceptor("localhost", &["h2"])).await,
            "TLS: the protocol is not spoken there",
        ),
        (plain, "TLS: the answer is not TLS"),
        (closing, "TLS: the connection was closed in the handshake"),
    ] {
        let proxy = authority.proxy(server);
        let address = format!("https://localhost:{}", server.port());
        proxy.policies.store(with_backend(at(&address)));
        let answer = ask(proxy.address, SHELVES).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (503, "BackendUnreachable"),
            "{why}"
        );
        assert!(answer.body.contains(why), "{why}: {answer:?}");
        assert!(answer.body.contains(&address), "{answer:?}");
    }
    assert!(record.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_handshake_that_stalls_ends_with_the_connect_timeout() {
    let authority = Authority::new();
    let silent = raw(|mut stream, _| async move {
        while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {}
    })
    .await;
    let limits = Limits {
        backend_connect_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let proxy = TestProxy::trusting(authority.roots(), silent, limits, 1);
    proxy
        .policies
        .store(with_backend(at(format!("https://{silent}"))));
    let answer = ask(proxy.address, SHELVES).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (503, "BackendUnreachable")
    );
    assert!(answer.body.contains("connection timeout"), "{answer:?}");
    assert!(answer.body.contains("a port without TLS"), "{answer:?}");
}

#[tokio::test]
async fn the_services_own_backend_may_have_tls() {
    let authority = Authority::new();
    let record = Record::default();
    let server = recording(authority.acceptor("localhost", &[]), record.clone()).await;
    let address = format!("https://localhost:{}", server.port());
    let proxy = authority
        .proxy(server)
        .under(&format!("{OPEN}backend: {{address: \"{address}\"}}\n"));
    assert_eq!(ask(proxy.address, SHELVES).await.status, 200);
    let (name, seen) = record.lock().unwrap().pop().unwrap();
    assert_eq!(name.as_deref(), Some("localhost"));
    assert_eq!(seen.values("host"), ["api.example.com"], "kept, as ESPv2");
}

/// Each answer ends its connection without a word; the requests after it find that out.
#[tokio::test]
async fn a_backend_with_tls_that_restarts_costs_no_request() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("localhost", &["http/1.1"]);
    let server = encrypted(acceptor, |mut stream, _| async move {
        if read_request(&mut stream, &mut Vec::new()).await.is_some() {
            let _ = stream.write_all(&ok("ok")).await;
            let _ = stream.flush().await;
        }
    })
    .await;
    let proxy = authority.proxy(server);
    let address = format!("https://localhost:{}", server.port());
    proxy.policies.store(with_backend(at(&address)));
    let mut client = Client::connect(proxy.address).await;
    for round in 0..20 {
        assert_eq!(client.ask(SHELVES).await.status, 200, "{round}");
    }
}

#[tokio::test]
async fn an_operation_has_its_own_deadline() {
    let slow = raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while read_request(&mut stream, &mut buffer).await.is_some() {
            sleep(Duration::from_millis(500)).await;
            if stream.write_all(&ok("late")).await.is_err() {
                return;
            }
        }
    })
    .await;
    let proxy = TestProxy::start(slow);
    let short = BackendRule {
        address: None,
        deadline_ms: Some(100),
        ..at("")
    };
    let long = BackendRule {
        deadline_ms: Some(24 * 3600 * 1000),
        ..at(format!("http://{slow}"))
    };
    proxy.policies.store(with_backends(
        vec![short, long],
        &[("GET", "/v1/shelves", 0), ("GET", "/v1/shelves/{shelf}", 1)],
    ));
    let begun = Instant::now();
    let answer = ask(proxy.address, SHELVES).await;
    assert_eq!((answer.status, &*answer.reason()), (504, "BackendTimeout"));
    assert!(begun.elapsed() < Duration::from_millis(450));
    assert_eq!(ask(proxy.address, SHELF).await.body, "late");

    // A shorter usual one does not shorten an operation's own.
    let limits = Limits {
        backend_deadline: Duration::from_millis(100),
        ..Limits::default()
    };
    let proxy = TestProxy::with(slow, limits, 1);
    let longer = BackendRule {
        address: None,
        deadline_ms: Some(10_000),
        ..at("")
    };
    proxy.policies.store(with_backend(longer));
    assert_eq!(ask(proxy.address, SHELVES).await.body, "late");
    assert_eq!(ask(proxy.address, SHELF).await.status, 504);
}

#[tokio::test]
async fn paths_are_translated() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let address = format!("http://{}", backend.address);
    let rule = |path| BackendRule {
        path: Some(path),
        ..at(&address)
    };
    let append = rule(PathRule::Append("/base".to_owned()));
    let constant = rule(PathRule::Constant("/get".to_owned()));
    proxy.policies.store(with_backends(
        vec![append, constant],
        &[("GET", "/v1/shelves", 0), ("GET", "/v1/shelves/{shelf}", 1)],
    ));
    let mut client = Client::connect(proxy.address).await;
    for (method, target, translated) in [
        ("GET", "/v1/shelves", "/base/v1/shelves"),
        ("GET", "/v1/shelves/?a=%2f&b", "/base/v1/shelves/?a=%2f&b"),
        ("GET", "/x/..//v1/shelves?", "/base/v1/shelves?"),
        ("GET", "/v1/shelves/7", "/get?shelf=7"),
        (
            "GET",
            "/v1/shelves/a%20b?q=1&q=2",
            "/get?q=1&q=2&shelf=a%20b",
        ),
        ("GET", "/v1/shelves/a%26b=c&d", "/get?shelf=a%26b=c%26d"),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.ask(&request).await.status, 200, "{target}");
        let seen = backend.requests().pop().unwrap();
        assert_eq!(seen.line(), format!("{method} {translated} HTTP/1.1"));
        let original = target.replace("/x/..//", "/");
        assert_eq!(seen.values("x-envoy-original-path"), [original]);
    }
}

/// Envoy's header, and so ESPv2's: a backend that comes from there believes it.
#[tokio::test]
async fn the_path_before_its_translation_is_told_by_the_proxy_alone() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    let base = BackendRule {
        path: Some(PathRule::Append("/base".to_owned())),
        ..at(format!("http://{}", backend.address))
    };
    proxy.policies.store(with_backend(base));
    let mut client = Client::connect(proxy.address).await;
    for (path, told) in [
        ("/v1/shelves", &["/v1/shelves"][..]),
        ("/v1/shelves/7", &[]),
    ] {
        let forged = "X-Envoy-Original-Path: /forged";
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{forged}\r\n\r\n");
        assert_eq!(client.ask(&request).await.status, 200);
        let seen = backend.requests().pop().unwrap();
        assert_eq!(seen.values("x-envoy-original-path"), told, "{path}");
    }
}

/// What the app answers to no longer is asked of a backend that the policy does not name any more.
#[tokio::test]
async fn connections_to_a_backend_that_no_rule_names_any_more_are_closed() {
    let closed = Arc::new(Semaphore::new(0));
    let tell = closed.clone();
    let remote = raw(move |mut stream, _| {
        let closed = tell.clone();
        async move {
            let mut buffer = Vec::new();
            while read_request(&mut stream, &mut buffer).await.is_some() {
                let _ = stream.write_all(&ok("remote")).await;
            }
            closed.add_permits(1);
        }
    })
    .await;
    let app = Backend::answering(|_| Reply::Keep(ok("app"))).await;
    let proxy = TestProxy::start(app.address);
    let named = || with_backend(at(format!("http://{remote}")));
    proxy.policies.store(named());
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(SHELVES).await.body, "remote");
    proxy.policies.store(named());
    assert_eq!(client.ask(SHELVES).await.body, "remote");
    assert_eq!(closed.available_permits(), 0);
    // Without a request that would make the worker look.
    proxy.policies.store(with_backends(Vec::new(), &[]));
    patient(closed.acquire()).await.unwrap().forget();
    assert_eq!(client.ask(SHELVES).await.body, "app");
}
