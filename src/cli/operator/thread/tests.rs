use std::io::Read;
use std::pin::pin;

use tokio::io::AsyncWriteExt;

use super::*;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_blocks_the_other_runtime_does_not_keep_it_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = pin!(serve("test", listener, async |listener: TcpListener| {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"here").await.unwrap();
    }));
    tokio::select! {
        biased;
        () = serving.as_mut() => panic!("it ended"),
        () = std::future::ready(()) => {}
    }
    // On the only thread of this test's runtime.
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "here");
    let ended = tokio::time::timeout(SOON, serving).await;
    ended.expect("it ends with its part");
}

#[tokio::test]
async fn ends_when_its_part_panics() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = serve("test", listener, async |_: TcpListener| {
        panic!("of this test")
    });
    let ended = tokio::time::timeout(SOON, serving).await;
    ended.expect("it ends with its part");
}
