//! Installing, upgrading and uninstalling, by Helm 3 and by Helm 4.
//!
//! These need the cluster for themselves: `tests/node/run` runs them first, one at a time, and the
//! run of all others leaves them out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use crate::cluster::{Helm, Outcome, eventually, image, kubectl, try_kubectl};
use crate::http::Request;
use crate::namespace::Namespace;
use crate::release::{PREVIOUS_CHART, Release, previous_image};
use crate::shop::{self, ORIGIN, Shop};
use crate::traffic::Traffic;

/// Whatever release a test before this one, or a run, left the definition of.
const TAKE_OWNERSHIP: &[&str] = &["--take-ownership"];
const NEW_ORIGIN: &str = "https://new.example.com";

#[test]
#[ignore = "needs the cluster for itself"]
fn helm_3_upgrades_unnoticed_and_uninstalls_without_a_trace() {
    live(Helm::Three);
}

#[test]
#[ignore = "needs the cluster for itself"]
fn helm_4_upgrades_unnoticed_and_uninstalls_without_a_trace() {
    live(Helm::Four);
}

/// From the version before, chart and binary, to the end.
fn live(helm: Helm) {
    let release = Release::new(helm);
    let shop = match previous_image() {
        Some(previous) => upgrade(&release, &previous),
        None => {
            release.install(TAKE_OWNERSHIP);
            Shop::new("lifecycle", 2)
        }
    };
    let tested = release.test();
    assert!(tested.contains("gets its sidecar"), "{tested}");
    uninstall(&release, shop);
}

/// Under traffic, and once more while pods keep coming; the sidecars of the version before stay.
fn upgrade(release: &Release, previous: &str) -> Shop {
    release
        .try_install(PREVIOUS_CHART, previous, TAKE_OWNERSHIP)
        .expect_success();
    let shop = Shop::new("lifecycle", 2);
    let before = shop.sidecars();
    let images = sidecar_images(&shop);
    assert!(
        images.iter().all(|image| *image == previous),
        "sidecars of the version before: {images:?}"
    );

    // Version 0.1.0 has one operator, which ends as soon as it is told to: a pod may be refused then,
    // and comes at the next try. From this version on none is.
    let traffic = Traffic::to(&shop);
    release.upgrade(&[]);
    let newcomers = Newcomers::start(&shop.namespace);
    release.upgrade(&["--set", "podAnnotations.rolled=again"]);
    newcomers.finish();
    shop.wait_sidecars("2/2");
    shop.patch_spec(&json!({ "cors": { "allowOrigins": [NEW_ORIGIN] } }));
    shop.wait_condition("Programmed", "True");
    traffic.finish();
    let preflight = Request::preflight("/v1/shelves", NEW_ORIGIN, "POST", "");
    for sidecar in &before {
        let response = shop
            .namespace
            .send_to(&preflight, &sidecar.address, sidecar.port);
        assert_eq!(response.status, 200, "the edit came: {response:#?}");
    }
    assert_eq!(shop.sidecars(), before, "no pod was replaced or restarted");

    // Pods that come from now on are of this version.
    shop.namespace
        .kubectl(&["rollout", "restart", "deployment/bookstore"]);
    shop.namespace.kubectl(&[
        "rollout",
        "status",
        "deployment/bookstore",
        "--timeout=120s",
    ]);
    let images = sidecar_images(&shop);
    assert!(images.iter().all(|name| *name == image()), "{images:?}");
    assert_eq!(shop.send(&preflight).status, 200);
    shop
}

/// Refused while pods have sidecars; then nothing is left but what is the users'.
fn uninstall(release: &Release, shop: Shop) {
    let kept = Namespace::new("kept");
    kept.apply(&shop::example("bookstore/endpointsservice.yaml"));
    let text = everything(release.try_uninstall());
    assert!(text.contains("2 pods have a sidecar"), "{text}");
    for sidecar in shop.sidecars() {
        let pod = format!("{}/{}", shop.namespace.name, sidecar.pod);
        assert!(text.contains(&pod), "{pod} in {text}");
    }
    // All is as it was: policies are pushed, pods get their sidecars, and Helm can have it so, too.
    shop.patch_spec(&json!({ "cors": { "allowOrigins": [ORIGIN] } }));
    shop.wait_condition("Programmed", "True");
    let pod = try_pod(&shop.namespace.name).expect_success();
    assert!(pod.contains("endpoints-proxy"), "{pod}");
    release.take_back_uninstallation();

    remove(shop.namespace);
    release.try_uninstall().expect_success();
    eventually(
        "nothing is left",
        Duration::from_secs(60),
        || match release.leftovers() {
            left if left.is_empty() => Ok(()),
            left => Err(left.join(", ")),
        },
    );
    kept.kubectl(&["get", "endpointsservice", "bookstore"]);
    // Nothing looks at pods any more.
    try_pod(&kept.name).expect_success();
    remove(kept);
}

