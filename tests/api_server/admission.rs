//! What becomes of a pod on its way into the cluster: the webhook of the chart, called by a real API
//! server with its own admission in force, and the chart's admission policy behind it.

use endpoints::api::annotations::{INJECTED, PUSH_AUDIENCE, SERVICE, SIDECAR_CONTAINER, STATUS};
use k8s_openapi::api::core::v1::{Container, Pod, Volume};
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use serde_json::{Value, json};

use crate::api_server::{Cluster, Operator, SYSTEM, Test, create_namespace, eventually};
use crate::api_server::{install_policy, unique_name};
use crate::objects::{create_pod, pod};

/// Where admission mounts the token of the pod's service account.
const API_TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[tokio::test]
async fn an_annotated_pod_gets_the_sidecar_and_its_port_leads_to_it() {
    let test = Test::start().await;
    let pod = create_pod(&test, "web", "bookstore").await;
    let sidecar = sidecar(&pod);
    let port = |container: &Container| {
        let mut ports = container.ports.iter().flatten();
        ports
            .find(|port| port.name.as_deref() == Some("http"))
            .map(|port| port.container_port)
    };
    assert_eq!(port(sidecar), Some(14080));
    assert_eq!(port(app(&pod)), None, "its name is the sidecar's now");
    let labels = pod.metadata.labels.as_ref().unwrap();
    assert_eq!(labels[INJECTED], "true");
    assert_eq!(labels["app"], "bookstore");
    assert!(pod.metadata.annotations.as_ref().unwrap()[STATUS].contains("14080"));
}

#[tokio::test]
async fn a_pod_without_our_annotation_is_untouched() {
    let test = Test::start().await;
    let mut plain = pod("plain", "bookstore");
    plain["metadata"]["annotations"] = json!({ "team": "shop" });
    let plain = test.create::<Pod>(plain).await.unwrap();
    let spec = plain.spec.as_ref().unwrap();
    assert_eq!(spec.containers.len(), 1);
    assert!(spec.init_containers.is_none());
    assert_eq!(
        app(&plain).ports.as_ref().unwrap()[0].name.as_deref(),
        Some("http")
    );
    assert_eq!(plain.metadata.labels.as_ref().unwrap().len(), 1);
    assert_eq!(plain.metadata.annotations.unwrap().len(), 1);
}

#[tokio::test]
async fn a_mistyped_annotation_is_denied_with_the_nearest_right_one() {
    let test = Test::start().await;
    let mut typo = pod("typo", "bookstore");
    typo["metadata"]["annotations"] = json!({ "endpoints.dev/servce": "bookstore" });
    let message = denied(&test, typo).await;
    assert!(message.contains("endpoints.dev/servce"), "{message}");
    assert!(
        message.contains("did you mean endpoints.dev/service?"),
        "{message}"
    );
}

