//! Least privilege: the operator under exactly the rights that the chart grants does everything that
//! it does, is refused nothing, and is granted nothing that it does not use. The API server's own
//! audit log is the witness.

use std::collections::BTreeSet;

use endpoints::api::EndpointsService;
use endpoints::operator::certificates::ROTATE;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api_server::{
    Cluster, ISSUER, Operator, SYSTEM, Test, create_namespace, eventually, install_policy,
    install_rights_of, install_webhook, wait_until_injecting,
};
use crate::objects::{
    create_kube_service, create_pod, create_service, document, protected_document, service,
    wait_for, wait_for_sidecars,
};
use crate::sidecars::Sidecar;

const USER: &str = "system:serviceaccount:endpoints-system:endpoints-operator";
/// What widens the rights: with all of it on, everything that can be granted to the operator is. Hooks have
/// accounts of their own.
const OPTIONS: &[&str] = &["--no-hooks", "--set", "configMaps.read=true"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_is_granted_what_it_uses_and_nothing_else() {
    let cluster = Cluster::auditing(USER);
    let test = Test::on(cluster).await;
    let client = &test.client;
    create_namespace(client, SYSTEM).await;
    let rendering = cluster.render(OPTIONS).await;
    let granted = granted(&rendering);
    assert!(granted.len() > 15, "{granted:#?}");

    let kubeconfig = install_rights_of(cluster, &rendering).await;
    let operator = Operator::spawn(&kubeconfig, &["--ca-overlap", "5s"]);
    install_webhook(client, operator.webhook_port).await;
    operator.wait_until_ready();
    wait_until_injecting(client).await;
    install_policy(client).await;
    do_everything(&test, &operator).await;
    let unused = || {
        let used = used(&cluster.audited());
        granted.difference(&used).cloned().collect::<BTreeSet<_>>()
    };
    eventually(|| async {
        let unused = unused();
        let none = unused.is_empty();
        none.then_some(()).ok_or_else(|| {
            format!(
                "granted and never used: {unused:#?}\n(take it from charts/…/rbac.yaml, or have \
                 do_everything below bring it about)"
            )
        })
    })
    .await;
    let (code, log) = operator.stop();
    assert_eq!(code, 0, "{log}");
    let refused = refused(&cluster.audited());
    assert!(refused.is_empty(), "refused: {refused:#?}");
}

/// Brings about every kind of request that the operator makes. What a part needs a right for, it does
/// here:
///
/// | right | by |
/// |---|---|
/// | lists and watches | the start |
/// | Secret: get, create; webhooks: patch | the first start |
/// | Secret: update; webhooks: patch | the rotation of the CA |
/// | Lease | the start, and its renewal |
/// | status | an EndpointsService |
/// | Events: create, patch | a pod that names a service that does not exist, told of twice |
/// | TokenReviews | a sidecar |
/// | the cluster's issuer | `kubernetes: true` |
/// | ConfigMaps | a document in one |
/// | ControllerRevisions: create | an accepted spec |
/// | ControllerRevisions: get | a broken spec that was never accepted here, and a revision of it |
/// | ControllerRevisions: delete | its end |
async fn do_everything(test: &Test, operator: &Operator) {
    create_service(test, "bookstore", &document(&[])).await;
    let port = json!({ "port": 80, "targetPort": "http" });
    create_kube_service(test, "bookstore", "bookstore", port).await;
    let pod = create_pod(test, "a", "bookstore").await;
    let _sidecar = Sidecar::dial(operator.push_port, test, &pod, "bookstore", Ok(())).await;
    wait_for_sidecars(test, "bookstore", "1/1").await;

    let cluster_issuer = json!({
        "openapi": { "inline": protected_document(ISSUER, None) },
        "jwt": { "issuers": [{ "issuer": ISSUER, "kubernetes": true }] }
    });
    test.create::<EndpointsService>(service("cluster", cluster_issuer))
        .await
        .unwrap();
    wait_for(test, "cluster", "ResolvedRefs", "True", "Resolved").await;

    create_pod(test, "b", "missing").await;
    wait_for_event(test, "EndpointsServiceNotFound").await;
    create_service(test, "missing", &document(&[])).await;
    wait_for(test, "missing", "Accepted", "True", "Valid").await;
    let services = test.api::<EndpointsService>();
    let now = DeleteParams::default();
    for _ in 0..2 {
        services.delete("missing", &now).await.unwrap();
        wait_for_event(test, "EndpointsServiceDeleted").await;
        create_service(test, "missing", &document(&[])).await;
        wait_for(test, "missing", "Accepted", "True", "Valid").await;
    }
    services.delete("missing", &now).await.unwrap();

    let config_map = json!({
        "metadata": { "name": "docs" }, "data": { "api.json": document(&[]) }
    });
    test.create::<ConfigMap>(config_map).await.unwrap();
    let reference = json!({ "configMapKeyRef": { "name": "docs", "key": "api.json" } });
    test.create::<EndpointsService>(service("referring", json!({ "openapi": reference })))
        .await
        .unwrap();
    wait_for(test, "referring", "Accepted", "True", "Valid").await;

    let broken = create_service(test, "broken", "broken").await;
    wait_for(test, "broken", "Accepted", "False", "InvalidOpenAPI").await;
    let revision = json!({
        "metadata": {
            "name": "broken-x-1", "labels": { "endpoints.dev/last-good": "true" },
            "annotations": {
                "endpoints.dev/last-good-of": "broken",
                "endpoints.dev/last-good-of-uid": broken.metadata.uid,
                "endpoints.dev/last-good-digest": "x"
            }
        },
        "revision": 1, "data": { "source": "x" }
    });
    test.create::<ControllerRevision>(revision).await.unwrap();
    eventually(|| async {
        let log = operator.log();
        let read = log.contains("a revision is of no use");
        read.then_some(()).ok_or("not read".to_owned())
    })
    .await;
    services.delete("broken", &now).await.unwrap();

    let secrets = Api::<Secret>::namespaced(test.client.clone(), SYSTEM);
    let ask = json!({ "metadata": { "annotations": { ROTATE: "now" } } });
    secrets
        .patch(
            "endpoints-operator-ca",
            &PatchParams::default(),
            &Patch::Merge(ask),
        )
        .await
        .unwrap();
    eventually(|| async {
        let secret = secrets.get("endpoints-operator-ca").await.unwrap();
        let rotated = secret.data.unwrap().contains_key("previous.crt");
        rotated.then_some(()).ok_or("not rotated".to_owned())
    })
    .await;
}

async fn wait_for_event(test: &Test, reason: &str) {
    let events = test.api::<k8s_openapi::api::events::v1::Event>();
    eventually(|| async {
        let events = events.list(&Default::default()).await.unwrap();
        let mut reasons = events.items.iter().filter_map(|it| it.reason.as_deref());
        let found = reasons.any(|known| known == reason);
        found.then_some(()).ok_or("no Event".to_owned())
    })
    .await;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    urls: Vec<String>,
    verbs: Vec<String>,
}

/// Every single right that the operator's roles of this rendering grant: `VERB GROUP/RESOURCE NAME`.
fn granted(rendering: &str) -> BTreeSet<String> {
    let mut granted = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(rendering) {
        let object = Value::deserialize(document).unwrap();
        let role = matches!(object["kind"].as_str(), Some("ClusterRole" | "Role"));
        if !role || object["metadata"]["name"] != "endpoints-operator" {
            continue;
        }
        let rules = Vec::<Rule>::deserialize(&object["rules"]).unwrap();
        let namespace = object["metadata"]["namespace"].as_str();
        for rule in &rules {
            let names = match &rule.resource_names[..] {
                [] => vec![String::new()],
                names => names.iter().map(|name| format!(" {name}")).collect(),
            };
            for verb in &rule.verbs {
                granted.extend(rule.urls.iter().map(|url| format!("{verb} {url}")));
                for group in &rule.api_groups {
                    for resource in &rule.resources {
                        for name in &names {
                            let at = namespace.map(|it| format!(" in {it}")).unwrap_or_default();
                            granted.insert(format!("{verb} {group}/{resource}{name}{at}"));
                        }
                    }
                }
            }
        }
    }
    assert!(
        !granted.iter().any(|right| right.contains('*')),
        "{granted:#?}"
    );
    granted
}

/// The rights that requests needed, in every form in which one could be granted.
fn used(log: &[Value]) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for event in log {
        let verb = event["verb"].as_str().unwrap();
        let Some(object) = event["objectRef"].as_object() else {
            let url = event["requestURI"].as_str().unwrap();
            used.insert(format!("{verb} {}", url.split('?').next().unwrap()));
            continue;
        };
        let part = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let resource = match part("subresource") {
            "" => part("resource").to_owned(),
            sub => format!("{}/{sub}", part("resource")),
        };
        let right = format!("{verb} {}/{resource}", part("apiGroup"));
        let place = format!(" in {}", part("namespace"));
        for name in [String::new(), format!(" {}", part("name"))] {
            used.insert(format!("{right}{name}"));
            used.insert(format!("{right}{name}{place}"));
        }
    }
    used
}

fn refused(log: &[Value]) -> Vec<String> {
    let refused = log
        .iter()
        .filter(|event| event["annotations"]["authorization.k8s.io/decision"] == "forbid");
    refused
        .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
        .collect()
}
