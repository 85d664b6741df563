//! `limits` and `timeouts` of the policy in force, each at its border.

use std::time::Duration;

use endpoints::proxy::Limits;
use tokio::time::{Instant, sleep};

use crate::backend::{Backend, Reply, ok, raw, read_request};
use crate::client::{Answer, Client, ask, patient};
use crate::forwarding::OPEN;
use crate::frames::{
    DATA, END_HEADERS, END_STREAM, Frames, HEADERS, REFUSED_STREAM, RST_STREAM, head,
};
use crate::proxy::{TestProxy, snapshot};

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";
/// As short as a policy may have it.
const SHORT: Duration = Duration::from_millis(100);

/// The open policy with these fields.
fn with(fields: &str) -> String {
    format!("{OPEN}{fields}\n")
}

async fn under(fields: &str) -> (Backend, TestProxy) {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(&with(fields));
    (backend, proxy)
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status, answer.reason())
}

/// A GET whose head takes so many bytes.
fn head_of(bytes: usize) -> String {
    let frame = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    let fill = "x".repeat(bytes - frame);
    format!("GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX: {fill}\r\n\r\n")
}

#[tokio::test]
async fn a_head_of_so_many_bytes_passes_and_one_more_is_431() {
    for limit in [1024, 61_440, 262_144] {
        let (backend, proxy) = under(&format!("limits: {{headerBytes: {limit}}}")).await;
        assert_eq!(
            ask(proxy.address, &head_of(limit)).await.status,
            200,
            "{limit}"
        );
        let over = ask(proxy.address, &head_of(limit + 1)).await;
        assert_eq!(told(&over), (431, "HeadTooLarge".to_owned()), "{limit}");
        assert_eq!(backend.requests().len(), 1);
    }
}

