mod config_maps;
mod lives;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::*;
use crate::api::annotations::{CaptureMode, TakenPort};
use crate::api::conditions::{ACCEPTED, CAPTURED, ENFORCED, PROGRAMMED, READY, RESOLVED_REFS};
use crate::api::endpoints_service::Mode;
use crate::api::endpoints_service::OpenApiSource;
use crate::api::{EndpointsServiceSpec, EndpointsServiceStatus};
use crate::openapi::Diagnostic;
use crate::openapi::Place;
use crate::operator::admission::MountedSecrets;
use crate::operator::capture::{ServicePort, Target};
use crate::operator::compiler::Cache;
use crate::policy::format::{CorsMode, FORMAT, KeySource, Operation, Provider};
use crate::policy::{self, ConfigMapTexts, Policy, ServiceIdentity};
use crate::push::server::{Event, Report};
use crate::push::wire::PodRef;

#[test]
fn good_spec_is_published_and_accepted() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let changes = index.take_changes();
    assert_eq!(changes.publish.len(), 1);
    assert_eq!(changes.publish[0].0, key());
    let status = status_of(&index);
    assert_eq!(condition(&status, ACCEPTED), ("True", "Valid", 1));
    assert_eq!(condition(&status, ENFORCED), ("True", "Enforcing", 1));
    assert_eq!(condition(&status, PROGRAMMED), ("Unknown", "NoSidecars", 1));
    assert_eq!(condition(&status, CAPTURED), ("Unknown", "NoSidecars", 1));
    assert_eq!(condition(&status, READY), ("Unknown", "NotReady", 1));
    assert_eq!(status.policy.unwrap().hash, changes.publish[0].1.hash());
}

#[test]
fn status_change_alone_is_not_compiled_again() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    index.take_changes();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let changes = index.take_changes();
    assert!(changes.publish.is_empty() && changes.dirty.is_empty());
}

#[test]
fn broken_edit_keeps_the_last_good_policy() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_service("shop", mk_service("bookstore", Target::Name("http".into())));
    index.apply_entry(&key(), mk_object(1, "v1"));
    let hash = published(&mut index);
    index.report(
        &mk_report("a", "1", Event::Applied { hash: hash.clone() }),
        Instant::now(),
    );
    store(&mut index);
    index.apply_entry(&key(), mk_object(2, "bad"));
    let changes = index.take_changes();
    assert!(changes.publish.is_empty(), "nothing new to run");
    assert!(changes.remove.is_empty(), "and the old one stays");

    let status = status_of(&index);
    assert_eq!(condition(&status, ACCEPTED), ("False", "InvalidOpenAPI", 2));
    assert_eq!(condition(&status, PROGRAMMED), ("False", "NotAccepted", 2));
    assert_eq!(condition(&status, ENFORCED), ("True", "Enforcing", 1));
    assert_eq!(condition(&status, READY), ("False", "NotReady", 2));
    assert_eq!(status.observed_generation, Some(2));
    let message = &find(&status, ACCEPTED).message;
    assert!(message.contains("openapi#/paths: no paths"), "{message}");
    assert!(message.contains("1 more error"), "{message}");
    assert!(message.contains("last good policy stays"), "{message}");
    let policy = status.policy.unwrap();
    assert_eq!((policy.hash, policy.source_version), (hash, 1));
}

#[test]
fn first_spec_that_is_broken_enforces_nothing() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "bad"));
    assert!(index.take_changes().publish.is_empty());
    let status = status_of(&index);
    assert_eq!(condition(&status, ENFORCED), ("False", "NoPolicy", 1));
    assert_eq!(
        condition(&status, RESOLVED_REFS),
        ("Unknown", "NoPolicy", 1)
    );
    assert_eq!(status.policy, None);
}

#[test]
fn an_audit_enforces_nothing_until_it_ends() {
    let mut index = index();
    let mut audit = mk_object(1, "books");
    if let Ok(spec) = &mut audit.spec {
        spec.mode = Some(Mode::Audit);
    }
    index.apply_entry(&key(), audit);
    let status = status_of(&index);
    assert_eq!(condition(&status, ENFORCED), ("False", "Auditing", 1));
    assert_eq!(condition(&status, ACCEPTED), ("True", "Valid", 1));
    // What is broken changes nothing about it.
    index.apply_entry(&key(), mk_object(2, "bad"));
    let status = status_of(&index);
    assert_eq!(condition(&status, ENFORCED), ("False", "Auditing", 1));
    index.apply_entry(&key(), mk_object(3, "books"));
    let status = status_of(&index);
    assert_eq!(condition(&status, ENFORCED), ("True", "Enforcing", 3));
}

