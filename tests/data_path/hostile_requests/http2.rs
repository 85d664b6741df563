//! The same over HTTP/2, frame by frame: field blocks that no library writes.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{OPERATION, start};
use crate::client::patient;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// What became of a stream.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The backend's `ok`, by way of this request line.
    Forwarded(String),
    /// The proxy's JSON: code and reason.
    Refused(u64, String),
    /// The stream, or with it the connection, was ended.
    Reset,
}

/// The fields of a good request, one of which may be replaced.
fn get(path: &str) -> Vec<(&'static str, String)> {
    vec![
        (":method", "GET".to_owned()),
        (":scheme", "http".to_owned()),
        (":path", path.to_owned()),
        (":authority", "a".to_owned()),
    ]
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend(payload);
    frame
}

/// Literal fields, not indexed, not compressed (RFC 7541 section 6.2.2).
fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(&mut block, text.len());
            block.extend(*text);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    let low = |value: usize| u8::try_from(value & 0x7f).expect("seven bits");
    if length < 127 {
        block.push(low(length));
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest > 127 {
        block.push(low(rest) | 0x80);
        rest >>= 7;
    }
    block.push(low(rest));
}

struct Row {
    name: String,
    frames: Vec<u8>,
    expected: End,
}

fn row(name: impl Into<String>, fields: &[(&str, &str)], expected: End) -> Row {
    let fields: Vec<_> = fields
        .iter()
        .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
        .collect();
    bytes_row(name, &fields, expected)
}

fn bytes_row(name: impl Into<String>, fields: &[(&[u8], &[u8])], expected: End) -> Row {
    Row {
        name: name.into(),
        frames: frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(fields)),
        expected,
    }
}

fn forwarded(line: &str) -> End {
    End::Forwarded(format!("{line} HTTP/1.1"))
}

fn refused(code: u64, reason: &str) -> End {
    End::Refused(code, reason.to_owned())
}

/// A request for `/shelves` with more fields behind its own.
fn with(name: impl Into<String>, more: &[(&str, &str)], expected: End) -> Row {
    let own = get("/shelves");
    let mut fields: Vec<_> = own.iter().map(|(n, v)| (*n, v.as_str())).collect();
    fields.extend(more);
    row(name, &fields, expected)
}

/// A GET for a path.
fn at(path: &str, expected: End) -> Row {
    let own = get(path);
    let fields: Vec<_> = own.iter().map(|(n, v)| (*n, v.as_str())).collect();
    row(format!(":path {path}"), &fields, expected)
}

