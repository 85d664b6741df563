use std::future::poll_fn;
use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn fires_at_the_deadline_it_was_moved_to() {
    let start = Instant::now();
    let mut timer = LazyTimer::default();
    timer.set(start + Duration::from_secs(10));
    assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending());

    timer.set(start + Duration::from_secs(30));
    poll_fn(|cx| timer.poll(cx)).await;
    assert_eq!(start.elapsed().as_secs(), 30, "moved later");
    assert!(!timer.is_set());

    timer.set(start + Duration::from_secs(600));
    assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending());
    timer.set(start + Duration::from_secs(40));
    poll_fn(|cx| timer.poll(cx)).await;
    assert_eq!(start.elapsed().as_secs(), 40, "moved earlier");
}

#[tokio::test(start_paused = true)]
async fn never_fires_without_a_deadline() {
    let mut timer = LazyTimer::default();
    timer.set(Instant::now() + Duration::from_secs(1));
    timer.clear();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx))).await.is_pending());
}
