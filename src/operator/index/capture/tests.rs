use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::withheld::MAX_TOLD;
use super::*;
use crate::api::annotations::{CaptureMode, TakenPort};
use crate::api::{EndpointsServiceSpec, conditions};
use crate::openapi::Diagnostic;
use crate::operator::admission::MountedSecrets;
use crate::operator::capture::{Endpoint, ServicePort, SlicePort, Target};
use crate::operator::compiler::Cache;
use crate::operator::index::ServiceObject;
use crate::policy::{Compiled, ConfigMapTexts, ServiceIdentity};
use crate::push::wire::ServiceKey;

#[test]
fn slices_are_wanted_only_of_services_that_may_lead_to_sidecars() {
    let mut index = synced();
    index.apply_service("shop", mk_service("bookstore", "http"));
    index.apply_service(
        "shop",
        ServiceFacts {
            selector: [("app".to_owned(), "other".to_owned())].into(),
            ..mk_service("other", "http")
        },
    );
    index.apply_service(
        "shop",
        ServiceFacts {
            selector: BTreeMap::new(),
            ..mk_service("by-hand", "http")
        },
    );
    index.apply_service("elsewhere", mk_service("bookstore", "http"));
    assert_eq!(index.take_changes().slices, SliceChanges::default());

    index.apply_pod(mk_pod("a"));
    assert_eq!(added(&mut index), ["bookstore", "by-hand"]);
    index.apply_pod(mk_pod("b"));
    index.delete_pod("shop", "a");
    assert_eq!(index.take_changes().slices, SliceChanges::default());
    index.apply_pod(InjectedPod {
        live: false,
        ..mk_pod("b")
    });
    let removed = index.take_changes().slices.removed;
    assert_eq!(removed.len(), 2, "nobody is left: {removed:?}");

    index.apply_pod(mk_pod("c"));
    assert_eq!(added(&mut index), ["bookstore", "by-hand"]);
    index.delete_service("shop", "bookstore");
    assert_eq!(
        index.take_changes().slices.removed,
        [("shop".to_owned(), "bookstore".to_owned())]
    );
}

#[test]
fn nothing_is_wanted_before_everything_was_listed() {
    let mut index = Index::new();
    index.apply_pod(mk_pod("a"));
    index.apply_service("shop", mk_service("bookstore", "8080"));
    let changes = index.take_changes();
    assert_eq!((changes.slices, changes.withhold), Default::default());
    index.set_synced();
    let changes = index.take_changes();
    assert_eq!(changes.slices.added.len(), 1);
    assert_eq!(changes.withhold.len(), 1, "and then at once");
}

#[test]
fn what_was_wanted_and_not_in_one_go_was_never_watched() {
    let mut index = synced();
    index.apply_service("shop", mk_service("bookstore", "http"));
    index.apply_pod(mk_pod("a"));
    index.delete_pod("shop", "a");
    assert_eq!(index.take_changes().slices, SliceChanges::default());
}

#[test]
fn slices_that_nobody_wants_are_not_kept() {
    let mut index = synced();
    index.apply_pod(mk_pod("a"));
    index.apply_slice("shop", mk_slice("other", &[("old", "9")]));
    index.apply_slice("elsewhere", mk_slice("bookstore", &[("old", "9")]));
    let names = ["other".to_owned(), "bookstore".to_owned()].into();
    assert_eq!(index.slices_of(&names), BTreeSet::new());
}

#[test]
fn pods_without_sidecar_are_told_in_the_status_and_hold_nobody_back() {
    let mut index = synced();
    apply_entry(&mut index, mk_object());
    index.apply_service("shop", mk_service("bookstore", "http"));
    index.apply_pod(mk_pod("a"));
    assert_eq!(captured(&index).reason, "Checking");
    index.apply_slice(
        "shop",
        mk_slice("bookstore", &[("a", "uid-a"), ("old", "9")]),
    );
    assert_eq!(captured(&index).reason, "Checking", "there may be more");
    index.slices_listed(&["bookstore".to_owned()].into());
    let mixed = captured(&index);
    assert_eq!((&*mixed.status, &*mixed.reason), ("False", "MixedPods"));
    assert!(mixed.message.contains("pod old"), "{}", mixed.message);
    assert_eq!(index.take_changes().withhold, []);

    index.apply_slice("shop", mk_slice("bookstore", &[("a", "uid-a")]));
    assert!(index.take_changes().dirty.contains(&key()));
    assert_eq!(captured(&index).reason, "AllCaptured");
}

