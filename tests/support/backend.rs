//! A backend on raw sockets that records what reaches it, byte by byte.
#![allow(dead_code, missing_docs)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::header_values;

/// A request as it came: the head's text, and the body with its framing removed.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub head: String,
    pub body: Vec<u8>,
    /// Trailers, as lines.
    pub trailers: Vec<String>,
    /// The how-manieth connection it came over, from 0.
    pub connection: usize,
}

/// What the backend does with a request.
pub enum Reply {
    /// Writes this and keeps the connection.
    Keep(Vec<u8>),
    /// Writes this and closes.
    Close(Vec<u8>),
    /// Writes this, then waits for ever.
    Stall(Vec<u8>),
}

#[derive(Clone)]
pub struct Backend {
    pub address: SocketAddr,
    records: Arc<Mutex<Vec<Recorded>>>,
}

impl Backend {
    /// Answers every request with 200 and `ok`.
    pub async fn start() -> Self {
        Self::answering(|_| Reply::Keep(ok("ok"))).await
    }

    /// Answers each request as told.
    pub async fn answering(answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        let records: Arc<Mutex<Vec<Recorded>>> = Arc::default();
        let answer = Arc::new(answer);
        let noted = records.clone();
        let address = raw(move |mut stream, connection| {
            let (answer, records) = (answer.clone(), noted.clone());
            async move {
                let mut buffer = Vec::new();
                while let Some(mut request) = read_request(&mut stream, &mut buffer).await {
                    request.connection = connection;
                    let reply = answer(&request);
                    records
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(request);
                    match reply {
                        Reply::Keep(bytes) => {
                            if stream.write_all(&bytes).await.is_err() {
                                return;
                            }
                        }
                        Reply::Close(bytes) => {
                            let _ = stream.write_all(&bytes).await;
                            return;
                        }
                        Reply::Stall(bytes) => {
                            let _ = stream.write_all(&bytes).await;
                            // Until the proxy gives up.
                            let _ = stream.read(&mut [0; 1]).await;
                            return;
                        }
                    }
                }
            }
        })
        .await;
        Self { address, records }
    }

    /// What has come so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The only request that has come.
    pub fn only(&self) -> Recorded {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }
}

impl Recorded {
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// All values of a header.
    pub fn values(&self, name: &str) -> Vec<&str> {
        header_values(&self.head, name)
    }
}

/// A whole answer with a length.
pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A backend that hands each connection, with its number, to a handler.
pub async fn raw<F, R>(handler: F) -> SocketAddr
where
    F: Fn(TcpStream, usize) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handler(stream, number));
            number += 1;
        }
    });
    address
}

/// Reads one request; None: the connection is closed.
pub async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<Recorded> {
    let end = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end);
    let mut request = Recorded {
        head,
        body: Vec::new(),
        trailers: Vec::new(),
        connection: 0,
    };
    if request.values("transfer-encoding") == ["chunked"] {
        loop {
            let line = line(stream, buffer).await?;
            let size = usize::from_str_radix(line.split(';').next()?, 16).ok()?;
            if size == 0 {
                break;
            }
            while buffer.len() < size + 2 {
                more(stream, buffer).await?;
            }
            request.body.extend(buffer.drain(..size));
            buffer.drain(..2);
        }
        loop {
            match self::line(stream, buffer).await? {
                line if line.is_empty() => break,
                line => request.trailers.push(line),
            }
        }
    } else if let [length] = request.values("content-length")[..] {
        let length: usize = length.parse().ok()?;
        while buffer.len() < length {
            more(stream, buffer).await?;
        }
        request.body.extend(buffer.drain(..length));
    }
    Some(request)
}

async fn line(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = find(buffer, b"\r\n") {
            let line = String::from_utf8_lossy(&buffer[..at]).into_owned();
            buffer.drain(..at + 2);
            return Some(line);
        }
        more(stream, buffer).await?;
    }
}

async fn more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
