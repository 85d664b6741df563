use super::*;
use crate::api::annotations::{CaptureMode, TakenPort};
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

#[test]
fn good_news_leaves_room_for_bad_news_and_says_what_was_done() {
    let (events, mut notices) = Events::queue();
    let good = Notice::Injected {
        pod: mk_ref("loud"),
        injected: Injected {
            service: "bookstore".into(),
            version: "0.1.0".into(),
            capture: CaptureMode::Redirect,
            ports: vec![TakenPort {
                name: None,
                listen: 14080,
                app: 8080,
                renamed: None,
            }],
        },
    };
    for _ in 0..QUEUE {
        events.tell(good.clone());
    }
    events.tell(mk_notice("loud"));
    let mut told = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        told.push(notice);
    }
    assert_eq!(told.len(), QUEUE_OF_NAMESPACE / 2 + 1);
    assert!(matches!(told.last(), Some(Notice::ServiceNotFound { .. })));
    let (event, about) = event(&good);
    assert_eq!(
        event.note.as_deref(),
        Some("sidecar 0.1.0 for EndpointsService bookstore, capture redirect: 8080 by 14080")
    );
    assert_eq!(event.reason, "Injected");
    assert!(matches!(event.type_, EventType::Normal));
    assert_eq!(about.uid.as_deref(), Some("1"));
}

#[test]
fn note_is_no_longer_than_the_api_server_takes() {
    let ports = (0..60_u16).map(|number| TakenPort {
        name: Some(format!("application-{number}")),
        listen: 14080 + number,
        app: 20000 + number,
        renamed: None,
    });
    let many = Notice::Injected {
        pod: mk_ref("shop"),
        injected: Injected {
            service: "bookstore".into(),
            version: "0.1.0".into(),
            capture: CaptureMode::Named,
            ports: ports.collect(),
        },
    };
    let withheld = Notice::ReadinessWithheld {
        pod: mk_ref("shop"),
        reason: "x".repeat(1024),
    };
    for notice in [many, withheld] {
        let note = event(&notice).0.note.unwrap();
        assert!(note.len() <= 1024 && note.ends_with('…'), "{note}");
    }
}

fn mk_ref(namespace: &str) -> PodRef {
    PodRef {
        namespace: namespace.into(),
        name: "a".into(),
        uid: "1".into(),
    }
}

fn mk_notice(namespace: &str) -> Notice {
    Notice::ServiceNotFound {
        pod: mk_ref(namespace),
        service: "bookstore".into(),
        outlived: false,
    }
}
