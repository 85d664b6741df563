//! A backend that says what it was asked, notices what must not reach it, and can be restarted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Requests with this header must be refused before they come here.
pub const REFUSED: &str = "x-soak: refused";

#[derive(Debug, Default)]
pub struct Seen {
    /// Requests that came.
    pub requests: AtomicU64,
    /// Those that must not have.
    pub wrongly: AtomicU64,
}

/// Serves until it is dropped, which resets its connections.
pub struct Backend(tokio::task::JoinHandle<()>);

impl Backend {
    pub fn start(address: SocketAddr, seen: Arc<Seen>) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("a socket");
        socket.bind(address).expect("the port is ours");
        let listener = socket.listen(1024).expect("the port is ours");
        Self(tokio::spawn(accept(listener, seen)))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, seen.clone()));
                }
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Seen>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer
                .windows(4)
                .position(|four: &[u8]| four == b"\r\n\r\n")
            {
                break at + 4;
            }
            more(&mut stream, &mut buffer).await?;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        seen.requests.fetch_add(1, Ordering::Relaxed);
        let lower = head.to_ascii_lowercase();
        if lower.contains(REFUSED) {
            seen.wrongly.fetch_add(1, Ordering::Relaxed);
        }
        let value = |name: &str| {
            let mut lines = lower
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(':'));
            let value = lines.find(|(own, _)| *own == name)?.1.trim();
            Some(value.to_owned())
        };
        let mut sum = 0;
        if let Some(length) = value("content-length") {
            let length: usize = length.parse().ok()?;
            while buffer.len() < length {
                more(&mut stream, &mut buffer).await?;
            }
            sum = buffer.drain(..length).map(u64::from).sum();
        } else if value("transfer-encoding").is_some() {
            loop {
                let at = loop {
                    match buffer.windows(2).position(|two| two == b"\r\n") {
                        Some(at) => break at,
                        None => more(&mut stream, &mut buffer).await?,
                    }
                };
                let size = std::str::from_utf8(&buffer[..at]).ok()?;
                let size = usize::from_str_radix(size, 16).ok()?;
                buffer.drain(..at + 2);
                while buffer.len() < size + 2 {
                    more(&mut stream, &mut buffer).await?;
                }
                sum += buffer.drain(..size).map(u64::from).sum::<u64>();
                buffer.drain(..2);
                if size == 0 {
                    break;
                }
            }
        }
        let target = head.split(' ').nth(1).unwrap_or_default();
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        // Names are in lower case by the proxy; values as they came.
        let exact = |name: &str| {
            let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
            let mut values = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
            values
                .next()
                .map_or("", |(_, value)| value.trim())
                .to_owned()
        };
        let body = format!(
            "{} {} {sum}",
            exact("x-id"),
            exact("x-endpoint-api-userinfo")
        );
        match path {
            "/v1/slow/1" => sleep(Duration::from_millis(150)).await,
            "/v1/broken/1" => {
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegun";
                let _ = stream.write_all(answer.as_bytes()).await;
                return None;
            }
            _ => {}
        }
        let answer = match path {
            "/v1/chunked/1" => {
                let (first, second) = body.split_at(body.len() / 2);
                format!(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                    first.len(),
                    second.len()
                )
            }
            "/v1/large/1" => {
                let body = format!("{body} {}", "x".repeat(200_000));
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            _ => format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(1..) => Some(()),
        _ => None,
    }
}
