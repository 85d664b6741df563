mod discovery;
mod through_proxy;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::policy::key_set::{KeySet, MAX_KEY_SET_BYTES};

/// A server that reads one request head and answers these bytes; then, if asked to, stays silent
/// with the connection open. Gives its port and the head it read.
async fn server(answer: Vec<u8>, then_hang: bool) -> (u16, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (head, read) = oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = head.send(serve(stream, &answer, then_hang).await);
    });
    (port, read)
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &[u8],
    then_hang: bool,
) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    let _ = stream.write_all(answer).await;
    let _ = stream.flush().await;
    if then_hang {
        // Until the client gives up.
        let _ = stream.read_u8().await;
    }
    let _ = stream.shutdown().await;
    String::from_utf8(head).unwrap()
}

fn answer(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A server with a certificate for these names or addresses, that answers `{}` to everything. Gives
/// its port and the roots that trust it.
async fn tls_server(names: &[&str]) -> (u16, RootCertStore) {
    tls_server_answering(names, "{}").await
}

async fn tls_server_answering(names: &[&str], body: &'static str) -> (u16, RootCertStore) {
    let (port, roots, _) = tls_server_of(names, body).await;
    (port, roots)
}

/// The same, with the certificate of its authority in PEM.
async fn tls_server_of(names: &[&str], body: &'static str) -> (u16, RootCertStore, String) {
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let certificate = CertificateParams::new(names).unwrap();
    let certificate = certificate.signed_by(&key, &ca).unwrap();
    let config = ServerConfig::builder_with_provider(tls::crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, &answer(body), false).await;
            }
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    (port, roots, ca.pem())
}

fn fetcher() -> HttpFetcher {
    HttpFetcher::new(AddressRule::development(), tls::built_in_roots()).unwrap()
}

async fn get(answer: Vec<u8>) -> Result<Vec<u8>, FetchError> {
    let (port, _head) = server(answer, false).await;
    fetcher()
        .get(&format!("http://127.0.0.1:{port}/jwks"))
        .await
}

#[tokio::test]
async fn a_key_set_is_fetched_without_credentials() {
    let (port, head) = server(answer("{}"), false).await;
    let text = fetcher()
        .get(&format!("http://localhost:{port}/a/jwks?x=1#y"))
        .await
        .unwrap();
    assert_eq!(text, b"{}");
    let head = head.await.unwrap();
    assert!(head.starts_with("GET /a/jwks?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: localhost:{port}\r\n")),
        "{head}"
    );
    assert!(
        !head.contains("authorization") && !head.contains("cookie"),
        "{head}"
    );
}

#[tokio::test]
async fn chunked_and_unbounded_bodies_are_read() {
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
    assert_eq!(get(chunked.into()).await.unwrap(), b"{}");
    assert_eq!(
        get("HTTP/1.1 200 OK\r\n\r\n{}".into()).await.unwrap(),
        b"{}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let location = "location: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
        let answer = format!("HTTP/1.1 {status} Elsewhere\r\n{location}");
        assert_eq!(get(answer.into_bytes()).await, Err(FetchError::Redirect));
    }
}

#[tokio::test]
async fn other_statuses_are_told() {
    for status in [204, 404, 500, 503] {
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(
            get(answer.into_bytes()).await,
            Err(FetchError::Status(status))
        );
    }
}

#[tokio::test]
async fn a_huge_answer_is_cut_off() {
    let announced = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        MAX_KEY_SET_BYTES + 1
    );
    assert_eq!(get(announced.into_bytes()).await, Err(FetchError::TooLarge));
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(MAX_KEY_SET_BYTES * 2, b' ');
    assert_eq!(get(endless).await, Err(FetchError::TooLarge));
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1_000_000));
    assert!(get(head.into_bytes()).await.is_err());
}

#[tokio::test]
async fn an_empty_answer_and_one_that_is_not_json_are_no_key_sets() {
    for body in ["", "<html>", "{}", "{\"keys\":[]}"] {
        let text = get(answer(body)).await.unwrap();
        let error = FetchError::from(KeySet::parse(&text).unwrap_err());
        assert_eq!(error.class(), "NotAKeySet");
        assert!(!error.to_string().contains("html"));
    }
}

#[tokio::test]
async fn what_is_not_http_is_told() {
    assert_eq!(
        get(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()).await,
        Err(FetchError::NotHttp)
    );
    assert_eq!(get(Vec::new()).await, Err(FetchError::Unreachable));
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}".to_vec();
    assert_eq!(get(cut).await, Err(FetchError::Unreachable));
}