#[tokio::test]
async fn a_pod_without_a_port_that_looks_like_http_is_denied_with_those_it_has() {
    let test = Test::start().await;
    let mut other = pod("other", "bookstore");
    other["spec"]["containers"][0]["ports"] =
        json!([{ "name": "metrics", "containerPort": 9090 }, { "containerPort": 8080 }]);
    let message = denied(&test, other).await;
    for part in ["endpoints.dev/ports", "metrics", "9090", "8080"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test]
async fn the_ports_annotation_chooses_and_a_port_that_is_not_there_is_denied() {
    let test = Test::start().await;
    let with_ports = |name: &str, ports: &str| {
        let mut pod = pod(name, "bookstore");
        pod["metadata"]["annotations"]["endpoints.dev/ports"] = json!(ports);
        pod["spec"]["containers"][0]["ports"] = json!([
            { "name": "shop", "containerPort": 8080 }, { "name": "admin", "containerPort": 9090 }
        ]);
        pod
    };
    let both = test
        .create::<Pod>(with_ports("both", "shop,9090"))
        .await
        .unwrap();
    let ports = sidecar(&both).ports.iter().flatten();
    let named: Vec<_> = ports
        .filter(|port| port.container_port >= 14080)
        .map(|port| (port.name.clone().unwrap(), port.container_port))
        .collect();
    assert_eq!(
        named,
        [("shop".to_owned(), 14080), ("admin".to_owned(), 14081)]
    );

    let message = denied(&test, with_ports("wrong", "shpo")).await;
    assert!(message.contains("did you mean shop?"), "{message}");
}

/// As when another webhook changed the pod after ours, or when somebody applies what `kubectl get`
/// printed.
#[tokio::test]
async fn a_pod_that_is_injected_already_stays_as_it_is() {
    let test = Test::start().await;
    let first = create_pod(&test, "first", "bookstore").await;
    let again = json!({
        "metadata": {
            "name": "again",
            "labels": first.metadata.labels,
            "annotations": first.metadata.annotations
        },
        "spec": first.spec
    });
    let again = test.create::<Pod>(again).await.unwrap();
    assert_eq!(again.spec, first.spec);
    assert_eq!(again.metadata.annotations, first.metadata.annotations);
    assert_eq!(again.metadata.labels, first.metadata.labels);
}

/// As Istio's classic sidecar comes, and other webhooks' containers: after ours, with ports that are
/// called http. The API server asks the webhook again, and the ports stay as they were chosen.
#[tokio::test]
async fn containers_that_others_add_after_the_webhook_change_nothing_about_the_ports() {
    let test = Test::start().await;
    let version = test.client.apiserver_version().await.unwrap();
    let minor: String = version.minor.chars().filter(char::is_ascii_digit).collect();
    if minor.parse::<u32>().unwrap() < 36 {
        // Before 1.36 the API server has no mutating policies.
        return;
    }
    add_containers_after_ours(&test).await;
    let made = eventually(|| async {
        let asked = pod(&unique_name("meshed"), "bookstore");
        let made = test.create::<Pod>(asked).await;
        let made = made.map_err(|error| error.to_string())?;
        let spec = made.spec.as_ref().unwrap();
        match spec.containers.iter().any(|it| it.name == "exporter") {
            true => Ok(made),
            false => Err("nothing is added yet".to_owned()),
        }
    })
    .await;
    let ports = serde_json::to_value(&sidecar(&made).ports).unwrap();
    assert_eq!(
        (&ports[0]["name"], &ports[0]["containerPort"]),
        (&json!("http"), &json!(14080))
    );
    assert!(made.metadata.annotations.as_ref().unwrap()[STATUS].contains("\"app\":8080"));
    let containers = made.spec.as_ref().unwrap().containers.iter();
    let names: Vec<_> = containers.map(|container| &*container.name).collect();
    assert!(
        names.ends_with(&["app", "istio-proxy", "exporter"]),
        "{names:?}"
    );
}

/// A mutating policy of this namespace that adds to each pod that has our sidecar already.
async fn add_containers_after_ours(test: &Test) {
    let container = |name: &str, port: &str, number: u16| {
        format!(
            "JSONPatch{{op: 'add', path: '/spec/containers/-', value: Object.spec.containers{{name: '{name}', \
             image: 'x', ports: [Object.spec.containers.ports{{name: '{port}', containerPort: {number}, \
             protocol: 'TCP'}}]}}}}"
        )
    };
    let all = "(object.spec.containers + object.spec.?initContainers.orValue([]))";
    let expression = format!(
        "{all}.exists(c, c.name == 'endpoints-proxy') && !{all}.exists(c, c.name == 'exporter') ? [{}, {}] : []",
        container("istio-proxy", "http-envoy-prom", 15090),
        container("exporter", "http-exporter", 9100)
    );
    let spec = json!({
        "reinvocationPolicy": "IfNeeded",
        "matchConstraints": { "resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]
        }] },
        "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": expression } }]
    });
    let binding = json!({
        "policyName": test.namespace,
        "matchResources": { "namespaceSelector": {
            "matchLabels": { "kubernetes.io/metadata.name": test.namespace }
        } }
    });
    for (kind, spec) in [
        ("MutatingAdmissionPolicy", spec),
        ("MutatingAdmissionPolicyBinding", binding),
    ] {
        let version = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk(&version);
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": { "name": test.namespace }, "spec": spec
        });
        Api::<DynamicObject>::all_with(test.client.clone(), &resource)
            .create(
                &PostParams::default(),
                &serde_json::from_value(object).unwrap(),
            )
            .await
            .unwrap();
    }
}

