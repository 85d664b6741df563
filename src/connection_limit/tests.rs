use tokio::io::AsyncReadExt;

use super::*;

#[tokio::test]
async fn an_address_has_a_share_and_gets_it_back() {
    let limit = ConnectionLimit::new(8, 2);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    for _ in 0..2 {
        let peer = TcpStream::connect(address).await.unwrap();
        held.push((peer, limit.accept(&listener).await.unwrap()));
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    tokio::select! {
        _ = limit.accept(&listener) => panic!("one more than the share"),
        end = refused.read_u8() => {
            assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        }
    }
    held.pop();
    let _peer = TcpStream::connect(address).await.unwrap();
    limit.accept(&listener).await.unwrap();
}

#[tokio::test]
async fn more_than_all_wait_for_room() {
    let limit = ConnectionLimit::new(1, 8);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _first = TcpStream::connect(address).await.unwrap();
    let (_, _, permit) = limit.accept(&listener).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    let mut next = Box::pin(limit.accept(&listener));
    assert!(futures_util::poll!(next.as_mut()).is_pending());
    drop(permit);
    next.await.unwrap();
}

#[test]
fn addresses_are_forgotten_with_their_last_connection() {
    let limit = ConnectionLimit::new(8, 8);
    let address = IpAddr::from([10, 0, 0, 1]);
    assert!(limit.addresses.enter(address) && limit.addresses.enter(address));
    limit.addresses.leave(address);
    assert_eq!(limit.addresses.counts.lock().unwrap()[&address], 1);
    limit.addresses.leave(address);
    assert!(limit.addresses.counts.lock().unwrap().is_empty());
}
