//! Requests that two servers might read differently: refused, never forwarded.

use crate::client::Client;
use crate::forwarding::open;

#[tokio::test]
async fn what_has_two_readings_is_refused_and_the_connection_closed() {
    let (backend, proxy) = open().await;
    let long = "x".repeat(9_000);
    let many = "A: b\r\n".repeat(101);
    let big = format!("A: {}\r\n", "b".repeat(7_000)).repeat(9);
    for (name, request, status, reason) in [
        (
            "length and coding",
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "BadFraming",
        ),
        (
            "coding and length",
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            400,
            "BadFraming",
        ),
        (
            "two lengths",
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            400,
            "BadFraming",
        ),
        (
            "one length twice",
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            400,
            "BadFraming",
        ),
        (
            "list of lengths",
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
            400,
            "BadFraming",
        ),
        (
            "gzip, chunked",
            "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            400,
            "BadFraming",
        ),
        (
            "coding in 1.0",
            "POST /v1/shelves HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "BadFraming",
        ),
        (
            "bare line feeds",
            "GET /v1/shelves HTTP/1.1\nHost: a\n\n",
            400,
            "BadFraming",
        ),
        (
            "one bare line feed",
            "GET /v1/shelves HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
            400,
            "BadFraming",
        ),
        (
            "folded field",
            "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
            400,
            "BadFraming",
        ),
        (
            "space before the colon",
            "GET /v1/shelves HTTP/1.1\r\nHost : a\r\n\r\n",
            400,
            "BadFraming",
        ),
        (
            "control character",
            "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
            400,
            "BadFraming",
        ),
        (
            "HTTP/2 as a version",
            "GET /v1/shelves HTTP/2.0\r\nHost: a\r\n\r\n",
            400,
            "BadFraming",
        ),
        ("TLS", "\x16\x03\x01\x02\x00\x01", 400, "BadFraming"),
        (
            "fragment",
            "GET /v1/shelves#a HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
            "BadPath",
        ),
        (
            "long target",
            &format!("GET /v1/{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            414,
            "UriTooLong",
        ),
        (
            "many fields",
            &format!("GET /v1/shelves HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            431,
            "HeadTooLarge",
        ),
        (
            "large head",
            &format!("GET /v1/shelves HTTP/1.1\r\nHost: a\r\n{big}\r\n"),
            431,
            "HeadTooLarge",
        ),
    ] {
        let mut client = Client::connect(proxy.address).await;
        let answer = client.ask(request).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (status, reason),
            "{name}"
        );
        assert_eq!(answer.value("connection"), Some("close"), "{name}");
        assert_eq!(client.rest().await, b"", "{name}");
    }
    assert!(backend.requests().is_empty(), "{:?}", backend.requests());
}

#[tokio::test]
async fn exactly_one_host_is_demanded() {
    let (backend, proxy) = open().await;
    for hosts in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host:\r\n",
        "Host: a/b\r\n",
        "Host: u@a\r\n",
        "Host: a b\r\n",
    ] {
        let mut client = Client::connect(proxy.address).await;
        let answer = client
            .ask(&format!("GET /v1/shelves HTTP/1.1\r\n{hosts}\r\n"))
            .await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (400, "BadHost"),
            "{hosts:?}"
        );
        // Its framing is clear: the connection may go on.
        let answer = client
            .ask("GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        assert_eq!(answer.status, 200, "{hosts:?}");
    }
    assert_eq!(backend.requests().len(), 6);
}

#[tokio::test]
async fn a_head_is_the_same_however_it_is_cut() {
    let (backend, proxy) = open().await;
    let request = "\r\nPOST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let mut client = Client::connect(proxy.address).await;
    for step in [1, 2, 7] {
        for piece in request.as_bytes().chunks(step) {
            client.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.answer().await.status, 200, "{step}");
    }
    assert_eq!(backend.requests().len(), 3);
}

#[tokio::test]
async fn a_large_head_within_the_limit_passes() {
    let (backend, proxy) = open().await;
    let big = format!("A: {}\r\n", "b".repeat(7_000)).repeat(8);
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..2 {
        let answer = client
            .ask(&format!("GET /v1/shelves HTTP/1.1\r\nHost: a\r\n{big}\r\n"))
            .await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(backend.requests()[1].values("a").len(), 8);
}

#[tokio::test]
async fn a_body_that_is_not_chunks_is_refused() {
    let (backend, proxy) = open().await;
    for body in [
        "zz\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "0\r\nX: y\n\r\n",
    ] {
        let mut client = Client::connect(proxy.address).await;
        let head = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = client.ask(&format!("{head}{body}")).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (400, "BadBody"),
            "{body:?}"
        );
        assert_eq!(client.rest().await, b"", "{body:?}");
    }
    assert!(backend.requests().is_empty(), "no request was complete");
}
