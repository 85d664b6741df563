use tokio::io::AsyncWriteExt;

use super::*;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn who_closed_before_its_turn_is_told_from_who_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"a client's hello").await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    assert!(!gave_up(&accepted).await, "it waits");
    drop(client);
    let closed = async {
        while !gave_up(&accepted).await {
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(SOON, closed).await;
    told.expect("it gave up");
}
