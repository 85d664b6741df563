use super::*;
use crate::push::wire::PodRef;

#[test]
fn namespace_that_floods_does_not_crowd_out_another() {
    let (events, mut notices) = Events::queue();
    for _ in 0..2 * QUEUE {
        events.tell(mk_notice("loud"));
    }
    events.tell(mk_notice("quiet"));
    let mut told = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        leave(&events.waiting, notice.namespace());
        told.push(notice.namespace().to_owned());
    }
    assert_eq!(told.len(), QUEUE_OF_NAMESPACE + 1);
    assert_eq!(told.last().unwrap(), "quiet");
    assert!(
        events.waiting.lock().unwrap().is_empty(),
        "nothing is kept of either"
    );
    events.tell(mk_notice("loud"));
    assert!(notices.try_recv().is_ok(), "there is room again");
}

fn mk_notice(namespace: &str) -> Notice {
    Notice::ServiceNotFound {
        pod: PodRef {
            namespace: namespace.into(),
            name: "a".into(),
            uid: "1".into(),
        },
        service: "bookstore".into(),
        outlived: false,
    }
}
