use std::convert::Infallible;

use futures_util::{FutureExt, StreamExt};
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::*;

fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

/// So many bytes, and then nothing more but no end either.
fn dawdling(bytes: usize) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let chunks = vec![Bytes::from(vec![b' '; 16 * 1024]); bytes / (16 * 1024)];
    let chunks = futures_util::stream::iter(chunks).map(|chunk| Ok(Frame::data(chunk)));
    StreamBody::new(chunks.chain(futures_util::stream::pending()))
}

fn whole(bytes: usize) -> http_body_util::Full<Bytes> {
    http_body_util::Full::from(vec![b' '; bytes])
}

#[tokio::test(start_paused = true)]
async fn large_reviews_that_dawdle_take_the_share_of_their_address_and_no_more() {
    let bodies = Bodies::new(3, 2);
    let mut dawdlers: Vec<_> = (0..8)
        .map(|_| Box::pin(bodies.read(address(1), dawdling(SMALL * 2))))
        .collect();
    for dawdler in &mut dawdlers {
        assert!(dawdler.as_mut().now_or_never().is_none());
    }
    assert_eq!(bodies.taken()[&address(1)], 2);
    // Small ones need no place, large ones of others have the rest.
    for (from, size) in [(1, SMALL), (2, SMALL + 1), (2, MAX_REVIEW)] {
        let arrived = bodies.read(address(from), whole(size)).now_or_never();
        assert_eq!(arrived.unwrap().unwrap().bytes.len(), size);
    }
    let waits = bodies.read(address(1), whole(SMALL + 1));
    assert_eq!(waits.await.unwrap_err(), Missing::Late);
}

#[tokio::test(start_paused = true)]
async fn a_large_review_waits_until_another_left() {
    let bodies = Bodies::new(1, 1);
    let first = bodies.read(address(1), whole(MAX_REVIEW)).await.unwrap();
    let mut second = Box::pin(bodies.read(address(2), whole(MAX_REVIEW)));
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    drop(first);
    drop(second.await.unwrap());
    assert!(bodies.taken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_or_never_ends_is_given_up_and_leaves_its_place() {
    let bodies = Bodies::new(1, 1);
    let large = bodies.read(address(1), dawdling(MAX_REVIEW + 16 * 1024));
    assert_eq!(large.await.unwrap_err(), Missing::TooLarge);
    let slow = bodies.read(address(1), dawdling(MAX_REVIEW));
    assert_eq!(slow.await.unwrap_err(), Missing::Late);
    assert!(bodies.taken().is_empty());
}