/// The API server's own ServiceAccount admission runs before the webhook and once more after it.
#[tokio::test]
async fn the_sidecar_gets_its_own_token_and_not_the_apps() {
    let test = Test::start().await;
    let pod = create_pod(&test, "web", "bookstore").await;
    let apps = volume_at(&pod, app(&pod), API_TOKEN_FOLDER).expect("the app has its token");
    assert!(has_token(apps, None), "{apps:?}");

    let sidecar = sidecar(&pod);
    let there = volume_at(&pod, sidecar, API_TOKEN_FOLDER).expect("the place is taken");
    assert!(
        there.projected.is_none() && there.empty_dir.is_some(),
        "{there:?}"
    );
    let own = volume_at(&pod, sidecar, "/var/run/secrets/endpoints.dev").expect("a token");
    assert!(has_token(own, Some(PUSH_AUDIENCE)), "{own:?}");
    // Beside them only what it keeps for its next start.
    assert_eq!(sidecar.volume_mounts.iter().flatten().count(), 3);
    let mounts = app(&pod).volume_mounts.iter().flatten();
    assert_eq!(mounts.count(), 1, "nor has the app the sidecar's");
}

#[tokio::test]
async fn what_an_injected_pod_was_injected_for_cannot_be_edited() {
    let test = Test::start().await;
    create_pod(&test, "web", "bookstore").await;
    let label = |value: Value| json!({ "metadata": { "labels": { INJECTED: value } } });
    let annotation =
        |key: &str, value: Value| json!({ "metadata": { "annotations": { key: value } } });
    for (edit, told) in [
        (
            annotation(SERVICE, json!("other")),
            "change them in the pod template",
        ),
        (
            annotation(SERVICE, Value::Null),
            "change them in the pod template",
        ),
        (
            annotation(STATUS, json!("{}")),
            "change them in the pod template",
        ),
        (label(Value::Null), "is the injector's"),
    ] {
        // The API server takes a moment to know a policy.
        let message = eventually(|| async {
            match try_edit(&test, "web", &edit).await {
                Ok(()) => Err(format!("{edit} is let through")),
                Err(message) => Ok(message),
            }
        })
        .await;
        assert!(message.contains(told), "{edit}: {message}");
    }
    try_edit(&test, "web", &annotation("team", json!("shop")))
        .await
        .unwrap();
}

/// Who has a right to another way in, as kubelets and schedulers have, does not have it to this.
#[tokio::test]
async fn other_ways_to_an_injected_pod_do_not_change_what_it_was_injected_for() {
    let test = Test::start().await;
    let pod = create_pod(&test, "web", "bookstore").await;
    let edits = [
        json!({ "annotations": { SERVICE: "other" } }),
        json!({ "annotations": { SERVICE: "other", "kubernetes.io/config.mirror": "x" } }),
        json!({ "labels": { INJECTED: "no" } }),
    ];
    for metadata in &edits {
        for way in ["status", "binding"] {
            // The API server takes a moment to know a policy.
            let message = eventually(|| async {
                match try_way(&test, "web", way, metadata).await {
                    Ok(changed) => Err(format!("{metadata} is let through: {changed:?}")),
                    Err(message) => Ok(message),
                }
            })
            .await;
            let told = [
                "endpoints.dev are followed",
                "is the injector's",
                "mirror pod",
            ];
            assert!(
                told.iter().any(|told| message.contains(told)),
                "{way}, {metadata}: {message}"
            );
        }
        for way in ["ephemeralcontainers", "resize"] {
            let changed = match try_way(&test, "web", way, metadata).await {
                Ok(changed) => changed,
                // An API server that is too old for it.
                Err(message) if message.contains("could not find") => continue,
                Err(message) => panic!("{way}: {message}"),
            };
            assert_eq!(
                changed.metadata.annotations, pod.metadata.annotations,
                "{way}"
            );
            assert_eq!(changed.metadata.labels, pod.metadata.labels, "{way}");
        }
    }
    // What they are for goes on, also with metadata of others.
    let others = json!({ "annotations": { "team": "shop" }, "labels": { "zone": "a" } });
    for way in ["status", "binding"] {
        try_way(&test, "web", way, &others).await.unwrap();
    }
}

