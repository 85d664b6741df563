//! A sidecar's container that is started again while no operator answers.

use std::path::Path;
use std::time::SystemTime;

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::api_server::{Guarded, Test, ask, eventually, free_ports, get};
use crate::objects::{create_pod, create_service, protected_document, wait_for};
use crate::serve::KeyServer;
use crate::sidecar_process::{backend, start_with, token_file};
use crate::tokens::{Signer, key_set};

const ISSUER: &str = "https://issuer.example";

/// A pod, its volume, and what its container is started with.
struct Scene {
    test: Test,
    pod: Pod,
    token: tempfile::NamedTempFile,
    volume: tempfile::TempDir,
    signer: Signer,
    traffic: u16,
    admin: u16,
    app: u16,
    _backend: Guarded,
}

impl Scene {
    /// With a policy that demands tokens, which a first container has had in force.
    async fn new() -> Self {
        let test = Test::start().await;
        let signer = Signer::new("ES256", "one");
        let issuer = KeyServer::start(key_set(&[&signer]));
        let document = protected_document(ISSUER, Some(&issuer.uri));
        create_service(&test, "bookstore", &document).await;
        let pod = create_pod(&test, "a", "bookstore").await;
        let token = token_file(&test, &pod).await;
        let (backend, app) = backend(&test);
        let [traffic, admin] = free_ports();
        let scene = Self {
            pod,
            token,
            volume: tempfile::tempdir().unwrap(),
            signer,
            traffic,
            admin,
            app,
            _backend: backend,
            test,
        };
        let first = scene.start(scene.volume.path(), &[]);
        wait_for(&scene.test, "bookstore", "Programmed", "True", "AllCurrent").await;
        assert_eq!(get(scene.admin, "/readyz").0, 200);
        assert_eq!(scene.books(true), 200);
        first.stop();
        scene
    }

    fn start(&self, volume: &Path, variables: &[&str]) -> Guarded {
        let mut all = vec![format!("ENDPOINTS_STATE_FOLDER={}", volume.display())];
        all.extend(variables.iter().map(ToString::to_string));
        let listeners = format!("{}={}", self.traffic, self.app);
        let token = self.token.path();
        let sidecar = start_with(&self.test, &self.pod, token, &listeners, self.admin, &all);
        sidecar.wait_for_line(|line| line.contains("the sidecar listens").then_some(()));
        sidecar
    }

    /// One that reaches nobody.
    fn start_alone(&self, volume: &Path) -> Guarded {
        self.start(volume, &["ENDPOINTS_OPERATOR_ADDRESS=127.0.0.1:1"])
    }

    fn books(&self, with_token: bool) -> u16 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let expires = now.unwrap().as_secs() + 600;
        let claims = json!({ "iss": ISSUER, "aud": "https://books.example", "exp": expires });
        let bearer = format!("Bearer {}", self.signer.token(&claims));
        let headers = [("authorization", bearer.as_str())];
        let headers = if with_token { &headers[..] } else { &[] };
        ask(self.traffic, "GET", "/books", headers).0
    }

    /// Fails closed, and is healed by the operator.
    async fn waits_for_the_operator(&self, volume: &Path, said: &str) {
        let alone = self.start_alone(volume);
        let (status, reason) = get(self.admin, "/readyz");
        assert_eq!(status, 503, "{reason}");
        assert_eq!(self.books(true), 503, "closed");
        let (code, log) = alone.stop();
        assert_eq!(code, 0, "{log}");
        assert!(log.contains(said), "{said} in {log}");
        let healed = self.start(volume, &[]);
        eventually(|| async {
            match get(self.admin, "/readyz") {
                (200, _) => Ok(()),
                (_, reason) => Err(reason),
            }
        })
        .await;
        assert_eq!((self.books(true), self.books(false)), (200, 401));
        let (_, log) = healed.stop();
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[tokio::test]
async fn a_restarted_container_serves_its_last_policy_and_keys_at_once_with_no_operator() {
    let scene = Scene::new().await;
    let sidecar = scene.start_alone(scene.volume.path());
    assert_eq!(get(scene.admin, "/readyz"), (200, "ok\n".to_owned()));
    assert_eq!((scene.books(true), scene.books(false)), (200, 401));
    let metrics = get(scene.admin, "/metrics").1;
    for line in [
        "endpoints_policies_restored_total 1",
        "endpoints_policy_source{source=\"volume\"} 1",
        "endpoints_operator_connected 0",
        "endpoints_volume_failures_total 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    sidecar.stop();

    // With an operator that says that nothing has changed, it is the operator's.
    let sidecar = scene.start(scene.volume.path(), &[]);
    eventually(|| async {
        let metrics = get(scene.admin, "/metrics").1;
        let confirmed = metrics.contains("endpoints_policy_source{source=\"stream\"} 1")
            && metrics.contains("endpoints_operator_connected 1");
        confirmed.then_some(()).ok_or(metrics)
    })
    .await;
    wait_for(&scene.test, "bookstore", "Programmed", "True", "AllCurrent").await;
    sidecar.stop();
}

#[tokio::test]
async fn state_that_is_damaged_or_missing_counts_as_none_and_the_operator_heals_it() {
    let scene = Scene::new().await;
    let policy = scene.volume.path().join("policy");
    let whole = std::fs::read(&policy).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", &[0; 5_000_000][..]] {
        std::fs::write(&policy, damaged).unwrap();
        scene
            .waits_for_the_operator(scene.volume.path(), "is of no use")
            .await;
    }
    let missing = scene.volume.path().join("missing");
    scene
        .waits_for_the_operator(&missing, "No such file or directory")
        .await;
}

/// As a full one: each write fails.
#[tokio::test]
async fn a_volume_that_takes_nothing_is_told_and_counted_and_requests_go_on() {
    let scene = Scene::new().await;
    // A file where the folder should be: nothing can be written there, by no user.
    let file = scene.volume.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let sidecar = scene.start(&file, &[]);
    let line = sidecar.wait_for_line(|line| {
        line.contains("the last good state is not kept")
            .then(|| line.to_owned())
    });
    assert!(line.contains("a-file"), "{line}");
    eventually(|| async {
        match scene.books(true) {
            200 => Ok(()),
            status => Err(status.to_string()),
        }
    })
    .await;
    let metrics = get(scene.admin, "/metrics").1;
    let failures = metrics.lines().find_map(|line| {
        line.strip_prefix("endpoints_volume_failures_total ")?
            .parse::<u64>()
            .ok()
    });
    assert!(failures.unwrap() >= 2, "{metrics}");
    let (code, log) = sidecar.stop();
    assert_eq!(code, 0, "{log}");
}
