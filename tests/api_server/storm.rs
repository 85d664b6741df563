//! Several writers at the same objects: nothing is lost, and the operator does not fight them.

use std::time::Duration;

use endpoints::api::EndpointsService;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::api_server::{Cluster, Operator, SYSTEM, Test, create_namespace, eventually};
use crate::objects::{create_pod, create_service, document, edit, wait_for, wait_for_sidecars};
use crate::sidecars::Sidecar;

const SERVICES: [&str; 2] = ["bookstore", "library"];
const STORM: Duration = Duration::from_secs(6);
/// The operator tries to write a status at most so often, in a second and for one object: after a conflict it
/// waits for 200 ms.
const WRITES_A_SECOND: f64 = 5.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_spec_status_and_metadata_lose_nothing_and_are_not_fought() {
    let cluster = Cluster::own();
    let test = Test::on(cluster).await;
    create_namespace(&test.client, SYSTEM).await;
    let operator = Operator::install(cluster).await;
    let mut sidecars = Vec::new();
    for service in SERVICES {
        create_service(&test, service, &document(&[])).await;
        let pod = create_pod(&test, service, service).await;
        let port = operator.push_port;
        sidecars.push(Sidecar::dial(port, &test, &pod, service, Ok(())).await);
        wait_for_sidecars(&test, service, "1/1").await;
    }
    let before = tries(&operator);
    let started = Instant::now();
    let storms = SERVICES.map(|service| {
        let metadata = [spec as fn(usize) -> Value, labels, annotations];
        // Somebody else's status, by two who disagree.
        let status = [wrong_conditions as fn(usize) -> Value, wrong_counts];
        (
            metadata.map(|writer| tokio::spawn(hammer(test.api(), service, false, writer))),
            status.map(|writer| tokio::spawn(hammer(test.api(), service, true, writer))),
        )
    });
    let mut written = 0;
    for ((service, sidecar), storm) in SERVICES.into_iter().zip(&sidecars).zip(storms) {
        let ([specs, labels, annotations], statuses) = storm;
        let (labels, annotations) = (labels.await.unwrap(), annotations.await.unwrap());
        written += labels + annotations + specs.await.unwrap();
        for status in statuses {
            written += status.await.unwrap();
        }
        let last = document(&["/a", "/b", "/c"]);
        edit(&test, service, json!({ "openapi": { "inline": last } })).await;
        wait_for(&test, service, "Programmed", "True", "AllCurrent").await;
        let stored = wait_for_sidecars(&test, service, "1/1").await;
        assert_eq!(sidecar.operations(), 4);
        let status = stored.status.unwrap();
        assert_eq!(status.policy.unwrap().operations, 4);
        // The others' last writes stand.
        let (labelled, annotated) = (stored.metadata.labels, stored.metadata.annotations);
        assert_eq!(labelled.unwrap()["storm"], labels.to_string());
        assert_eq!(annotated.unwrap()["storm"], annotations.to_string());
    }
    assert!(written > 100, "a storm: {written}");
    // Quiet, once nobody else writes.
    eventually(|| async {
        let seen = tries(&operator);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let more = tries(&operator) - seen;
        (more == 0.0).then_some(()).ok_or(format!("{more} more"))
    })
    .await;
    let tries = tries(&operator) - before;
    let seconds = started.elapsed().as_secs_f64();
    let most = WRITES_A_SECOND * seconds * SERVICES.len() as f64;
    assert!(tries <= most, "{tries} tries in {seconds} s");
    let (_, log) = operator.stop();
    assert!(!log.contains("panicked"), "{log}");
}

/// Writes again and again for the time of the storm; how often.
async fn hammer(
    api: Api<EndpointsService>,
    service: &'static str,
    status: bool,
    writer: fn(usize) -> Value,
) -> usize {
    let started = Instant::now();
    let mut written = 0;
    while started.elapsed() < STORM {
        let patch = Patch::Merge(writer(written + 1));
        let params = PatchParams::default();
        match status {
            false => api.patch(service, &params, &patch).await.unwrap(),
            true => api.patch_status(service, &params, &patch).await.unwrap(),
        };
        written += 1;
    }
    written
}

fn spec(number: usize) -> Value {
    let paths = ["/x", "/y", "/z"];
    json!({ "spec": { "openapi": { "inline": document(&paths[..number % 3]) } } })
}

fn labels(number: usize) -> Value {
    json!({ "metadata": { "labels": { "storm": number.to_string() } } })
}

fn annotations(number: usize) -> Value {
    json!({ "metadata": { "annotations": { "storm": number.to_string() } } })
}

fn wrong_conditions(number: usize) -> Value {
    json!({ "status": { "conditions": [{
        "type": "Programmed", "status": "False", "reason": "Storm", "message": number.to_string(),
        "lastTransitionTime": "2026-01-01T00:00:00Z"
    }] } })
}

fn wrong_counts(number: usize) -> Value {
    json!({ "status": { "sidecars": {
        "total": number, "current": 0, "rejected": 0, "stale": number, "summary": "none"
    } } })
}

/// How often the operator tried to write a status.
fn tries(operator: &Operator) -> f64 {
    let failed = "endpoints_operator_status_write_failures_total";
    operator.metric("endpoints_operator_status_writes_total")
        + operator.metric(&format!("{failed}{{reason=\"conflict\"}}"))
        + operator.metric(&format!("{failed}{{reason=\"api\"}}"))
}