/// Somebody took the webhook away: no pod starts that believes itself protected.
#[tokio::test]
async fn an_annotated_pod_is_refused_while_nothing_injects_the_sidecar() {
    let test = Test::on(Cluster::own()).await;
    install_policy(&test.client).await;
    let message = eventually(|| async {
        match dry_run(&test, pod(&unique_name("web"), "bookstore")).await {
            Ok(()) => Err("it is let through".to_owned()),
            Err(message) => Ok(message),
        }
    })
    .await;
    assert!(
        message.contains("not the sidecar endpoints-proxy"),
        "{message}"
    );
    assert!(
        message.contains("MutatingWebhookConfiguration endpoints-operator"),
        "{message}"
    );
    let mut plain = pod("plain", "bookstore");
    plain["metadata"]["annotations"] = json!({});
    dry_run(&test, plain).await.unwrap();

    create_namespace(&test.client, SYSTEM).await;
    let operator = Operator::install(test.cluster).await;
    sidecar(&create_pod(&test, "web", "bookstore").await);

    // The operator is away: refused, too, and others are not held up.
    operator.stop();
    let message = dry_run(&test, pod("late", "bookstore")).await.unwrap_err();
    assert!(message.contains("inject.endpoints.dev"), "{message}");
    let mut plain = pod("plain", "bookstore");
    plain["metadata"]["annotations"] = json!({ "team": "shop" });
    dry_run(&test, plain).await.unwrap();
}

/// The message that the API server refuses a pod with, its webhook or its policy having denied it.
async fn denied(test: &Test, pod: Value) -> String {
    let error = test.create::<Pod>(pod).await.unwrap_err();
    let kube::Error::Api(status) = error else {
        panic!("{error:?}");
    };
    assert!(
        status
            .message
            .contains("inject.endpoints.dev\" denied the request"),
        "{status:?}"
    );
    status.message
}

/// Asks whether a pod would be created; the message where not.
async fn dry_run(test: &Test, mut pod: Value) -> Result<(), String> {
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let pod = serde_json::from_value(pod).unwrap();
    let created = test.api::<Pod>().create(&parameters, &pod).await;
    created.map(|_| ()).map_err(|error| error.to_string())
}

async fn try_edit(test: &Test, name: &str, edit: &Value) -> Result<(), String> {
    let parameters = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let edit = Patch::Merge(edit);
    let edited = test.api::<Pod>().patch(name, &parameters, &edit).await;
    edited.map(|_| ()).map_err(|error| error.to_string())
}

/// Changes metadata through a subresource of the pod, were it not a dry run; the pod then, or the message.
async fn try_way(test: &Test, name: &str, way: &str, metadata: &Value) -> Result<Pod, String> {
    let api = test.api::<Pod>();
    let changed = if way == "binding" {
        let mut binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": metadata,
            "target": { "kind": "Node", "name": "node" }
        });
        binding["metadata"]["name"] = json!(name);
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let bound: Result<Value, _> = api
            .create_subresource(way, name, &parameters, &binding)
            .await;
        bound.map(|_| Pod::default())
    } else {
        let parameters = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let edit = Patch::Merge(json!({ "metadata": metadata }));
        api.patch_subresource(way, name, &parameters, &edit).await
    };
    changed.map_err(|error| error.to_string())
}

fn app(pod: &Pod) -> &Container {
    let mut containers = pod.spec.as_ref().unwrap().containers.iter();
    containers
        .find(|container| container.name == "app")
        .unwrap()
}

fn sidecar(pod: &Pod) -> &Container {
    let spec = pod.spec.as_ref().unwrap();
    let mut all = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    all.find(|container| container.name == SIDECAR_CONTAINER)
        .expect("the pod has the sidecar")
}

/// The volume that a container has at a path.
fn volume_at<'a>(pod: &'a Pod, container: &Container, path: &str) -> Option<&'a Volume> {
    let mut mounts = container.volume_mounts.iter().flatten();
    let mount = mounts.find(|mount| mount.mount_path == path)?;
    let mut volumes = pod.spec.as_ref()?.volumes.iter().flatten();
    volumes.find(|volume| volume.name == mount.name)
}

/// Whether a volume projects a service account token for the audience; `None`: the API server's.
fn has_token(volume: &Volume, audience: Option<&str>) -> bool {
    let sources = volume
        .projected
        .iter()
        .flat_map(|projected| projected.sources.iter().flatten());
    sources
        .filter_map(|source| source.service_account_token.as_ref())
        .any(|token| token.audience.as_deref() == audience)
}