#[test]
fn pods_made_without_the_secret_that_a_spec_names_are_named() {
    let mut index = index();
    let mut object = mk_object(1, "v1");
    let spec = object.spec.as_mut().unwrap();
    let listener = serde_json::json!({ "tls": { "secretRef": { "name": "cert" } } });
    spec.listener = serde_json::from_value(listener).unwrap();
    let tls = serde_json::json!({ "tls": { "clientCertificateRef": { "name": "client" } } });
    spec.backend = serde_json::from_value(tls).unwrap();
    index.apply_entry(&key(), object);
    let hash = published(&mut index);
    let secrets = |listener: &str, backend: &str| MountedSecrets {
        listener: Some(listener.into()),
        backend: Some(backend.into()),
    };
    for (pod, secrets) in [
        ("a", secrets("cert", "client")),
        ("b", secrets("cert", "another")),
        ("c", MountedSecrets::default()),
    ] {
        let made = InjectedPod {
            secrets,
            ..mk_pod(pod, pod)
        };
        index.apply_pod(made);
        let applied = Event::Applied { hash: hash.clone() };
        index.report(&mk_report(pod, pod, applied), Instant::now());
    }
    let status = status_of(&index);
    assert_eq!(
        condition(&status, PROGRAMMED),
        ("False", "PodsOutdated", 1),
        "although all of them took the policy"
    );
    let message = &find(&status, PROGRAMMED).message;
    let says = "2/3 pods were made without Secret `client` of backend.tls, which no policy can bring them; pod b: ";
    assert!(message.starts_with(says), "{message}");

    index.delete_pod("shop", "b");
    let message = find(&status_of(&index), PROGRAMMED).message.clone();
    assert!(
        message.contains("Secret `cert` of listener.tls"),
        "{message}"
    );
    index.delete_pod("shop", "c");
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("True", "AllCurrent", 1));
}

#[test]
fn what_a_spec_says_about_sidecars_follows_the_last_good_one() {
    let listener = |workers| {
        let mut object = mk_object(workers, "v1");
        let spec = object.spec.as_mut().unwrap();
        let workers = u32::try_from(workers).unwrap();
        spec.listener = serde_json::from_value(serde_json::json!({
            "workers": workers, "tls": { "secretRef": { "name": "cert" } }
        }))
        .unwrap();
        object
    };
    let said = |index: &mut Index| {
        let settings = index.take_changes().settings;
        let settings = settings.into_iter();
        settings
            .map(|(_, it)| (it.workers.map(|it| it.to_string()), it.listener_secret))
            .collect::<Vec<_>>()
    };
    let one = |workers: &str| vec![(Some(workers.to_owned()), Some("cert".to_owned()))];
    let mut index = index();
    index.apply_entry(&key(), listener(2));
    assert_eq!(said(&mut index), one("2"));
    // The same policy, for workers are not in it.
    index.apply_entry(&key(), listener(3));
    assert_eq!(said(&mut index), one("3"));
    index.apply_entry(&key(), mk_object(4, "bad"));
    assert_eq!(said(&mut index), [], "a broken edit changes nothing");
    index.delete_entry(&key());
    assert_eq!(said(&mut index), [(None, None)]);
}

#[test]
fn compiler_panic_is_a_status_and_other_services_go_on() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "panic"));
    let other = ServiceKey {
        name: "other".into(),
        ..key()
    };
    index.apply_entry(&other, mk_object(1, "v1"));
    assert_eq!(index.panics(), 1);
    let changes = index.take_changes();
    assert_eq!(changes.publish.len(), 1);
    assert_eq!(
        condition(&status_of(&index), ACCEPTED),
        ("False", "InvalidSpec", 1)
    );
}

#[test]
fn unreadable_object_says_so_and_heals() {
    let mut index = index();
    let broken = ServiceObject {
        spec: Err("missing field `openapi`".into()),
        ..mk_object(1, "")
    };
    index.apply_entry(&key(), broken);
    let status = status_of(&index);
    assert_eq!(condition(&status, ACCEPTED), ("False", "InvalidSpec", 1));
    assert!(
        find(&status, ACCEPTED)
            .message
            .contains("missing field `openapi`")
    );
    index.apply_entry(&key(), mk_object(1, "v1"));
    assert_eq!(
        condition(&status_of(&index), ACCEPTED),
        ("True", "Valid", 1)
    );
}

