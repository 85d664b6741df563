//! Fetches by way of a proxy, over real sockets. Targets are of RFC 5737 and RFC 6761: nothing answers
//! at them, so what answers came through the proxy.

use std::net::IpAddr;
use std::sync::Mutex;

use tokio::net::TcpStream;

use super::*;

/// A CONNECT proxy for tests: leads every tunnel to one local port, and keeps the heads it was sent.
struct ConnectProxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Answers with `head`; if it is a 200, then carries bytes to and from the port.
    async fn start(head: &'static str, to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                seen.lock()
                    .unwrap()
                    .push(String::from_utf8(request).unwrap());
                stream.write_all(head.as_bytes()).await.unwrap();
                if head.starts_with("HTTP/1.1 200") {
                    let mut target = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut target).await;
                }
            }
        });
        Self { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// A strict fetcher that uses this proxy.
    fn fetcher(&self, roots: RootCertStore, no_proxy: &str) -> HttpFetcher {
        fetcher_by(self.port, AddressRule::strict(Vec::new()), roots, no_proxy)
    }
}

const OPENED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

fn fetcher_by(port: u16, rule: AddressRule, roots: RootCertStore, no_proxy: &str) -> HttpFetcher {
    let proxies = ProxySettings::read(|name| match name {
        "HTTPS_PROXY" | "HTTP_PROXY" => Some(format!("http://user:s3cret@127.0.0.1:{port}")),
        "NO_PROXY" => Some(no_proxy.to_owned()),
        _ => None,
    });
    let fetcher = HttpFetcher::new(rule, roots).unwrap();
    fetcher.with_proxies(proxies.unwrap())
}

#[tokio::test]
async fn a_key_set_is_fetched_through_a_tunnel_with_tls_to_the_host_itself() {
    let (port, roots) = tls_server(&["192.0.2.1", "issuer.invalid"]).await;
    let proxy = ConnectProxy::start(OPENED, port).await;
    let fetcher = proxy.fetcher(roots, "");
    assert_eq!(fetcher.get("https://192.0.2.1/").await.unwrap(), b"{}");
    let by_name = fetcher.get("https://issuer.invalid:8443/jwks").await;
    assert_eq!(by_name.unwrap(), b"{}", "the proxy resolves what we cannot");
    let heads = proxy.heads();
    assert!(heads[0].starts_with("CONNECT 192.0.2.1:443 HTTP/1.1\r\nhost: 192.0.2.1:443\r\n"));
    assert!(heads[1].starts_with("CONNECT issuer.invalid:8443 HTTP/1.1\r\n"));
    let credentials = "proxy-authorization: Basic dXNlcjpzM2NyZXQ=\r\n";
    assert!(heads.iter().all(|head| head.contains(credentials)));
}

#[tokio::test]
async fn the_host_not_the_proxy_must_be_trusted() {
    let (port, _) = tls_server(&["192.0.2.1"]).await;
    let proxy = ConnectProxy::start(OPENED, port).await;
    let fetcher = proxy.fetcher(tls::built_in_roots(), "");
    let fetched = fetcher.get("https://192.0.2.1/").await;
    assert_eq!(fetched, Err(FetchError::Tls));
}

#[tokio::test]
async fn addresses_that_are_refused_are_not_asked_of_the_proxy() {
    let proxy = ConnectProxy::start(OPENED, 1).await;
    let fetcher = proxy.fetcher(tls::built_in_roots(), "");
    for host in [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "2852039166",
        "127.0.0.1",
        "localhost",
        "metadata.google.internal",
        "METADATA.google.internal.",
    ] {
        let fetched = fetcher.get(&format!("https://{host}/")).await;
        assert_eq!(fetched, Err(FetchError::AddressRefused), "{host}");
    }
    // Whether these resolve differs between systems.
    for host in ["localhost.", "a.localhost"] {
        assert!(fetcher.get(&format!("https://{host}/")).await.is_err());
    }
    assert_eq!(proxy.heads(), Vec::<String>::new());
}

#[test]
fn one_refused_address_of_a_name_is_enough() {
    let rule = AddressRule::strict(Vec::new());
    let good = IpAddr::from([192, 0, 2, 1]);
    let bad = IpAddr::from([169, 254, 169, 254]);
    assert!(connect::all_permitted(&rule, [good, good].into_iter()));
    assert!(!connect::all_permitted(&rule, [good, bad].into_iter()));
}

