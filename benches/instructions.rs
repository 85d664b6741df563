//! User instructions per request, by callgrind: `make bench`. Counts do not depend on how busy the
//! machine is. The proxy runs under valgrind twice, for N and for 2N requests; the difference
//! divided by N leaves start-up out.
//!
//! One program, three roles: the proxy, the backend and the client are processes of their own, so
//! that only the proxy is counted.
#![allow(clippy::print_stdout)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};

use endpoints::api::EndpointsServiceSpec;
use endpoints::policy::{Prepared, ServiceIdentity};
use endpoints::proxy::{Config, Limits, Listener, PolicyCell, Proxy, Snapshot};
use endpoints::{readiness::Readiness, shutdown, tls};

const REQUESTS: u64 = 2_000;
const BODY: usize = 1024;
const DOCUMENT: &str = "swagger: '2.0'\ninfo: {title: bench, version: '1'}\npaths:\n  /v1/items/{id}:\n    get: {operationId: getItem}\n";

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["proxy", backend] => proxy(backend.parse().expect("an address")),
        _ => measure(),
    }
}

/// Runs the proxy as a sidecar does; prints its address; ends at SIGTERM.
fn proxy(backend: SocketAddr) {
    tls::install_crypto_provider();
    let spec: EndpointsServiceSpec =
        serde_json::from_value(serde_json::json!({"openapi": {"inline": DOCUMENT}}))
            .expect("a spec");
    let identity = ServiceIdentity {
        name: "bench".to_owned(),
        namespace: "bench".to_owned(),
    };
    let policy = endpoints::policy::compile(&spec, &identity)
        .expect("the document compiles")
        .policy;
    let policies = PolicyCell::new();
    let prepared = Prepared::new(policy).expect("the policy is ours");
    policies.store(Snapshot::new(prepared, Vec::new()).expect("there are no providers"));
    let (trigger, shutdown) = shutdown::channel();
    let config = Config {
        listeners: vec![Listener {
            address: ([127, 0, 0, 1], 0).into(),
            backend: backend.into(),
        }],
        workers: NonZeroUsize::MIN,
        admin: None,
        limits: Limits::default(),
        roots: tls::built_in_roots(),
        client_certificate: None,
    };
    let running = Proxy::start(config, policies, Readiness::new(), shutdown).expect("it starts");
    println!("{}", running.addresses()[0]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(trigger.on_signal())
        .expect("signals");
    running.join();
}

fn measure() {
    let backend = backend();
    let once = count(backend, REQUESTS);
    let twice = count(backend, 2 * REQUESTS);
    println!(
        "plain proxied request: {} user instructions",
        (twice - once) / REQUESTS
    );
}

/// Instructions of a proxy that served so many requests, one after the other on one connection.
fn count(backend: SocketAddr, requests: u64) -> u64 {
    let itself = std::env::current_exe().expect("a path");
    let out = std::env::temp_dir().join(format!("callgrind.{}", std::process::id()));
    let mut proxy = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(itself)
        .args(["proxy", &backend.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("valgrind is installed");
    let address = first_line(&mut proxy).trim().parse().expect("an address");
    load(address, requests);
    let stopped = Command::new("kill")
        .arg(proxy.id().to_string())
        .status()
        .expect("kill runs");
    assert!(stopped.success());
    assert!(proxy.wait().expect("it ends").success());
    let report = std::fs::read_to_string(&out).expect("callgrind wrote");
    let _ = std::fs::remove_file(&out);
    let total = report.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "))
    });
    total.expect("a total").trim().parse().expect("a number")
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    line
}

/// What a browser's fetch sends, roughly.
fn load(address: SocketAddr, requests: u64) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = "GET /v1/items/42?fields=name HTTP/1.1\r\nhost: api.example.com\r\n\
        user-agent: bench/1\r\naccept: application/json\r\naccept-encoding: gzip, br\r\n\
        accept-language: en\r\ncookie: session=0123456789abcdef\r\n\r\n";
    let mut answer = Vec::with_capacity(4096);
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).expect("written");
        answer.clear();
        while !complete(&answer) {
            let mut part = [0; 4096];
            let read = stream.read(&mut part).expect("read");
            assert!(read > 0, "closed: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&part[..read]);
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
}

fn complete(answer: &[u8]) -> bool {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    head.is_some_and(|head| answer.len() >= head + 4 + BODY)
}

/// Answers every request with 1 KiB, on a thread for each connection.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {BODY}\r\n\r\n{}",
        "x".repeat(BODY)
    );
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.expect("a connection"), answer.clone());
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                let mut part = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut part) {
                    seen.extend_from_slice(&part[..read]);
                    if seen.ends_with(b"\r\n\r\n") {
                        seen.clear();
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}
