use tokio::task::LocalSet;

use super::*;

fn socket(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

#[test]
fn families_take_turns_and_link_local_addresses_are_left_out() {
    let found = [
        "[2001:db8::1]:80",
        "[2001:db8::2]:80",
        "[2001:db8::3]:80",
        "169.254.169.254:80",
        "[fe80::1]:80",
        "[::ffff:169.254.0.1]:80",
        "10.0.0.1:80",
        "10.0.0.2:80",
    ];
    let ordered = in_order(found.map(socket).to_vec());
    let expected = [
        "[2001:db8::1]:80",
        "10.0.0.1:80",
        "[2001:db8::2]:80",
        "10.0.0.2:80",
        "[2001:db8::3]:80",
    ];
    assert_eq!(*ordered, expected.map(socket));
    let many = (1..=100)
        .map(|n| socket(&format!("10.0.0.{n}:80")))
        .collect();
    assert_eq!(in_order(many).len(), MAX_ADDRESSES);
}

fn resolver_that_knows(addresses: &[&str]) -> Resolver {
    let resolver = Resolver::new("does-not-exist.invalid", 80);
    let known = addresses.iter().map(|address| socket(address)).collect();
    resolver.0.note(Ok(known)).expect("some");
    resolver
}

fn failed() -> io::Result<Addresses> {
    Err(io::Error::other("no such name"))
}

async fn in_virtual_time(test: impl Future<Output = ()>) {
    tokio::time::pause();
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn what_is_known_is_used_without_waiting_and_outlives_the_name_for_some_time() {
    in_virtual_time(async {
        let resolver = resolver_that_knows(&["10.0.0.1:80"]);
        for wait in [0, 29, 31] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            let addresses = resolver.addresses().now_or_never().expect("at once");
            assert_eq!(*addresses.expect("known"), [socket("10.0.0.1:80")]);
        }
        resolver.0.note(failed()).expect_err("still known");
        assert!(resolver.0.known().is_some());
        tokio::time::advance(USED_FOR).await;
        resolver.0.note(failed()).expect_err("no longer known");
        assert!(resolver.0.known().is_none());
        let again = resolver.addresses().now_or_never().expect("at once");
        assert_eq!(again.expect_err("just failed").to_string(), "no such name");
    })
    .await;
}

#[tokio::test]
async fn addresses_where_nobody_is_are_looked_up_again_but_not_at_every_request() {
    in_virtual_time(async {
        let resolver = resolver_that_knows(&["10.0.0.1:80"]);
        resolver.note_exhausted();
        assert!(resolver.addresses().now_or_never().is_some(), "just known");
        tokio::time::advance(AGAIN_AFTER).await;
        assert!(resolver.addresses().now_or_never().is_none(), "looks it up");
        assert!(resolver.0.running.borrow().is_some());
    })
    .await;
}