#[test]
fn sidecars_are_counted_connected_or_not() {
    let mut index = index();
    index.apply_service("shop", mk_service("bookstore", Target::Name("http".into())));
    for (name, uid) in [("a", "1"), ("b", "2"), ("c", "3")] {
        index.apply_pod(mk_pod(name, uid));
    }
    index.apply_pod(InjectedPod {
        live: false,
        ..mk_pod("done", "4")
    });
    index.apply_pod(InjectedPod {
        service: "other".into(),
        ..mk_pod("other", "5")
    });
    index.apply_entry(&key(), mk_object(1, "v1"));
    let hash = published(&mut index);
    index.report(
        &mk_report("a", "1", Event::Applied { hash: hash.clone() }),
        Instant::now(),
    );
    index.report(
        &mk_report("b", "2", Event::Connected { hash: None }),
        Instant::now(),
    );
    let status = status_of(&index);
    let sidecars = status.sidecars.clone().unwrap();
    assert_eq!(
        (sidecars.total, sidecars.current, sidecars.stale),
        (3, 1, 2)
    );
    assert_eq!(sidecars.summary, "1/3");
    assert_eq!(condition(&status, PROGRAMMED), ("False", "Pending", 1));

    let refused = Event::Rejected {
        hash: hash.clone(),
        reason: "SidecarTooOld: format 2".into(),
    };
    index.report(&mk_report("b", "2", refused), Instant::now());
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("False", "Rejected", 1));
    assert!(
        find(&status, PROGRAMMED)
            .message
            .contains("pod b: SidecarTooOld")
    );
    assert_eq!(status.sidecars.unwrap().rejected, 1);

    for (name, uid) in [("b", "2"), ("c", "3")] {
        index.report(
            &mk_report(name, uid, Event::Applied { hash: hash.clone() }),
            Instant::now(),
        );
    }
    list_slices(&mut index);
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("True", "AllCurrent", 1));
    assert_eq!(condition(&status, READY), ("True", "Ready", 1));
}

#[test]
fn edit_is_not_programmed_until_every_sidecar_has_it() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(1, "v1"));
    let old = published(&mut index);
    index.report(
        &mk_report("a", "1", Event::Applied { hash: old.clone() }),
        Instant::now(),
    );
    index.apply_entry(&key(), mk_object(2, "v2"));
    let new = published(&mut index);
    assert_ne!(old, new);
    assert_eq!(
        condition(&status_of(&index), PROGRAMMED),
        ("False", "Pending", 2)
    );
    index.report(
        &mk_report("a", "1", Event::Applied { hash: new }),
        Instant::now(),
    );
    assert_eq!(
        condition(&status_of(&index), PROGRAMMED),
        ("True", "AllCurrent", 2)
    );
}

#[test]
fn edit_that_changes_no_policy_is_programmed_at_once() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(1, "v1"));
    let hash = published(&mut index);
    index.report(
        &mk_report("a", "1", Event::Applied { hash }),
        Instant::now(),
    );
    index.apply_entry(&key(), mk_object(2, "v1"));
    assert!(index.take_changes().publish.is_empty());
    assert_eq!(
        condition(&status_of(&index), PROGRAMMED),
        ("True", "AllCurrent", 2)
    );
}

#[tokio::test(start_paused = true)]
async fn sidecar_that_is_gone_for_long_is_stale() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(1, "v1"));
    let hash = published(&mut index);
    index.report(
        &mk_report("a", "1", Event::Applied { hash: hash.clone() }),
        Instant::now(),
    );
    index.report(&mk_report("a", "1", Event::Gone), Instant::now());
    index.take_changes();

    tokio::time::advance(Duration::from_secs(29)).await;
    index.tick(Instant::now());
    assert_eq!(
        status_of(&index).sidecars.unwrap().current,
        1,
        "a reconnect is no news"
    );
    tokio::time::advance(Duration::from_secs(2)).await;
    index.tick(Instant::now());
    assert!(index.take_changes().dirty.contains(&key()));
    assert_eq!(status_of(&index).sidecars.unwrap().stale, 1);

    index.report(
        &mk_report("a", "1", Event::Connected { hash: Some(hash) }),
        Instant::now(),
    );
    assert_eq!(status_of(&index).sidecars.unwrap().current, 1);
}

