use super::*;
use crate::operator::compiler::Input;

fn job(namespace: &str, name: &str, ticket: u64) -> Job {
    Job {
        key: ServiceKey {
            namespace: namespace.into(),
            name: name.into(),
        },
        ticket,
        input: Input::Revision {
            name: String::new(),
            digest: String::new(),
            encoded: Err(String::new()),
        },
    }
}

fn next(queue: &mut Queue) -> Option<(String, String)> {
    let key = queue.take()?.key;
    Some((key.namespace, key.name))
}

fn done(queue: &mut Queue, namespace: &str, name: &str) {
    queue.done(&job(namespace, name, 0).key, true);
}

#[test]
fn namespace_with_much_to_do_delays_others_by_what_is_under_way_at_most() {
    let mut queue = Queue::default();
    for number in 0..100 {
        queue.push(job("loud", &number.to_string(), 1));
    }
    assert_eq!(next(&mut queue).unwrap().0, "loud");
    assert_eq!(next(&mut queue), None, "a second thread is for others");
    queue.push(job("quiet", "a", 1));
    assert_eq!(next(&mut queue).unwrap().0, "quiet");
    queue.push(job("late", "a", 1));
    assert_eq!(next(&mut queue), None);
    done(&mut queue, "loud", "0");
    assert_eq!(
        next(&mut queue).unwrap().0,
        "late",
        "before the other ninety-nine"
    );
    assert_eq!(queue.len(), 101);
}

#[test]
fn only_the_newest_of_one_service_is_compiled_and_it_keeps_its_place() {
    let mut queue = Queue::default();
    queue.push(job("shop", "a", 1));
    queue.push(job("shop", "b", 1));
    queue.push(job("shop", "a", 2));
    let first = queue.take().unwrap();
    assert_eq!((&*first.key.name, first.ticket), ("a", 2));
    // One under way is not the one that waits.
    queue.push(job("shop", "a", 3));
    assert_eq!(next(&mut queue), None, "one of a namespace at a time");
    done(&mut queue, "shop", "a");
    assert_eq!(next(&mut queue).unwrap().1, "b");
    done(&mut queue, "shop", "b");
    assert_eq!(queue.take().unwrap().ticket, 3);
    done(&mut queue, "shop", "a");
    assert!(queue.is_empty() && queue.take().is_none());
}