#[tokio::test]
async fn exempt_hosts_are_connected_to_directly() {
    let (port, roots) = tls_server(&["localhost"]).await;
    let proxy = ConnectProxy::start(OPENED, port).await;
    let exempt = proxy.fetcher(roots.clone(), ".other,.invalid");
    let fetched = exempt.get("https://issuer.invalid/").await;
    assert_eq!(fetched, Err(FetchError::Unresolvable));
    let rule = AddressRule::development();
    let loopback = fetcher_by(proxy.port, rule, roots, "");
    let fetched = loopback.get(&format!("https://localhost:{port}/")).await;
    assert_eq!(fetched.unwrap(), b"{}");
    assert_eq!(proxy.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_proxy_refuses_is_told_by_its_status_alone() {
    for (head, status) in [
        (
            "HTTP/1.1 407 s3cret\r\nproxy-authenticate: Basic\r\ncontent-length: 6\r\n\r\ns3cret",
            407,
        ),
        ("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", 403),
        (
            "HTTP/1.1 302 Portal\r\nlocation: http://s3cret/\r\n\r\n",
            302,
        ),
    ] {
        let proxy = ConnectProxy::start(head, 1).await;
        let fetcher = proxy.fetcher(tls::built_in_roots(), "");
        let error = fetcher.get("https://192.0.2.1/").await.unwrap_err();
        assert_eq!(error, FetchError::ProxyRefused(status));
        assert!(!format!("{error} {error:?} {fetcher:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn a_proxy_that_is_none_or_says_too_much_is_told() {
    let long: &'static str = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(9_000)).leak();
    for head in ["SSH-2.0-OpenSSH\r\n\r\n", long] {
        let proxy = ConnectProxy::start(head, 1).await;
        let fetcher = proxy.fetcher(tls::built_in_roots(), "");
        let fetched = fetcher.get("https://192.0.2.1/").await;
        assert_eq!(fetched, Err(FetchError::ProxyUnreachable));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let rule = AddressRule::strict(Vec::new());
    let nobody = fetcher_by(port, rule, tls::built_in_roots(), "");
    let fetched = nobody.get("https://192.0.2.1/").await;
    assert_eq!(fetched, Err(FetchError::ProxyUnreachable));
}

#[tokio::test]
async fn a_slow_proxy_ends_after_five_seconds() {
    let (port, head) = server(b"HTTP/1.1 200".to_vec(), true).await;
    let rule = AddressRule::strict(Vec::new());
    let fetcher = fetcher_by(port, rule, tls::built_in_roots(), "");
    let fetch = tokio::spawn(async move { fetcher.get("https://192.0.2.1/").await });
    // Virtual time jumps only once the runtime is idle, so the bytes above are read by then.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert_eq!(fetch.await.unwrap(), Err(FetchError::Timeout));
    assert!(begun.elapsed() <= FETCH_TIMEOUT + Duration::from_millis(1));
    assert!(head.await.unwrap().starts_with("CONNECT 192.0.2.1:443 "));
}

#[tokio::test]
async fn plain_http_is_asked_of_the_proxy_as_a_whole_url() {
    let mut rule = AddressRule::strict(Vec::new());
    rule.allow_http = true;
    let (port, head) = server(answer("{}"), false).await;
    let fetcher = fetcher_by(port, rule.clone(), tls::built_in_roots(), "");
    let fetched = fetcher.get("http://192.0.2.1:8080/jwks?a=b#c").await;
    assert_eq!(fetched.unwrap(), b"{}");
    let head = head.await.unwrap();
    assert!(
        head.starts_with("GET http://192.0.2.1:8080/jwks?a=b HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("host: 192.0.2.1:8080\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic "), "{head}");

    let refused = b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n".to_vec();
    let (port, _head) = server(refused, false).await;
    let fetcher = fetcher_by(port, rule, tls::built_in_roots(), "");
    let fetched = fetcher.get("http://192.0.2.1/").await;
    assert_eq!(fetched, Err(FetchError::ProxyRefused(407)));
    let fetched = fetcher.get("http://169.254.169.254/").await;
    assert_eq!(fetched, Err(FetchError::AddressRefused));
}