/// The definition that an earlier release left belongs to that release.
#[test]
#[ignore = "needs the cluster for itself"]
fn another_release_installs_over_the_definition_that_was_kept() {
    let first = Release::new(Helm::Four);
    first.install(TAKE_OWNERSHIP);
    first.try_uninstall().expect_success();

    let second = Release::named(Helm::Four, "other", "other-system");
    let refused = second.try_install(crate::release::CHART, &image(), &[]);
    let text = everything(refused);
    assert!(text.contains("invalid ownership metadata"), "{text}");
    // Both ways that the notes name, by both Helms.
    second.install(TAKE_OWNERSHIP);
    assert!(second.test().contains("gets its sidecar"));
    second.try_uninstall().expect_success();
    let third = Release::named(Helm::Three, "third", "third-system");
    third.install(&["--set", "crds.install=false"]);
    assert!(third.test().contains("gets its sidecar"));
    third.try_uninstall().expect_success();

    // The others of this run install it as the README does.
    first.install(TAKE_OWNERSHIP);
    first.try_uninstall().expect_success();
    for namespace in [second.namespace, third.namespace] {
        kubectl(&["delete", "namespace", namespace, "--timeout=90s"]);
    }
}

/// Somebody who keeps asking for annotated pods, without keeping any.
struct Newcomers {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Outcome>>,
}

impl Newcomers {
    fn start(namespace: &Namespace) -> Self {
        let (stop, namespace) = (Arc::new(AtomicBool::new(false)), namespace.name.clone());
        let stopped = stop.clone();
        let asking = thread::spawn(move || {
            let mut outcomes = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                outcomes.push(try_pod(&namespace));
                thread::sleep(Duration::from_millis(100));
            }
            outcomes
        });
        Self { stop, asking }
    }

    /// Fails the test if one of them was refused, or would come without a sidecar.
    fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        let outcomes = self.asking.join().expect("asking does not panic");
        let asked = outcomes.len();
        assert!(asked > 10, "only {asked} pods were asked for");
        for outcome in outcomes {
            let pod = outcome.expect_success();
            assert!(pod.contains("endpoints-proxy"), "{pod}");
        }
        eprintln!("{asked} pods, none denied");
    }
}

/// An annotated pod, as a dry run.
fn try_pod(namespace: &str) -> Outcome {
    let pod = "
apiVersion: v1
kind: Pod
metadata: {generateName: newcomer-, annotations: {endpoints.dev/service: bookstore}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: app
    image: app
    ports: [{name: http, containerPort: 8080}]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
";
    let arguments = [
        "create",
        "--dry-run=server",
        "--output=yaml",
        "--filename=-",
    ];
    try_kubectl(&[&["--namespace", namespace], &arguments[..]].concat(), pod)
}

fn sidecar_images(shop: &Shop) -> Vec<String> {
    let pods = shop.namespace.get(&["pods", "--selector=app=bookstore"]);
    let pods = pods["items"].as_array().expect("a list");
    pods.iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .flat_map(|pod| {
            ["initContainers", "containers"]
                .into_iter()
                .filter_map(|list| pod["spec"][list].as_array())
                .flatten()
        })
        .filter(|container| container["name"] == "endpoints-proxy")
        .filter_map(|container| Some(container["image"].as_str()?.to_owned()))
        .collect()
}

/// Deletes a namespace and waits until its pods are gone.
fn remove(namespace: Namespace) {
    kubectl(&["delete", "namespace", &namespace.name, "--timeout=120s"]);
    drop(namespace);
}

/// All that a command said that must have failed.
fn everything(outcome: Outcome) -> String {
    assert!(!outcome.success, "succeeded: {}", outcome.stdout);
    format!("{}{}", outcome.stdout, outcome.stderr)
}
