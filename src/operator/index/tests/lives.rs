//! What outlives an EndpointsService, an operator, or the store's memory.

use super::*;
use crate::operator::compiler::{Input, Job};
use crate::operator::revisions::{Kept, RevisionFacts};

fn reborn(uid: &str, inline: &str) -> ServiceObject {
    ServiceObject {
        uid: uid.into(),
        ..mk_object(1, inline)
    }
}

fn wait(index: &mut Rig) -> (Vec<ServiceKey>, Vec<(ServiceKey, String)>) {
    let changes = index.take_changes();
    (changes.remove, changes.restore)
}

/// What the leader would have written of a source.
fn mk_revision(uid: &str, number: u64, inline: &str) -> (RevisionFacts, String) {
    let source = crate::operator::compiler::Source {
        spec: mk_object(1, inline).spec.unwrap().into(),
        texts: ConfigMapTexts::default(),
    };
    let kept = Kept::new(&key(), uid, 5, &source);
    let facts = RevisionFacts {
        name: format!("bookstore-x-{number}"),
        uid: format!("revision-{number}"),
        service: "bookstore".into(),
        service_uid: uid.into(),
        digest: kept.digest.clone(),
        number,
    };
    (facts, kept.encoded().unwrap().to_owned())
}

fn read(index: &mut Rig, facts: &RevisionFacts, encoded: Result<String, String>) {
    let job = Job {
        key: key(),
        ticket: 0,
        input: Input::Revision {
            name: facts.name.clone(),
            digest: facts.digest.clone(),
            encoded,
        },
    };
    let outcome = job.run(fake_compile, &Cache::default());
    index.compiled(outcome);
}

#[test]
fn deleted_service_keeps_its_policy_and_its_keys_while_pods_use_it() {
    let mut index = index();
    index.set_synced();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(1, "v1 https://issuer.example/keys"));
    index.take_changes();
    index.delete_entry(&key());
    let changes = index.take_changes();
    assert!(changes.remove.is_empty() && changes.settings.is_empty());
    assert!(changes.sources.removed.is_empty(), "keys are still fetched");
    let [Notice::ServiceNotFound { outlived: true, .. }] = &changes.notices[..] else {
        panic!("{:?}", changes.notices)
    };
    assert_eq!(index.status(&key(), now(0)), None);
    assert_eq!((index.totals(), index.outlived()), ((0, 1), 1));
    assert!(!index.revision_plan(&key()).delete.iter().any(|_| true));

    // A restarted pod is one more that uses it.
    index.apply_pod(mk_pod("b", "2"));
    index.delete_pod("shop", "a");
    let changes = index.take_changes();
    assert!(changes.remove.is_empty());
    assert_eq!(changes.notices.len(), 1, "the new one is told, too");
    index.delete_pod("shop", "b");
    let changes = index.take_changes();
    assert_eq!(changes.remove, [key()]);
    assert_eq!(changes.sources.removed.len(), 1);
    assert_eq!(index.outlived(), 0);
}

#[test]
fn pod_that_ends_without_being_deleted_uses_nothing_any_more() {
    let mut index = index();
    index.set_synced();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(1, "v1"));
    index.delete_entry(&key());
    index.take_changes();
    index.apply_pod(InjectedPod {
        live: false,
        ..mk_pod("a", "1")
    });
    assert_eq!(index.take_changes().remove, [key()]);
}

#[test]
fn recreated_service_is_adopted_without_a_gap() {
    let mut index = index();
    index.set_synced();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(7, "v1"));
    let old = published(&mut index);
    index.report(
        &mk_report("a", "1", Event::Applied { hash: old.clone() }),
        Instant::now(),
    );
    index.delete_entry(&key());
    index.take_changes();

    // Broken at first: what the pods have stays, and the status says whose it is.
    index.apply_entry(&key(), reborn("new", "bad"));
    assert!(wait(&mut index).0.is_empty());
    let status = status_of(&index);
    assert_eq!(condition(&status, ACCEPTED), ("False", "InvalidOpenAPI", 1));
    let message = &find(&status, ACCEPTED).message;
    assert!(
        message.contains("of the deleted EndpointsService of this name"),
        "{message}"
    );
    let policy = status.policy.unwrap();
    assert_eq!((policy.hash, policy.source_version), (old, 0));

    index.apply_entry(
        &key(),
        ServiceObject {
            generation: 2,
            ..reborn("new", "v2")
        },
    );
    let changes = index.take_changes();
    assert!(changes.remove.is_empty(), "no gap");
    let hash = changes.publish[0].1.hash().to_owned();
    assert_eq!(
        condition(&status_of(&index), PROGRAMMED),
        ("False", "Pending", 2)
    );
    index.report(
        &mk_report("a", "1", Event::Applied { hash }),
        Instant::now(),
    );
    assert_eq!(
        condition(&status_of(&index), PROGRAMMED),
        ("True", "AllCurrent", 2)
    );
    assert_eq!(index.outlived(), 0);
}