#[test]
fn ack_of_an_earlier_pod_of_the_same_name_does_not_count() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(1, "v1"));
    let hash = published(&mut index);
    index.report(
        &mk_report("a", "1", Event::Applied { hash: hash.clone() }),
        Instant::now(),
    );
    index.apply_pod(mk_pod("a", "2"));
    assert_eq!(index.take_changes().disconnect, ["1"]);
    assert_eq!(status_of(&index).sidecars.unwrap().current, 0);
    index.report(
        &mk_report("a", "1", Event::Applied { hash }),
        Instant::now(),
    );
    assert_eq!(status_of(&index).sidecars.unwrap().current, 0);
    let kept = index.reports.newest("1");
    assert!(kept.is_none(), "nor is it kept for ever: {kept:?}");
}

#[test]
fn pod_that_changes_its_service_speaks_for_the_new_one_by_a_new_stream_only() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let hash = published(&mut index);
    let applied = mk_report("a", "1", Event::Applied { hash });
    index.apply_pod(InjectedPod {
        service: "other".into(),
        ..mk_pod("a", "1")
    });
    index.report(&applied, Instant::now());
    index.apply_pod(mk_pod("a", "1"));
    assert_eq!(index.take_changes().disconnect, ["1"]);
    assert_eq!(status_of(&index).sidecars.unwrap().current, 0);
    index.report(&applied, Instant::now());
    assert_eq!(status_of(&index).sidecars.unwrap().current, 1);
}

#[test]
fn pod_that_comes_with_a_sidecar_is_told_once() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let injected = |name: &str, uid: &str| InjectedPod {
        version: "0.1.0".into(),
        ..mk_pod(name, uid)
    };
    index.apply_pod(injected("old", "0"));
    index.set_synced();
    assert!(
        index.take_changes().notices.is_empty(),
        "it was there before: told by whoever was there"
    );
    index.apply_pod(injected("new", "1"));
    let notices = index.take_changes().notices;
    let [
        Notice::Injected {
            pod,
            injected: told,
        },
    ] = &notices[..]
    else {
        panic!("{notices:?}");
    };
    assert_eq!((&*pod.name, &*pod.uid), ("new", "1"));
    assert_eq!(
        (&*told.version, &*told.service, told.ports.len()),
        ("0.1.0", "bookstore", 1)
    );
    index.apply_pod(InjectedPod {
        labels: BTreeMap::new(),
        ..injected("new", "1")
    });
    assert!(index.take_changes().notices.is_empty(), "told already");
    // The same name, as a StatefulSet has it: another pod.
    index.apply_pod(injected("new", "2"));
    assert_eq!(index.take_changes().notices.len(), 1);
    index.apply_pod(mk_pod("unknown", "3"));
    assert!(
        index.take_changes().notices.is_empty(),
        "nothing says by what"
    );
}

#[test]
fn missing_service_is_told_once_a_pod_after_everything_was_listed() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    assert!(
        index.take_changes().notices.is_empty(),
        "it may be listed yet"
    );
    index.set_synced();
    let notices = index.take_changes().notices;
    let pod = PodRef {
        namespace: "shop".into(),
        name: "a".into(),
        uid: "1".into(),
    };
    assert_eq!(
        notices,
        [Notice::ServiceNotFound {
            pod,
            service: "bookstore".into(),
            outlived: false,
        }]
    );
    index.apply_pod(InjectedPod {
        labels: BTreeMap::new(),
        ..mk_pod("a", "1")
    });
    assert!(index.take_changes().notices.is_empty(), "told already");
    index.apply_pod(mk_pod("b", "2"));
    assert_eq!(index.take_changes().notices.len(), 1);

    index.apply_entry(&key(), mk_object(1, "v1"));
    assert!(index.take_changes().notices.is_empty());
    index.delete_entry(&key());
    assert_eq!(
        index.take_changes().notices.len(),
        2,
        "gone again is news to both pods"
    );
}

