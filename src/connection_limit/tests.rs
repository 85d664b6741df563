use futures_util::FutureExt;
use tokio::io::AsyncReadExt;

use super::*;

fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn enter(limit: &ConnectionLimit, number: u8, standing: Standing) -> Permit {
    let permit = limit.enter(address(number)).expect("there is room");
    permit.set(standing);
    permit
}

/// Whether it was told so, and counts no more.
fn has_to_go(permit: &Permit) -> bool {
    let told = permit.evicted().now_or_never().is_some();
    assert_eq!(told, permit.standing().is_none());
    told
}

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

#[tokio::test]
async fn who_waits_for_room_comes_in_when_another_has_nothing_to_do() {
    let limit = ConnectionLimit::new(1, 8);
    let first = enter(&limit, 1, Standing::Served);
    let mut room = Box::pin(limit.room());
    assert!(futures_util::poll!(room.as_mut()).is_pending());
    first.set(Standing::Idle);
    room.await;
    let _second = enter(&limit, 2, Standing::Served);
    assert!(has_to_go(&first));
}

#[tokio::test]
async fn the_crowd_that_was_of_no_use_makes_room_oldest_first() {
    let limit = ConnectionLimit::new(6, 4);
    let used = [(); 2].map(|()| enter(&limit, 3, Standing::Idle));
    let lone = enter(&limit, 1, Standing::Unknown);
    let crowd = [(); 3].map(|()| enter(&limit, 2, Standing::Unknown));
    let _first = enter(&limit, 4, Standing::Served);
    assert!(has_to_go(&crowd[0]) && !has_to_go(&crowd[1]));
    let _second = enter(&limit, 4, Standing::Served);
    assert!(has_to_go(&crowd[1]) && !has_to_go(&lone));
    let _third = enter(&limit, 4, Standing::Served);
    assert!(has_to_go(&lone), "of two that came alone the older one");
    let _fourth = enter(&limit, 4, Standing::Served);
    assert!(has_to_go(&crowd[2]));
    assert!(used.iter().all(|it| !has_to_go(it)), "others went first");
    let _fifth = enter(&limit, 5, Standing::Served);
    assert!(has_to_go(&used[0]) && !has_to_go(&used[1]));
}

#[tokio::test]
async fn an_address_at_its_share_makes_room_for_itself() {
    let limit = ConnectionLimit::new(8, 3);
    let other = enter(&limit, 1, Standing::Unknown);
    let served = enter(&limit, 2, Standing::Served);
    let idle = enter(&limit, 2, Standing::Idle);
    let unknown = enter(&limit, 2, Standing::Unknown);
    let _first = enter(&limit, 2, Standing::Served);
    assert!(has_to_go(&unknown) && !has_to_go(&idle));
    let _second = enter(&limit, 2, Standing::Served);
    assert!(has_to_go(&idle));
    assert!(limit.enter(address(2)).is_none(), "all are served");
    assert!(!has_to_go(&served) && !has_to_go(&other));
}

#[tokio::test(start_paused = true)]
async fn saying_nothing_for_long_makes_nobody_younger() {
    let limit = ConnectionLimit::new(2, 2);
    let [first, second] = [(); 2].map(|()| enter(&limit, 1, Standing::Unknown));
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    first.set(Standing::Unknown);
    let _newcomer = enter(&limit, 2, Standing::Served);
    assert!(has_to_go(&first) && !has_to_go(&second));
}