#[tokio::test]
async fn so_many_fields_pass_and_one_more_is_431() {
    for limit in [3, 100, 1000] {
        let (backend, proxy) = under(&format!("limits: {{headerCount: {limit}}}")).await;
        let get = |fields: usize| {
            let fields = "A: b\r\n".repeat(fields - 1);
            format!("GET /v1/shelves HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
        };
        assert_eq!(ask(proxy.address, &get(limit)).await.status, 200, "{limit}");
        let over = ask(proxy.address, &get(limit + 1)).await;
        assert_eq!(told(&over), (431, "HeadTooLarge".to_owned()), "{limit}");
        assert_eq!(backend.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_target_of_so_many_bytes_passes_and_one_more_is_414() {
    for limit in [64, 8192, 32_000] {
        let (backend, proxy) = under(&format!("limits: {{uriBytes: {limit}}}")).await;
        let get = |bytes: usize| {
            let fill = "x".repeat(bytes - "/v1/shelves?".len());
            format!("GET /v1/shelves?{fill} HTTP/1.1\r\nHost: a\r\n\r\n")
        };
        assert_eq!(ask(proxy.address, &get(limit)).await.status, 200, "{limit}");
        let over = ask(proxy.address, &get(limit + 1)).await;
        assert_eq!(told(&over), (414, "UriTooLong".to_owned()), "{limit}");
        assert_eq!(backend.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_declared_body_over_the_limit_is_413_before_the_backend_sees_anything() {
    let (backend, proxy) = under("limits: {bodyBytes: 5}").await;
    let post = |body: &str| {
        let length = body.len();
        format!("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    assert_eq!(ask(proxy.address, &post("five!")).await.status, 200);
    let mut client = Client::connect(proxy.address).await;
    let over = client.ask(&post("sixsix")).await;
    assert_eq!(told(&over), (413, "BodyTooLarge".to_owned()));
    assert_eq!(client.rest().await, b"", "and the connection is closed");
    // One that asks first is not asked for it.
    let asks =
        "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n";
    assert_eq!(ask(proxy.address, asks).await.status, 413);
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn no_body_at_all_may_be_the_limit() {
    let (backend, proxy) = under("limits: {bodyBytes: 0}").await;
    assert_eq!(ask(proxy.address, GET).await.status, 200);
    let empty = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(proxy.address, empty).await.status, 200);
    let one = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1";
    assert_eq!(ask(proxy.address, one).await.status, 413);
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test]
async fn a_streamed_body_is_cut_where_it_crosses_the_limit() {
    let (backend, proxy) = under("limits: {bodyBytes: 5}").await;
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = Client::connect(proxy.address).await;
    let answer = client
        .ask(&format!("{post}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(backend.only().body, b"abcde");
    let answer = client
        .ask(&format!("{post}3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"))
        .await;
    assert_eq!(told(&answer), (413, "BodyTooLarge".to_owned()));
    assert_eq!(client.rest().await, b"", "and the connection is closed");
    assert_eq!(backend.requests().len(), 1, "what it got was no request");
}

#[tokio::test]
async fn an_answer_that_began_before_the_body_was_too_long_is_broken_off() {
    let backend = raw(|mut stream, _| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut some = [0; 4096];
        let _ = stream.read(&mut some).await;
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n";
        let _ = stream.write_all(head).await;
        while matches!(stream.read(&mut some).await, Ok(1..)) {}
    })
    .await;
    let proxy = TestProxy::start(backend).under(&with("limits: {bodyBytes: 5}"));
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    assert_eq!(client.answer_to_head().await.status, 200);
    client.send("3\r\ndef\r\n").await;
    let rest = client.rest().await;
    assert!(
        !rest.ends_with(b"0\r\n\r\n"),
        "it must not look complete: {rest:?}"
    );
}

#[tokio::test]
async fn bodies_of_streams_have_the_same_bound() {
    let (backend, proxy) = under("limits: {bodyBytes: 5}").await;
    let mut frames = Frames::connect(proxy.address).await;
    let post = head("POST", "/v1/shelves", &[]);
    frames.send(HEADERS, END_HEADERS, 1, &post).await;
    frames.send(DATA, END_STREAM, 1, b"five!").await;
    assert_eq!(frames.next_of(HEADERS).await.unwrap().status(), 200);
    frames.send(HEADERS, END_HEADERS, 3, &post).await;
    frames.send(DATA, 0, 3, b"abc").await;
    frames.send(DATA, END_STREAM, 3, b"def").await;
    let answer = frames.next_of(HEADERS).await.unwrap();
    assert_eq!((answer.stream, answer.status()), (3, 413));
    let declared = head("POST", "/v1/shelves", &[("content-length", "6")]);
    frames.send(HEADERS, END_HEADERS, 5, &declared).await;
    let answer = frames.next_of(HEADERS).await.unwrap();
    assert_eq!((answer.stream, answer.status()), (5, 413));
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_stream_too_many_is_refused_and_one_that_ends_makes_room() {
    let backend = raw(|mut stream, _| async move {
        let mut buffer = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut buffer).await {
            if request.line().contains("slow") {
                sleep(SHORT * 5).await;
            }
            use tokio::io::AsyncWriteExt as _;
            let _ = stream.write_all(&ok("ok")).await;
        }
    })
    .await;
    let proxy = TestProxy::start(backend).under(&with("limits: {streams: 2}"));
    let mut frames = Frames::connect(proxy.address).await;
    for stream in [1, 3, 5] {
        frames.get(stream, "/v1/shelves/slow").await;
    }
    let refused = frames.next_of(RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.error()), (5, REFUSED_STREAM));
    for _ in 0..2 {
        assert_eq!(frames.next_of(HEADERS).await.unwrap().status(), 200);
    }
    frames.get(7, "/v1/shelves").await;
    let answer = frames.next_of(HEADERS).await.unwrap();
    assert_eq!((answer.stream, answer.status()), (7, 200));
}

#[tokio::test]
async fn a_request_too_many_is_503_and_says_when_to_come_again() {
    let backend = Backend::answering(|request| {
        if request.line().contains("slow") {
            return Reply::Stall(Vec::new());
        }
        Reply::Keep(ok("ok"))
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(&with("limits: {requestsInFlight: 2}"));
    let mut slow = Vec::new();
    for number in 1..=2 {
        let mut client = Client::connect(proxy.address).await;
        client
            .send("GET /v1/shelves/slow HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        slow.push(client);
        patient(async {
            while backend.requests().len() < number {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    let mut third = Client::connect(proxy.address).await;
    let answer = third.ask(GET).await;
    assert_eq!(told(&answer), (503, "TooManyRequests".to_owned()));
    assert_eq!(answer.value("retry-after"), Some("1"));
    // What needs no backend is answered.
    let health = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(third.ask(health).await.status, 200);
    slow.pop();
    patient(async { while third.ask(GET).await.status != 200 {} }).await;
}

#[tokio::test]
async fn connections_over_the_policys_limit_are_refused() {
    let (_backend, proxy) = under("limits: {connections: 1}").await;
    let mut first = Client::connect(proxy.address).await;
    assert_eq!(first.ask(GET).await.status, 200);
    assert_eq!(Client::connect(proxy.address).await.rest().await, b"");
    // A policy that allows more holds for the next connection.
    let more = with("limits: {connections: 2}");
    proxy.policies.store(snapshot(&more, &Default::default()));
    assert_eq!(ask(proxy.address, GET).await.status, 200);
}

#[tokio::test]
async fn an_open_connection_takes_new_bounds_at_its_next_request() {
    let (_backend, proxy) = under("").await;
    let mut client = Client::connect(proxy.address).await;
    let head = head_of(2000);
    assert_eq!(client.ask(&head).await.status, 200);
    let less = with("limits: {headerBytes: 1024, bodyBytes: 3}");
    proxy.policies.store(snapshot(&less, &Default::default()));
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(client.ask(post).await.status, 200);
    assert_eq!(client.ask(&head).await.status, 431);
}

#[tokio::test]
async fn larger_heads_than_a_connection_was_made_for_are_431_there_and_pass_on_the_next() {
    let (_backend, proxy) = under("").await;
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.status, 200);
    let more = with("limits: {headerBytes: 200000, headerCount: 500}");
    proxy.policies.store(snapshot(&more, &Default::default()));
    let answer = client.ask(&head_of(100_000)).await;
    assert_eq!(told(&answer), (431, "HeadTooLarge".to_owned()));
    assert_eq!(ask(proxy.address, &head_of(100_000)).await.status, 200);
}

#[tokio::test]
async fn each_wait_of_the_policy_ends_and_says_who_was_slow() {
    let timeouts = "timeouts: {head: 100ms, idle: 300ms, bodyProgress: 200ms}";
    let (backend, proxy) = under(timeouts).await;

    let mut head = Client::connect(proxy.address).await;
    head.send("GET /v1/shelves HTTP/1.1\r\nHost").await;
    let began = Instant::now();
    let answer = head.answer().await;
    assert_eq!(told(&answer), (408, "HeadTimeout".to_owned()));
    assert!(began.elapsed() >= SHORT - Duration::from_millis(20));
    assert_eq!(head.rest().await, b"");

    let mut body = Client::connect(proxy.address).await;
    let began = Instant::now();
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
    assert_eq!(told(&body.ask(post).await), (408, "BadBody".to_owned()));
    assert!(began.elapsed() >= SHORT * 2 - Duration::from_millis(20));

    let mut idle = Client::connect(proxy.address).await;
    let began = Instant::now();
    assert_eq!(idle.ask(GET).await.status, 200);
    assert_eq!(idle.rest().await, b"");
    assert!(began.elapsed() >= SHORT * 3 - Duration::from_millis(20));
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn slow_but_steady_is_in_time() {
    let timeouts = "timeouts: {head: 5s, idle: 100ms, bodyProgress: 300ms}";
    let (backend, proxy) = under(timeouts).await;
    let mut client = Client::connect(proxy.address).await;
    for piece in ["GET /v1/shel", "ves HTTP/1.1\r\nHo", "st: a\r\n\r\n"] {
        client.send(piece).await;
        sleep(SHORT * 2).await;
    }
    assert_eq!(client.answer().await.status, 200, "a head is no silence");
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        .await;
    for piece in ["a", "b", "c", "d"] {
        sleep(SHORT).await;
        client.send(piece).await;
    }
    assert_eq!(client.answer().await.status, 200, "each byte is progress");
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let backend = raw(|mut stream, _| async move {
        use tokio::io::AsyncWriteExt as _;
        let _ = read_request(&mut stream, &mut Vec::new()).await;
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head).await;
        let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
        while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    })
    .await;
    let proxy = TestProxy::with(backend, Limits::default(), 1)
        .under(&with("timeouts: {writeProgress: 200ms}"));
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    patient(async {
        let failed = "endpoints_connections_failed_total 1";
        while !crate::admin::metrics(&proxy).await.contains(failed) {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