/// Both lives' first compilations have the same number.
#[test]
fn what_comes_late_of_a_deleted_service_is_not_said_of_its_successor() {
    let mut index = index();
    index.set_synced();
    index.index.apply_entry(&key(), mk_object(1, "v1"));
    let late = index.take_jobs();
    index.delete_entry(&key());
    index.index.apply_entry(&key(), reborn("new", "bad"));
    index.take_changes();
    for job in late {
        let outcome = job.run(fake_compile, &Cache::default());
        index.compiled(outcome);
    }
    assert!(index.take_changes().publish.is_empty());
    assert_eq!(index.status(&key(), now(0)), None, "it is not known yet");
    index.compile();
    let status = status_of(&index);
    assert_eq!(condition(&status, ACCEPTED), ("False", "InvalidOpenAPI", 1));
    assert_eq!(status.policy, None);
}

#[test]
fn recreation_with_the_same_policy_is_published_under_its_new_name() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(7, "v1"));
    let hash = published(&mut index);
    index.apply_entry(&key(), reborn("new", "v1"));
    assert_eq!(published(&mut index), hash);
    assert_eq!(status_of(&index).policy.unwrap().source_version, 1);
}

/// A store that was restored from a backup counts generations anew: the same number may be another spec.
#[test]
fn spec_of_an_older_or_equal_generation_counts_if_it_is_another() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(3, "v3"));
    let third = published(&mut index);
    index.apply_entry(&key(), mk_object(2, "v2"));
    let second = published(&mut index);
    assert_eq!(status_of(&index).policy.unwrap().source_version, 2);
    index.apply_entry(&key(), mk_object(3, "another"));
    let again = published(&mut index);
    assert!(third != second && second != again && third != again);
    // And a storm of listings compiles nothing.
    let compiled = index.compiled;
    for _ in 0..100 {
        index.apply_entry(&key(), mk_object(3, "another"));
    }
    assert_eq!(index.compiled, compiled);
}

#[test]
fn broken_spec_without_a_policy_gets_the_newest_revision_that_compiles() {
    let mut index = index();
    let (old, encoded) = mk_revision("uid", 1, "v1");
    let (bad, garbage) = mk_revision("uid", 2, "bad");
    let (newest, _) = mk_revision("uid", 3, "v3");
    for facts in [&old, &bad, &newest] {
        index.apply_revision("shop", facts.clone());
    }
    index.apply_entry(&key(), mk_object(9, "bad"));
    assert!(
        index.take_changes().restore.is_empty(),
        "not before everything is listed"
    );
    index.set_synced();
    assert_eq!(wait(&mut index).1, [(key(), newest.name.clone())]);
    assert!(!index.is_settled());
    read(&mut index, &newest, Err("gone".into()));
    assert_eq!(wait(&mut index).1, [(key(), bad.name.clone())]);
    read(&mut index, &bad, Ok(garbage));
    assert_eq!(wait(&mut index).1, [(key(), old.name.clone())]);
    read(&mut index, &old, Ok(encoded));
    assert!(index.is_settled());
    let hash = published(&mut index);
    let status = status_of(&index);
    assert_eq!(condition(&status, ACCEPTED), ("False", "InvalidOpenAPI", 9));
    assert!(
        find(&status, ACCEPTED)
            .message
            .contains("last good policy stays in force")
    );
    let policy = status.policy.unwrap();
    assert_eq!((policy.hash, policy.source_version), (hash, 5));
}