#[tokio::test]
async fn a_slow_answer_ends_after_five_seconds() {
    let (port, _head) = server(
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_vec(),
        true,
    )
    .await;
    let fetch = async move { fetcher().get(&format!("http://127.0.0.1:{port}/")).await };
    let fetch = tokio::spawn(fetch);
    // Virtual time jumps only once the runtime is idle, so the bytes above are read by then.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert_eq!(fetch.await.unwrap(), Err(FetchError::Timeout));
    assert!(begun.elapsed() <= FETCH_TIMEOUT + Duration::from_millis(1));
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(fetcher().get(&url).await, Err(FetchError::Unreachable));
}

#[tokio::test]
async fn the_strict_rule_refuses_before_it_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let strict = HttpFetcher::new(AddressRule::strict(Vec::new()), tls::built_in_roots()).unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0x7f.1",
        "2130706433",
        "0.0.0.0",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
    ] {
        let url = format!("https://{host}:{port}/jwks");
        assert_eq!(
            strict.get(&url).await,
            Err(FetchError::AddressRefused),
            "{host}"
        );
    }
    let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "somebody connected");
    // A host that an exception names is tried.
    let excepted = AddressRule::strict(vec!["127.0.0.0/8".parse().unwrap()]);
    let excepted = HttpFetcher::new(excepted, tls::built_in_roots()).unwrap();
    drop(listener);
    let url = format!("https://127.0.0.1:{port}/jwks");
    assert_eq!(excepted.get(&url).await, Err(FetchError::Unreachable));
}

#[tokio::test]
async fn urls_are_checked_before_anything_is_looked_up() {
    let strict = HttpFetcher::new(AddressRule::strict(Vec::new()), tls::built_in_roots()).unwrap();
    for (url, error) in [
        ("http://issuer.example/jwks", FetchError::NotHttps),
        ("file:///etc/passwd", FetchError::NotHttps),
        ("gopher://issuer.example/", FetchError::NotHttps),
        ("issuer.example/jwks", FetchError::BadUrl),
        ("", FetchError::BadUrl),
        ("https://user:password@issuer.example/", FetchError::BadUrl),
        ("https://user@issuer.example/", FetchError::BadUrl),
    ] {
        assert_eq!(strict.get(url).await, Err(error), "{url}");
    }
    let kubernetes = KeySource::Kubernetes {
        issuer: "https://a".to_owned(),
    };
    assert_eq!(
        strict.fetch(&kubernetes).await.unwrap_err().class(),
        "Source"
    );
}

#[tokio::test]
async fn a_server_is_trusted_by_the_roots_given_and_by_its_name() {
    let (port, roots) = tls_server(&["localhost"]).await;
    let trusting = HttpFetcher::new(AddressRule::development(), roots).unwrap();
    let by_name = format!("https://localhost:{port}/");
    assert_eq!(trusting.get(&by_name).await.unwrap(), b"{}");
    let by_address = format!("https://127.0.0.1:{port}/");
    assert_eq!(trusting.get(&by_address).await, Err(FetchError::Tls));
    assert_eq!(fetcher().get(&by_name).await, Err(FetchError::Tls));
}

#[tokio::test]
async fn the_authorities_of_a_source_are_believed_for_it_and_no_others_are() {
    let (port, roots, pem) = tls_server_of(&["localhost"], "{}").await;
    let (_, _, strangers) = tls_server_of(&["localhost"], "{}").await;
    let url = KeySource::Url(format!("https://localhost:{port}/jwks"));
    let trusting = |ca_bundle: &str| KeySource::Trusting {
        ca_bundle: ca_bundle.to_owned(),
        source: Box::new(url.clone()),
    };
    let plain = fetcher();
    assert_eq!(plain.fetch(&url).await, Err(FetchError::Tls));
    assert_eq!(plain.fetch(&trusting(&pem)).await.unwrap(), b"{}");
    assert_eq!(
        plain
            .fetch(&trusting(&format!("{strangers}{pem}")))
            .await
            .unwrap(),
        b"{}"
    );
    assert_eq!(
        plain.fetch(&trusting(&strangers)).await,
        Err(FetchError::Tls)
    );
    // What everybody else is believed by does not count there.
    let believing = HttpFetcher::new(AddressRule::development(), roots).unwrap();
    assert_eq!(believing.fetch(&url).await.unwrap(), b"{}");
    assert_eq!(
        believing.fetch(&trusting(&strangers)).await,
        Err(FetchError::Tls)
    );
    assert_eq!(
        plain.fetch(&trusting("")).await.unwrap_err().class(),
        "Source"
    );
}
