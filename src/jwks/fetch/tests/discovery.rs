//! Key sets that a discovery document names.

use std::sync::Mutex;

use super::*;

/// An issuer: answers each path with what it is told, `{base}` being its own address; notes which
/// paths were asked for.
#[derive(Clone)]
struct Issuer {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

type Answers = Vec<(&'static str, Vec<u8>)>;

impl Issuer {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Self {
            base,
            asked: Arc::default(),
        };
        let (noted, answers) = (issuer.clone(), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(noted.clone().answer(stream, answers.clone()));
            }
        });
        issuer
    }

    async fn answer(self, mut stream: impl AsyncRead + AsyncWrite + Unpin, answers: Arc<Answers>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        let found = answers.iter().find(|(known, _)| *known == path);
        let found = found.map_or(
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
            |it| it.1.clone(),
        );
        let text = String::from_utf8_lossy(&found).replace("{base}", &self.base);
        // Its length changed with its text.
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let whole = match body.is_empty() {
            true => text.clone(),
            false => format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        };
        let _ = stream.write_all(whole.as_bytes()).await;
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn source(&self) -> KeySource {
        KeySource::Discovery {
            url: format!("{}/meta", self.base),
            issuer: "https://issuer.example".to_owned(),
        }
    }
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes()
}

fn metadata(jwks_uri: &str) -> Vec<u8> {
    ok(&format!(
        r#"{{"issuer":"https://issuer.example","jwks_uri":"{jwks_uri}","x":1}}"#
    ))
}

/// Fetches as `dev` does.
async fn discover(answers: Answers) -> (Result<Vec<u8>, FetchError>, Issuer) {
    let issuer = Issuer::start(answers).await;
    (fetcher().fetch(&issuer.source()).await, issuer)
}

fn of_document(error: FetchError) -> FetchError {
    FetchError::Discovery(Box::new(error))
}

fn of_key_set(error: FetchError) -> FetchError {
    FetchError::Discovered(Box::new(error))
}

#[tokio::test]
async fn the_key_set_that_the_document_names_is_fetched() {
    let document = metadata("{base}/keys?v=2");
    let (fetched, issuer) = discover(vec![
        ("/meta", document),
        ("/keys?v=2", ok("{\"keys\":[]}")),
    ])
    .await;
    assert_eq!(fetched.unwrap(), b"{\"keys\":[]}");
    assert_eq!(issuer.asked(), ["/meta", "/keys?v=2"]);
}

#[tokio::test]
async fn the_key_set_may_be_on_another_host_with_tls() {
    let (port, roots) = tls_server(&["localhost"]).await;
    let document = metadata(&format!("https://localhost:{port}/keys"));
    let issuer = Issuer::start(vec![("/meta", document)]).await;
    let fetcher = HttpFetcher::new(AddressRule::development(), roots).unwrap();
    assert_eq!(fetcher.fetch(&issuer.source()).await.unwrap(), b"{}");
}

#[tokio::test]
async fn a_document_of_another_issuer_is_refused_and_the_way_out_named() {
    for other in [
        "https://issuer.example/",
        "http://issuer.example",
        "https://issuer.example/{tenantid}/v2.0",
    ] {
        let document = ok(&format!(
            r#"{{"issuer":"{other}","jwks_uri":"{{base}}/keys"}}"#
        ));
        let (fetched, issuer) = discover(vec![("/meta", document), ("/keys", ok("{}"))]).await;
        let error = fetched.unwrap_err();
        assert_eq!(error, FetchError::OtherIssuer(other.to_owned()));
        assert!(
            error.to_string().contains("jwt.issuers[].jwksUri"),
            "{error}"
        );
        assert_eq!(issuer.asked(), ["/meta"], "its keys are not fetched");
    }
}

#[tokio::test]
async fn what_is_no_discovery_document_is_refused() {
    for body in [
        "<html>",
        "{",
        "[]",
        "{}",
        r#"{"issuer":1,"jwks_uri":"{base}/keys"}"#,
        r#"{"jwks_uri":"{base}/keys"}"#,
        r#"{"issuer":"https://issuer.example"}"#,
        r#"{"issuer":"https://issuer.example","jwks_uri":["{base}/keys"]}"#,
    ] {
        let (fetched, issuer) = discover(vec![("/meta", ok(body)), ("/keys", ok("{}"))]).await;
        assert_eq!(fetched, Err(FetchError::NotADiscoveryDocument), "{body}");
        assert_eq!(issuer.asked(), ["/meta"]);
    }
}