#[test]
fn pod_that_goes_is_not_one_without_sidecar_while_its_endpoint_lingers() {
    let mut index = synced();
    apply_entry(&mut index, mk_object());
    index.apply_service("shop", mk_service("bookstore", "http"));
    index.apply_pod(mk_pod("a"));
    index.apply_pod(mk_pod("b"));
    index.apply_slice(
        "shop",
        mk_slice("bookstore", &[("a", "uid-a"), ("b", "uid-b")]),
    );
    index.slices_listed(&["bookstore".to_owned()].into());
    index.delete_pod("shop", "b");
    assert_eq!(captured(&index).reason, "AllCaptured");
}

#[test]
fn verdict_of_before_a_restart_stays_until_slices_are_listed() {
    for (slices, reason) in [
        (vec![("a", "uid-a")], "AllCaptured"),
        (vec![("a", "uid-a"), ("old", "9")], "MixedPods"),
    ] {
        let mut before = synced();
        apply_entry(&mut before, mk_object());
        before.apply_service("shop", mk_service("bookstore", "http"));
        before.apply_pod(mk_pod("a"));
        before.apply_slice("shop", mk_slice("bookstore", &slices));
        before.slices_listed(&["bookstore".to_owned()].into());
        let status = before.status(&key(), Default::default()).unwrap().status;

        let mut after = synced();
        apply_entry(
            &mut after,
            ServiceObject {
                status,
                ..mk_object()
            },
        );
        after.apply_service("shop", mk_service("bookstore", "http"));
        after.apply_pod(mk_pod("a"));
        let stored = after.status(&key(), Default::default());
        assert!(stored.is_none(), "{reason}: nothing to write: {stored:#?}");
    }
}

#[test]
fn first_readiness_is_withheld_while_a_service_goes_around_and_released_by_its_fix() {
    let mut index = synced();
    index.apply_service("shop", mk_service("bookstore", "8080"));
    index.apply_pod(mk_pod("a"));
    let withheld = index.take_changes().withhold;
    assert_eq!((withheld.len(), &*withheld[0].1), (1, "uid-a"));
    assert_eq!(withheld[0].0, key());
    let reason = withheld[0].2.clone().unwrap();
    assert!(reason.contains("Service bookstore port 80"), "{reason}");

    index.apply_pod(InjectedPod {
        service_account: "other".into(),
        ..mk_pod("a")
    });
    assert_eq!(index.take_changes().withhold, [], "no news");
    index.apply_service("shop", mk_service("bookstore", "http"));
    let released = index.take_changes().withhold;
    assert_eq!(released, [(key(), "uid-a".to_owned(), None)]);
}

#[test]
fn readiness_that_was_there_is_not_taken_away() {
    let mut index = synced();
    let ready = InjectedPod {
        was_ready: true,
        ..mk_pod("a")
    };
    index.apply_pod(ready);
    // Its sidecar was restarted meanwhile.
    index.apply_pod(mk_pod("a"));
    index.apply_service("shop", mk_service("bookstore", "8080"));
    assert_eq!(index.take_changes().withhold, []);
    // Another life under the same name has none to lose.
    index.apply_pod(InjectedPod {
        uid: "2".into(),
        ..mk_pod("a")
    });
    assert_eq!(index.take_changes().withhold.len(), 1);
}

