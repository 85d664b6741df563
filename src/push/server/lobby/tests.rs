use super::*;

fn address(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    IpAddr::from([10, 0, high, low])
}

#[test]
fn a_crowd_makes_room_for_those_who_came_alone() {
    let mut guests = Guests::default();
    for number in 0..MOST {
        let silent = address(u16::try_from(number / MOST_PER_ADDRESS).unwrap());
        assert!(matches!(guests.admit(silent), Admission::In(_, None)));
    }
    assert!(guests.has_room());
    let Admission::In(_, Some(evicted)) = guests.admit(address(1000)) else {
        panic!("there is room");
    };
    let gone = guests.leave(evicted).unwrap();
    assert_eq!(guests.addresses[&gone.address].len(), MOST_PER_ADDRESS - 1);
    assert!(evicted < guests.addresses[&gone.address].first().copied().unwrap());
}

#[test]
fn a_herd_of_one_connection_each_waits_and_nobody_goes() {
    let mut guests = Guests::default();
    for number in 0..MOST {
        let admission = guests.admit(address(u16::try_from(number).unwrap()));
        assert!(matches!(admission, Admission::In(_, None)));
    }
    assert!(!guests.has_room());
    guests.leave(1).unwrap();
    assert!(guests.has_room());
}

#[test]
fn an_address_that_has_many_gets_no_more_and_is_forgotten_when_they_are_gone() {
    let mut guests = Guests::default();
    for _ in 0..MOST_PER_ADDRESS {
        assert!(matches!(guests.admit(address(1)), Admission::In(_, None)));
    }
    assert_eq!(guests.admit(address(1)), Admission::Refused);
    assert!(matches!(guests.admit(address(2)), Admission::In(_, None)));
    let all: Vec<_> = guests.waiting.keys().copied().collect();
    for id in all {
        guests.leave(id);
    }
    assert!(guests.addresses.is_empty());
}

#[tokio::test(start_paused = true)]
async fn connections_come_in_bursts_and_then_at_a_pace() {
    let lobby = Lobby::default();
    let start = Instant::now();
    for _ in 0..BURST + 2000 {
        lobby.room().await;
        drop(lobby.enter(address(1)).unwrap());
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(2) - 2 * INTERVAL, "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}
