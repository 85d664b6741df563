//! The access log, as it is written: which requests get a line, and what it says.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex};

use endpoints::proxy::{Limits, LogOutput};
use endpoints::tls;
use serde_json::Value;

use crate::admin::metrics;
use crate::backend::{Backend, Reply, ok};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const GET: &str =
    "GET /v1/shelves?key=secret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n\r\n";
const NOWHERE: &str = "GET /nowhere/secret HTTP/1.1\r\nHost: a\r\n\r\n";

fn with(fields: &str) -> String {
    format!("{fields}\n{OPEN}")
}

fn field<'l>(line: &'l Value, name: &str) -> &'l str {
    line[name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn by_default_only_what_went_wrong_gets_a_line() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    assert_eq!(ask(proxy.address, GET).await.status, 200);
    assert_eq!(ask(proxy.address, NOWHERE).await.status, 404);
    let lines = proxy.log.wait_for(1).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(line["status"], 404);
    assert_eq!(field(line, "method"), "GET");
    assert_eq!(field(line, "protocol"), "HTTP/1.1");
    assert_eq!(field(line, "source"), "proxy");
    assert_eq!(field(line, "fault"), "client");
    assert_eq!(field(line, "reason"), "RouteNotFound");
    assert_eq!(field(line, "client"), "127.0.0.1");
    assert!(field(line, "message").contains("not defined"), "{line}");
    assert!(field(line, "time").ends_with('Z'), "{line}");
    assert!(
        line["duration_ms"].as_f64().is_some_and(|it| it > 0.0),
        "{line}"
    );
    assert_eq!(line.get("operation"), None, "{line}");
}

#[tokio::test]
async fn off_is_off_and_all_is_all() {
    let backend = Backend::answering(|_| Reply::Keep(ok("twelve bytes"))).await;
    let proxy = TestProxy::start(backend.address).under(&with("accessLog: {mode: None}"));
    ask(proxy.address, NOWHERE).await;
    let proxy = proxy.under(&with("accessLog: {mode: All}"));
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(ask(proxy.address, GET).await.status, 200);
    assert_eq!(ask(proxy.address, post).await.status, 200);
    let lines = proxy.log.wait_for(2).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(field(&lines[0], "operation"), "listShelves");
    assert_eq!(field(&lines[0], "template"), "/v1/shelves");
    assert_eq!(field(&lines[0], "source"), "backend");
    assert_eq!(field(&lines[0], "backend"), backend.address.to_string());
    assert_eq!(lines[0]["response_bytes"], 12);
    assert!(lines[0]["backend_ms"].as_f64() <= lines[0]["duration_ms"].as_f64());
    for absent in ["fault", "reason", "message", "broken_off"] {
        assert_eq!(lines[0].get(absent), None, "{absent}: {lines:?}");
    }
    assert_eq!(lines[1]["request_bytes"], 5);
}

#[tokio::test]
async fn samples_are_lines_beside_those_of_errors() {
    let backend = Backend::start().await;
    let none = with("accessLog: {mode: Sampled, sample: 0}");
    let proxy = TestProxy::start(backend.address).under(&none);
    ask(proxy.address, GET).await;
    ask(proxy.address, NOWHERE).await;
    let proxy = proxy.under(&with("accessLog: {mode: Sampled, sample: 1}"));
    ask(proxy.address, GET).await;
    let lines = proxy.log.wait_for(2).await;
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(404), Some(200)]);
}

