use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;

const IDLE: Duration = Duration::from_secs(300);
/// What a test's sockets hold.
const SOCKET: usize = 4096;

/// The far ends of a pipe, and how it ends.
struct Ends {
    client: DuplexStream,
    backend: DuplexStream,
    end: JoinHandle<End>,
}

fn pipe(sent: &[u8], received: &[u8], ends: Option<Instant>) -> Ends {
    let (client, near_client) = duplex(SOCKET);
    let (backend, near_backend) = duplex(SOCKET);
    let (sent, received) = (BytesMut::from(sent), BytesMut::from(received));
    let end = tokio::spawn(async move {
        Pipe::new(near_client, sent, near_backend, received, IDLE, ends)
            .run()
            .await
    });
    Ends {
        client,
        backend,
        end,
    }
}

async fn read(from: &mut DuplexStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_goes_first() {
    let mut ends = pipe(b"early ", b"greeting ", None);
    ends.client.write_all(b"late").await.unwrap();
    ends.backend.write_all(b"more").await.unwrap();
    assert_eq!(read(&mut ends.backend, 10).await, b"early late");
    assert_eq!(read(&mut ends.client, 13).await, b"greeting more");
}

#[tokio::test(start_paused = true)]
async fn one_side_may_close_and_still_listen() {
    let mut ends = pipe(b"", b"", None);
    ends.client.write_all(b"question").await.unwrap();
    ends.client.shutdown().await.unwrap();
    let mut question = Vec::new();
    ends.backend.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, b"question");
    ends.backend.write_all(b"answer").await.unwrap();
    drop(ends.backend);
    let mut answer = Vec::new();
    ends.client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
    assert!(matches!(ends.end.await.unwrap(), End::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_side_that_does_not_read_stops_the_other() {
    let mut ends = pipe(b"", b"", None);
    let flood = vec![7; 1024 * 1024];
    let mut sent = 0;
    while let Ok(written) = timeout(Duration::from_secs(1), ends.client.write(&flood)).await {
        sent += written.unwrap();
    }
    assert!(sent <= 2 * SOCKET + PIECE, "{sent} bytes are held");
    // The other direction goes on, and what was held arrives.
    ends.backend.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut ends.client, 5).await, b"hello");
    assert_eq!(read(&mut ends.backend, sent).await, vec![7; sent]);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_it_and_traffic_either_way_is_none() {
    let mut ends = pipe(b"", b"", None);
    let began = Instant::now();
    for _ in 0..3 {
        sleep(IDLE * 2 / 3).await;
        ends.backend.write_all(b"x").await.unwrap();
        read(&mut ends.client, 1).await;
        sleep(IDLE * 2 / 3).await;
        ends.client.write_all(b"y").await.unwrap();
        read(&mut ends.backend, 1).await;
    }
    assert!(matches!(ends.end.await.unwrap(), End::Idle));
    assert_eq!(began.elapsed().as_secs(), (IDLE * 4 + IDLE).as_secs());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_silence() {
    let mut ends = pipe(b"", b"", None);
    let writing = tokio::spawn(async move {
        let _ = ends.client.write_all(&[0; 1024 * 1024]).await;
    });
    assert!(matches!(ends.end.await.unwrap(), End::Idle));
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn its_time_ends_it_whatever_passes() {
    let lasts = Duration::from_secs(60);
    let mut ends = pipe(b"", b"", Some(Instant::now() + lasts));
    let began = Instant::now();
    let talking = tokio::spawn(async move {
        while ends.client.write_all(b"x").await.is_ok() {
            if ends.backend.read_u8().await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    });
    assert!(matches!(ends.end.await.unwrap(), End::Expired));
    assert_eq!(began.elapsed().as_secs(), lasts.as_secs());
    talking.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_side_that_is_gone_ends_it() {
    let mut ends = pipe(b"", b"", None);
    drop(ends.backend);
    // Nothing to hear any more; what is said then has nowhere to go.
    assert_eq!(ends.client.read(&mut [0; 1]).await.unwrap(), 0);
    ends.client.write_all(b"x").await.unwrap();
    assert!(matches!(ends.end.await.unwrap(), End::Broken(_)));
}