#[test]
fn endpoints_written_by_hand_withhold_too() {
    let mut index = synced();
    index.apply_service("shop", mk_by_hand());
    index.apply_pod(InjectedPod {
        ips: vec!["10.0.0.1".parse().unwrap()],
        ..mk_pod("a")
    });
    index.apply_slice(
        "shop",
        SliceFacts {
            managed: false,
            endpoints: vec![Endpoint {
                address: Some("10.0.0.1".parse().unwrap()),
                pod: None,
            }],
            ..mk_slice("by-hand", &[])
        },
    );
    assert_eq!(index.take_changes().withhold, []);
    index.slices_listed(&["by-hand".to_owned()].into());
    assert_eq!(index.take_changes().withhold.len(), 1);
    index.delete_slice("shop", "by-hand", "by-hand-1");
    assert_eq!(index.take_changes().withhold[0].2, None);
}

#[test]
fn pod_is_told_why_once_it_lasts_and_not_of_every_change() {
    let start = Instant::now();
    let mut second = 0;
    let mut index = synced();
    apply_entry(&mut index, mk_object());
    index.apply_service("shop", mk_service("bookstore", "8080"));
    index.apply_pod(mk_pod("a"));
    let mut tick = |index: &mut Index| {
        second += 1;
        index.tick(start + Duration::from_secs(second));
        index.take_changes().notices.len()
    };
    assert_eq!(
        (tick(&mut index), tick(&mut index)),
        (0, 0),
        "it may be mended"
    );
    assert_eq!((tick(&mut index), tick(&mut index)), (1, 0), "once");
    for _ in 0..10 {
        index.apply_service("shop", mk_service("bookstore", "http"));
        index.apply_service("shop", mk_service("bookstore", "8080"));
    }
    let told: usize = (0..10).map(|_| tick(&mut index)).sum();
    assert_eq!(told, 1, "so often it changed, so little was told");
    let mut told = told + 1;
    for _ in 0..10 {
        index.apply_service("shop", mk_service("bookstore", "http"));
        index.apply_service("shop", mk_service("bookstore", "8080"));
        told += (0..5).map(|_| tick(&mut index)).sum::<usize>();
    }
    assert_eq!(told, usize::from(MAX_TOLD));
}

#[test]
fn mended_before_it_lasted_is_not_told() {
    let start = Instant::now();
    let mut index = synced();
    apply_entry(&mut index, mk_object());
    index.apply_service("shop", mk_service("bookstore", "8080"));
    index.apply_pod(mk_pod("a"));
    index.tick(start);
    index.apply_service("shop", mk_service("bookstore", "http"));
    index.tick(start + Duration::from_secs(10));
    assert_eq!(index.take_changes().notices, []);
}

/// In a namespace of many, a roll-out of one is nobody else's business.
#[test]
fn slice_concerns_the_services_of_the_pods_that_its_service_selects_and_no_other() {
    let mut index = crowded();
    index.apply_slice("shop", mk_slice("bookstore", &[("old", "9")]));
    assert_eq!(dirty(&mut index), ["bookstore"]);
    index.apply_slice("shop", mk_slice("both", &[("old", "9")]));
    assert_eq!(dirty(&mut index), ["bookstore", "other"]);
    index.delete_slice("shop", "both", "both-1");
    assert_eq!(dirty(&mut index), ["bookstore", "other"]);

    // What a Service selects changes with pods and with Services.
    index.apply_pod(InjectedPod {
        labels: [("app".to_owned(), "unlike".to_owned())].into(),
        ..mk_pod("a")
    });
    dirty(&mut index);
    index.apply_slice("shop", mk_slice("both", &[("old", "9")]));
    assert_eq!(dirty(&mut index), ["other"]);
    index.apply_pod(mk_pod("a"));
    index.apply_service("shop", mk_selecting("both", "app", "bookstore"));
    dirty(&mut index);
    index.delete_slice("shop", "both", "both-1");
    assert_eq!(dirty(&mut index), ["bookstore"]);
    index.apply_pod(InjectedPod {
        service: "third".into(),
        ..mk_pod("a")
    });
    dirty(&mut index);
    index.apply_slice("shop", mk_slice("both", &[("old", "9")]));
    assert_eq!(dirty(&mut index), ["third"]);
}

