//! A client that takes whatever comes: an answer, or the end of the connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
}

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends, and reads a whole answer; None: there came none.
    pub async fn ask(&mut self, request: &[u8]) -> Option<Answer> {
        self.send(request).await?;
        self.answer(request.starts_with(b"HEAD ")).await
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()
    }

    /// Sends in pieces, with pauses.
    pub async fn trickle(&mut self, bytes: &[u8], piece: usize) -> Option<()> {
        for piece in bytes.chunks(piece) {
            self.send(piece).await?;
            sleep(Duration::from_millis(20)).await;
        }
        Some(())
    }

    pub async fn answer(&mut self, to_head: bool) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer(to_head)).await.ok()?
    }

    async fn read_answer(&mut self, to_head: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        self.buffer.drain(..end);
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer {
            status,
            body: Vec::new(),
            head,
        };
        if to_head || matches!(status, 204 | 304) {
            return Some(answer);
        }
        if answer.value("transfer-encoding") == Some("chunked") {
            loop {
                let line = self.line().await?;
                let size = usize::from_str_radix(&line, 16).ok()?;
                while self.buffer.len() < size + 2 {
                    self.more().await?;
                }
                answer.body.extend(self.buffer.drain(..size));
                self.buffer.drain(..2);
                if size == 0 {
                    return Some(answer);
                }
            }
        }
        let length: usize = answer.value("content-length")?.parse().ok()?;
        while self.buffer.len() < length {
            self.more().await?;
        }
        answer.body.extend(self.buffer.drain(..length));
        Some(answer)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
                self.buffer.drain(..at + 2);
                return Some(line);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(1..) => Some(()),
            _ => None,
        }
    }
}

impl Answer {
    pub fn value(&self, name: &str) -> Option<&str> {
        let fields = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(own, _)| *own == name);
        values.next().map(|(_, value)| value.trim())
    }

    /// Whether another request may follow.
    pub fn keeps(&self) -> bool {
        self.value("connection") != Some("close")
    }
}
