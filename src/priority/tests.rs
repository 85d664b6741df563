use std::thread;

use rustix::process::getpriority_process;

use super::*;

fn nice() -> i32 {
    getpriority_process(None).expect("a thread has a priority")
}

#[test]
fn only_the_thread_itself_and_those_it_starts_go_behind() {
    let before = nice();
    let (own, started) = thread::spawn(|| {
        background();
        (nice(), thread::spawn(nice).join().expect("it ends"))
    })
    .join()
    .expect("it ends");
    assert_eq!((own, started), (before.max(BACKGROUND), own));
    assert_eq!(nice(), before, "the others stay as they are");
}