/// The watches run side by side: which of the two comes first is luck.
#[test]
fn pod_that_comes_after_its_endpoint_is_no_longer_told_of_as_one_without_a_sidecar() {
    let mut index = crowded();
    let both = [("a", "uid-a"), ("o", "uid-o"), ("late", "uid-late")];
    index.apply_slice("shop", mk_slice("both", &both));
    dirty(&mut index);
    let mixed = |index: &Index| {
        let verdicts = verdicts(index).into_iter();
        let mixed = verdicts.filter(|(_, said)| said.contains("MixedPods"));
        mixed.map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(mixed(&index), ["bookstore", "other"]);
    index.apply_pod(InjectedPod {
        service: "third".into(),
        labels: labels(&[("tier", "web")]),
        ..mk_pod("late")
    });
    assert_eq!(dirty(&mut index), ["bookstore", "other", "third"]);
    assert_eq!(mixed(&index), Vec::<String>::new());
}

#[test]
fn slice_written_by_hand_concerns_whom_it_leads_to_and_no_other() {
    let mut index = crowded();
    let leading = |number: usize, endpoint: Endpoint| SliceFacts {
        name: format!("by-hand-{number}"),
        managed: false,
        endpoints: vec![endpoint],
        ..mk_slice("by-hand", &[])
    };
    let to = |address: &str| Endpoint {
        address: Some(address.parse().unwrap()),
        pod: None,
    };
    index.apply_slice("shop", leading(1, to("10.0.0.2")));
    let changes = index.take_changes();
    assert_eq!(names(&changes), ["other"]);
    assert_eq!(changes.withhold.len(), 1, "{:?}", changes.withhold);
    assert_eq!(changes.withhold[0].1, "uid-o");
    // A second one leads to nobody, and is beside the first.
    index.apply_slice("shop", leading(2, to("10.9.9.9")));
    assert_eq!(dirty(&mut index), ["other"]);
    // Whoever it led to is concerned as well as whoever it leads to.
    index.apply_pod(mk_pod("named"));
    dirty(&mut index);
    let named = Endpoint {
        address: None,
        pod: Some(("named".into(), String::new())),
    };
    index.apply_slice("shop", leading(1, named));
    let changes = index.take_changes();
    assert_eq!(names(&changes), ["bookstore", "other"]);
    let mut withhold: Vec<_> = changes.withhold.iter().collect();
    withhold.sort();
    let [(_, named, Some(_)), (_, other, None)] = &withhold[..] else {
        panic!("{withhold:?}");
    };
    assert_eq!((&**named, &**other), ("uid-named", "uid-o"));
}

/// A Service that selects others, with an endpoint written by hand: its slices are known as long as those live.
#[test]
fn pod_is_released_when_the_slice_that_led_to_it_is_of_no_interest_any_more() {
    let mut index = crowded();
    let slice = SliceFacts {
        managed: false,
        ..mk_slice("other", &[("a", "uid-a")])
    };
    index.apply_slice("shop", slice);
    assert_eq!(index.take_changes().withhold.len(), 1);
    index.delete_pod("shop", "o");
    let changes = index.take_changes();
    assert_eq!(names(&changes), ["bookstore", "other"]);
    assert_eq!(changes.withhold, [(key(), "uid-a".to_owned(), None)]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Whatever happens, in whatever order: a slice changes what is said of those that are marked, if at all,
    /// and every pod was told what it would be told if all were looked at.
    #[test]
    fn what_a_slice_changes_is_marked(steps in proptest::collection::vec(proptest::prelude::any::<[u8; 4]>(), 1..40)) {
        let mut index = crowded();
        let mut told = BTreeMap::new();
        for [what, which, how, more] in steps {
            let which = usize::from(which);
            let label = ["bookstore", "other", "unlike"][usize::from(how) % 3];
            let service = ["bookstore", "other", "both", "by-hand"][which % 4];
            let before = verdicts(&index);
            match what % 5 {
                0 => index.apply_pod(InjectedPod {
                    service: ["bookstore", "other", "third"][usize::from(more) % 3].into(),
                    labels: [("app".to_owned(), label.to_owned())].into(),
                    live: what < 200,
                    ips: vec![std::net::IpAddr::from([10, 0, 0, more % 4])],
                    ..mk_pod(["a", "o", "x"][which % 3])
                }),
                1 => index.delete_pod("shop", ["a", "o", "x"][which % 3]),
                2 if service != "by-hand" => {
                    index.apply_service("shop", mk_selecting(service, "app", label));
                }
                3 => index.delete_slice("shop", service, &format!("{service}-{}", how % 2)),
                _ => {
                    let pod = ["a", "o", "x", "old"][usize::from(more) % 4];
                    let mut slice = mk_slice(service, &[(pod, &format!("uid-{pod}"))]);
                    slice.name = format!("{service}-{}", how % 2);
                    slice.managed = service != "by-hand" && how < 128;
                    slice.ports[0].number = if more < 128 { 8080 } else { 14080 };
                    if what >= 128 {
                        slice.endpoints[0] = Endpoint {
                            address: Some([10, 0, 0, more % 4].into()),
                            pod: None,
                        };
                    }
                    index.apply_slice("shop", slice);
                }
            }
            index.slices_listed(&["bookstore", "other", "both", "by-hand"].map(str::to_owned).into());
            let after = verdicts(&index);
            let changes = index.take_changes();
            let dirty = names(&changes);
            let namespace = &index.namespaces["shop"];
            told.retain(|uid, _| namespace.pods.values().any(|pod| pod.uid == *uid));
            told.extend(changes.withhold.into_iter().map(|(_, uid, reason)| (uid, reason)));
            for pod in namespace.pods.values() {
                let reason = crate::operator::capture::withhold(pod, &namespace.surroundings("shop"));
                proptest::prop_assert_eq!(told.get(&pod.uid).cloned().flatten(), reason);
            }
            if what % 5 < 3 {
                continue;
            }
            for ((service, before), (_, after)) in before.iter().zip(&after) {
                let marked = dirty.contains(service);
                proptest::prop_assert!(marked || before == after, "{service}: {before} then {after}");
            }
        }
    }
}

/// Three EndpointsServices with a pod each, a Service for each of two, one for both, and one without a
/// selector; all slices are listed.
fn crowded() -> Index {
    let mut index = synced();
    for name in ["bookstore", "other", "third"] {
        apply_named(&mut index, name, mk_object());
    }
    index.apply_service("shop", mk_selecting("bookstore", "app", "bookstore"));
    index.apply_service("shop", mk_selecting("other", "app", "other"));
    index.apply_service("shop", mk_selecting("both", "tier", "web"));
    index.apply_service("shop", mk_by_hand());
    index.apply_pod(InjectedPod {
        labels: labels(&[("app", "bookstore"), ("tier", "web")]),
        ips: vec!["10.0.0.1".parse().unwrap()],
        ..mk_pod("a")
    });
    index.apply_pod(InjectedPod {
        service: "other".into(),
        labels: labels(&[("app", "other"), ("tier", "web")]),
        ips: vec!["10.0.0.2".parse().unwrap()],
        ..mk_pod("o")
    });
    index.slices_listed(
        &["bookstore", "other", "both", "by-hand"]
            .map(str::to_owned)
            .into(),
    );
    index.take_changes();
    index
}

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    labels.iter().map(owned).collect()
}

/// Without a selector: its slices are written by hand.
fn mk_by_hand() -> ServiceFacts {
    ServiceFacts {
        selector: BTreeMap::new(),
        ..mk_service("by-hand", "8080")
    }
}

fn mk_selecting(name: &str, key: &str, value: &str) -> ServiceFacts {
    ServiceFacts {
        selector: labels(&[(key, value)]),
        ..mk_service(name, "http")
    }
}

fn dirty(index: &mut Index) -> Vec<String> {
    names(&index.take_changes())
}

fn names(changes: &Changes) -> Vec<String> {
    changes.dirty.iter().map(|key| key.name.clone()).collect()
}

/// What the statuses say of capture, by EndpointsService.
fn verdicts(index: &Index) -> Vec<(String, String)> {
    let namespace = &index.namespaces["shop"];
    let said = |name: &String| {
        let pods = namespace.pods.values();
        let pods: Vec<_> = pods
            .filter(|pod| pod.live && pod.service == *name)
            .collect();
        let said = crate::operator::capture::capture(&pods, &namespace.surroundings("shop"));
        (name.clone(), format!("{said:?}"))
    };
    namespace.entries.keys().map(said).collect()
}

fn synced() -> Index {
    let mut index = Index::new();
    index.set_synced();
    index
}

fn added(index: &mut Index) -> Vec<String> {
    let slices = index.take_changes().slices;
    assert_eq!(slices.removed, []);
    slices.added.into_iter().map(|(_, name)| name).collect()
}

fn captured(index: &Index) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
    let status = index.status(&key(), Default::default()).unwrap().status;
    let mut conditions = status.conditions.into_iter();
    conditions
        .find(|condition| condition.type_ == conditions::CAPTURED)
        .unwrap()
}

