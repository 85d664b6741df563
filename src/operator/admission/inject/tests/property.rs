//! Whatever the pod: a second injection changes nothing, and nothing of the user's is lost.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::operator::admission::patch::between;

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
        }
    }

    #[test]
    fn taken_names_lead_to_the_sidecar_alone((raw, native) in (any_pod(), any::<bool>())) {
        let config = InjectorConfig { native_sidecars: native, ..config() };
        let pod: Pod = serde_json::from_value(raw).unwrap();
        if let Ok(injected) = inject(pod, &config) {
            let spec = spec(&injected);
            let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
            let named: Vec<_> = containers
                .flat_map(|container| container.ports.iter().flatten().map(move |port| (container, port)))
                .collect();
            for taken in status_of(&injected).ports {
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
            let mut patched = raw;
            json_patch::patch(&mut patched, &between(&pod, &injected).unwrap()).unwrap();
            let typed: Pod = serde_json::from_value(patched.clone()).unwrap();
            prop_assert_eq!(&typed, &injected);
            // Every unknown field stays in its place: beside the name it was written next to.
            for list in ["containers", "initContainers"] {
                for container in patched["spec"][list].as_array().into_iter().flatten() {
                    let expected = if container["name"] == "endpoints-proxy" { Value::Null } else { container["name"].clone() };
                    prop_assert_eq!(&container["unknown"], &expected);
                }
            }
            // And again, from the injected pod on: nothing to do.
            prop_assert_eq!(between(&typed, &inject(typed.clone(), &config).unwrap()).unwrap().0, vec![]);
        }
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
    )
        .prop_map(|(ports, containers, inits, user, (request, limit))| {
            let mut annotations = json!({ "endpoints.dev/service": "bookstore" });
            if !ports.is_empty() {
                annotations["endpoints.dev/ports"] = json!(ports);
            }
            let named = |prefix: &str, index: usize, mut container: Value| {
                let name = format!("{prefix}{index}");
                container["name"] = json!(name);
                container["unknown"] = json!(name);
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
                        spec["resources"][list] = json!({ "cpu": quantity, "memory": quantity });
                    }
                }
            }
            json!({ "metadata": { "annotations": annotations }, "spec": spec })
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
    )
        .prop_map(|(ports, (liveness, readiness, stop), guaranteed)| {
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
            if let Some(cpu) = guaranteed {
                container["resources"] = json!({ "limits": { "cpu": cpu, "memory": "1Gi" } });
            }
            container
        })
}
