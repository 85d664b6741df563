use super::*;
use crate::api::annotations::{CaptureMode, TakenPort};
use crate::api::{EndpointsServiceSpec, conditions};
use crate::openapi::Diagnostic;
use crate::operator::admission::MountedSecrets;
use crate::operator::capture::{Endpoint, ServicePort, SlicePort, Target};
use crate::operator::compiler::Cache;
use crate::operator::index::ServiceObject;
use crate::policy::{Compiled, ConfigMapTexts, ServiceIdentity};

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
    index.apply_service(
        "shop",
        ServiceFacts {
            selector: BTreeMap::new(),
            ..mk_service("by-hand", "8080")
        },
    );
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
    fn compile(
        _: &EndpointsServiceSpec,
        _: &ConfigMapTexts,
        _: &ServiceIdentity,
    ) -> Result<Compiled, Vec<Diagnostic>> {
        Err(Vec::new())
    }
    index.apply_entry(&key(), object);
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