#[test]
fn deleted_service_is_removed_and_a_new_one_of_its_name_starts_afresh() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    index.take_changes();
    index.delete_entry(&key());
    assert_eq!(index.take_changes().remove, [key()]);
    assert_eq!(index.status(&key(), now(0)), None);
    index.apply_entry(
        &key(),
        ServiceObject {
            uid: "new".into(),
            ..mk_object(1, "bad")
        },
    );
    assert_eq!(status_of(&index).policy, None);
}

#[test]
fn recreation_that_a_watch_skipped_over_takes_nothing_from_the_one_before() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(3, "v1"));
    index.take_changes();
    index.apply_entry(
        &key(),
        ServiceObject {
            uid: "new".into(),
            ..mk_object(1, "bad")
        },
    );
    assert_eq!(index.take_changes().remove, [key()]);
    let status = status_of(&index);
    assert_eq!((status.policy, status.observed_generation), (None, Some(1)));
}

#[test]
fn key_sets_are_fetched_while_used_and_reported() {
    let mut index = index();
    let source = KeySource::Url("https://user:secret@issuer.example/keys?token=secret".into());
    index.apply_entry(&key(), mk_object(1, &format!("v1 {}", url(&source))));
    let other = ServiceKey {
        namespace: "other".into(),
        ..key()
    };
    index.apply_entry(&other, mk_object(1, &format!("v1 {}", url(&source))));
    let changes = index.take_changes();
    assert_eq!(
        changes.sources.added,
        std::slice::from_ref(&source),
        "once, however many use it"
    );
    assert_eq!(
        condition(&status_of(&index), RESOLVED_REFS),
        ("Unknown", "Fetching", 1)
    );

    index.keys(&source, KeyOutcome::Failed("timed out after 5 s".into()));
    assert_eq!(index.take_changes().dirty.len(), 2);
    let status = status_of(&index);
    assert_eq!(
        condition(&status, RESOLVED_REFS),
        ("False", "KeySetUnavailable", 1)
    );
    let message = &find(&status, RESOLVED_REFS).message;
    assert!(message.contains("issuer.example/keys"), "{message}");
    assert!(message.contains("timed out after 5 s"), "{message}");
    assert!(!message.contains("secret"), "{message}");

    index.keys(&source, KeyOutcome::Fetched);
    assert_eq!(
        condition(&status_of(&index), RESOLVED_REFS),
        ("True", "Resolved", 1)
    );
    index.keys(&source, KeyOutcome::Failed("status 500".into()));
    let status = status_of(&index);
    assert_eq!(
        condition(&status, RESOLVED_REFS),
        ("True", "Resolved", 1),
        "the last good serve"
    );
    assert!(
        find(&status, RESOLVED_REFS)
            .message
            .contains("cannot be refreshed")
    );

    index.take_changes();
    index.delete_entry(&key());
    assert_eq!(
        index.take_changes().sources,
        SourceChanges::default(),
        "one still uses it"
    );
    index.delete_entry(&other);
    assert_eq!(index.take_changes().sources.removed, [source]);
}

#[test]
fn of_several_key_sets_that_fail_one_is_named_and_the_others_are_counted() {
    let mut index = index();
    let urls: Vec<_> = (0..5)
        .map(|number| format!("https://z{number}.example/{}", "k".repeat(1500)))
        .collect();
    index.apply_entry(&key(), mk_object(1, &format!("v1 {}", urls.join(" "))));
    let sources: Vec<_> = urls.into_iter().map(KeySource::Url).collect();
    let mut message = |failing: usize| {
        for (number, source) in sources.iter().enumerate() {
            let failed = KeyOutcome::Failed("status 500".into());
            let outcome = if number < failing {
                failed
            } else {
                KeyOutcome::Fetched
            };
            index.keys(source, outcome);
        }
        find(&status_of(&index), RESOLVED_REFS).message.clone()
    };
    let five = message(5);
    assert!(five.contains("z0.example"), "{five}");
    assert!(five.ends_with("so it is with 4 more key sets"), "{five}");
    // From here on all are known, and some cannot be refreshed.
    assert_eq!(message(0), "every key set is known");
    assert!(message(2).ends_with("so it is with 1 more key set"));
    let one = message(1);
    assert!(
        one.contains("z0.example") && !one.contains("more key set"),
        "{one}"
    );
}