async fn run(at_least: usize, rows: Vec<Row>) {
    assert!(rows.len() >= at_least, "{} rows only", rows.len());
    let (backend, proxy) = start().await;
    let mut problems = Vec::new();
    for row in rows {
        let before = backend.requests().len();
        let mut stream = patient(TcpStream::connect(proxy.address))
            .await
            .expect("it listens");
        let opening = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &row.frames].concat();
        patient(stream.write_all(&opening)).await.expect("it reads");
        let end = end(&mut stream, || {
            backend.requests().last().map(|seen| seen.line().to_owned())
        })
        .await;
        let seen = backend.requests().len() - before;
        let expected = usize::from(matches!(row.expected, End::Forwarded(_)));
        if end != row.expected || seen != expected {
            problems.push(format!(
                "{}: {end:?}, seen {seen} times, not {:?}",
                row.name, row.expected
            ));
        }
        if let (End::Forwarded(_), Some(seen)) = (&end, backend.requests().last())
            && seen.values(OPERATION).len() != 1
        {
            problems.push(format!(
                "{}: the operation is not told: {}",
                row.name, seen.head
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Reads frames until the stream is over.
async fn end(stream: &mut TcpStream, line: impl Fn() -> Option<String>) -> End {
    let mut body = Vec::new();
    loop {
        let mut head = [0; 9];
        if patient(stream.read_exact(&mut head)).await.is_err() {
            return End::Reset;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if patient(stream.read_exact(&mut payload)).await.is_err() {
            return End::Reset;
        }
        let (kind, flags) = (head[3], head[4]);
        match kind {
            SETTINGS if flags & ACK == 0 => {
                let _ = stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await;
            }
            RST_STREAM | GOAWAY => return End::Reset,
            DATA => body.extend(payload),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            break;
        }
    }
    if body == b"ok" {
        return End::Forwarded(line().unwrap_or_default());
    }
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let reason = told["reason"].as_str().unwrap_or_default();
    End::Refused(told["code"].as_u64().unwrap_or_default(), reason.to_owned())
}

#[tokio::test]
async fn pseudo_fields_are_there_once_first_and_known() {
    let shelves = || forwarded("GET /shelves");
    let rows = vec![
        with("a good one", &[], shelves()),
        row(
            "in another order",
            &[
                (":path", "/shelves"),
                (":authority", "a"),
                (":method", "GET"),
                (":scheme", "http"),
            ],
            shelves(),
        ),
        row(
            "scheme https",
            &[
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/shelves"),
                (":authority", "a"),
            ],
            shelves(),
        ),
        row(
            "no method",
            &[
                (":scheme", "http"),
                (":path", "/shelves"),
                (":authority", "a"),
            ],
            End::Reset,
        ),
        row(
            "no path",
            &[(":method", "GET"), (":scheme", "http"), (":authority", "a")],
            End::Reset,
        ),
        row(
            "an empty path",
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", ""),
                (":authority", "a"),
            ],
            End::Reset,
        ),
        row(
            "no scheme",
            &[
                (":method", "GET"),
                (":path", "/shelves"),
                (":authority", "a"),
            ],
            End::Reset,
        ),
        row(
            "no authority and no host",
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/shelves"),
            ],
            refused(400, "BadHost"),
        ),
        row(
            "a host instead of the authority",
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/shelves"),
                ("host", "a"),
            ],
            shelves(),
        ),
        row(
            "two hosts instead of the authority",
            &[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/shelves"),
                ("host", "a"),
                ("host", "b"),
            ],
            refused(400, "BadHost"),
        ),
        with("host, the same", &[("host", "a")], shelves()),
        with("host, another", &[("host", "b")], refused(400, "BadHost")),
        with(
            "host, twice, one another",
            &[("host", "a"), ("host", "b")],
            refused(400, "BadHost"),
        ),
        with("method twice", &[(":method", "DELETE")], End::Reset),
        with("path twice", &[(":path", "/admin/users")], End::Reset),
        with("authority twice", &[(":authority", "b")], End::Reset),
        with("scheme twice", &[(":scheme", "https")], End::Reset),
        with(
            "an unknown pseudo field",
            &[(":version", "1.1")],
            End::Reset,
        ),
        with("a status", &[(":status", "200")], End::Reset),
        with(
            "protocol without CONNECT",
            &[(":protocol", "websocket")],
            End::Reset,
        ),
        row(
            "a pseudo field behind a field",
            &[
                (":method", "GET"),
                (":scheme", "http"),
                ("x-a", "b"),
                (":path", "/shelves"),
                (":authority", "a"),
            ],
            End::Reset,
        ),
    ];
    run(21, rows).await;
}

#[tokio::test]
async fn fields_of_connections_and_odd_names_end_the_stream() {
    let shelves = || forwarded("GET /shelves");
    let mut rows = Vec::new();
    // To an HTTP/1 backend these are the values without the space: tokens that nobody looked at.
    for value in [" Bearer x", "\tBearer x", "Bearer x ", " "] {
        let expected = refused(400, "BadFraming");
        rows.push(with(
            format!("{value:?}"),
            &[("authorization", value)],
            expected,
        ));
    }
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("X-A", "b"),
        ("Host", "a"),
        ("x a", "b"),
        ("x:a", "b"),
        ("", "b"),
        ("x-a\r\nx-b", "c"),
        ("x-a", "b\r\nx-c: d"),
        ("x-a", "b\0c"),
        ("x-a", "b\nc"),
        ("x-a", "b\rc"),
        ("transfer-encoding", "chunked\r\nhost: b"),
    ] {
        rows.push(with(
            format!("{name:?}: {value:?}"),
            &[(name, value)],
            End::Reset,
        ));
    }
    rows.push(with("te: trailers", &[("te", "trailers")], shelves()));
    rows.push(with(
        "crumbs of a cookie",
        &[("cookie", "a=1"), ("cookie", "b=2")],
        shelves(),
    ));
    rows.push(with(
        "a generated name",
        &[("x-endpoint-api-userinfo", "forged")],
        shelves(),
    ));
    rows.push(with(
        "a generated name, spelt otherwise",
        &[("x_endpoint_api_userinfo", "forged")],
        refused(400, "UnderscoreHeader"),
    ));
    rows.push(with(
        "an expectation",
        &[("expect", "x")],
        refused(417, "BadExpect"),
    ));
    rows.push(with(
        "an override from GET",
        &[("x-http-method-override", "PUT")],
        refused(400, "BadMethodOverride"),
    ));
    rows.push(with(
        "a length that no body comes to",
        &[("content-length", "3")],
        End::Reset,
    ));
    rows.push(with(
        "a length that is none",
        &[("content-length", "x")],
        End::Reset,
    ));
    rows.push(with(
        "a length of none",
        &[("content-length", "0")],
        shelves(),
    ));
    run(26, rows).await;
}

#[tokio::test]
async fn paths_are_read_as_in_http1() {
    let mut rows = Vec::new();
    for (path, line) in [
        ("/shelves?x", "GET /shelves?x"),
        ("/x/../shelves", "GET /shelves"),
        ("//shelves", "GET /shelves"),
        ("/%73helves", "GET /shelves"),
        ("/shelves/%c3%a9", "GET /shelves/%C3%A9"),
        ("/files/a%2Fb", "GET /files/a%2Fb"),
        // The library cuts fragments off before anybody sees them: one reading is left.
        ("/shelves#/../admin/users", "GET /shelves"),
    ] {
        rows.push(at(path, forwarded(line)));
    }
    for path in [
        "/files/..%2fadmin%2fusers",
        "/files/..;/admin/users",
        "/admin%2fusers",
    ] {
        rows.push(at(path, refused(400, "AmbiguousPath")));
    }
    // A query goes on as it came: what HTTP/1 has no form for cannot.
    for path in ["/shelves?\u{e9}", "/shelves?a=`", "/shelves?x=\u{2028}y"] {
        rows.push(at(path, refused(400, "BadPath")));
    }
    for path in ["/a%00", "/..", "/a%zz", "/a\\b", "*"] {
        rows.push(at(path, refused(400, "BadPath")));
    }
    rows.push(at("/nothing", refused(404, "RouteNotFound")));
    for path in [
        "shelves",
        "http://b/shelves",
        "/shel ves",
        "/a\r\nx: y",
        "/a\0",
        "?x",
    ] {
        let mut unforwarded = at(path, End::Reset);
        unforwarded.name = format!("{path:?}, however it is refused");
        rows.push(unforwarded);
    }
    let refusals = rows.split_off(19);
    run(19, rows).await;
    never_forwarded(refusals).await;
}

#[tokio::test]
async fn methods_are_what_they_are() {
    let mut rows = Vec::new();
    for (method, expected) in [
        ("get", refused(405, "MethodNotAllowed")),
        ("TRACE", refused(405, "MethodRefused")),
        ("OPTIONS", refused(405, "MethodNotAllowed")),
        ("PRI", refused(405, "MethodNotAllowed")),
        ("", End::Reset),
        ("G T", End::Reset),
        ("GET /admin/users HTTP/1.1\r\nx: y", End::Reset),
    ] {
        let fields = [
            (":method", method),
            (":scheme", "http"),
            (":path", "/shelves"),
            (":authority", "a"),
        ];
        rows.push(row(format!(":method {method:?}"), &fields, expected));
    }
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    rows.push(row("CONNECT", &connect, refused(405, "MethodRefused")));
    let authority = |authority: &str| {
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/shelves"),
            (":authority", authority),
        ];
        row(format!(":authority {authority:?}"), &fields, End::Reset)
    };
    run(8, rows).await;
    let hosts = ["user@a", "a/b", "a b", "a:x", "a\r\nx: y", "a,b/../c"];
    never_forwarded(hosts.map(authority).into()).await;
}

