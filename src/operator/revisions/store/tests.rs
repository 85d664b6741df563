use std::cell::RefCell;

use kube::core::Status;
use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn read_that_fails_is_tried_again_until_there_is_an_answer() {
    let started = Instant::now();
    let tries = RefCell::new(Vec::new());
    let read = || {
        let mut tries = tries.borrow_mut();
        tries.push(started.elapsed().as_secs());
        let found = match tries.len() {
            10.. => Ok("the source"),
            // A right that is granted too late is a failure like any other.
            even if even % 2 == 0 => Err(api_error(403)),
            _ => Err(api_error(500)),
        };
        async { found }
    };
    let failures = RefCell::new(0);
    let found = read_in_the_end(read, |_| *failures.borrow_mut() += 1).await;
    assert_eq!(found, Some("the source"));
    assert_eq!(tries.into_inner(), [0, 1, 3, 7, 15, 31, 61, 91, 121, 151]);
    assert_eq!(failures.into_inner(), 9, "each is told");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_not_waited_for() {
    let started = Instant::now();
    let read = || async { Err::<(), _>(api_error(404)) };
    assert_eq!(read_in_the_end(read, |_| ()).await, None);
    assert!(started.elapsed().is_zero());
}

fn api_error(code: u16) -> kube::Error {
    kube::Error::Api(Box::new(Status {
        code,
        ..Status::default()
    }))
}