#[test]
fn issuer_of_another_cluster_names_the_real_one() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1 kubernetes:https://wrong.example"));
    let [source] = &index.take_changes().sources.added[..] else {
        panic!("one source")
    };
    index.keys(
        source,
        KeyOutcome::NotThisCluster("https://right.example".into()),
    );
    let status = status_of(&index);
    assert_eq!(
        condition(&status, RESOLVED_REFS),
        ("False", "NotThisCluster", 1)
    );
    assert!(
        find(&status, RESOLVED_REFS)
            .message
            .contains("https://right.example")
    );
}

#[test]
fn namespace_over_its_quota_takes_nothing_from_what_works() {
    let mut index = index();
    let sources: Vec<_> = (0..MAX_SOURCES)
        .map(|number| format!("https://z{number}.example/keys"))
        .collect();
    index.apply_entry(&key(), mk_object(1, &format!("v1 {}", sources.join(" "))));
    assert_eq!(index.take_changes().sources.added.len(), MAX_SOURCES);
    let greedy = ServiceKey {
        name: "a-greedy".into(),
        ..key()
    };
    index.apply_entry(&greedy, mk_object(1, "v1 https://a.example/keys"));
    assert_eq!(index.take_changes().sources, SourceChanges::default());
    for source in &sources {
        index.keys(&KeySource::Url(source.clone()), KeyOutcome::Fetched);
    }
    assert_eq!(
        condition(&status_of(&index), RESOLVED_REFS),
        ("True", "Resolved", 1)
    );
    let status = index.status(&greedy, now(0)).unwrap().status;
    assert_eq!(
        condition(&status, RESOLVED_REFS),
        ("False", "KeySetUnavailable", 1)
    );
    assert!(
        find(&status, RESOLVED_REFS)
            .message
            .contains("more than 64 key sources")
    );

    index.take_changes();
    index.delete_entry(&key());
    let changes = index.take_changes();
    let freed = KeySource::Url("https://a.example/keys".into());
    assert_eq!(
        changes.sources.added,
        [freed],
        "a freed place is given away"
    );
    assert_eq!(changes.sources.removed.len(), MAX_SOURCES);
}

#[test]
fn stored_status_is_not_written_again() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let update = index.status(&key(), now(10)).unwrap();
    index.status_stored(&key(), update, "");
    assert_eq!(index.status(&key(), now(20)), None);
}

#[test]
fn status_that_somebody_else_changed_is_written_again_as_it_was() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let ours = index.status(&key(), now(10)).unwrap();
    index.status_stored(&key(), ours.clone(), "");
    index.take_changes();
    let shown = |status| ServiceObject {
        status,
        ..mk_object(1, "v1")
    };
    index.apply_entry(&key(), shown(ours.status.clone()));
    assert!(index.take_changes().dirty.is_empty(), "our own");
    index.apply_entry(&key(), shown(Default::default()));
    assert!(index.take_changes().dirty.contains(&key()));
    let again = index.status(&key(), now(20)).unwrap();
    assert_eq!(again.status, ours.status);
    index.apply_entry(&key(), shown(Default::default()));
    index.status_stored(&key(), again, "");
    let again = index.status(&key(), now(30));
    let again = again.expect("it was changed again while ours was being written");
    index.status_stored(&key(), again, "");
    assert_eq!(index.status(&key(), now(40)), None, "once");
}

#[test]
fn transition_time_changes_only_when_the_status_flips() {
    let mut index = index();
    index.apply_entry(&key(), mk_object(1, "v1"));
    let update = index.status(&key(), now(10)).unwrap();
    index.status_stored(&key(), update, "");
    index.apply_entry(&key(), mk_object(2, "v2"));
    let update = index.status(&key(), now(20)).unwrap();
    assert_eq!(
        find(&update.status, ACCEPTED).last_transition_time.0,
        now(10)
    );
    index.status_stored(&key(), update, "");
    index.apply_entry(&key(), mk_object(3, "bad"));
    let update = index.status(&key(), now(30)).unwrap();
    assert_eq!(
        find(&update.status, ACCEPTED).last_transition_time.0,
        now(30)
    );
    assert_eq!(
        find(&update.status, ENFORCED).last_transition_time.0,
        now(10)
    );
}

