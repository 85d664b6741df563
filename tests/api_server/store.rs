//! The API server is away, slow, or remembers less than it did: everything converges, nothing opens.

use std::time::Duration;

use endpoints::api::EndpointsService;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::api_server::{
    Cluster, Operator, Order, SYSTEM, Test, create_namespace, eventually, install_rights,
    unique_name,
};
use crate::objects::{create_pod, create_service, document, edit, wait_for, wait_for_sidecars};
use crate::relay::Relay;
use crate::sidecars::Sidecar;

async fn wait_for_operations(sidecar: &Sidecar, count: usize) {
    eventually(|| async {
        let found = sidecar.operations();
        (found == count)
            .then_some(())
            .ok_or(format!("{found} operations"))
    })
    .await;
}

/// A cluster with an operator, a service of one operation, and a sidecar that has it.
async fn settled(test: Test) -> (Test, Operator, Sidecar) {
    create_namespace(&test.client, SYSTEM).await;
    let operator = Operator::install(test.cluster).await;
    settled_by(test, operator).await
}

/// The same, and the operator's way to the API server.
async fn settled_behind_a_relay() -> (Test, Operator, Sidecar, Relay) {
    let test = Test::on(Cluster::own()).await;
    create_namespace(&test.client, SYSTEM).await;
    let relay = Relay::start(test.cluster.address()).await;
    let kubeconfig = relay.kubeconfig(&install_rights(test.cluster).await);
    let operator = Operator::install_by(test.cluster, &kubeconfig, &[]).await;
    let (test, operator, sidecar) = settled_by(test, operator).await;
    (test, operator, sidecar, relay)
}

async fn settled_by(test: Test, operator: Operator) -> (Test, Operator, Sidecar) {
    create_service(&test, "bookstore", &document(&[])).await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let sidecar = Sidecar::dial(operator.push_port, &test, &pod, "bookstore", Ok(())).await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;
    (test, operator, sidecar)
}

fn inline(paths: &[&str]) -> serde_json::Value {
    json!({ "openapi": { "inline": document(paths) } })
}

#[tokio::test]
async fn edit_after_an_outage_and_a_freeze_arrives_everywhere() {
    let (test, operator, sidecar) = settled(Test::on(Cluster::own()).await).await;
    // A server that starts anew knows no version as old as those the operator watches from: 410 Gone.
    for order in [Order::Kill, Order::Start] {
        test.cluster.order(order).await;
    }
    test.cluster.serves().await;
    assert_eq!(sidecar.operations(), 1, "nobody lost anything");
    edit(&test, "bookstore", inline(&["/shelves"])).await;
    wait_for_operations(&sidecar, 2).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;

    test.cluster.order(Order::Freeze).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(sidecar.operations(), 2);
    assert_eq!(operator.admin("/livez").0, 200);
    test.cluster.order(Order::Thaw).await;
    test.cluster.serves().await;
    edit(&test, "bookstore", inline(&["/shelves", "/authors"])).await;
    wait_for_operations(&sidecar, 3).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    operator.stop();
}

/// A server that starts anew knows no version of before, and the watches go on from one: they see that
/// their connections ended only when it is there again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_that_is_gone_is_answered_by_a_new_listing() {
    let (test, operator, sidecar, relay) = settled_behind_a_relay().await;
    relay.hold();
    for order in [Order::Kill, Order::Start] {
        test.cluster.order(order).await;
    }
    test.cluster.serves().await;
    edit(&test, "bookstore", inline(&["/shelves"])).await;
    let services = test.api::<EndpointsService>();
    create_service(&test, "later", &document(&[])).await;
    let events = operator.metric("endpoints_operator_watch_errors_total");
    relay.let_go();
    operator.wait_for_log("too old resource version").await;
    assert!(operator.metric("endpoints_operator_watch_errors_total") > events);
    wait_for_operations(&sidecar, 2).await;
    for name in ["bookstore", "later"] {
        wait_for(&test, name, "Accepted", "True", "Valid").await;
    }
    services
        .delete("later", &DeleteParams::default())
        .await
        .unwrap();
    eventually(|| async {
        let known = operator.metric("endpoints_operator_services");
        (known == 1.0).then_some(()).ok_or(format!("{known}"))
    })
    .await;
    assert_eq!(operator.metric("endpoints_operator_relists_total"), 0.0);
    operator.stop();
}

