//! What else in a cluster has a say about pods: quotas, limits, Pod Security, pod-level resources; and
//! what becomes of pods that an earlier injection was at.

use endpoints::api::annotations::{SIDECAR_CONTAINER, STATUS};
use k8s_openapi::api::core::v1::{Container, LimitRange, Namespace, Pod, ResourceQuota};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::api_server::{Test, eventually};
use crate::objects::pod;

/// A pod with annotations beside the service's.
fn with(name: &str, annotations: &[(&str, &str)]) -> Value {
    let mut pod = pod(name, "bookstore");
    for (key, value) in annotations {
        pod["metadata"]["annotations"][*key] = json!(value);
    }
    pod
}

fn container<'a>(pod: &'a Pod, name: &str) -> &'a Container {
    let spec = pod.spec.as_ref().unwrap();
    let inits = spec.init_containers.iter().flatten();
    let mut all = inits.chain(&spec.containers);
    all.find(|container| container.name == name)
        .unwrap_or_else(|| panic!("no container {name}"))
}

fn resources(pod: &Pod) -> Value {
    serde_json::to_value(&container(pod, SIDECAR_CONTAINER).resources).unwrap()
}

async fn refused(test: &Test, pod: Value) -> String {
    test.create::<Pod>(pod).await.unwrap_err().to_string()
}

/// The API server itself classifies a pod.
#[tokio::test]
async fn the_quality_of_service_class_is_kept() {
    let test = Test::start().await;
    let both = json!({ "cpu": "1", "memory": "1Gi" });
    for (name, resources, class) in [
        (
            "guaranteed",
            json!({ "limits": both, "requests": both }),
            "Guaranteed",
        ),
        ("burstable", json!({ "requests": both }), "Burstable"),
    ] {
        let mut asked = with(name, &[]);
        asked["spec"]["containers"][0]["resources"] = resources;
        let made = test.create::<Pod>(asked).await.unwrap();
        let status = made.status.unwrap();
        assert_eq!(status.qos_class.as_deref(), Some(class));
    }
    let mut asked = with(
        "guaranteed-redirect",
        &[("endpoints.dev/capture", "redirect")],
    );
    asked["spec"]["containers"][0]["resources"] = json!({ "limits": both });
    let made = test.create::<Pod>(asked).await.unwrap();
    assert_eq!(
        made.status.unwrap().qos_class.as_deref(),
        Some("Guaranteed")
    );
}

