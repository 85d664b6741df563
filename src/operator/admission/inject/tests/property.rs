//! Whatever the pod: a second injection changes nothing, and nothing of the user's is lost.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::operator::admission::patch::between;
use crate::operator::admission::sidecar::is_own_container;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn injection_is_idempotent((raw, native) in (any_pod(), any::<bool>())) {
        let config = InjectorConfig { native_sidecars: native, ..config() };
        let pod: Pod = serde_json::from_value(raw).unwrap();
        if let Ok(once) = inject(pod, &config) {
            prop_assert_eq!(inject(once.clone(), &config), Ok(once));
        }
    }

    #[test]
    fn nothing_of_the_users_pod_is_lost((raw, native) in (any_pod(), any::<bool>())) {
        let config = InjectorConfig { native_sidecars: native, ..config() };
        let pod: Pod = serde_json::from_value(raw).unwrap();
        if let Ok(mut injected) = inject(pod.clone(), &config) {
            let status = status_of(&injected);
            prop_assert!(strip(injected.spec.as_mut().unwrap(), &status).is_some());
            // Absent and empty are one to Kubernetes.
            let spec = injected.spec.as_mut().unwrap();
            spec.init_containers.take_if(|list| list.is_empty());
            spec.volumes.take_if(|list| list.is_empty());
            let mut before = pod.spec.unwrap();
            before.init_containers.take_if(|list| list.is_empty());
            prop_assert_eq!(&*spec, &before);
            let mut kept = injected.metadata.annotations.unwrap();
            evictable::unlist(&mut kept);
            kept.retain(|key, _| key != STATUS && key != DEFAULT_CONTAINER);
            prop_assert_eq!(Some(kept), pod.metadata.annotations);
        }
    }

    #[test]
    fn taken_names_lead_to_the_sidecar_alone((raw, native) in (any_pod(), any::<bool>())) {
        let config = InjectorConfig { native_sidecars: native, ..config() };
        let pod: Pod = serde_json::from_value(raw).unwrap();
        if let Ok(injected) = inject(pod, &config) {
            let spec = spec(&injected);
            // Services do not look through init containers that end.
            let stays = |init: &&Container| init.restart_policy.as_deref() == Some("Always");
            let inits = spec.init_containers.iter().flatten().filter(stays);
            let containers = spec.containers.iter().chain(inits);
            let named: Vec<_> = containers
                .flat_map(|container| container.ports.iter().flatten().map(move |port| (container, port)))
                .collect();
            for taken in status_of(&injected).ports {
                if taken.name.is_none() {
                    // By number: no name leads to the sidecar.
                    let named = sidecar_of(&injected).ports.iter().flatten();
                    prop_assert!(named.clone().all(|port| port.name.is_none()));
                    continue;
                }
                let mut holders = named.iter().filter(|(_, port)| port.name == taken.name);
                let (container, port) = holders.next().unwrap();
                prop_assert_eq!(&container.name, "endpoints-proxy");
                prop_assert_eq!(port.container_port, i32::from(taken.listen));
                prop_assert!(holders.next().is_none());
                let renamed = taken.renamed.unwrap();
                prop_assert!(renamed.len() <= 15 && !renamed.ends_with('-') && !renamed.contains("--"));
                prop_assert_eq!(
                    named.iter().filter(|(_, port)| port.name.as_ref() == Some(&renamed)).count(), 1
                );
            }
        }
    }

    #[test]
    fn the_patch_makes_of_the_raw_pod_what_the_injection_made((raw, native) in (any_pod(), any::<bool>())) {
        let config = InjectorConfig { native_sidecars: native, ..config() };
        let pod: Pod = serde_json::from_value(raw.clone()).unwrap();
        if let Ok(injected) = inject(pod.clone(), &config) {
            let raw_before = raw.clone();
            let mut patched = raw;
            json_patch::patch(&mut patched, &between(&pod, &injected).unwrap()).unwrap();
            let typed: Pod = serde_json::from_value(patched.clone()).unwrap();
            prop_assert_eq!(&typed, &injected);
            // Every field that our types do not know stays in its place, whatever moved around it.
            prop_assert_eq!(unknown(&patched), unknown(&raw_before));
            // And again, from the injected pod on: nothing to do.
            prop_assert_eq!(between(&typed, &inject(typed.clone(), &config).unwrap()).unwrap().0, vec![]);
        }
    }
}

/// All fields of the name `newer`, each with where it stands: elements of lists by their names, the
/// sidecar's left out.
fn unknown(pod: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(pod, "", &mut found);
    assert!(!found.is_empty(), "the walk is broken");
    found
}

fn collect(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "newer" {
                    found.insert(format!("{place}: {value}"));
                } else {
                    collect(value, &format!("{place}/{name}"), found);
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                let name = element["name"].as_str().unwrap_or_default();
                if is_own_container(name) {
                    continue;
                }
                // Ports may be renamed, but stay in their order.
                let label = match place.ends_with("/ports") {
                    true => index.to_string(),
                    false => name.to_owned(),
                };
                collect(element, &format!("{place}/{label}"), found);
            }
        }
        _ => {}
    }
}