#[tokio::test]
async fn bodies_are_as_long_as_they_say() {
    let post = |length: &str, data: &[u8]| {
        let fields: Vec<(&[u8], &[u8])> = vec![
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/shelves"),
            (b":authority", b"a"),
            (b"content-length", length.as_bytes()),
        ];
        let mut frames = frame(HEADERS, END_HEADERS, 1, &block(&fields));
        frames.extend(frame(DATA, END_STREAM, 1, data));
        Row {
            name: format!("a length of {length} and {} bytes", data.len()),
            frames,
            expected: forwarded("POST /shelves"),
        }
    };
    run(2, vec![post("3", b"abc"), post("003", b"abc")]).await;
    never_forwarded(vec![
        post("3", b"ab"),
        post("3", b"abcd"),
        post("0", b"abc"),
        post("-3", b"abc"),
        post("3, 3", b"abc"),
    ])
    .await;
}

/// However they are refused: by a reset, or by an answer.
async fn never_forwarded(rows: Vec<Row>) {
    let (backend, proxy) = start().await;
    for row in rows {
        let mut stream = patient(TcpStream::connect(proxy.address))
            .await
            .expect("it listens");
        let opening = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &row.frames].concat();
        patient(stream.write_all(&opening)).await.expect("it reads");
        let end = end(&mut stream, || None).await;
        assert!(
            matches!(end, End::Reset | End::Refused(400..500, _)),
            "{}: {end:?}",
            row.name
        );
        assert!(
            backend.requests().is_empty(),
            "{}: {:?}",
            row.name,
            backend.requests()
        );
    }
}