#[test]
fn good_spec_reads_no_revision() {
    let mut index = index();
    index.apply_revision("shop", mk_revision("uid", 1, "v1").0);
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(9, "v9"));
    index.set_synced();
    assert!(index.take_changes().restore.is_empty());
    // One that comes from memory is newer than any that is kept.
    index.apply_entry(&key(), mk_object(10, "bad"));
    assert!(index.take_changes().restore.is_empty());
}

#[test]
fn revision_of_a_deleted_service_is_read_for_its_pods_alone() {
    let mut index = index();
    let (facts, encoded) = mk_revision("old", 1, "v1");
    index.apply_revision("shop", facts.clone());
    index.set_synced();
    assert!(index.take_changes().restore.is_empty());
    assert_eq!(
        index.revision_plan(&key()).delete,
        std::slice::from_ref(&facts),
        "nobody needs it"
    );
    index.apply_pod(mk_pod("a", "1"));
    let changes = index.take_changes();
    assert_eq!(changes.restore, [(key(), facts.name.clone())]);
    assert!(
        changes.notices.is_empty(),
        "not before it is known whether there is a policy"
    );
    read(&mut index, &facts, Ok(encoded));
    let changes = index.take_changes();
    assert_eq!(changes.publish.len(), 1);
    let [Notice::ServiceNotFound { outlived: true, .. }] = &changes.notices[..] else {
        panic!("{:?}", changes.notices)
    };
    assert!(index.revision_plan(&key()).is_empty());
    index.delete_pod("shop", "a");
    assert_eq!(index.take_changes().remove, [key()]);
    assert_eq!(index.revision_plan(&key()).delete, [facts]);
}

#[test]
fn revision_of_an_earlier_life_is_for_pods_that_still_live_by_it() {
    let mut index = index();
    let (facts, encoded) = mk_revision("old", 1, "v1");
    index.apply_revision("shop", facts.clone());
    index.apply_entry(&key(), reborn("new", "bad"));
    index.set_synced();
    assert!(index.take_changes().restore.is_empty());
    index.apply_pod(mk_pod("a", "1"));
    assert_eq!(wait(&mut index).1, [(key(), facts.name.clone())]);
    read(&mut index, &facts, Ok(encoded));
    assert_eq!(status_of(&index).policy.unwrap().source_version, 0);
}

/// Whoever writes a revision may lie about whose it is.
#[test]
fn revision_that_lies_about_itself_is_of_no_use() {
    let mut index = index();
    let (mut facts, encoded) = mk_revision("another", 1, "v1");
    facts.service_uid = "uid".into();
    index.apply_revision("shop", facts.clone());
    index.apply_entry(&key(), mk_object(1, "bad"));
    index.set_synced();
    assert_eq!(wait(&mut index).1.len(), 1);
    read(&mut index, &facts, Ok(encoded));
    let changes = index.take_changes();
    assert!(changes.publish.is_empty() && changes.restore.is_empty());
    assert_eq!(status_of(&index).policy, None);
}

#[test]
fn leader_keeps_what_is_in_force_and_the_one_before() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    assert!(
        index.revision_plan(&key()).is_empty(),
        "not before everything is listed"
    );
    index.set_synced();
    let mut there = Vec::new();
    for (number, text) in [(1, "v1"), (2, "v2"), (3, "v3")] {
        index.apply_entry(&key(), mk_object(number, text));
        let plan = index.revision_plan(&key());
        let (next, kept) = plan.create.expect("a new source");
        assert_eq!(next, number.cast_unsigned());
        let facts = RevisionFacts {
            digest: kept.digest.clone(),
            ..mk_revision("uid", next, text).0
        };
        index.apply_revision("shop", facts.clone());
        there.push(facts);
        assert_eq!(index.revision_plan(&key()).create, None);
    }
    assert_eq!(index.revision_plan(&key()).delete, [there[0].clone()]);
    // A broken spec changes nothing, and one that somebody deleted is written again.
    index.apply_entry(&key(), mk_object(4, "bad"));
    assert_eq!(index.revision_plan(&key()).create, None);
    index.delete_revision("shop", &there[2].name);
    assert_eq!(index.revision_plan(&key()).create.unwrap().0, 3);
}
