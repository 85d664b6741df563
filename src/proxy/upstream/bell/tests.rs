use super::*;

#[derive(Default)]
struct Task(AtomicBool);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_rings_while_the_task_is_at_work_is_noted_and_wakes_nobody() {
    let (bell, task) = (Bell::new(), Arc::new(Task::default()));
    assert!(bell.take(), "the first poll takes place");
    bell.wait(&task.clone().into());
    bell.mute();
    bell.waker.wake_by_ref();
    assert!(!task.0.load(Ordering::Relaxed));
    assert!(bell.take());
    assert!(!bell.is_rung());
}

#[test]
fn what_rings_while_the_task_waits_wakes_it() {
    let (bell, task) = (Bell::new(), Arc::new(Task::default()));
    bell.take();
    bell.wait(&task.clone().into());
    assert!(!task.0.load(Ordering::Relaxed));
    bell.waker.wake_by_ref();
    assert!(task.0.load(Ordering::Relaxed));
    assert!(bell.is_rung(), "and the connection is polled");
}

#[test]
fn what_rang_before_the_task_waits_wakes_it() {
    let (bell, task) = (Bell::new(), Arc::new(Task::default()));
    bell.wait(&task.clone().into());
    assert!(task.0.load(Ordering::Relaxed));
}

#[test]
fn a_task_that_left_is_neither_woken_nor_kept() {
    let (bell, task) = (Bell::new(), Arc::new(Task::default()));
    bell.take();
    bell.wait(&task.clone().into());
    bell.leave();
    bell.waker.wake_by_ref();
    assert!(!task.0.load(Ordering::Relaxed));
    assert_eq!(Arc::strong_count(&task), 1);
    assert!(bell.is_rung(), "by the socket: the backend may have closed");
}

#[test]
fn what_a_task_rings_before_it_leaves_is_forgotten_and_what_the_socket_rang_is_not() {
    let bell = Bell::new();
    bell.take();
    bell.waker.wake_by_ref();
    bell.leave();
    assert!(!bell.is_rung());

    bell.wait(Waker::noop());
    bell.waker.wake_by_ref();
    bell.mute();
    bell.leave();
    assert!(bell.is_rung());
}