#[tokio::test]
async fn what_the_other_issuer_is_called_is_shown_in_bounds() {
    let long = format!(r#"{{"issuer":"a\n{}","jwks_uri":"x"}}"#, "b".repeat(5_000));
    let (fetched, _) = discover(vec![("/meta", ok(&long))]).await;
    let shown = fetched.unwrap_err().to_string();
    assert!(shown.len() < 400 && !shown.contains('\n'), "{shown}");
}

/// The issuer's own address is let through, as `--jwks-allow` does; the one that it names is not.
#[tokio::test]
async fn the_rules_for_addresses_hold_for_the_key_set_as_well() {
    let rule = AddressRule {
        allow_http: true,
        ..AddressRule::strict(vec!["127.0.0.1/32".parse().unwrap()])
    };
    let fetcher = HttpFetcher::new(rule, tls::built_in_roots()).unwrap();
    for (jwks_uri, error) in [
        ("http://127.0.0.2:1/keys", FetchError::AddressRefused),
        ("http://[::1]/keys", FetchError::AddressRefused),
        ("http://169.254.169.254/keys", FetchError::AddressRefused),
        ("ftp://127.0.0.1/", FetchError::NotHttps),
        ("/keys", FetchError::BadUrl),
        ("http://user:secret@127.0.0.1/", FetchError::BadUrl),
    ] {
        let issuer = Issuer::start(vec![("/meta", metadata(jwks_uri))]).await;
        let fetched = fetcher.fetch(&issuer.source()).await;
        assert_eq!(fetched, Err(of_key_set(error)), "{jwks_uri}");
        assert_eq!(issuer.asked(), ["/meta"]);
    }
}

#[tokio::test]
async fn where_https_is_asked_for_it_is_asked_for_twice() {
    let (port, roots) = tls_server_answering(
        &["localhost"],
        r#"{"issuer":"https://issuer.example","jwks_uri":"http://localhost:9/keys"}"#,
    )
    .await;
    let rule = AddressRule {
        allow_http: false,
        ..AddressRule::development()
    };
    let fetcher = HttpFetcher::new(rule, roots).unwrap();
    let source = |scheme| KeySource::Discovery {
        url: format!("{scheme}://localhost:{port}/meta"),
        issuer: "https://issuer.example".to_owned(),
    };
    let error = of_key_set(FetchError::NotHttps);
    assert_eq!(fetcher.fetch(&source("https")).await, Err(error.clone()));
    assert_eq!(error.class(), "NotHttps");
    let error = of_document(FetchError::NotHttps);
    assert_eq!(fetcher.fetch(&source("http")).await, Err(error));
}

#[tokio::test]
async fn redirects_sizes_and_states_are_judged_at_each_of_the_two() {
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: /keys\r\ncontent-length: 0\r\n\r\n".to_vec();
    let large = ok(&format!("{}{{}}", " ".repeat(MAX_KEY_SET_BYTES)));
    for (answer, error) in [
        (redirect, FetchError::Redirect),
        (large, FetchError::TooLarge),
        (b"nonsense\r\n\r\n".to_vec(), FetchError::NotHttp),
    ] {
        let first = vec![("/meta", answer.clone()), ("/keys", ok("{}"))];
        let (fetched, _) = discover(first).await;
        assert_eq!(fetched, Err(of_document(error.clone())));
        let second = vec![("/meta", metadata("{base}/keys")), ("/keys", answer)];
        let (fetched, _) = discover(second).await;
        assert_eq!(fetched, Err(of_key_set(error)));
    }
    let (fetched, _) = discover(Vec::new()).await;
    let error = of_document(FetchError::Status(404));
    assert_eq!(fetched, Err(error.clone()));
    assert_eq!(
        error.to_string(),
        "the discovery document of the issuer: the host answered with status 404"
    );
}

/// The document takes its time, the key set never comes: five seconds in all.
#[tokio::test]
async fn both_fetches_together_take_five_seconds_at_most() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let document = metadata(&format!("{base}/keys"));
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let _ = first.read(&mut [0; 4096]).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        let _ = first.write_all(&document).await;
        drop(first);
        let (_second, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let begun = Instant::now();
    let source = KeySource::Discovery {
        url: format!("{base}/meta"),
        issuer: "https://issuer.example".to_owned(),
    };
    let fetched = fetcher().fetch(&source).await;
    assert_eq!(fetched, Err(of_key_set(FetchError::Timeout)));
    assert!(begun.elapsed() < FETCH_TIMEOUT + Duration::from_millis(900));
}
