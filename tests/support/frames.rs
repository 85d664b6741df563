//! HTTP/2 on a raw socket: frames as they are told, and as they come.
#![allow(dead_code, missing_docs)]

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::patient;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;

pub struct Frames {
    pub stream: TcpStream,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frames {
    /// Connects with prior knowledge and settings of its own.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = patient(TcpStream::connect(address))
            .await
            .expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let mut frames = Self { stream };
        frames.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        // No table of fields: what comes can be read by itself.
        frames.send(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]).await;
        frames
    }

    /// Whether the other side still takes bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        patient(self.stream.write_all(bytes)).await.is_ok()
    }

    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&frame(kind, flags, stream, payload)).await
    }

    /// A whole GET on this stream.
    pub async fn get(&mut self, stream: u32, path: &str) -> bool {
        let block = head("GET", path, &[]);
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &block)
            .await
    }

    /// The next frame; None: closed.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        patient(self.stream.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        patient(self.stream.read_exact(&mut payload)).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
            payload,
        })
    }

    /// The next frame of this kind; settings and pings are answered on the way.
    pub async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            match frame.kind {
                SETTINGS | PING if frame.flags & ACK == 0 => {
                    let payload = if frame.kind == PING {
                        &*frame.payload
                    } else {
                        &[]
                    };
                    self.send(frame.kind, ACK, 0, payload).await;
                }
                _ => {}
            }
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}

impl Frame {
    /// The error code of RST_STREAM.
    pub fn error(&self) -> u32 {
        let code = match self.kind {
            GOAWAY => &self.payload[4..8],
            _ => &self.payload[..4],
        };
        u32::from_be_bytes(code.try_into().expect("four bytes"))
    }

    /// Of an answer that begins with a status of the static table (RFC 7541 appendix A).
    pub fn status(&self) -> u16 {
        // A change of the table's size may come first.
        let sizes = self.payload.iter().take_while(|byte| *byte & 0xe0 == 0x20);
        let payload = &self.payload[sizes.count()..];
        match payload[0] {
            0x88 => 200,
            0x89 => 204,
            0x8c => 400,
            0x8d => 404,
            0x8e => 500,
            // A literal, its name `:status` by index.
            0x08 | 0x48 => {
                let length = usize::from(payload[1] & 0x7f);
                let huffman = payload[1] & 0x80 != 0;
                let text = &payload[2..2 + length];
                match (huffman, text) {
                    (false, text) => String::from_utf8_lossy(text).parse().expect("a status"),
                    (true, text) => digits(text).parse().expect("a status"),
                }
            }
            other => panic!("not a status: {other:#x}"),
        }
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A block of fields, all literal.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal that is not indexed.
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

pub fn head(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", path),
    ];
    fields.extend_from_slice(more);
    block(&fields)
}

/// A number with a prefix of seven bits (RFC 7541 section 5.1).
fn length(length: usize, block: &mut Vec<u8>) {
    let byte = |number: usize| u8::try_from(number).expect("a byte");
    if length < 127 {
        block.push(byte(length));
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(byte(rest % 128) | 128);
        rest /= 128;
    }
    block.push(byte(rest));
}

/// Digits in the code of RFC 7541 appendix B: 0, 1 and 2 take five bits, the others six.
fn digits(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut rest = &*bits;
    let mut text = String::new();
    while text.len() < 3 {
        let short = ["00000", "00001", "00010"];
        if let Some(digit) = short.iter().position(|code| rest.starts_with(code)) {
            text.push_str(&digit.to_string());
            rest = &rest[5..];
        } else {
            let code = u8::from_str_radix(&rest[..6], 2).expect("bits");
            text.push_str(&(code - 0b01_1001 + 3).to_string());
            rest = &rest[6..];
        }
    }
    text
}
