//! The client and the backend.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::shop::{Case, ORIGIN};

const BODY: usize = 1024;

/// Sends the request so many times over one connection, each after the answer to the one before.
pub fn run(port: u16, case: Case, request: &str, requests: u64) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let mut answer = Vec::with_capacity(4096);
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).expect("written");
        answer.clear();
        while !complete(&answer, case) {
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
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let allowed = format!("access-control-allow-origin: {ORIGIN}\r\n");
    assert_eq!(text.contains(&allowed), case != Case::Plain, "{text}");
}

fn complete(answer: &[u8], case: Case) -> bool {
    let body = match case {
        Case::Preflight => 0,
        _ => BODY,
    };
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    head.is_some_and(|head| answer.len() >= head + 4 + body)
}

/// Answers every request with 1 KiB, on a thread for each connection; a request for an account that
/// nobody vouched for, with 500.
pub fn backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let answer = |status| {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {BODY}\r\n\r\n{}",
            "x".repeat(BODY)
        )
    };
    let (ok, unverified) = (answer("200 OK"), answer("500 Internal Server Error"));
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut part) {
        seen.extend_from_slice(&part[..read]);
        if !seen.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
        let verified = text.contains("\r\nx-endpoint-api-userinfo: ");
        let answer = match text.starts_with("get /v1/accounts") && !verified {
            true => &unverified,
            false => &ok,
        };
        seen.clear();
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
