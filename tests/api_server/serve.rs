//! A server of key sets that says what a test tells it.

use std::io::{Read, Write};
use std::net::TcpListener;

/// Answers everyone with the same bytes, for as long as the process lives; its URL.
pub fn always(answer: &str) -> String {
    let answer = answer.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            // Whoever was told too much hangs up.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/keys")
}

/// An answer of HTTP/1.1.
pub fn http(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