/// What the API server is asked while it hangs is answered when it goes on.
#[tokio::test]
async fn requests_that_a_slow_server_leaves_waiting_come_to_their_end() {
    let (test, operator, sidecar) = settled(Test::on(Cluster::own()).await).await;
    let pod = create_pod(&test, "b", "bookstore").await;
    wait_for_sidecars(&test, "bookstore", "1/2").await;
    let late = Sidecar::dial(operator.push_port, &test, &pod, "bookstore", Ok(())).await;
    test.cluster.order(Order::Freeze).await;
    // Sent while it hangs: an edit, and whatever the operator asks of it (its token's review, the Lease,
    // statuses).
    let more = inline(&["/shelves"]);
    let edited = edit(&test, "bookstore", more);
    let frozen = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(sidecar.operations(), 1, "nobody lost anything");
        assert_eq!(operator.admin("/livez").0, 200);
        test.cluster.order(Order::Thaw).await;
    };
    tokio::join!(edited, frozen);
    for sidecar in [&sidecar, &late] {
        wait_for_operations(sidecar, 2).await;
    }
    wait_for_sidecars(&test, "bookstore", "2/2").await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    let (code, log) = operator.stop();
    assert!(code == 0 && !log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn store_that_goes_back_in_time_is_followed() {
    let (test, operator, sidecar) = settled(Test::on(Cluster::own()).await).await;
    create_service(&test, "early", &document(&[])).await;
    wait_for(&test, "early", "Accepted", "True", "Valid").await;
    test.cluster.order(Order::Save).await;
    test.cluster.serves().await;
    edit(&test, "bookstore", inline(&["/shelves"])).await;
    wait_for_operations(&sidecar, 2).await;
    create_pod(&test, "later", "bookstore").await;
    create_service(&test, "later", &document(&[])).await;
    wait_for_sidecars(&test, "bookstore", "1/2").await;
    let services = test.api::<EndpointsService>();
    services
        .delete("early", &DeleteParams::default())
        .await
        .unwrap();
    eventually(|| async {
        let known = operator.metric("endpoints_operator_services");
        (known == 2.0).then_some(()).ok_or(format!("{known}"))
    })
    .await;

    // Versions and generations are older than what is known, and a pod has never been.
    test.cluster.order(Order::Restore).await;
    test.cluster.serves().await;
    wait_for_operations(&sidecar, 1).await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;

    // The second generation for the second time, and another spec.
    edit(&test, "bookstore", inline(&["/a", "/b"])).await;
    wait_for_operations(&sidecar, 3).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;

    // One was deleted and is there again; one was never made.
    edit(&test, "early", inline(&["/a"])).await;
    wait_for(&test, "early", "Accepted", "True", "Valid").await;
    create_service(&test, "later", &document(&[])).await;
    wait_for(&test, "later", "Accepted", "True", "Valid").await;
    let known = operator.metric("endpoints_operator_services");
    assert_eq!(known, 3.0);
    operator.stop();
}

/// No connection tells of the restore before the server is there again, and it has written so much by then
/// that the store's version is no earlier one: only what is stored tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_that_goes_back_unnoticed_is_found_by_what_it_holds() {
    let (test, operator, sidecar, relay) = settled_behind_a_relay().await;
    test.cluster.order(Order::Save).await;
    test.cluster.serves().await;
    edit(&test, "bookstore", inline(&["/shelves"])).await;
    wait_for_operations(&sidecar, 2).await;
    let version = async || {
        let all = test.api::<EndpointsService>();
        let list = all.list_metadata(&ListParams::default()).await.unwrap();
        let version: u64 = list.metadata.resource_version.unwrap().parse().unwrap();
        version
    };
    let before = version().await;
    relay.hold();
    test.cluster.order(Order::Restore).await;
    test.cluster.serves().await;
    while version().await < before + 50 {
        create_namespace(&test.client, &unique_name("more")).await;
    }
    relay.let_go();
    operator.wait_for_log("everything is listed anew").await;
    wait_for_operations(&sidecar, 1).await;
    edit(&test, "bookstore", inline(&["/a", "/b"])).await;
    wait_for_operations(&sidecar, 3).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    assert_eq!(operator.metric("endpoints_operator_relists_total"), 1.0);
    operator.stop();
}

/// What a definition of another version let in.
#[tokio::test]
async fn specs_of_another_version_say_so_and_stop_no_other() {
    let test = Test::on(Cluster::own()).await;
    let name = "endpointsservices.endpoints.dev";
    let definitions = Api::<CustomResourceDefinition>::all(test.client.clone());
    let loose = json!([{
        "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec",
        "value": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }
    }]);
    let loose: Patch<()> = Patch::Json(serde_json::from_value(loose).unwrap());
    definitions
        .patch(name, &PatchParams::default(), &loose)
        .await
        .unwrap();
    // Watches that are open already see what the definition before let in.
    let (test, operator, sidecar) = settled(test).await;
    create_service(&test, "odd", &document(&[])).await;
    let of_ours = ApiResource::erase::<EndpointsService>(&());
    let services: Api<DynamicObject> =
        Api::namespaced_with(test.client.clone(), &test.namespace, &of_ours);
    for (name, spec, pointer) in [
        (
            "bookstore",
            json!({ "jwt": { "demandMore": true } }),
            "/spec/jwt/demandMore",
        ),
        ("odd", json!({ "openapi": 7 }), "/spec/openapi"),
    ] {
        let patch = Patch::Merge(json!({ "spec": spec }));
        // The API server takes a moment to know its new definition.
        eventually(|| async {
            let stored = services.patch(name, &PatchParams::default(), &patch).await;
            let stored = stored.map_err(|error| error.to_string())?;
            let value = stored
                .data
                .pointer(pointer)
                .is_some_and(|value| !value.is_object());
            value.then_some(()).ok_or("pruned".to_owned())
        })
        .await;
    }
    for (name, words) in [
        ("bookstore", "spec.jwt.demandMore is not known"),
        ("odd", "/spec/openapi: `openapi` must be a mapping"),
    ] {
        eventually(|| async {
            // What does not parse cannot be read as what it is.
            let service = services.get(name).await.unwrap();
            let conditions = service.data["status"]["conditions"].to_string();
            let all = ["InvalidSpec", words, "last good policy stays"];
            let told = all.iter().all(|words| conditions.contains(words));
            told.then_some(()).ok_or(conditions)
        })
        .await;
    }
    create_service(&test, "good", &document(&[])).await;
    wait_for(&test, "good", "Accepted", "True", "Valid").await;
    assert_eq!(sidecar.operations(), 1);
    operator.stop();
}
