//! What a new leader says before its sidecars have come back.

use super::*;
use crate::api::conditions::PROGRAMMED;
use crate::operator::index::tests::{
    Rig, condition, index, key, mk_object, mk_pod, mk_report, now, published, status_of,
};
use crate::operator::index::{Index, ServiceObject};
use crate::push::replica::{Heard, Said, SidecarReport};
use crate::push::server::Event;
use crate::push::wire::PodRef;

/// As the predecessor stored it: of generation 1, and these pods, all of which ran it.
fn stored(pods: &[&str]) -> ServiceObject {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let hash = published(&mut index);
    for pod in pods {
        index.apply_pod(mk_pod(pod, pod));
        let applied = Event::Applied { hash: hash.clone() };
        index.report(&mk_report(pod, pod, applied), Instant::now());
    }
    ServiceObject {
        status: status_of(&index),
        ..mk_object(1, "v1")
    }
}

/// A process that has just begun to lead, and listed everything.
fn restarted(object: ServiceObject, pods: &[&str], start: Instant) -> (Rig, String) {
    let mut index = index();
    index.apply_entry(&key(), object);
    for pod in pods {
        index.apply_pod(mk_pod(pod, pod));
    }
    index.set_synced();
    index.tick(start);
    let hash = published(&mut index);
    (index, hash)
}

fn applied(index: &mut Index, pod: &str, hash: &str) {
    let applied = Event::Applied { hash: hash.into() };
    index.report(&mk_report(pod, pod, applied), Instant::now());
}

#[test]
fn programmed_stays_true_over_a_restart_while_sidecars_come_back() {
    let start = Instant::now();
    let (mut index, hash) = restarted(stored(&["a", "b", "c"]), &["a", "b", "c"], start);
    assert_eq!(index.status(&key(), now(9)), None, "what is stored stands");
    applied(&mut index, "a", &hash);
    assert_eq!(index.status(&key(), now(9)), None);
    applied(&mut index, "b", &hash);
    applied(&mut index, "c", &hash);
    index.take_changes();
    index.tick(start + SETTLE);
    assert!(index.take_changes().dirty.contains(&key()), "looks again");
    assert_eq!(
        index.status(&key(), now(99)),
        None,
        "now by their own words"
    );
}

#[test]
fn a_sidecar_that_does_not_come_back_is_told_when_the_time_is_over() {
    let start = Instant::now();
    let (mut index, hash) = restarted(stored(&["a", "b"]), &["a", "b"], start);
    applied(&mut index, "a", &hash);
    index.tick(start + SETTLE - Duration::from_secs(1));
    assert_eq!(index.status(&key(), now(9)), None);
    index.tick(start + SETTLE);
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("False", "Pending", 1));
    assert_eq!(status.sidecars.unwrap().summary, "1/2");
}

#[test]
fn a_sidecar_that_came_back_with_something_else_is_told_at_once() {
    let start = Instant::now();
    let (mut index, _) = restarted(stored(&["a", "b"]), &["a", "b"], start);
    index.report(
        &mk_report("a", "a", Event::Connected { hash: None }),
        Instant::now(),
    );
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("False", "Pending", 1));
    assert_eq!(status.sidecars.unwrap().summary, "1/2");
}

#[test]
fn nothing_is_presumed_of_a_pod_that_is_younger_than_what_is_stored() {
    let start = Instant::now();
    let (mut index, _) = restarted(stored(&["a"]), &["a"], start);
    let mut young = mk_pod("b", "b");
    young.created = Some(now(1));
    index.apply_pod(young);
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("False", "Pending", 1));
    assert_eq!(status.sidecars.unwrap().summary, "1/2");
    // In the place of the one that was counted.
    index.delete_pod("shop", "a");
    assert_eq!(status_of(&index).sidecars.unwrap().summary, "0/1");
}

#[test]
fn after_an_edit_only_acks_of_it_count() {
    let start = Instant::now();
    let (mut index, _) = restarted(stored(&["a", "b"]), &["a", "b"], start);
    index.apply_entry(
        &key(),
        ServiceObject {
            status: stored(&["a", "b"]).status,
            ..mk_object(2, "v2")
        },
    );
    let hash = published(&mut index);
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("False", "Pending", 2));
    assert_eq!(status.sidecars.unwrap().summary, "0/2");
    applied(&mut index, "a", &hash);
    assert_eq!(status_of(&index).sidecars.unwrap().summary, "1/2");
    applied(&mut index, "b", &hash);
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("True", "AllCurrent", 2));
}

/// The edit came while nobody led: what is stored speaks of the generation before.
#[test]
fn an_edit_of_before_the_restart_is_not_taken_for_programmed() {
    let edited = ServiceObject {
        status: stored(&["a"]).status,
        ..mk_object(2, "v2")
    };
    let (index, _) = restarted(edited, &["a"], Instant::now());
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("False", "Pending", 2));
    // The same words for another policy: another compiler, say.
    let other = ServiceObject {
        status: stored(&["a"]).status,
        ..mk_object(1, "v2")
    };
    let (index, _) = restarted(other, &["a"], Instant::now());
    assert_eq!(status_of(&index).sidecars.unwrap().summary, "0/1");
}

#[test]
fn sidecars_of_other_replicas_count_for_the_leader_and_only_for_it() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let hash = published(&mut index);
    index.apply_pod(mk_pod("a", "a"));
    index.apply_pod(mk_pod("b", "b"));
    applied(&mut index, "a", &hash);
    let elsewhere = SidecarReport {
        pod: PodRef {
            namespace: "shop".into(),
            name: "b".into(),
            uid: "b".into(),
        },
        service: "bookstore".into(),
        version: "0.1.0".into(),
        began: 0,
        connected: true,
        runs: Some(hash),
        refused: None,
    };
    let hear = |index: &mut Index| {
        for said in [
            Said::Hello,
            Said::Sidecars(vec![elsewhere.clone()]),
            Said::Complete,
        ] {
            let heard = Heard {
                replica: "x".into(),
                session: 1,
                said,
            };
            index.hear(heard, Instant::now());
        }
    };
    index.take_changes();
    hear(&mut index);
    assert!(index.take_changes().dirty.contains(&key()));
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("True", "AllCurrent", 1));
    assert_eq!(index.replicas(), 1);

    index.set_leads(false);
    assert_eq!(index.replicas(), 0, "they tell somebody else");
    hear(&mut index);
    assert_eq!(index.replicas(), 0);
}

#[test]
fn services_and_live_pods_are_counted_as_they_come_and_go() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    index.apply_entry(&key(), mk_object(2, "v2"));
    index.apply_pod(mk_pod("a", "1"));
    index.apply_pod(mk_pod("a", "2"));
    index.apply_pod(mk_pod("b", "3"));
    assert_eq!(index.totals(), (1, 2));
    let mut ended = mk_pod("b", "3");
    ended.live = false;
    index.apply_pod(ended);
    assert_eq!(index.totals(), (1, 1));
    index.delete_pod("shop", "a");
    index.delete_pod("shop", "a");
    index.delete_pod("shop", "b");
    index.delete_entry(&key());
    index.delete_entry(&key());
    assert_eq!(index.totals(), (0, 0));
}
