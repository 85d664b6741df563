//! Installing, upgrading and uninstalling, by Helm 3 and by Helm 4.
//!
//! These have a cluster for themselves, one at a time: `tests/node/run` brings another one for all others,
//! whose run leaves them out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::cluster::{Helm, Outcome, eventually, image, kubectl, try_kubectl};
use crate::namespace::Namespace;
use crate::release::{self, CHART, PREVIOUS_CHART, Release};
use crate::shop::{ORIGIN, Shop};
use crate::traffic::Traffic;

/// Whatever release a test before this one, or a run, left the definition of.
const TAKE_OWNERSHIP: &[&str] = &["--take-ownership"];
/// Who has the cluster.
static CLUSTER: Mutex<()> = Mutex::new(());
const NEW_ORIGIN: &str = "https://new.example.com";

/// And, because somebody says so, while pods have sidecars: they go on under their last policy.
#[test]
#[ignore = "needs the cluster for itself"]
fn helm_3_upgrades_unnoticed_and_uninstalls_by_force() {
    let _cluster = cluster();
    let release = Release::new(Helm::Three);
    let shop = install_previous(&release, "helm-3");
    upgrade(&release, &shop, || {});
    refuse_uninstallation(&release, &shop);

    let before = release::version_of_everything();
    release.force_uninstallation();
    let traffic = Traffic::to(&shop);
    release.try_uninstall().expect_success();
    assert_eq!(
        release.removed_since(&before),
        [
            "ValidatingAdmissionPolicyBinding",
            "ValidatingAdmissionPolicy",
            "MutatingWebhookConfiguration"
        ],
        "what could refuse pods goes first"
    );
    traffic.finish();
    // A pod is not refused, and nobody is there who would inject it.
    let pod = try_pod(&shop.namespace.name).expect_success();
    assert!(!pod.contains("endpoints-proxy"), "{pod}");
    nothing_is_left(&release);
}

#[test]
#[ignore = "needs the cluster for itself"]
fn helm_4_upgrades_unnoticed_and_uninstalls_without_a_trace() {
    let _cluster = cluster();
    let release = Release::new(Helm::Four);
    let shop = install_previous(&release, "helm-4");
    upgrade(&release, &shop, || {
        // Version 0.1.0 has one operator, which ends as soon as it is told to: a pod may be refused
        // then, and comes at the next try. From this version on none is.
        release.wait_for_the_old();
        eventually("pods are admitted", Duration::from_secs(30), || {
            let outcome = try_pod(&shop.namespace.name);
            outcome.success.then_some(()).ok_or(outcome.stderr)
        });
        let newcomers = Newcomers::start(&shop.namespace);
        release.upgrade(&["--set", "podAnnotations.rolled=again"]);
        newcomers.finish();
    });
    let tested = release.test();
    assert!(tested.contains("gets its sidecar"), "{tested}");

    // Pods that come from now on are of this version.
    let restart = ["rollout", "restart", "deployment/bookstore"];
    shop.namespace.kubectl(&restart);
    let rollout = ["rollout", "status", "deployment/bookstore", "--timeout=90s"];
    shop.namespace.kubectl(&rollout);
    let images = sidecar_images(&shop);
    assert!(images.iter().all(|name| *name == image()), "{images:?}");
    shop.wait_sidecars("2/2");

    refuse_uninstallation(&release, &shop);
    // All is as it was: policies are pushed, pods get their sidecars, and Helm can have it so, too.
    shop.allow_origin(ORIGIN);
    let pod = try_pod(&shop.namespace.name).expect_success();
    assert!(pod.contains("endpoints-proxy"), "{pod}");
    release.take_back_uninstallation();

    let deployment = ["delete", "deployment", "bookstore", "--wait=false"];
    shop.namespace.kubectl(&deployment);
    eventually("the shop's pods end", Duration::from_secs(30), || {
        let left = shop.sidecars();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    });
    release.try_uninstall().expect_success();
    nothing_is_left(&release);
    // But what is the users'.
    let kept = ["get", "endpointsservice", "bookstore"];
    shop.namespace.kubectl(&kept);
}

/// The definition that an earlier release left belongs to that release.
#[test]
#[ignore = "needs the cluster for itself"]
fn the_definition_that_was_kept_is_another_releases_when_that_says_so() {
    let _cluster = cluster();
    let first = Release::new(Helm::Four);
    if !first.has_left_the_definition() {
        first.install(TAKE_OWNERSHIP);
        first.try_uninstall().expect_success();
    }
    // Both ways that the notes name, by both Helms.
    let second = Release::named(Helm::Three, "other", "other-system");
    second.install(&["--set", "crds.install=false"]);
    assert!(second.test().contains("gets its sidecar"));
    second.try_uninstall().expect_success();

    let third = Release::named(Helm::Four, "third", "third-system");
    let text = everything(third.try_install(CHART, &image(), &[]));
    assert!(text.contains("invalid ownership metadata"), "{text}");
    third.install(TAKE_OWNERSHIP);
    assert!(third.test().contains("gets its sidecar"));
    third.try_uninstall().expect_success();

    // The others of this run install it as the README does.
    first.own_the_definition();
    for namespace in [second.namespace, third.namespace] {
        kubectl(&["delete", "namespace", namespace, "--wait=false"]);
    }
}

/// The cluster, while no other of these tests has it.
fn cluster() -> MutexGuard<'static, ()> {
    // A test that failed has taken its release away.
    CLUSTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The version before, chart and binary, and a shop behind its sidecars.
fn install_previous(release: &Release, name: &str) -> Shop {
    let Some(previous) = release::previous_image() else {
        release.install(TAKE_OWNERSHIP);
        return Shop::new(name, 2);
    };
    release
        .try_install(PREVIOUS_CHART, &previous, TAKE_OWNERSHIP)
        .expect_success();
    let shop = Shop::new(name, 2);
    let images = sidecar_images(&shop);
    assert!(
        images.iter().all(|image| *image == previous),
        "sidecars of the version before: {images:?}"
    );
    shop
}

/// Upgrades under traffic, then does `more`; the sidecars that there are stay, and get an edit.
fn upgrade(release: &Release, shop: &Shop, more: impl FnOnce()) {
    let before = shop.sidecars();
    let traffic = Traffic::to(shop);
    release.upgrade(&[]);
    more();
    shop.allow_origin(NEW_ORIGIN);
    shop.wait_sidecars("2/2");
    traffic.finish();
    assert_eq!(shop.sidecars(), before, "no pod was replaced or restarted");
}

/// `helm uninstall` while pods have sidecars: it says which, and takes nothing away.
fn refuse_uninstallation(release: &Release, shop: &Shop) {
    let text = everything(release.try_uninstall());
    assert!(text.contains("2 pods have a sidecar"), "{text}");
    for sidecar in shop.sidecars() {
        let pod = format!("{}/{}", shop.namespace.name, sidecar.pod);
        assert!(text.contains(&pod), "{pod} in {text}");
    }
}

fn nothing_is_left(release: &Release) {
    eventually(
        "nothing is left",
        Duration::from_secs(60),
        || match release.leftovers() {
            left if left.is_empty() => Ok(()),
            left => Err(left.join(", ")),
        },
    );
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
        assert!(asked > 5, "only {asked} pods were asked for");
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

/// All that a command said that must have failed.
fn everything(outcome: Outcome) -> String {
    assert!(!outcome.success, "succeeded: {}", outcome.stdout);
    format!("{}{}", outcome.stdout, outcome.stderr)
}