#[test]
fn service_change_is_a_change_of_captured() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), mk_object(1, "v1"));
    index.take_changes();
    assert_eq!(
        condition(&status_of(&index), CAPTURED),
        ("Unknown", "NotSelected", 1)
    );
    index.apply_service("shop", mk_service("bookstore", Target::Name("http".into())));
    assert!(index.take_changes().dirty.contains(&key()));
    list_slices(&mut index);
    assert_eq!(
        condition(&status_of(&index), CAPTURED),
        ("True", "AllCaptured", 1)
    );
    index.apply_service("shop", mk_service("numeric", Target::Omitted));
    assert_eq!(
        condition(&status_of(&index), CAPTURED),
        ("False", "NumericTargetPort", 1)
    );
    index.apply_service("elsewhere", mk_service("numeric", Target::Omitted));
    index.delete_service("shop", "numeric");
    assert_eq!(
        condition(&status_of(&index), CAPTURED),
        ("True", "AllCaptured", 1)
    );
}

#[test]
fn a_follower_keeps_in_step_with_the_statuses_that_the_leader_writes() {
    let mut index = follower();
    index.apply_entry(&key(), mk_object(1, "v1"));
    index.take_changes();
    let status = status_of(&index);
    index.apply_entry(
        &key(),
        ServiceObject {
            status,
            ..mk_object(1, "v1")
        },
    );
    assert_eq!(index.take_changes().dirty, BTreeSet::new());
    assert_eq!(index.status(&key(), now(5)), None, "it is stored already");

    index.set_leads(true);
    assert_eq!(
        index.take_changes().dirty,
        BTreeSet::from([key()]),
        "who becomes the leader looks at everything"
    );
    assert_eq!(index.status(&key(), now(9)), None, "and writes no news");
}

#[test]
fn a_new_leader_tells_what_its_predecessor_may_not_have_told() {
    let mut index = follower();
    index.apply_pod(mk_pod("a", "1"));
    index.set_synced();
    assert_eq!(index.take_changes().notices.len(), 1, "told by the leader");
    index.set_leads(true);
    assert_eq!(index.take_changes().notices.len(), 1);
    index.set_leads(true);
    assert_eq!(index.take_changes().notices.len(), 0, "once");
}

/// An index that compiles at once.
pub(super) struct Rig {
    pub(super) index: Index,
    cache: Cache,
    /// How often it did.
    compiled: usize,
}

impl std::ops::Deref for Rig {
    type Target = Index;

    fn deref(&self) -> &Index {
        &self.index
    }
}

impl std::ops::DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut Index {
        &mut self.index
    }
}

impl Rig {
    pub(super) fn apply_entry(&mut self, key: &ServiceKey, object: ServiceObject) {
        self.index.apply_entry(key, object);
        self.compile();
    }

    fn apply_config_map(&mut self, name: &str, state: ConfigMapState) {
        self.index.apply_config_map("shop", name, state);
        self.compile();
    }

    /// Does what waits for the compiler.
    fn compile(&mut self) {
        for job in self.index.take_jobs() {
            self.compiled += 1;
            let outcome = job.run(fake_compile, &self.cache);
            self.index.compiled(outcome);
        }
    }
}

pub(super) fn index() -> Rig {
    let mut index = follower();
    index.set_leads(true);
    index
}

/// The index of a replica that does not lead.
fn follower() -> Rig {
    Rig {
        index: Index::new(),
        cache: Cache::default(),
        compiled: 0,
    }
}

/// Everything was listed, EndpointSlices too: there are none.
fn list_slices(index: &mut Index) {
    index.set_synced();
    index.slices_listed(&["bookstore".to_owned()].into());
}