/// A spec that is of no use: what Services do is seen all the same.
fn apply_entry(index: &mut Index, object: ServiceObject) {
    apply_named(index, "bookstore", object);
}

fn apply_named(index: &mut Index, name: &str, object: ServiceObject) {
    fn compile(
        _: &EndpointsServiceSpec,
        _: &ConfigMapTexts,
        _: &ServiceIdentity,
    ) -> Result<Compiled, Vec<Diagnostic>> {
        Err(Vec::new())
    }
    let key = ServiceKey {
        name: name.into(),
        ..key()
    };
    index.apply_entry(&key, object);
    for job in index.take_jobs() {
        index.compiled(job.run(compile, &Cache::default()));
    }
}

fn key() -> ServiceKey {
    ServiceKey {
        namespace: "shop".into(),
        name: "bookstore".into(),
    }
}

fn mk_object() -> ServiceObject {
    ServiceObject {
        uid: "uid".into(),
        generation: 1,
        version: String::new(),
        spec: Ok(EndpointsServiceSpec::default()),
        status: Default::default(),
    }
}

fn mk_pod(name: &str) -> InjectedPod {
    InjectedPod {
        namespace: "shop".into(),
        name: name.into(),
        uid: format!("uid-{name}"),
        service: "bookstore".into(),
        labels: [("app".to_owned(), "bookstore".to_owned())].into(),
        taken: vec![TakenPort {
            name: Some("http".into()),
            listen: 14080,
            app: 8080,
            renamed: None,
        }],
        version: String::new(),
        capture: CaptureMode::Named,
        secrets: MountedSecrets::default(),
        workload: None,
        named_ports: vec![("app-http".into(), 8080), ("http".into(), 14080)],
        host_ports: Vec::new(),
        created: None,
        live: true,
        was_ready: false,
        service_account: "default".into(),
        ips: Vec::new(),
    }
}

/// `target`: a number, or a name.
fn mk_service(name: &str, target: &str) -> ServiceFacts {
    ServiceFacts {
        name: name.into(),
        selector: [("app".to_owned(), "bookstore".to_owned())].into(),
        ports: vec![ServicePort {
            name: String::new(),
            port: 80,
            target: match target.parse() {
                Ok(number) => Target::Number(number),
                Err(_) => Target::Name(target.into()),
            },
            ambiguous: None,
        }],
        ..ServiceFacts::default()
    }
}

fn mk_slice(service: &str, pods: &[(&str, &str)]) -> SliceFacts {
    let endpoint = |(name, uid): &(&str, &str)| Endpoint {
        address: None,
        pod: Some(((*name).to_owned(), (*uid).to_owned())),
    };
    SliceFacts {
        name: format!("{service}-1"),
        service: service.into(),
        managed: true,
        mirrored: false,
        ports: vec![SlicePort {
            name: String::new(),
            number: 8080,
            index: 0,
        }],
        endpoints: pods.iter().map(endpoint).collect(),
    }
}