/// Puts a field that our types do not know into every object of a pod, but not where the map is of
/// strings, nor into what a probe that is asked through the sidecar has no more.
fn sprinkle(value: &mut Value, place: &str) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if ![
                    "annotations",
                    "labels",
                    "requests",
                    "limits",
                    "tcpSocket",
                    "grpc",
                ]
                .contains(&name.as_str())
                {
                    sprinkle(value, &format!("{place}/{name}"));
                }
            }
            fields.insert("newer".to_owned(), json!({ "at": place }));
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter_mut().enumerate() {
                sprinkle(element, &format!("{place}/{index}"));
            }
        }
        _ => {}
    }
}

fn any_pod() -> impl Strategy<Value = Value> {
    let ports = select(vec![
        "",
        "http",
        "web",
        "8080",
        "http,web",
        "8080,9090,http",
        "app-http",
    ]);
    let quantities = option::of(select(vec!["1", "1500m", "2Gi", "3e3"]));
    (
        ports,
        vec(any_container(), 1..4),
        vec((any_container(), any::<bool>()), 0..3),
        option::of(select(vec![0, 1000])),
        (quantities.clone(), quantities),
        any_wishes(),
    )
        .prop_map(
            |(ports, containers, inits, user, (request, limit), wishes)| {
                let mut annotations = json!({ "endpoints.dev/service": "bookstore" });
                for (key, value) in wishes {
                    if let Some(value) = value {
                        annotations[key] = json!(value);
                    }
                }
                if !ports.is_empty() {
                    annotations["endpoints.dev/ports"] = json!(ports);
                }
                let named = |prefix: &str, index: usize, mut container: Value| {
                    let name = format!("{prefix}{index}");
                    container["name"] = json!(name);
                    container
                };
                let containers: Vec<_> = containers
                    .into_iter()
                    .enumerate()
                    .map(|(index, container)| named("app", index, container))
                    .collect();
                let inits: Vec<_> = inits
                    .into_iter()
                    .enumerate()
                    .map(|(index, (container, native))| {
                        let mut container = named("init", index, container);
                        if native {
                            container["restartPolicy"] = json!("Always");
                        }
                        container
                    })
                    .collect();
                let mut spec = json!({ "containers": containers });
                if !inits.is_empty() {
                    spec["initContainers"] = json!(inits);
                }
                if let Some(user) = user {
                    spec["securityContext"] = json!({ "runAsUser": user });
                }
                if request.is_some() || limit.is_some() {
                    spec["resources"] = json!({});
                    for (list, quantity) in [("requests", request), ("limits", limit)] {
                        if let Some(quantity) = quantity {
                            spec["resources"][list] =
                                json!({ "cpu": quantity, "memory": quantity });
                        }
                    }
                }
                let mut pod = json!({ "metadata": { "annotations": annotations }, "spec": spec });
                sprinkle(&mut pod, "");
                pod
            },
        )
}

/// What else a pod's annotations say.
fn any_wishes() -> impl Strategy<Value = Vec<(&'static str, Option<&'static str>)>> {
    let one_of = |values: &[&'static str]| option::of(select(values.to_vec()));
    (
        one_of(&["named", "redirect", "none"]),
        one_of(&["auto", "native", "classic"]),
        one_of(&["50m", "1"]),
        one_of(&["32Mi", "1Gi"]),
        one_of(&["scratch", "scratch,cache"]),
    )
        .prop_map(|(capture, sidecar, cpu, memory, evictable)| {
            vec![
                ("endpoints.dev/capture", capture),
                ("endpoints.dev/sidecar", sidecar),
                ("endpoints.dev/sidecar-cpu-request", cpu),
                ("endpoints.dev/sidecar-memory-limit", memory),
                (
                    "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
                    evictable,
                ),
            ]
        })
}

fn any_container() -> impl Strategy<Value = Value> {
    let name = select(vec![
        "",
        "http",
        "web",
        "metrics",
        "app-http",
        "fifteen-letters",
        "http-alternate",
    ]);
    let number = select(vec![80, 8080, 9090, 14080]);
    let protocol = select(vec!["TCP", "TCP", "TCP", "UDP"]);
    let reference = || {
        option::of(select(vec![
            json!("http"),
            json!("web"),
            json!("app-http"),
            json!(8080),
        ]))
    };
    (
        vec((name, number, protocol), 0..4),
        (reference(), reference(), reference()),
        option::of(select(vec!["1", "100m"])),
        option::of(select(vec![80, 8080])),
    )
        .prop_map(|(ports, (liveness, readiness, stop), guaranteed, grpc)| {
            let ports: Vec<_> = ports
                .into_iter()
                .map(|(name, number, protocol)| {
                    let mut port = json!({ "containerPort": number, "protocol": protocol });
                    if !name.is_empty() {
                        port["name"] = json!(name);
                    }
                    port
                })
                .collect();
            let mut container = json!({});
            if !ports.is_empty() {
                container["ports"] = json!(ports);
            }
            if let Some(port) = liveness {
                container["livenessProbe"] = json!({ "httpGet": { "port": port } });
            }
            if let Some(port) = readiness {
                container["readinessProbe"] = json!({ "tcpSocket": { "port": port } });
            }
            if let Some(port) = stop {
                container["lifecycle"] = json!({ "preStop": { "httpGet": { "port": port } } });
            }
            if let Some(port) = grpc {
                container["startupProbe"] = json!({ "grpc": { "port": port } });
            }
            if let Some(cpu) = guaranteed {
                container["resources"] = json!({ "limits": { "cpu": cpu, "memory": "1Gi" } });
            }
            container
        })
}
