//! Issuers that answer with anything but keys: a real server, the real fetcher, and what a token of that
//! issuer is answered. Where nothing usable comes, that is 503; where something does, it is used.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use endpoints::jwks::{AddressRule, HttpFetcher, KeyEvent, KeyStore, Refresher};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use crate::backend::{Backend, raw, read_request};
use crate::client::{Client, ask, patient};
use crate::proxy::{TestProxy, now, snapshot_with};
use crate::tokens::{Signer, certificates, key_set};

const ISSUER: &str = "https://issuer.example";

fn signer() -> Signer {
    Signer::new("ES256", "good")
}

fn document(url: &str) -> String {
    format!(
        r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {{title: Books, version: "1"}}
    host: books.example.com
    securityDefinitions:
      issuer: {{type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "{ISSUER}", x-google-jwks_uri: "{url}"}}
    security: [{{issuer: []}}]
    paths:
      /shelves: {{get: {{responses: {{200: {{description: ok}}}}}}}}
"#
    )
}

fn request(signer: &Signer) -> String {
    let claims = json!({"iss": ISSUER, "aud": "books.example.com", "exp": now() + 3600});
    let token = signer.token(&claims);
    format!(
        "GET /shelves HTTP/1.1\r\nHost: books.example.com\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
}

/// What the issuer's server does after it was asked.
enum Server {
    /// Answers, and closes.
    Says(Vec<u8>),
    /// Answers, and neither says more nor closes.
    Hangs(Vec<u8>),
    /// One byte each 100 ms, for ever.
    Drips,
    /// Closes at once.
    Closes,
}

struct Case {
    name: String,
    server: Server,
    /// The class of the failure; none: keys came.
    class: Option<&'static str>,
    status: u16,
}

fn whole(body: impl AsRef<[u8]>) -> Vec<u8> {
    with_head("", body)
}

fn with_head(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn keys(keys: &[Value]) -> Vec<u8> {
    whole(json!({ "keys": keys }).to_string())
}

/// The good key with another member.
fn with(name: &str, value: Value) -> Value {
    let mut jwk = signer().jwk();
    jwk[name] = value;
    jwk
}

/// An RSA key of these numbers.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Value {
    json!({"kty": "RSA", "kid": "good", "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent)})
}

fn cases() -> Vec<Case> {
    let good = key_set(&[&signer()]);
    let mut cases = Vec::new();
    let mut case = |name: &str, server: Server, class: Option<&'static str>, status: u16| {
        let name = name.to_owned();
        cases.push(Case {
            name,
            server,
            class,
            status,
        });
    };
    let says = Server::Says;
    let none = Some("NotAKeySet");

    // Texts
    for (name, text) in [
        ("nothing", ""),
        ("an empty object", "{}"),
        ("no keys in it", r#"{"keys":[]}"#),
        ("keys that are no list", r#"{"keys":{}}"#),
        ("keys that are null", r#"{"keys":null}"#),
        ("keys of numbers", r#"{"keys":[1,2,3]}"#),
        ("a key of nothing", r#"{"keys":[{}]}"#),
        ("null", "null"),
        ("a list", "[]"),
        ("a text", "\"keys\""),
        ("a page", "<!doctype html><title>Sign in</title>"),
        ("a token", "a.b.c"),
        ("cut off", &good[..good.len() - 1]),
        ("something behind it", &format!("{good}x")),
        ("twice", &format!("{good}{good}")),
        ("a byte order mark", &format!("\u{feff}{good}")),
        ("`keys` twice", &format!(r#"{{"keys":[],{}"#, &good[1..])),
        (
            "certificates that are none",
            r#"{"a":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}"#,
        ),
        ("names of keys, no certificates", r#"{"a":"b"}"#),
    ] {
        case(name, says(whole(text)), none, 503);
    }
    case(
        "not UTF-8",
        says(whole(b"{\"keys\":[{\"kty\":\"\xff\"}]}")),
        none,
        503,
    );
    case(
        "a hundred thousand brackets",
        says(whole("[".repeat(100_000))),
        none,
        503,
    );
    case(
        "brackets in a key",
        says(whole(format!(r#"{{"keys":[{{"x":{}"#, "[".repeat(100_000)))),
        none,
        503,
    );
    case(
        "compressed, though nobody asked",
        says(with_head("Content-Encoding: gzip\r\n", bomb())),
        none,
        503,
    );
    case("the good set", says(whole(&good)), None, 200);
    case(
        "with white space",
        says(whole(format!("\n {good}\r\n"))),
        None,
        200,
    );
    case(
        "as a page",
        says(with_head("Content-Type: text/html\r\n", &good)),
        None,
        200,
    );
    case(
        "as bytes",
        says(with_head(
            "Content-Type: application/octet-stream\r\n",
            &good,
        )),
        None,
        200,
    );
    case(
        "by certificates",
        says(whole(certificates(&[&signer()]))),
        None,
        200,
    );

    // Keys
    let private = with("d", json!("AAAA"));
    let other = Signer::new("ES256", "other").jwk();
    let nameless = Signer::new("ES256", "other").anonymous().jwk();
    for (name, set, class, status) in [
        ("a private key", vec![private.clone()], none, 503),
        (
            "a private key beside another",
            vec![private, other.clone()],
            None,
            401,
        ),
        (
            "a symmetric key",
            vec![json!({"kty": "oct", "kid": "good", "k": "AAAA", "alg": "HS256"})],
            none,
            503,
        ),
        ("no type", vec![json!({"kid": "good"})], none, 503),
        (
            "an unknown type",
            vec![with("kty", json!("LWE"))],
            none,
            503,
        ),
        (
            "a type that is a number",
            vec![with("kty", json!(1))],
            none,
            503,
        ),
        (
            "a curve that is not known",
            vec![with("crv", json!("secp256k1"))],
            none,
            503,
        ),
        (
            "another curve",
            vec![with("crv", json!("P-384"))],
            none,
            503,
        ),
        ("no curve", vec![with("crv", json!(null))], none, 503),
        (
            "a point off the curve",
            vec![with("y", signer().jwk()["x"].clone())],
            none,
            503,
        ),
        ("no point", vec![with("y", json!(null))], none, 503),
        (
            "a short coordinate",
            vec![with("x", json!("AAAA"))],
            none,
            503,
        ),
        (
            "a long coordinate",
            vec![with("x", json!("A".repeat(4_000)))],
            none,
            503,
        ),
        (
            "a padded coordinate",
            vec![with(
                "x",
                json!(format!("{}=", signer().jwk()["x"].as_str().unwrap())),
            )],
            none,
            503,
        ),
        (
            "a key for encryption",
            vec![with("use", json!("enc"))],
            none,
            503,
        ),
        (
            "a key to sign with",
            vec![with("key_ops", json!(["sign"]))],
            none,
            503,
        ),
        (
            "a key to verify with",
            vec![with("key_ops", json!(["verify"]))],
            None,
            200,
        ),
        (
            "another algorithm's",
            vec![with("alg", json!("RS256"))],
            none,
            503,
        ),
        (
            "an algorithm of secrets",
            vec![with("alg", json!("HS256"))],
            none,
            503,
        ),
        (
            "an algorithm of nothing",
            vec![with("alg", json!("none"))],
            none,
            503,
        ),
        (
            "a kid that is a number",
            vec![with("kid", json!(1))],
            none,
            503,
        ),
        (
            "a kid of 2,000 bytes",
            vec![with("kid", json!("k".repeat(2_000)))],
            none,
            503,
        ),
        ("another kid", vec![with("kid", json!("bad"))], None, 401),
        ("no kid", vec![with("kid", json!(null))], None, 200),
        (
            "a certificate alone",
            vec![json!({"kty": "EC", "kid": "good", "x5c": [signer().certificate()]})],
            none,
            503,
        ),
        (
            "one kid for two",
            vec![
                {
                    let mut jwk = other.clone();
                    jwk["kid"] = json!("good");
                    jwk
                },
                signer().jwk(),
            ],
            None,
            200,
        ),
        (
            "one good among broken ones",
            vec![json!(1), json!({}), json!("x"), signer().jwk()],
            None,
            200,
        ),
        (
            "RSA of 1024 bits",
            vec![rsa(&[0xff; 128], &[1, 0, 1])],
            none,
            503,
        ),
        (
            "RSA of 2047 bits",
            vec![rsa(&[&[0x7f][..], &[0xff; 255]].concat(), &[1, 0, 1])],
            none,
            503,
        ),
        (
            "RSA of 16384 bits",
            vec![rsa(&[0xff; 2048], &[1, 0, 1])],
            none,
            503,
        ),
        (
            "RSA with the exponent 1",
            vec![rsa(&[0xff; 256], &[1])],
            none,
            503,
        ),
        (
            "RSA with the exponent 0",
            vec![rsa(&[0xff; 256], &[0])],
            none,
            503,
        ),
        (
            "RSA with the exponent 2",
            vec![rsa(&[0xff; 256], &[2])],
            none,
            503,
        ),
        (
            "RSA with an exponent of 40 bits",
            vec![rsa(&[0xff; 256], &[1, 0, 0, 0, 1])],
            none,
            503,
        ),
        (
            "RSA with an even modulus",
            vec![rsa(&[0xfe; 256], &[1, 0, 1])],
            none,
            503,
        ),
        (
            "RSA without a modulus",
            vec![json!({"kty": "RSA", "kid": "good", "e": "AQAB"})],
            none,
            503,
        ),
        (
            "Ed25519 that is short",
            vec![json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})],
            none,
            503,
        ),
        (
            "X25519",
            vec![json!({"kty": "OKP", "crv": "X25519", "x": "A".repeat(43)})],
            none,
            503,
        ),
        (
            "64 keys",
            std::iter::repeat_n(other, 63)
                .chain([signer().jwk()])
                .collect(),
            None,
            200,
        ),
        (
            "63 keys without kid before it",
            std::iter::repeat_n(nameless.clone(), 63)
                .chain([signer().jwk()])
                .collect(),
            None,
            200,
        ),
        (
            "63 keys without kid, and itself without",
            std::iter::repeat_n(nameless, 63)
                .chain([signer().anonymous().jwk()])
                .collect(),
            None,
            200,
        ),
        ("65 keys", vec![signer().jwk(); 65], none, 503),
    ] {
        case(name, says(keys(&set)), class, status);
    }
    // By these anybody could sign.
    let near_prime = |first: u8| [&[first][..], &[0xff; 30], &[0x7f]].concat();
    for (name, point) in [
        ("the neutral point", [&[1][..], &[0; 31]].concat()),
        (
            "the neutral point, signed",
            [&[1][..], &[0; 30], &[0x80]].concat(),
        ),
        ("a point of order 4", vec![0; 32]),
        ("a point of order 2", near_prime(0xec)),
        ("a point of order 4, written otherwise", near_prime(0xed)),
        ("the neutral point, written otherwise", near_prime(0xee)),
    ] {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "good", "x": URL_SAFE_NO_PAD.encode(point)});
        case(&format!("Ed25519: {name}"), says(keys(&[key])), none, 503);
    }
    let twice = format!(
        r#"{{"keys":[{{"kid":"bad",{}]}}"#,
        &signer().jwk().to_string()[1..]
    );
    case("a member twice", says(whole(twice)), none, 503);

    // HTTP
    let mib = 1024 * 1024;
    let padded = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
    case("1 MiB", says(whole(padded(mib))), None, 200);
    case(
        "a byte more",
        says(whole(padded(mib + 1))),
        Some("TooLarge"),
        503,
    );
    case(
        "a gigabyte, it says",
        Server::Hangs(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{".to_vec()),
        Some("TooLarge"),
        503,
    );
    let chunk = [b"10000\r\n", &[b' '; 65_536][..], b"\r\n"].concat();
    let endless = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        chunk.repeat(17),
    ]
    .concat();
    case(
        "more than 1 MiB in chunks",
        Server::Hangs(endless),
        Some("TooLarge"),
        503,
    );
    for status in [301, 302, 303, 307, 308] {
        let answer =
            format!("HTTP/1.1 {status} Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
        case(
            &format!("redirects with {status}"),
            says(answer.into()),
            Some("Redirect"),
            503,
        );
    }
    for status in [201, 204, 401, 403, 404, 429, 500, 503] {
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
        case(
            &format!("answers {status}"),
            says(answer.into()),
            Some("Status"),
            503,
        );
    }
    case("closes", Server::Closes, Some("Unreachable"), 503);
    case(
        "cut off",
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec()),
        Some("Unreachable"),
        503,
    );
    case(
        "not HTTP",
        says(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()),
        Some("NotHttp"),
        503,
    );
    case(
        "a head without end",
        says([b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 200_000]].concat()),
        Some("NotHttp"),
        503,
    );
    case(
        "until it closes",
        says(format!("HTTP/1.1 200 OK\r\n\r\n{good}").into()),
        None,
        200,
    );
    case(
        "by HTTP/1.0",
        says(format!("HTTP/1.0 200 OK\r\n\r\n{good}").into()),
        None,
        200,
    );
    case(
        "bad chunks",
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n".to_vec()),
        Some("Unreachable"),
        503,
    );
    case(
        "says nothing",
        Server::Hangs(Vec::new()),
        Some("Timeout"),
        503,
    );
    case(
        "half an answer, then nothing",
        Server::Hangs(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec()),
        Some("Timeout"),
        503,
    );
    case("drips", Server::Drips, Some("Timeout"), 503);
    cases
}

/// A gigabyte of nothing, in a megabyte or less.
fn bomb() -> Vec<u8> {
    // The head of gzip; what follows is never looked at.
    [
        &[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3][..],
        &[0xed; 500_000],
    ]
    .concat()
}

/// A server that does this each time it is asked.
async fn serve(server: Server) -> String {
    let server = Arc::new(server);
    let address = raw(move |mut stream, _| {
        let server = server.clone();
        async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            match &*server {
                Server::Says(bytes) => {
                    let _ = stream.write_all(bytes).await;
                }
                Server::Hangs(bytes) => {
                    let _ = stream.write_all(bytes).await;
                    // Until the fetcher gives up.
                    let _ = stream.read(&mut [0; 1]).await;
                }
                Server::Drips => {
                    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
                    let mut alive = stream.write_all(head).await.is_ok();
                    while alive {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        alive = stream.write_all(b" ").await.is_ok();
                    }
                }
                Server::Closes => {}
            }
        }
    })
    .await;
    format!("http://{address}/keys")
}

/// A running refresher; what it tells.
fn refresher(
    store: &KeyStore,
) -> (
    tokio::task::JoinHandle<()>,
    mpsc::UnboundedReceiver<KeyEvent>,
) {
    let (tell, told) = mpsc::unbounded_channel();
    let fetcher = HttpFetcher::new(AddressRule::development(), endpoints::tls::built_in_roots());
    let refresher = Refresher::new(
        store.clone(),
        Arc::new(fetcher.expect("TLS")),
        move |event| {
            let _ = tell.send(event);
        },
    );
    (tokio::spawn(refresher.run()), told)
}

/// What became of one case.
async fn try_out(case: Case, backend: std::net::SocketAddr) -> Result<(), String> {
    let Case {
        name,
        server,
        class,
        status,
    } = case;
    let url = serve(server).await;
    let store = KeyStore::default();
    let (running, mut told) = refresher(&store);
    let proxy = TestProxy::start(backend);
    proxy
        .policies
        .store(snapshot_with(&document(&url), |source| store.slot(source)));
    let event = patient(told.recv()).await.expect("it runs");
    let failure = event.result.as_ref().err().map(|error| error.class());
    let answer = ask(proxy.address, &request(&signer())).await;
    running.abort();
    if failure != class {
        return Err(format!("{name}: {:?}", event.result));
    }
    if let Err(error) = &event.result
        && error.to_string().len() > 300
    {
        return Err(format!("{name}: it quotes what came: {error}"));
    }
    let reason = match status {
        503 => Some("KeysUnavailable"),
        401 => Some("TokenKeyUnknown"),
        _ => None,
    };
    let told = reason.is_none_or(|reason| answer.reason() == reason);
    let challenged = answer.value("www-authenticate").is_some() == (status == 401);
    match answer.status == status && told && challenged {
        true => Ok(()),
        false => Err(format!("{name}: {answer:?}")),
    }
}

#[tokio::test]
async fn every_key_set_is_judged_as_the_table_says() {
    let backend = Backend::start().await;
    let cases = cases();
    let number = cases.len();
    assert!(number >= 80, "only {number} cases");
    let passing = cases.iter().filter(|case| case.status == 200).count();
    let mut problems = Vec::new();
    let mut running = tokio::task::JoinSet::new();
    let mut waiting = cases.into_iter();
    loop {
        while running.len() < 16
            && let Some(case) = waiting.next()
        {
            running.spawn(try_out(case, backend.address));
        }
        match running.join_next().await {
            Some(outcome) => problems.extend(outcome.expect("no case panics").err()),
            None => break,
        }
    }
    assert!(
        problems.is_empty(),
        "{} of {number}:\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert_eq!(
        backend.requests().len(),
        passing,
        "who was refused reached nobody"
    );
}

/// A token of an unknown key waits for its own issuer only, a second at most, and makes it be asked once
/// in ten seconds, however many such tokens come; another issuer's tokens do not wait at all.
#[tokio::test]
async fn a_slow_issuer_delays_nobody_elses_tokens() {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = asked.clone();
    let first = key_set(&[&signer()]);
    let slow = raw(move |mut stream, number| {
        let (count, first) = (count.clone(), first.clone());
        async move {
            let _ = read_request(&mut stream, &mut Vec::new()).await;
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if number == 0 {
                let _ = stream.write_all(&whole(first)).await;
            } else {
                let _ = stream.read(&mut [0; 1]).await;
            }
        }
    })
    .await;
    let quick = serve(Server::Says(whole(key_set(&[&Signer::new(
        "ES256", "quick",
    )]))))
    .await;
    let yaml = document(&format!("http://{slow}/keys"));
    let second = format!(
        "      other: {{type: oauth2, flow: implicit, authorizationUrl: \"\", x-google-issuer: \"https://quick.example\", x-google-jwks_uri: \"{quick}\"}}\n    security: [{{issuer: []}}, {{other: []}}]\n"
    );
    let yaml = yaml.replace("    security: [{issuer: []}]\n", &second);
    let store = KeyStore::default();
    let (running, mut told) = refresher(&store);
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address);
    proxy
        .policies
        .store(snapshot_with(&yaml, |source| store.slot(source)));
    for _ in 0..2 {
        let event = patient(told.recv()).await.expect("it runs");
        assert!(event.result.is_ok(), "{event:?}");
    }

    // Within ten seconds of the first fetch there is no second one, and nobody waits a second for it.
    let unknown = request(&Signer::new("ES256", "unknown"));
    let begun = Instant::now();
    for _ in 0..20 {
        let answer = ask(proxy.address, &unknown).await;
        assert_eq!((answer.status, &*answer.reason()), (401, "TokenKeyUnknown"));
        if begun.elapsed() > Duration::from_secs(8) {
            break;
        }
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);

    // After them, there is one: whoever comes waits for it, a second at most, and others do not. That is
    // seen by who is answered first, not by the clock: a busy machine may take a second for anything, but
    // hardly three times.
    let claims =
        json!({"iss": "https://quick.example", "aud": "books.example.com", "exp": now() + 3600});
    let token = Signer::new("ES256", "quick").token(&claims);
    let other =
        format!("GET /shelves HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut overtaken = false;
    for round in 1..=3 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(Client::connect(proxy.address).await);
        }
        let mut quick = Client::connect(proxy.address).await;
        for client in &mut clients {
            client.send(&unknown).await;
        }
        let waiting = tokio::spawn(async move {
            for client in &mut clients {
                assert_eq!(client.answer().await.status, 401);
            }
        });
        quick.send(&other).await;
        assert_eq!(quick.answer().await.status, 200);
        overtaken = !waiting.is_finished();
        patient(waiting).await.expect("all are answered");
        assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1 + round);
        if overtaken {
            break;
        }
    }
    assert!(overtaken, "another issuer's token waited for the slow one");
    // Tokens of the keys that are known passed all the while, and still do.
    assert_eq!(ask(proxy.address, &request(&signer())).await.status, 200);
    running.abort();
}