#[tokio::test]
async fn a_limit_range_adds_to_the_sidecar_and_refuses_what_is_over_it_until_annotated() {
    let test = Test::start().await;
    let limits = json!({
        "metadata": { "name": "limits" },
        "spec": { "limits": [{
            "type": "Container", "default": { "cpu": "500m", "memory": "64Mi" }, "max": { "memory": "64Mi" }
        }] }
    });
    test.create::<LimitRange>(limits).await.unwrap();
    // The API server takes a moment to know it.
    let message = eventually(|| async {
        match test
            .create::<Pod>(with(&crate::api_server::unique_name("big"), &[]))
            .await
        {
            Ok(_) => Err("it is let through".to_owned()),
            Err(error) => Ok(error.to_string()),
        }
    })
    .await;
    assert!(
        message.contains("maximum memory usage per Container is 64Mi"),
        "{message}"
    );

    let small = [("endpoints.dev/sidecar-memory-limit", "64Mi")];
    // Burstable by itself: with its defaults alone the app, and so the sidecar, would be Guaranteed.
    let mut asked = with("small", &small);
    asked["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "5m" } });
    let made = test.create::<Pod>(asked).await.unwrap();
    let own = resources(&made);
    assert_eq!(
        own["limits"],
        json!({ "cpu": "500m", "memory": "64Mi" }),
        "its default for CPU is ours, too"
    );
    assert_eq!(own["requests"]["cpu"], "10m");

    // What was added stays when the pod is applied as it is.
    let again = json!({
        "metadata": { "name": "again", "labels": made.metadata.labels, "annotations": made.metadata.annotations },
        "spec": made.spec
    });
    let again = test.create::<Pod>(again).await.unwrap();
    assert_eq!(resources(&again), own);
}

#[tokio::test]
async fn a_quota_on_limits_counts_the_sidecar_and_names_it_where_one_is_missing() {
    let test = Test::start().await;
    let hard = json!({ "limits.cpu": "2", "limits.memory": "1Gi", "requests.cpu": "1", "requests.memory": "1Gi" });
    let quota = json!({ "metadata": { "name": "quota" }, "spec": { "hard": hard } });
    test.create::<ResourceQuota>(quota).await.unwrap();
    // As the controller manager would say.
    let used = json!({ "limits.cpu": "0", "limits.memory": "0", "requests.cpu": "0", "requests.memory": "0" });
    let status = Patch::Merge(json!({ "status": { "hard": hard, "used": used } }));
    test.api::<ResourceQuota>()
        .patch_status("quota", &PatchParams::default(), &status)
        .await
        .unwrap();
    let asked = |name: &str, annotations: &[(&str, &str)]| {
        let mut asked = with(name, annotations);
        let both = json!({ "cpu": "500m", "memory": "64Mi" });
        asked["spec"]["containers"][0]["resources"] =
            json!({ "limits": both, "requests": { "cpu": "100m" } });
        asked
    };
    let message = eventually(|| async {
        let name = crate::api_server::unique_name("unbounded");
        match test.create::<Pod>(asked(&name, &[])).await {
            Ok(_) => Err("it is let through".to_owned()),
            Err(error) if error.to_string().contains("status unknown") => Err(error.to_string()),
            Err(error) => Ok(error.to_string()),
        }
    })
    .await;
    assert!(
        message.contains("must specify limits.cpu for: endpoints-proxy"),
        "{message}"
    );
    let bounded = [("endpoints.dev/sidecar-cpu-limit", "200m")];
    test.create::<Pod>(asked("bounded", &bounded))
        .await
        .unwrap();
    // And it is counted: 700m each, of 2.
    test.create::<Pod>(asked("bounded-2", &bounded))
        .await
        .unwrap();
    let message = refused(&test, asked("bounded-3", &bounded)).await;
    assert!(message.contains("exceeded quota"), "{message}");
}

#[tokio::test]
async fn pod_security_restricted_takes_the_sidecar_and_refuses_the_redirection_by_name() {
    let test = Test::start().await;
    let label =
        json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    Api::<Namespace>::all(test.client.clone())
        .patch(
            &test.namespace,
            &PatchParams::default(),
            &Patch::Merge(label),
        )
        .await
        .unwrap();
    let careful = |name: &str, annotations: &[(&str, &str)]| {
        let mut asked = with(name, annotations);
        asked["spec"]["containers"][0]["securityContext"] = json!({
            "runAsNonRoot": true, "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] }, "seccompProfile": { "type": "RuntimeDefault" }
        });
        asked
    };
    eventually(|| async {
        let name = crate::api_server::unique_name("careless");
        match test.create::<Pod>(with(&name, &[])).await {
            Ok(_) => Err("a careless pod is let through".to_owned()),
            Err(error) if error.to_string().contains("violates PodSecurity") => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    for (name, sidecar) in [("native", "native"), ("classic", "classic")] {
        let annotations = [("endpoints.dev/sidecar", sidecar)];
        test.create::<Pod>(careful(name, &annotations))
            .await
            .unwrap();
    }
    let message = refused(
        &test,
        careful("redirect", &[("endpoints.dev/capture", "redirect")]),
    )
    .await;
    assert!(message.contains("violates PodSecurity"), "{message}");
    assert!(
        message.contains("endpoints-redirect") && message.contains("NET_ADMIN"),
        "{message}"
    );
    assert!(
        !message.contains("\"endpoints-proxy\""),
        "the sidecar is not to blame: {message}"
    );
}

#[tokio::test]
async fn pod_level_resources_make_room_for_the_sidecar() {
    let test = Test::start().await;
    let version = test.client.apiserver_version().await.unwrap();
    let minor: String = version.minor.chars().filter(char::is_ascii_digit).collect();
    if minor.parse::<u32>().unwrap() < 34 {
        // Before 1.34 the API server drops the field.
        return;
    }
    let mut asked = with("tight", &[]);
    let tight = json!({ "cpu": "100m", "memory": "64Mi" });
    asked["spec"]["resources"] = json!({ "requests": tight, "limits": tight });
    asked["spec"]["containers"][0]["resources"] = json!({ "requests": tight });
    let made = test.create::<Pod>(asked).await.unwrap();
    let raised = serde_json::to_value(made.spec.unwrap().resources).unwrap();
    // A Guaranteed pod's sidecar: 200m and 128Mi.
    assert_eq!(
        raised["requests"],
        json!({ "cpu": "300m", "memory": "192Mi" })
    );
    assert_eq!(raised["limits"], raised["requests"]);
    assert_eq!(
        made.status.unwrap().qos_class.as_deref(),
        Some("Guaranteed")
    );
}

#[tokio::test]
async fn pods_that_cannot_have_a_sidecar_are_denied_with_the_reason() {
    let test = Test::start().await;
    let classic = [("endpoints.dev/sidecar", "classic")];
    for (mut asked, change, told) in [
        (
            with("a", &[]),
            json!({ "hostNetwork": true }),
            "hostNetwork pods cannot be protected",
        ),
        (
            with("b", &[]),
            json!({ "os": { "name": "windows" } }),
            "Windows pods cannot be protected",
        ),
        (
            with("c", &classic),
            json!({ "restartPolicy": "Never" }),
            "would keep the pod from ever completing",
        ),
        (
            with("d", &[("endpoints.dev/capture", "redirct")]),
            json!({}),
            "did you mean redirect?",
        ),
        (
            with("e", &[("endpoints.dev/sidecar-memory-limit", "64M")]),
            json!({}),
            "",
        ),
        (
            with("f", &[("endpoints.dev/sidecar-memory-limit", "64m")]),
            json!({}),
            "less than the sidecar needs",
        ),
    ] {
        for (field, value) in change.as_object().unwrap() {
            asked["spec"][field] = value.clone();
        }
        match told {
            "" => drop(test.create::<Pod>(asked).await.unwrap()),
            told => {
                let message = refused(&test, asked).await;
                assert!(
                    message.contains("denied the request") && message.contains(told),
                    "{message}"
                );
            }
        }
    }
}

/// `kubectl get -o yaml | kubectl apply`, or a pod that an operator of another version injected.
#[tokio::test]
async fn what_an_older_version_injected_is_replaced() {
    let test = Test::start().await;
    let mut asked = with("first", &[("endpoints.dev/capture", "redirect")]);
    asked["spec"]["containers"][0]["readinessProbe"] = json!({ "tcpSocket": { "port": "http" } });
    let first = test.create::<Pod>(asked).await.unwrap();
    let probe = |pod: &Pod| serde_json::to_value(&container(pod, "app").readiness_probe).unwrap();
    assert_eq!(probe(&first)["httpGet"]["path"], "/app/app/readyz");
    let own = container(&first, SIDECAR_CONTAINER).clone();

    let mut older = serde_json::to_value(&first.spec).unwrap();
    // Native or classic, as the server's version has it.
    let lists = ["initContainers", "containers"];
    let is_sidecar = |container: &Value| container["name"] == SIDECAR_CONTAINER;
    let place = lists.into_iter().find_map(|list| {
        let position = older[list].as_array()?.iter().position(is_sidecar)?;
        Some((list, position))
    });
    let (list, position) = place.unwrap();
    let sidecar = &mut older[list][position];
    sidecar["image"] = json!("endpoints-operator:0.0.1");
    sidecar["args"] = json!(["proxy", "--of-old"]);
    let mut annotations = first.metadata.annotations.clone().unwrap();
    let status = annotations[STATUS].replace("\"version\":\"", "\"version\":\"0.0.1-was-");
    annotations.insert(STATUS.to_owned(), status);
    let again =
        json!({ "metadata": { "name": "again", "annotations": annotations }, "spec": older });
    let again = test.create::<Pod>(again).await.unwrap();
    assert_eq!(container(&again, SIDECAR_CONTAINER), &own);
    assert_eq!(again.metadata.annotations, first.metadata.annotations);
    assert_eq!(again.spec, first.spec);

    // By name again: the probe is the app's own.
    annotations.remove("endpoints.dev/capture");
    let named =
        json!({ "metadata": { "name": "named", "annotations": annotations }, "spec": first.spec });
    let named = test.create::<Pod>(named).await.unwrap();
    assert_eq!(probe(&named)["tcpSocket"]["port"], "app-http");
}

#[tokio::test]
async fn none_of_our_annotations_changes_on_a_running_pod() {
    let test = Test::start().await;
    let annotations = [
        ("endpoints.dev/capture", "redirect"),
        ("endpoints.dev/ports", "http"),
    ];
    test.create::<Pod>(with("web", &annotations)).await.unwrap();
    for (key, value) in [
        ("endpoints.dev/capture", json!("none")),
        ("endpoints.dev/capture", json!(null)),
        ("endpoints.dev/ports", json!("8080")),
        ("endpoints.dev/sidecar", json!("classic")),
        ("endpoints.dev/sidecar-log-level", json!("debug")),
        ("endpoints.dev/anything", json!("new")),
        ("endpoints.dev/anything", json!("")),
    ] {
        let edit = json!({ "metadata": { "annotations": { key: value } } });
        let dry_run = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let message = eventually(|| async {
            let edited = test
                .api::<Pod>()
                .patch("web", &dry_run, &Patch::Merge(&edit))
                .await;
            match edited {
                Ok(_) => Err(format!("{edit} is let through")),
                Err(error) => Ok(error.to_string()),
            }
        })
        .await;
        assert!(
            message.contains("change them in the pod template"),
            "{edit}: {message}"
        );
    }
    let other = Patch::Merge(json!({ "metadata": { "annotations": { "team": "shop" } } }));
    test.api::<Pod>()
        .patch("web", &PatchParams::default(), &other)
        .await
        .unwrap();
}
