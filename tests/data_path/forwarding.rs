//! What the backend gets, and what the client gets back.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket};

use crate::backend::{Backend, Reply, ok, read_request};
use crate::client::{Client, ask};
use crate::proxy::TestProxy;

/// A document whose operations are all open.
pub const OPEN: &str = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Books, version: "1"}
    host: books.example.com
    basePath: /v1
    paths:
      /shelves:
        get: {operationId: listShelves, responses: {200: {description: ok}}}
        head: {responses: {200: {description: ok}}}
        post: {responses: {200: {description: ok}}}
        put: {responses: {200: {description: ok}}}
      /shelves/{shelf}:
        get: {responses: {200: {description: ok}}}
        delete: {responses: {200: {description: ok}}}
routing: {healthz: /healthz}
"#;

/// A backend that answers 200, behind a proxy where everything is open.
pub async fn open() -> (Backend, TestProxy) {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    (backend, proxy)
}

/// The same with a backend that gives one answer, always.
async fn answering(answer: &'static str) -> (Backend, TestProxy) {
    let backend = Backend::answering(|_| Reply::Keep(answer.into())).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    (backend, proxy)
}

#[tokio::test]
async fn a_request_is_forwarded_and_its_answer_returned() {
    let (backend, proxy) = answering(concat!(
        "HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-Answer: a\r\nX-Answer: b\r\n",
        "Connection: x-hop\r\nX-Hop: 1\r\n\r\nhello"
    ))
    .await;
    let answer = ask(
        proxy.address,
        concat!(
            "POST /v1/shelves?x=%2f&y HTTP/1.1\r\nHost: books.example.com\r\nX-Mine: 1\r\n",
            "X-Mine: 2\r\nConnection: x-drop\r\nX-Drop: 1\r\nUpgrade: websocket\r\n",
            "Content-Length: 4\r\n\r\nbody"
        ),
    )
    .await;
    assert_eq!((answer.status, &*answer.body), (201, "hello"));
    assert_eq!(answer.values("x-answer"), ["a", "b"]);
    assert_eq!(answer.values("x-hop"), [""; 0]);

    let seen = backend.only();
    assert_eq!(seen.line(), "POST /v1/shelves?x=%2f&y HTTP/1.1");
    assert_eq!(seen.body, b"body");
    assert_eq!(seen.values("host"), ["books.example.com"]);
    assert_eq!(seen.values("x-mine"), ["1", "2"]);
    assert_eq!(seen.values("content-length"), ["4"]);
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.values("x-forwarded-host"), ["books.example.com"]);
    for gone in ["connection", "x-drop", "upgrade", "transfer-encoding"] {
        assert_eq!(seen.values(gone), [""; 0], "{gone}");
    }
}

/// An app that answers 200 on IPv6's loopback, and the address where nobody listens on IPv4: none other
/// gets it as long as the socket is held.
pub async fn on_ipv6_alone() -> (SocketAddr, TcpSocket) {
    loop {
        let app = TcpListener::bind("[::1]:0").await.unwrap();
        let port = app.local_addr().unwrap().port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let held = TcpSocket::new_v4().unwrap();
        if held.bind(address).is_err() {
            continue;
        }
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = app.accept().await {
                let mut buffer = Vec::new();
                while read_request(&mut stream, &mut buffer).await.is_some() {
                    stream.write_all(&ok("six")).await.unwrap();
                }
            }
        });
        return (address, held);
    }
}

/// `listen [::]:80` of nginx is IPv6 alone, and so is `localhost` to some runtimes.
#[tokio::test]
async fn an_app_that_listens_on_ipv6_alone_is_reached() {
    let (address, _held) = on_ipv6_alone().await;
    let proxy = TestProxy::start(address).under(OPEN);
    let head = "GET /v1/shelves HTTP/1.1\r\nHost: books.example.com\r\n\r\n";
    let answer = ask(proxy.address, head).await;
    assert_eq!((answer.status, &*answer.body), (200, "six"));
}