/// The inline text is `bad`, `panic`, or a version followed by key sources.
fn fake_compile(
    spec: &EndpointsServiceSpec,
    texts: &ConfigMapTexts,
    _: &ServiceIdentity,
) -> Result<policy::Compiled, Vec<Diagnostic>> {
    let of_config_map = spec.openapi.config_map_key_ref.as_ref();
    let of_config_map = of_config_map.and_then(|reference| texts.get(reference));
    let inline = spec.openapi.inline.as_deref();
    let text = of_config_map.or(inline).unwrap_or_default().to_owned();
    match text.as_str() {
        "bad" => {
            let place = Place::document("/paths", None);
            return Err(vec![
                Diagnostic::warning("odd", place.clone(), "odd"),
                Diagnostic::error("other", place.clone(), "no paths"),
                Diagnostic::error("other", place, "second"),
            ]);
        }
        "panic" => panic!("as asked"),
        _ => {}
    }
    let mut words = text.split(' ');
    let service = words.next().unwrap().to_owned();
    let providers = words.enumerate().map(|(number, word)| {
        let keys = match word.strip_prefix("kubernetes:") {
            Some(issuer) => KeySource::Kubernetes {
                issuer: issuer.into(),
            },
            None => KeySource::Url(word.into()),
        };
        (
            number.to_string(),
            Provider {
                issuer: word.into(),
                keys,
                audiences: None,
                locations: Vec::new(),
            },
        )
    });
    let mut settings = crate::policy::format::Settings::default();
    settings.routing.audit = spec.mode == Some(Mode::Audit);
    let policy = Policy {
        format: FORMAT,
        service,
        operations: vec![Operation {
            method: "GET".into(),
            path: "/books".into(),
            name: "listBooks".into(),
            security: Vec::new(),
            backend: None,
            cors: None,
        }],
        providers: providers.collect(),
        cors: CorsMode::Off,
        required_claims: BTreeSet::new(),
        backend: None,
        healthz: None,
        backends: Vec::new(),
        cors_rules: Vec::new(),
        settings,
    };
    Ok(policy::Compiled {
        policy,
        warnings: Vec::new(),
    })
}

pub(super) fn key() -> ServiceKey {
    ServiceKey {
        namespace: "shop".into(),
        name: "bookstore".into(),
    }
}

pub(super) fn mk_object(generation: i64, inline: &str) -> ServiceObject {
    let openapi = OpenApiSource {
        inline: Some(inline.into()),
        ..OpenApiSource::default()
    };
    let spec = EndpointsServiceSpec {
        openapi,
        service_name: None,
        cors: None,
        jwt: None,
        backend: None,
        routing: None,
        ..EndpointsServiceSpec::default()
    };
    ServiceObject {
        uid: "uid".into(),
        generation,
        version: String::new(),
        spec: Ok(spec),
        status: Default::default(),
    }
}

pub(super) fn mk_pod(name: &str, uid: &str) -> InjectedPod {
    InjectedPod {
        namespace: "shop".into(),
        name: name.into(),
        uid: uid.into(),
        service: "bookstore".into(),
        labels: [("app".to_owned(), "bookstore".to_owned())].into(),
        taken: vec![TakenPort {
            name: Some("http".into()),
            listen: 14080,
            app: 8080,
            renamed: None,
        }],
        named_ports: vec![("app-http".into(), 8080), ("http".into(), 14080)],
        host_ports: Vec::new(),
        created: Some(now(-100)),
        live: true,
        was_ready: false,
        version: String::new(),
        capture: CaptureMode::Named,
        secrets: MountedSecrets::default(),
        workload: None,
        service_account: "default".into(),
        ips: Vec::new(),
    }
}

fn mk_service(name: &str, target: Target) -> ServiceFacts {
    ServiceFacts {
        name: name.into(),
        selector: [("app".to_owned(), "bookstore".to_owned())].into(),
        ports: vec![ServicePort {
            name: String::new(),
            port: 8080,
            target,
            ambiguous: None,
        }],
        ..ServiceFacts::default()
    }
}

pub(super) fn mk_report(name: &str, uid: &str, event: Event) -> Report {
    Report {
        service: key(),
        pod: PodRef {
            namespace: "shop".into(),
            name: name.into(),
            uid: uid.into(),
        },
        sidecar_version: "0.1.0".into(),
        event,
    }
}

pub(super) fn published(index: &mut Index) -> String {
    let changes = index.take_changes();
    changes
        .publish
        .last()
        .expect("something was published")
        .1
        .hash()
        .to_owned()
}

fn store(index: &mut Index) {
    let update = index.status(&key(), now(0)).unwrap();
    index.status_stored(&key(), update, "");
}

pub(super) fn status_of(index: &Index) -> EndpointsServiceStatus {
    index.status(&key(), now(0)).expect("a change").status
}

pub(super) fn condition<'s>(
    status: &'s EndpointsServiceStatus,
    kind: &str,
) -> (&'s str, &'s str, i64) {
    let found = find(status, kind);
    (
        &found.status,
        &found.reason,
        found.observed_generation.unwrap(),
    )
}

fn find<'s>(
    status: &'s EndpointsServiceStatus,
    kind: &str,
) -> &'s k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .unwrap()
}

fn url(source: &KeySource) -> &str {
    match source {
        KeySource::Url(url) => url,
        _ => panic!("not a URL"),
    }
}

pub(super) fn now(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}
