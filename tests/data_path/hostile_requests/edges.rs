//! At the edges: where two rules meet, and where a reader of another language reads something else.

use super::{Case, OPERATION, run};

const LINE: &str = "GET /shelves HTTP/1.1";

fn get(fields: &str) -> String {
    format!("{LINE}\r\nHost: a\r\n{fields}\r\n")
}

fn to(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /shelves HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

#[tokio::test]
async fn names_that_a_backend_reads_as_the_proxys_are_the_proxys() {
    let mut cases = Vec::new();
    // CGI and what came after it read `.` as `_`, as they do `-`.
    for name in [
        "X.Endpoint.API.UserInfo",
        "X-Endpoint.API-UserInfo",
        "x.endpoint-api.userinfo",
        "X.Forwarded.Authorization",
        "X.HTTP.Method.Override",
        "X-HTTP.Method",
        "X.Envoy.Original.Path",
        "X-Envoy-Original-Path",
    ] {
        let lower: &'static str = name.to_ascii_lowercase().leak();
        let request = get(&format!("{name}: forged\r\n"));
        cases.push(Case::forwarded(name, request, LINE).saw(lower, &[]));
    }
    for name in ["X.A", "x-a.b", "x.endpoints", "x.http.methods"] {
        let lower: &'static str = name.to_ascii_lowercase().leak();
        let request = get(&format!("{name}: kept\r\n"));
        cases.push(Case::forwarded(name, request, LINE).saw(lower, &["kept"]));
    }
    run(12, cases).await;
}

#[tokio::test]
async fn connection_takes_nothing_that_was_decided_by() {
    let mut cases = Vec::new();
    for (connection, field, name, arrives) in [
        ("host", "", "host", &["a"][..]),
        ("Host, close", "", "host", &["a"]),
        ("content-length", "", "x-forwarded-for", &["127.0.0.1"]),
        ("x-forwarded-for, x-a", "X-A: 1\r\n", "x-a", &[]),
        (
            "x-endpoint-api-userinfo",
            "X-Endpoint-API-UserInfo: e30\r\n",
            "x-endpoint-api-userinfo",
            &[],
        ),
        (
            "forwarded",
            "Forwarded: for=1.2.3.4\r\n",
            "forwarded",
            &["for=1.2.3.4"],
        ),
        ("trailer", "Trailer: X-Sum\r\n", "trailer", &["X-Sum"]),
        ("keep-alive, TE", "TE: trailers\r\n", "te", &["trailers"]),
        ("close,close,close", "", "connection", &[]),
    ] {
        let request = get(&format!("Connection: {connection}\r\n{field}"));
        cases.push(
            Case::forwarded(format!("Connection: {connection}"), request, LINE).saw(name, arrives),
        );
    }
    // Several fields are one list.
    let request = get("Connection: x-a\r\nConnection: x-b\r\nX-A: 1\r\nX-B: 2\r\n");
    cases.push(
        Case::forwarded("two fields", request, LINE)
            .saw("x-a", &[])
            .saw("x-b", &[]),
    );
    run(10, cases).await;
}

#[tokio::test]
async fn chunks_at_the_edges_of_the_grammar() {
    let mut cases = Vec::new();
    for (name, body, read) in [
        (
            "an extension without a value",
            "3;a\r\nabc\r\n0\r\n\r\n",
            "abc",
        ),
        ("two extensions", "3;a=1;b=2\r\nabc\r\n0\r\n\r\n", "abc"),
        ("a chunk of CR LF", "2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        ("15 digits", "000000000000003\r\nabc\r\n0\r\n\r\n", "abc"),
        (
            "trailers with empty values",
            "3\r\nabc\r\n0\r\nX-Sum:\r\nX-Sum: \r\n\r\n",
            "abc",
        ),
    ] {
        cases.push(
            Case::forwarded(name, chunked(body), "POST /shelves HTTP/1.1").body(read.as_bytes()),
        );
    }
    for (name, body) in [
        ("a tab behind the size", "3\t\r\nabc\r\n0\r\n\r\n"),
        ("a CR within an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
        ("a LF within an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n"),
        ("a LF within quotes", "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n"),
        ("a CR LF within quotes", "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n"),
        ("a NUL within an extension", "3;a=\0\r\nabc\r\n0\r\n\r\n"),
        ("a DEL within an extension", "3;a=\x7f\r\nabc\r\n0\r\n\r\n"),
        ("one byte more than said", "3\r\nabcd\r\n0\r\n\r\n"),
        ("CR alone behind the chunk", "3\r\nabc\r0\r\n\r\n"),
        ("LF alone behind the chunk", "3\r\nabc\n0\r\n\r\n"),
        ("nothing behind the chunk", "3\r\nabc0\r\n\r\n"),
        ("two CR LF behind the chunk", "3\r\nabc\r\n\r\n0\r\n\r\n"),
        ("LF alone at the end", "3\r\nabc\r\n0\r\n\n"),
        ("a trailer of a colon", "3\r\nabc\r\n0\r\n: x\r\n\r\n"),
        (
            "a trailer with a space before its colon",
            "3\r\nabc\r\n0\r\nX : x\r\n\r\n",
        ),
        ("a trailer with a CR", "3\r\nabc\r\n0\r\nX: a\rb\r\n\r\n"),
        ("an h", "3h\r\nabc\r\n0\r\n\r\n"),
        ("a size in full width", "\u{ff13}\r\nabc\r\n0\r\n\r\n"),
    ] {
        cases.push(Case::refused(
            format!("chunks: {name}"),
            chunked(body),
            400,
            "BadBody",
        ));
    }
    run(23, cases).await;
}

#[tokio::test]
async fn what_a_head_says_twice_or_oddly() {
    let cases = vec![
        Case::forwarded("a cookie and an empty one", get("Cookie: a=1\r\nCookie:\r\n"), LINE).saw("cookie", &["a=1"]),
        Case::forwarded("an empty cookie and others", get("Cookie:\r\nCookie: a=1\r\nCookie: b=2\r\n"), LINE).saw("cookie", &["a=1; b=2"]),
        Case::forwarded("accept twice", get("Accept: a\r\nAccept: b\r\n"), LINE).saw("accept", &["a", "b"]),
        Case::forwarded("content type twice", get("Content-Type: a/b\r\nContent-Type: c/d\r\n"), LINE),
        Case::forwarded("X-Forwarded-Proto twice", get("X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n"), LINE),
        Case::forwarded("100-continue without a body", get("Expect: 100-continue\r\n"), LINE).saw("expect", &[]),
        Case::forwarded("100-continue in HTTP/1.0", get("Expect: 100-continue\r\n").replace("HTTP/1.1", "HTTP/1.0"), LINE).saw("expect", &[]),
        Case::forwarded("100-Continue", get("Expect: 100-Continue\r\n"), LINE).saw("expect", &[]),
        Case::refused("an expectation in HTTP/1.0", get("Expect: tea\r\n").replace("HTTP/1.1", "HTTP/1.0"), 417, "BadExpect"),
        Case::forwarded("a length of none on a GET", get("Content-Length: 0\r\n"), LINE),
        Case::forwarded("chunks of none on a GET", get("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", LINE).body(b""),
        Case::forwarded("Upgrade-Insecure-Requests", get("Upgrade-Insecure-Requests: 1\r\n"), LINE).saw("upgrade-insecure-requests", &["1"]),
        Case::forwarded("Upgrade: h2c, as nghttp does", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"), LINE)
            .saw("upgrade", &[]).saw("http2-settings", &[]).saw("connection", &[]),
        Case::forwarded("Upgrade: TLS", get("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"), LINE).saw("upgrade", &[]),
        Case::forwarded("Upgrade twice", get("Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n"), LINE).saw("upgrade", &[]),
        Case::forwarded("Upgrade of two", get("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"), LINE).saw("upgrade", &[]),
        Case::forwarded("Upgrade in HTTP/1.0", get("Connection: Upgrade\r\nUpgrade: websocket\r\n").replace("HTTP/1.1", "HTTP/1.0"), LINE).saw("upgrade", &[]),
        Case::forwarded("Upgrade with a body", post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", "abc"), "POST /shelves HTTP/1.1")
            .saw("upgrade", &[]).body(b"abc"),
        Case::forwarded("a range", get("Range: bytes=0-0,-1\r\n"), LINE).saw("range", &["bytes=0-0,-1"]),
        Case::forwarded("Max-Forwards", get("Max-Forwards: 0\r\n"), LINE).saw("max-forwards", &["0"]),
        Case::refused("an override behind a body", post("X-HTTP-Method-Override: TRACE\r\nContent-Length: 3\r\n", "abc"), 400, "BadMethodOverride"),
        Case::forwarded("an override with a body", post("X-HTTP-Method-Override: PUT\r\nContent-Length: 3\r\n", "abc"), "PUT /shelves HTTP/1.1").body(b"abc"),
        Case::forwarded("an override in the query is text", "POST /shelves?_method=DELETE&X-HTTP-Method-Override=PUT HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /shelves?_method=DELETE&X-HTTP-Method-Override=PUT HTTP/1.1"),
    ];
    run(23, cases).await;
}

#[tokio::test]
async fn targets_at_the_edges_of_templates() {
    let mut cases = Vec::new();
    for (target, forwarded, operation) in [
        ("/shelves/1/", "/shelves/1/", "get"),
        ("/shelves/1//", "/shelves/1/", "get"),
        ("/shelves/%2E", "/shelves/", "list"),
        ("/shelves/x/%2E%2E", "/shelves/", "list"),
        ("/shelves/~", "/shelves/~", "get"),
        ("/shelves/%7E", "/shelves/~", "get"),
        ("/shelves/a+b", "/shelves/a+b", "get"),
        ("/shelves/@", "/shelves/@", "get"),
        ("/shelves/:", "/shelves/:", "get"),
        ("/shelves/=&$,!*'()", "/shelves/=&$,!*'()", "get"),
        ("/shelves/%25", "/shelves/%25", "get"),
        ("/shelves/%2541", "/shelves/%2541", "get"),
        ("/shelves/%26", "/shelves/%26", "get"),
        ("/shelves/%20", "/shelves/%20", "get"),
        ("/shelves/%0a", "/shelves/%0A", "get"),
        ("/shelves/%EF%BC%8F", "/shelves/%EF%BC%8F", "get"),
        ("/files/", "/files/", "file"),
        ("/files/a/b/c/", "/files/a/b/c/", "file"),
        ("/files/%2e%2e/shelves", "/shelves", "list"),
    ] {
        let line = format!("GET {forwarded} HTTP/1.1");
        cases.push(Case::forwarded(target, to(target), line).saw(OPERATION, &[operation]));
    }
    for target in [
        "/SHELVES",
        "/Shelves",
        "/shelvesx",
        "/shelve",
        "/shelves.json",
        "/shelves/1/2",
        "/files",
        "/shelves%20",
        "/shelves.",
        "/%20/shelves",
        "/admin",
        "/admin/",
        "/admin/users/x",
        "/healthzz",
        "/healthz/x",
    ] {
        cases.push(Case::refused(target, to(target), 404, "RouteNotFound"));
    }
    for target in [
        "/healthz",
        "/healthz/",
        "/healthz?x=1",
        "//healthz",
        "/./healthz",
        "/%68ealthz",
        "/x/../healthz",
        "/healthz//",
        "/healthz/.",
        "/healthz%2f",
    ] {
        cases.push(Case::answered(target, to(target), 200));
    }
    for (target, status, reason) in [
        ("/shelves/1:merge", 405, "MethodNotAllowed"),
        ("/shelves%3a", 404, "RouteNotFound"),
        ("/admin%2Fusers", 400, "AmbiguousPath"),
        ("/admin%2F..%2Fshelves", 400, "AmbiguousPath"),
        ("/files/..%2F..%2Fshelves", 400, "AmbiguousPath"),
        ("/shelves/:merge", 405, "MethodNotAllowed"),
    ] {
        let request = match target {
            "/shelves/1:merge" | "/shelves/:merge" => to(target).replace("GET", "PUT"),
            _ => to(target),
        };
        cases.push(Case::refused(target, request, status, reason));
    }
    cases.push(
        Case::forwarded(
            "the verb",
            to("/shelves/1:merge").replace("GET", "POST"),
            "POST /shelves/1:merge HTTP/1.1",
        )
        .saw(OPERATION, &["merge"]),
    );
    cases.push(Case::refused(
        "the verb, escaped",
        to("/shelves/1%3Amerge").replace("GET", "POST"),
        400,
        "AmbiguousPath",
    ));
    run(52, cases).await;
}