#[tokio::test]
async fn what_a_proxy_in_front_said_is_kept() {
    let (backend, proxy) = open().await;
    let request = concat!(
        "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\n",
        "X-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: front\r\n\r\n"
    );
    ask(proxy.address, request).await;
    let seen = backend.only();
    assert_eq!(
        seen.values("x-forwarded-for"),
        ["1.1.1.1, 2.2.2.2, 127.0.0.1"]
    );
    assert_eq!(seen.values("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.values("x-forwarded-host"), ["front"]);
}

#[tokio::test]
async fn the_clients_user_info_never_arrives() {
    let (backend, proxy) = open().await;
    let request = concat!(
        "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX-Endpoint-API-UserInfo: forged\r\n",
        "x-endpoint-api-userinfo: again\r\nConnection: x-endpoint-api-userinfo\r\n\r\n"
    );
    assert_eq!(ask(proxy.address, request).await.status, 200);
    assert!(
        !backend.only().head.to_lowercase().contains("userinfo"),
        "{:?}",
        backend.only()
    );

    let spelled = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX_Endpoint_API_UserInfo: forged\r\n\r\n";
    let answer = ask(proxy.address, spelled).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (400, "UnderscoreHeader")
    );
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn user_info_in_trailers_never_arrives_others_do() {
    let (backend, proxy) = open().await;
    let request = concat!(
        "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
        "Trailer: X-Sum, X-Endpoint-API-UserInfo\r\n\r\n",
        "3;ext=1\r\nabc\r\n0\r\nX-Sum: 6\r\nX-Endpoint-API-UserInfo: forged\r\n\r\n"
    );
    assert_eq!(ask(proxy.address, request).await.status, 200);
    let seen = backend.only();
    assert_eq!(
        (seen.body.as_slice(), seen.values("transfer-encoding")),
        (&b"abc"[..], vec!["chunked"])
    );
    let trailers: Vec<_> = seen
        .trailers
        .iter()
        .map(|line| line.to_lowercase())
        .collect();
    assert_eq!(trailers, ["x-sum: 6"]);
}

#[tokio::test]
async fn the_backends_chunks_and_trailers_arrive() {
    let (_backend, proxy) = answering(concat!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
        "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n"
    ))
    .await;
    let mut client = Client::connect(proxy.address).await;
    let request = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
    for _ in 0..2 {
        let answer = client.ask(request).await;
        assert_eq!(answer.body, "hello world");
        assert_eq!(answer.trailers, ["x-sum: 11"]);
    }
}

#[tokio::test]
async fn answers_without_a_body_are_returned_without_one() {
    for (answer, request, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "GET", 204),
        (
            "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            "GET",
            304,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 200),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
            "HEAD",
            200,
        ),
    ] {
        let (backend, proxy) = answering(answer).await;
        let mut client = Client::connect(proxy.address).await;
        for _ in 0..2 {
            let answer = client
                .ask(&format!(
                    "{request} /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n"
                ))
                .await;
            assert_eq!((answer.status, &*answer.body), (status, ""));
            if request == "HEAD" {
                assert_eq!(answer.value("content-length"), Some("12345"));
            }
        }
        assert_eq!(
            backend.requests()[1].connection,
            0,
            "the connection is kept after {answer:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_arrives_in_chunks() {
    let backend =
        Backend::answering(|_| Reply::Close(b"HTTP/1.0 200 OK\r\n\r\nhello".to_vec())).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let answer = ask(proxy.address, "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.status, &*answer.body), (200, "hello"));
    assert!(answer.head.starts_with("HTTP/1.1 "), "{answer:?}");
}

#[tokio::test]
async fn a_length_beside_chunks_in_an_answer_has_one_reading() {
    let (_backend, proxy) = answering(concat!(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n"
    ))
    .await;
    let answer = ask(proxy.address, "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // `answer` accepts only one framing.
    assert!(answer.status == 502 || answer.body == "hello", "{answer:?}");
}

#[tokio::test]
async fn interim_answers_of_the_backend_are_dropped() {
    let (_backend, proxy) = answering(concat!(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    ))
    .await;
    let answer = ask(proxy.address, "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.status, &*answer.body), (200, "ok"));
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_502() {
    let (_backend, proxy) =
        answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            .await;
    // Nor does an `Upgrade` that `Connection` does not name ask for it.
    let request = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n";
    let answer = ask(proxy.address, request).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (502, "BackendMalformed")
    );
}

#[tokio::test]
async fn the_method_override_is_honoured_before_routing() {
    let (backend, proxy) = open().await;
    let request = |rest: &str| format!("POST /v1/shelves/1 HTTP/1.1\r\nHost: a\r\n{rest}\r\n");
    let deleted = request("X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n");
    assert_eq!(ask(proxy.address, &deleted).await.status, 200);
    let seen = backend.only();
    assert_eq!(seen.line(), "DELETE /v1/shelves/1 HTTP/1.1");
    assert_eq!(seen.values("x-http-method-override"), [""; 0]);

    let twice = request(
        "X-HTTP-Method-Override: GET\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n",
    );
    let answer = ask(proxy.address, &twice).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (400, "BadMethodOverride")
    );
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_path_is_forwarded_in_the_spelling_it_was_matched_in() {
    let (backend, proxy) = open().await;
    for (path, line) in [
        ("//v1/./shelves?a=//", "GET /v1/shelves?a=// HTTP/1.1"),
        ("/v1/x/../shelves", "GET /v1/shelves HTTP/1.1"),
        ("/v1/%73helves", "GET /v1/shelves HTTP/1.1"),
        ("/v1/shelves/a%2Fb", "GET /v1/shelves/a%2Fb HTTP/1.1"),
        (
            "http://other.example/v1/shelves?q",
            "GET /v1/shelves?q HTTP/1.1",
        ),
    ] {
        let answer = ask(
            proxy.address,
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
        .await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(
            backend.requests().last().expect("one").line(),
            line,
            "{path}"
        );
    }
    // RFC 9112 section 3.2.2: the authority of the target counts, not Host.
    assert_eq!(
        backend.requests().last().expect("one").values("host"),
        ["other.example"]
    );

    let before = backend.requests().len();
    for (path, status, reason) in [
        ("/v1/shelves/a%2F..", 400, "AmbiguousPath"),
        ("/../v1/shelves", 400, "BadPath"),
        ("/v1/shelves/%zz", 400, "BadPath"),
        ("/v1/shelves\\1", 400, "BadPath"),
        ("/v2/shelves", 404, "RouteNotFound"),
        ("/v1/shelves/1/books", 404, "RouteNotFound"),
    ] {
        let answer = ask(
            proxy.address,
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
        .await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (status, reason),
            "{path}"
        );
    }
    assert_eq!(backend.requests().len(), before);
}

/// Servers may answer 411 where content is usual and no length is said.
#[tokio::test]
async fn that_there_is_no_content_is_said_where_there_usually_is_some() {
    let (backend, proxy) = open().await;
    for (line, said) in [
        ("POST /v1/shelves", true),
        ("GET /v1/shelves", false),
        ("DELETE /v1/shelves/1", false),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(ask(proxy.address, &request).await.status, 200, "{line}");
        let seen = backend.requests().pop().unwrap();
        assert_eq!(
            seen.head.contains("content-length: 0\r\n"),
            said,
            "{seen:?}"
        );
        assert!(!seen.head.contains("transfer-encoding"), "{seen:?}");
    }
}

#[tokio::test]
async fn an_undeclared_method_is_405_with_allow() {
    let (_backend, proxy) = open().await;
    let answer = ask(
        proxy.address,
        "PATCH /v1/shelves/1 HTTP/1.1\r\nHost: a\r\n\r\n",
    )
    .await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (405, "MethodNotAllowed")
    );
    assert_eq!(answer.value("allow"), Some("DELETE, GET"));
    assert_eq!(answer.value("content-type"), Some("application/json"));
    for method in ["TRACE", "CONNECT"] {
        let target = if method == "CONNECT" {
            "a:80"
        } else {
            "/v1/shelves"
        };
        let answer = ask(
            proxy.address,
            &format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
        .await;
        assert_eq!(answer.status, 405, "{method}");
    }
}

#[tokio::test]
async fn the_health_path_is_answered_by_the_proxy() {
    let (backend, proxy) = open().await;
    for path in ["/healthz", "/healthz?x", "//healthz", "/healthz/"] {
        let answer = ask(
            proxy.address,
            &format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
        )
        .await;
        assert_eq!(
            (answer.status, &*answer.body),
            (200, r#"{"code":200,"message":""}"#),
            "{path}"
        );
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_it_when_the_backend_takes_the_body() {
    let (backend, proxy) = open().await;
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .await;
    assert_eq!(client.answer_to_head().await.status, 100);
    client.send("body").await;
    assert_eq!(client.answer().await.status, 200);
    let seen = backend.only();
    assert_eq!(
        (seen.body.as_slice(), seen.values("expect")),
        (&b"body"[..], vec![])
    );

    let other = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 0\r\n\r\n";
    let answer = ask(proxy.address, other).await;
    assert_eq!((answer.status, &*answer.reason()), (417, "BadExpect"));
}

#[tokio::test]
async fn a_body_of_a_get_is_forwarded() {
    let (backend, proxy) = open().await;
    let chunked = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    assert_eq!(ask(proxy.address, chunked).await.status, 200);
    assert_eq!(backend.only().body, b"x");
}

#[tokio::test]
async fn http_1_0_is_served() {
    let (backend, proxy) =
        answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .await;
    let mut client = Client::connect(proxy.address).await;
    client.send("GET /v1/shelves HTTP/1.0\r\n\r\n").await;
    let answer = String::from_utf8(client.rest().await).expect("text");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(
        answer.ends_with("\r\n\r\nhello") && !answer.contains("chunked"),
        "{answer}"
    );
    assert_eq!(backend.only().line(), "GET /v1/shelves HTTP/1.1");
    assert_eq!(backend.only().values("host"), [backend.address.to_string()]);
    assert_eq!(backend.only().values("x-forwarded-host"), [""; 0]);

    let (_backend, proxy) = open().await;
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..2 {
        let answer = client
            .ask("GET /v1/shelves HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .await;
        assert_eq!(
            (answer.status, answer.value("connection")),
            (200, Some("keep-alive"))
        );
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::answering(|request| {
        let body = request
            .line()
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        Reply::Keep(crate::backend::ok(&body))
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client
        .send(concat!(
            "GET /v1/shelves/1 HTTP/1.1\r\nHost: a\r\n\r\n",
            "PUT /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "GET /v1/shelves/2 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET /v1/shelves/3 HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
        ))
        .await;
    for expected in ["/v1/shelves/1", "/v1/shelves", "/v1/shelves"] {
        assert_eq!(client.answer().await.body, expected);
    }
    assert_eq!(client.answer().await.reason(), "BadHost");
    assert_eq!(client.answer().await.body, "/v1/shelves/3");
    let refused = client.answer().await;
    assert_eq!((refused.status, &*refused.reason()), (400, "BadFraming"));
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_variable_may_be_a_part_of_its_segment() {
    const FILES: &str = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Files, version: "1"}
    paths:
      /v{version}/files/{stem}.{suffix}: {get: {responses: {200: {description: ok}}}}
      /v{version}/files/{name}.json: {put: {responses: {200: {description: ok}}}}
"#;
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(FILES);
    for (line, status) in [
        ("GET /v1/files/a.b", 200),
        ("GET /v1/files/a%2Eb", 200),
        ("GET /v1/files/a.json", 200),
        ("PUT /v1/files/a.json", 200),
        ("PUT /v1/files/a.b", 405),
        ("GET /v1/files/.b", 404),
        ("GET /v/files/a.b", 404),
        ("GET /v1/files/a/.b", 404),
        ("GET /v1/x/files/a.b", 404),
        ("GET /v1%2Fx/files/a.b", 200),
        ("GET /v1/files/..%2Fa.b", 400),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(ask(proxy.address, &request).await.status, status, "{line}");
    }
    assert_eq!(backend.requests()[1].line(), "GET /v1/files/a.b HTTP/1.1");
}
