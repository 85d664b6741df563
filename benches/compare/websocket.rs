//! WebSocket messages of 64 bytes, each sent when the one before came back.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, timeout};

/// Prints how many came back.
pub async fn run(address: SocketAddr, connections: usize, time: Duration) {
    let messages = Rc::new(Cell::new(0_u64));
    let local = LocalSet::new();
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        clients.spawn_local_on(client(address, time, messages.clone()), &local);
    }
    local
        .run_until(async {
            while let Some(client) = clients.join_next().await {
                client.expect("a client that is answered");
            }
        })
        .await;
    println!("{}", messages.get());
}

async fn client(address: SocketAddr, time: Duration, messages: Rc<Cell<u64>>) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    let request = "GET /v1/items/ws HTTP/1.1\r\nhost: api.example.com\r\nupgrade: websocket\r\n\
        connection: Upgrade\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    // A masked text frame of 64 bytes.
    let mut frame = vec![0x81, 0x80 | 64, 1, 2, 3, 4];
    frame.extend_from_slice(&[b'x'; 64]);
    let mut back = vec![0; frame.len()];
    let end = Instant::now() + time;
    while Instant::now() < end {
        stream.write_all(&frame).await.expect("written");
        let read = timeout(Duration::from_secs(10), stream.read_exact(&mut back));
        read.await.expect("in time").expect("echoed");
        messages.set(messages.get() + 1);
    }
}
