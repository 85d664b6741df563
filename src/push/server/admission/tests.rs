use tokio::io::AsyncReadExt;

use super::*;

#[tokio::test]
async fn an_address_has_a_share_and_gets_it_back() {
    let admission = Admission::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    for _ in 0..PER_ADDRESS {
        let peer = TcpStream::connect(address).await.unwrap();
        held.push((peer, admission.accept(&listener).await.unwrap()));
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    let accept = admission.accept(&listener);
    tokio::select! {
        _ = accept => panic!("one more than the share"),
        end = refused.read_u8() => {
            assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        }
    }
    drop(held.pop());
    let _peer = TcpStream::connect(address).await.unwrap();
    admission.accept(&listener).await.unwrap();
}

#[test]
fn addresses_are_forgotten_with_their_last_connection() {
    let counts = Arc::new(PerAddress::default());
    let in_all = Arc::new(Semaphore::new(2));
    let address = IpAddr::from([10, 0, 0, 1]);
    let permit = || {
        assert!(counts.enter(address));
        let _in_all = in_all.clone().try_acquire_owned().unwrap();
        Permit {
            address,
            per_address: counts.clone(),
            _in_all,
        }
    };
    let (first, second) = (permit(), permit());
    drop(first);
    assert_eq!(counts.0.lock().unwrap()[&address], 1);
    drop(second);
    assert!(counts.0.lock().unwrap().is_empty());
}
