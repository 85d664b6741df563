//! Answers at once: 1 KiB, or as much as the path asks for; echoes WebSocket frames.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves until it is killed; prints its port.
pub async fn run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("bound").port());
    let answer = |size: usize| -> &'static [u8] {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n"
        );
        [head.as_bytes(), &vec![b'x'; size]].concat().leak()
    };
    let answers = [answer(1024), answer(64 * 1024), answer(10 * 1024 * 1024)];
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        tokio::spawn(serve(stream, answers));
    }
}

async fn serve(mut stream: TcpStream, [small, medium, large]: [&[u8]; 3]) {
    let mut seen = Vec::with_capacity(4096);
    while let Ok(1..) = stream.read_buf(&mut seen).await {
        if !seen.ends_with(b"\r\n\r\n") {
            continue;
        }
        if has(&seen, b"pgrade: websocket") {
            return echo(stream).await;
        }
        let target = seen.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        let answer = match target {
            b"/v1/items/64k" => medium,
            b"/v1/items/10m" => large,
            _ => small,
        };
        seen.clear();
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// Frames come back as they came: masked, which no client of ours minds.
async fn echo(mut stream: TcpStream) {
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
        connection: Upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    if stream.write_all(answer).await.is_err() {
        return;
    }
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut part).await {
        if stream.write_all(&part[..read]).await.is_err() {
            return;
        }
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
