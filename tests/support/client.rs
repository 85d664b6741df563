//! A client on a raw socket: sends what it is told, byte by byte, and reads answers as they come.
#![allow(dead_code, missing_docs)]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here takes; what lasts longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
    pub trailers: Vec<String>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = patient(TcpStream::connect(address))
            .await
            .expect("the proxy listens");
        Self::over(stream)
    }

    /// Over a connection that is there.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        patient(self.stream.write_all(bytes.as_ref()))
            .await
            .expect("the proxy reads");
    }

    /// Sends a request and reads the answer.
    pub async fn ask(&mut self, request: &str) -> Answer {
        self.send(request).await;
        if request.starts_with("HEAD ") {
            self.answer_to_head().await
        } else {
            self.answer().await
        }
    }

    /// The same; None: the connection is closed instead.
    pub async fn try_ask(&mut self, request: &str) -> Option<Vec<u8>> {
        let _ = self.stream.write_all(request.as_bytes()).await;
        let first = self.some().await;
        (!first.is_empty()).then_some(first)
    }

    /// Reads a whole answer.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.answer_to_head().await;
        let body = match (
            answer.value("content-length"),
            answer.value("transfer-encoding"),
        ) {
            (Some(length), None) => {
                let length: usize = length.parse().expect("a length");
                while self.buffer.len() < length {
                    self.more().await.expect("the whole body");
                }
                self.buffer.drain(..length).collect()
            }
            (None, Some(coding)) => {
                assert_eq!(coding, "chunked");
                self.chunks(&mut answer.trailers).await
            }
            (None, None) if matches!(answer.status, 204 | 304) => Vec::new(),
            other => panic!("no framing: {other:?} in {answer:?}"),
        };
        answer.body = String::from_utf8(body).expect("text");
        answer
    }

    /// Reads the head of an answer, and nothing of a body.
    pub async fn answer_to_head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = super::backend::find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if self.more().await.is_none() {
                panic!(
                    "closed before an answer, with {:?}",
                    String::from_utf8_lossy(&self.buffer)
                );
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).expect("text");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .expect("a status");
        Answer {
            status,
            head,
            body: String::new(),
            trailers: Vec::new(),
        }
    }

    /// Reads until the proxy closes; returns what came.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await.is_some() {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether an answer begins, instead of the connection being closed.
    pub async fn rest_or_answer(&mut self) -> bool {
        !self.some().await.is_empty()
    }

    /// One more chunk of bytes, as it came from the socket.
    pub async fn some(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.more().await;
        }
        std::mem::take(&mut self.buffer)
    }

    async fn chunks(&mut self, trailers: &mut Vec<String>) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await;
            let size = usize::from_str_radix(&line, 16).expect("a chunk size");
            if size == 0 {
                break;
            }
            while self.buffer.len() < size + 2 {
                self.more().await.expect("the whole chunk");
            }
            body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
        }
        loop {
            match self.line().await {
                line if line.is_empty() => return body,
                line => trailers.push(line),
            }
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(at) = super::backend::find(&self.buffer, b"\r\n") {
                let line = String::from_utf8(self.buffer.drain(..at).collect()).expect("text");
                self.buffer.drain(..2);
                return line;
            }
            self.more().await.expect("a whole line");
        }
    }

    /// None: closed, or reset.
    async fn more(&mut self) -> Option<()> {
        match patient(self.stream.read_buf(&mut self.buffer)).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

impl Answer {
    /// All values of a header.
    pub fn values(&self, name: &str) -> Vec<&str> {
        header_values(&self.head, name)
    }

    /// The only value of a header.
    pub fn value(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() <= 1, "{name}: {values:?}");
        values.first().copied()
    }

    /// The JSON body's `reason`.
    pub fn reason(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect(&self.body);
        assert_eq!(body["code"], self.status, "{self:?}");
        body["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// One request over a connection of its own.
pub async fn ask(address: SocketAddr, request: &str) -> Answer {
    Client::connect(address).await.ask(request).await
}

pub async fn patient<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future)
        .await
        .expect("nothing here takes this long")
}

/// All values of a header in the text of a head.
pub fn header_values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim())
        .collect()
}
