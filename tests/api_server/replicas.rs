//! Two operators: who leads, what it knows of the other's sidecars, and what stays true when it goes.

use std::time::Duration;

use endpoints::api::EndpointsService;
use endpoints::api::conditions::PROGRAMMED;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::api_server::{Cluster, Operator, SYSTEM, Test, create_namespace, eventually};
use crate::objects::{create_pod, create_service, document, edit, wait_for, wait_for_sidecars};
use crate::sidecars::Sidecar;

/// Two operators, the first of which leads; three sidecars: two of the first, one of the second. Those of
/// the first know the way to the second, too.
struct Pair {
    test: Test,
    leader: Operator,
    follower: Operator,
    sidecars: Vec<Sidecar>,
}

impl Pair {
    async fn start() -> Self {
        let cluster = Cluster::own();
        let test = Test::on(cluster).await;
        create_namespace(&test.client, SYSTEM).await;
        let leader = Operator::install_replica(cluster, "operator-0").await;
        await_leader(&test, "operator-0").await;
        let follower = Operator::install_replica(cluster, "operator-1").await;
        create_service(&test, "bookstore", &document(&[])).await;
        let ports = [leader.push_port, follower.push_port];
        let mut sidecars = Vec::new();
        for (name, ports) in [("a", &ports[..]), ("b", &ports[..]), ("c", &ports[1..])] {
            let pod = create_pod(&test, name, "bookstore").await;
            sidecars.push(Sidecar::dial_any(ports, &test, &pod, "bookstore", Ok(())).await);
        }
        wait_for_sidecars(&test, "bookstore", "3/3").await;
        wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
        Self {
            test,
            leader,
            follower,
            sidecars,
        }
    }
}

#[tokio::test]
async fn sidecars_of_both_operators_are_counted_and_an_edit_waits_for_all_of_them() {
    let Pair {
        test,
        leader,
        follower,
        sidecars,
    } = Pair::start().await;
    let own = "endpoints_operator_streams 1";
    assert!(follower.admin("/metrics").1.contains(own));
    edit_and_wait(&test, &["/shelves"]).await;
    for sidecar in &sidecars {
        assert_eq!(sidecar.operations(), 2, "kubectl wait returned after all");
    }

    // In order: the other one leads within a round, not after the lease's time.
    let watched = Watched::start(&test);
    let (code, log) = leader.stop();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("gave the lease up"), "{log}");
    let stopped = tokio::time::Instant::now();
    await_leader(&test, "operator-1").await;
    assert!(stopped.elapsed() < Duration::from_secs(8));
    edit_and_wait(&test, &["/shelves", "/authors"]).await;
    for sidecar in &sidecars {
        assert_eq!(sidecar.operations(), 3);
    }
    watched.never_fell_behind().await;
    drop(follower);
}

#[tokio::test]
async fn the_other_operator_takes_over_when_the_leader_dies_and_the_status_says_no_less() {
    let Pair {
        test,
        leader,
        follower,
        sidecars,
    } = Pair::start().await;
    let watched = Watched::start(&test);
    leader.kill();
    await_leader(&test, "operator-1").await;
    // Every sidecar has come back to the one that is left.
    eventually(|| async {
        let metrics = follower.admin("/metrics").1;
        let all = metrics.contains("endpoints_operator_streams 3");
        all.then_some(()).ok_or(metrics)
    })
    .await;
    edit_and_wait(&test, &["/shelves"]).await;
    for sidecar in &sidecars {
        assert_eq!(sidecar.operations(), 2);
    }
    watched.never_fell_behind().await;
    wait_for_sidecars(&test, "bookstore", "3/3").await;
}

/// As a user would; right just after the edit.
async fn edit_and_wait(test: &Test, paths: &[&str]) {
    let spec = json!({ "openapi": { "inline": document(paths) } });
    edit(test, "bookstore", spec).await;
    let arguments = [
        "wait",
        "--for=condition=Programmed",
        "eps/bookstore",
        "--timeout=60s",
        "-n",
    ];
    let arguments = [&arguments[..], &[&test.namespace]].concat();
    let output = test.cluster.kubectl(&arguments).await;
    assert!(output.status.success(), "{output:?}");
}

async fn await_leader(test: &Test, pod: &str) {
    let leases = Api::<Lease>::namespaced(test.client.clone(), SYSTEM);
    eventually(|| async {
        let lease = leases.get_opt("endpoints-operator").await.unwrap();
        let holder = lease.and_then(|lease| lease.spec?.holder_identity);
        match &holder {
            Some(holder) if holder.starts_with(&format!("{pod}_")) => Ok(()),
            _ => Err(format!("{holder:?} leads")),
        }
    })
    .await;
}

/// Looks at a status all the time.
struct Watched {
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<Vec<String>>,
}

impl Watched {
    fn start(test: &Test) -> Self {
        let api = test.api::<EndpointsService>();
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut fell = Vec::new();
            let mut programmed_once = None;
            while stopped.try_recv().is_err() {
                let service = api.get("bookstore").await.unwrap();
                let generation = service.metadata.generation;
                let status = service.status.unwrap();
                let mut conditions = status.conditions.iter();
                let programmed = conditions.find(|it| it.type_ == PROGRAMMED).unwrap();
                if programmed.status == "True" {
                    programmed_once = programmed.observed_generation;
                } else if programmed.observed_generation == programmed_once {
                    fell.push(format!("generation {generation:?}: {programmed:?}"));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            fell
        });
        Self { stop, task }
    }

    async fn never_fell_behind(self) {
        let _ = self.stop.send(());
        let fell = self.task.await.unwrap();
        assert!(fell.is_empty(), "{fell:#?}");
    }
}
