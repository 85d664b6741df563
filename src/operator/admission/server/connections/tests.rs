use super::*;

#[tokio::test]
async fn one_address_cannot_take_all_and_gets_room_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::default();
    let mut clients = Vec::new();
    let mut permits = Vec::new();
    for _ in 0..PER_ADDRESS {
        clients.push(TcpStream::connect(address).await.unwrap());
        permits.push(connections.accept(&listener).await.unwrap());
    }
    let extra = TcpStream::connect(address).await.unwrap();
    let closed = async {
        tokio::select! {
            _ = connections.accept(&listener) => panic!("one more was let in"),
            read = async { extra.readable().await.map(|()| extra.try_read(&mut [0])) } => read,
        }
    };
    assert!(
        !matches!(closed.await.unwrap(), Ok(1..)),
        "the extra connection was closed"
    );

    permits.pop();
    let _next = TcpStream::connect(address).await.unwrap();
    connections.accept(&listener).await.unwrap();
}

#[test]
fn a_mapped_address_is_the_same_address() {
    let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
    let plain: IpAddr = "192.0.2.1".parse().unwrap();
    assert_eq!(mapped.to_canonical(), plain);
}