#[tokio::test]
async fn a_line_says_who_is_at_fault_and_never_a_token_or_a_query() {
    let refused = TestProxy::start("127.0.0.1:1".parse().expect("an address")).under(OPEN);
    assert_eq!(ask(refused.address, GET).await.status, 503);
    let lines = refused.log.wait_for(1).await;
    assert_eq!(field(&lines[0], "fault"), "backend");
    assert_eq!(field(&lines[0], "reason"), "BackendUnreachable");
    assert_eq!(field(&lines[0], "phase"), "connect");
    assert_eq!(field(&lines[0], "backend"), "127.0.0.1:1");
    assert_eq!(field(&lines[0], "operation"), "listShelves");

    let failing = Backend::answering(|_| {
        Reply::Keep(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec())
    });
    let proxy = TestProxy::start(failing.await.address).under(OPEN);
    assert_eq!(ask(proxy.address, GET).await.status, 500);
    let lines = [lines, proxy.log.wait_for(1).await].concat();
    assert_eq!(field(&lines[1], "fault"), "backend");
    assert_eq!(field(&lines[1], "source"), "backend");

    let broken = Backend::answering(|_| {
        Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec())
    });
    let proxy = TestProxy::start(broken.await.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    client.rest().await;
    let lines = [lines, proxy.log.wait_for(1).await].concat();
    assert_eq!(lines[2]["broken_off"], true);
    assert_eq!(lines[2]["status"], 200);
    assert_eq!(field(&lines[2], "reason"), "BackendReset");

    let without = TestProxy::start("127.0.0.1:1".parse().expect("an address"));
    assert_eq!(ask(without.address, GET).await.status, 503);
    let lines = [lines, without.log.wait_for(1).await].concat();
    assert_eq!(field(&lines[3], "fault"), "policy");
    assert_eq!(field(&lines[3], "reason"), "NoPolicy");

    for line in lines {
        assert!(!line.to_string().contains("secret"), "{line}");
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_read_has_no_method() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let smuggled = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(ask(proxy.address, smuggled).await.status, 400);
    let lines = proxy.log.wait_for(1).await;
    assert_eq!(field(&lines[0], "reason"), "BadFraming");
    assert_eq!(field(&lines[0], "method"), "-");
    let metrics = crate::admin::metrics(&proxy).await;
    let counted = metrics.lines().any(|line| {
        line.starts_with("endpoints_requests_total") && line.contains("method=\"OTHER\"")
    });
    assert!(counted, "{metrics}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_as_such() {
    let backend = Backend::answering(|_| Reply::Stall(Vec::new())).await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    patient(async {
        while backend.requests().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(client);
    let lines = proxy.log.wait_for(1).await;
    assert_eq!(lines[0]["status"], 499);
    assert_eq!(field(&lines[0], "fault"), "client");
}

/// Behind the hops that the policy trusts, the client is who they say.
#[tokio::test]
async fn the_client_is_the_one_behind_trusted_hops() {
    let backend = Backend::start().await;
    let proxy =
        TestProxy::start(backend.address).under(&with("headers: {forwarded: {trustedHops: 1}}"));
    let request = NOWHERE.replace("\r\n\r\n", "\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n");
    ask(proxy.address, &request).await;
    let lines = proxy.log.wait_for(1).await;
    assert_eq!(field(&lines[0], "client"), "203.0.113.7");
}

/// A stdout that takes nothing until it is let.
#[derive(Clone, Default)]
struct Blocked(Arc<(Mutex<bool>, Condvar)>);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (open, changed) = &*self.0;
        let mut open = open.lock().expect("no thread panics");
        while !*open {
            open = changed.wait(open).expect("no thread panics");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_stdout_that_nobody_reads_blocks_no_request() {
    let backend = Backend::start().await;
    let stdout = Blocked::default();
    let proxy = TestProxy::telling(
        LogOutput::to(stdout.clone()),
        None,
        tls::built_in_roots(),
        backend.address,
        Limits::default(),
        1,
    )
    .under(&with("accessLog: {mode: All}"));
    let mut client = Client::connect(proxy.address).await;
    // More than the queue holds.
    for _ in 0..6000 {
        assert_eq!(client.ask(NOWHERE).await.status, 404);
    }
    let dropped = |text: &str| -> u64 {
        let name = "endpoints_access_log_lines_dropped_total ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|count| count.parse().ok()).expect("a number")
    };
    let count = dropped(&metrics(&proxy).await);
    assert!((500..5000).contains(&count), "{count}");
    // It also ends, though nobody reads the last lines.
    patient(proxy.stop()).await;
    *stdout.0.0.lock().expect("no thread panics") = true;
    stdout.0.1.notify_all();
}
