//! The last good policy outlives operators, broken specs and the resource itself.

use endpoints::api::EndpointsService;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::api_server::{
    Cluster, Operator, SYSTEM, Test, create_namespace, eventually, install_rights, install_webhook,
};
use crate::objects::{create_pod, create_service, document, edit, wait_for, wait_for_sidecars};
use crate::sidecars::Sidecar;

async fn wait_for_revisions(test: &Test, count: usize) {
    eventually(|| async {
        let ours = ListParams::default().labels("endpoints.dev/last-good=true");
        let found = test.api::<ControllerRevision>().list(&ours).await.unwrap();
        let names: Vec<_> = found
            .items
            .iter()
            .map(|it| it.metadata.name.clone())
            .collect();
        (names.len() == count)
            .then_some(())
            .ok_or(format!("{names:?}"))
    })
    .await;
}

async fn wait_for_operations(sidecar: &Sidecar, count: usize) {
    eventually(|| async {
        let found = sidecar.operations();
        (found == count)
            .then_some(())
            .ok_or(format!("{found} operations"))
    })
    .await;
}

async fn restart(cluster: &'static Cluster, operator: Operator) -> Operator {
    let (code, log) = operator.stop();
    assert_eq!(code, 0, "{log}");
    Operator::install(cluster).await
}

#[tokio::test]
async fn new_pods_get_the_last_good_policy_from_a_new_operator_broken_or_deleted() {
    let cluster = Cluster::own();
    let test = Test::on(cluster).await;
    create_namespace(&test.client, SYSTEM).await;
    let operator = Operator::install(cluster).await;
    create_service(&test, "bookstore", &document(&["/shelves"])).await;
    create_service(&test, "other", &document(&[])).await;
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    wait_for_revisions(&test, 2).await;
    let services = test.api::<EndpointsService>();
    let good = services
        .get("bookstore")
        .await
        .unwrap()
        .status
        .unwrap()
        .policy;
    edit(
        &test,
        "bookstore",
        json!({ "openapi": { "inline": "broken" } }),
    )
    .await;
    wait_for(&test, "bookstore", "Accepted", "False", "InvalidOpenAPI").await;

    // Broken, and the operator knows it from nothing but the revision.
    let operator = restart(cluster, operator).await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let a = Sidecar::dial(operator.push_port, &test, &pod, "bookstore", Ok(())).await;
    wait_for_operations(&a, 2).await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;
    let accepted = wait_for(&test, "bookstore", "Accepted", "False", "InvalidOpenAPI").await;
    assert!(
        accepted.message.contains("last good policy stays"),
        "{}",
        accepted.message
    );
    assert_eq!(
        services
            .get("bookstore")
            .await
            .unwrap()
            .status
            .unwrap()
            .policy,
        good
    );

    // Deleted, and the operator restarted: the pods that are started meanwhile get it, too.
    services
        .delete("bookstore", &DeleteParams::default())
        .await
        .unwrap();
    eventually(|| async {
        let events = test
            .api::<Event>()
            .list(&ListParams::default())
            .await
            .unwrap();
        let mut reasons = events.items.iter().filter_map(|it| it.reason.as_deref());
        let told = reasons.any(|reason| reason == "EndpointsServiceDeleted");
        told.then_some(()).ok_or("no Event".to_owned())
    })
    .await;
    drop(a);
    let operator = restart(cluster, operator).await;
    let pod = create_pod(&test, "b", "bookstore").await;
    let b = Sidecar::dial(operator.push_port, &test, &pod, "bookstore", Ok(())).await;
    wait_for_operations(&b, 2).await;

    // Created again, it is adopted.
    create_service(&test, "bookstore", &document(&["/shelves", "/authors"])).await;
    wait_for_operations(&b, 3).await;
    wait_for_sidecars(&test, "bookstore", "1/2").await;

    // And when nobody is left, nothing is.
    services
        .delete("bookstore", &DeleteParams::default())
        .await
        .unwrap();
    let now = DeleteParams::default().grace_period(0);
    for name in ["a", "b"] {
        test.api::<Pod>().delete(name, &now).await.unwrap();
    }
    wait_for_revisions(&test, 1).await;
    operator.stop();
}

/// It is the only one that there is: an operator that gave up would leave new pods without a policy.
#[tokio::test]
async fn last_good_policy_that_cannot_be_read_is_read_as_soon_as_it_can() {
    let cluster = Cluster::own();
    let test = Test::on(cluster).await;
    create_namespace(&test.client, SYSTEM).await;
    let operator = Operator::install(cluster).await;
    create_service(&test, "bookstore", &document(&["/shelves"])).await;
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    wait_for_revisions(&test, 1).await;
    let broken = json!({ "openapi": { "inline": "broken" } });
    edit(&test, "bookstore", broken).await;
    wait_for(&test, "bookstore", "Accepted", "False", "InvalidOpenAPI").await;
    let pod = create_pod(&test, "a", "bookstore").await;
    operator.stop();

    let kubeconfig = install_rights(cluster).await;
    let roles = Api::<ClusterRole>::all(test.client.clone());
    let reading = |may: bool| {
        let roles = roles.clone();
        async move {
            let all = roles.list(&ListParams::default()).await.unwrap();
            for role in all {
                let name = role.metadata.name.clone().unwrap();
                let mut rules = role.rules.unwrap_or_default();
                let ours = |name: &String| name.starts_with("endpoints-operator");
                let of_revisions = rules.iter_mut().find(|rule| {
                    let resources = rule.resources.iter().flatten();
                    ours(&name) && resources.into_iter().any(|it| it == "controllerrevisions")
                });
                let Some(rule) = of_revisions else {
                    continue;
                };
                rule.verbs.retain(|verb| verb != "get");
                if may {
                    rule.verbs.push("get".to_owned());
                }
                let patch = Patch::Merge(json!({ "rules": rules }));
                let params = PatchParams::default();
                roles.patch(&name, &params, &patch).await.unwrap();
                return;
            }
            panic!("no right to read ControllerRevisions");
        }
    };
    reading(false).await;
    let operator = Operator::spawn(&kubeconfig, &[]);
    install_webhook(&test.client, operator.webhook_port).await;
    operator.wait_for_log("cannot read a revision").await;
    reading(true).await;
    operator.wait_until_ready();
    let sidecar = Sidecar::dial(operator.push_port, &test, &pod, "bookstore", Ok(())).await;
    wait_for_operations(&sidecar, 2).await;
    let failures = operator.metric("endpoints_operator_revision_read_failures_total");
    assert!((1.0..=5.0).contains(&failures), "{failures}");
    operator.stop();
}
