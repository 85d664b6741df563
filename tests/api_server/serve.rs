//! A server of key sets that says what a test tells it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

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

/// A server of one key set that can change.
pub struct KeyServer {
    pub uri: String,
    set: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl KeyServer {
    pub fn start(set: String) -> Self {
        let set = Arc::new(Mutex::new(set));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (served, noted) = (set.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                noted.lock().unwrap().push(Instant::now());
                let answer = http(200, &served.lock().unwrap());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self {
            uri: format!("http://{address}/keys"),
            set,
            asked,
        }
    }

    /// From now on these are the keys.
    pub fn rotate(&self, set: String) {
        *self.set.lock().unwrap() = set;
    }

    /// When it was asked.
    pub fn asked(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().clone()
    }
}

/// An answer of HTTP/1.1.
pub fn http(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
