//! Native or classic, what the sidecar is given, and what of the pod's surroundings matters to it.

use super::*;

fn with(annotations: &[(&str, &str)], spec: Value) -> Pod {
    let mut all = json!({ "endpoints.dev/service": "bookstore" });
    for (key, value) in annotations {
        all[*key] = json!(value);
    }
    annotated(all, spec)
}

fn is_native(pod: &Pod) -> bool {
    sidecar_of(pod).restart_policy.as_deref() == Some("Always")
}

#[test]
fn the_annotation_overrules_the_clusters_version() {
    for (value, config, native) in [
        ("auto", config(), true),
        ("auto", classic(), false),
        ("native", classic(), true),
        ("classic", config(), false),
    ] {
        let pod = with(&[("endpoints.dev/sidecar", value)], http_app());
        assert_eq!(is_native(&inject(pod, &config).unwrap()), native, "{value}");
    }
}

#[test]
fn a_job_takes_a_native_sidecar_only() {
    for policy in ["Never", "OnFailure"] {
        let mut job = http_app();
        job["restartPolicy"] = json!(policy);
        let pod = with(&[("endpoints.dev/sidecar", "native")], job.clone());
        assert!(is_native(&inject(pod, &classic()).unwrap()));
        let pod = with(&[("endpoints.dev/sidecar", "classic")], job);
        let message = denial(pod);
        assert!(
            message.contains(&format!("restartPolicy {policy}")),
            "{message}"
        );
        assert!(
            message.contains("remove annotation endpoints.dev/sidecar"),
            "{message}"
        );
    }
}

#[test]
fn a_classic_sidecar_holds_the_app_back_and_outlives_it_and_a_native_one_has_no_hooks() {
    let hooks = |grace: Value| {
        let mut spec = http_app();
        spec["terminationGracePeriodSeconds"] = grace;
        json(&sidecar_of(&inject(pod(spec), &classic()).unwrap()).lifecycle)
    };
    assert_eq!(
        hooks(json!(null)),
        json!({
            "postStart": { "exec": { "command": ["/endpoints", "wait", "listening"] } },
            "preStop": { "exec": { "command": ["/endpoints", "wait", "app-closed", "--at-most=25"] } }
        })
    );
    let at_most = |grace: i64| {
        let hooks = hooks(json!(grace));
        hooks["preStop"]["exec"]["command"][3]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(at_most(600), "--at-most=595");
    assert_eq!(at_most(i64::MAX), "--at-most=86400");
    for short in [0, 3, -1, i64::MIN] {
        assert_eq!(at_most(short), "--at-most=1");
    }
    let native = inject(pod(http_app()), &config()).unwrap();
    assert_eq!(sidecar_of(&native).lifecycle, None);
}

#[test]
fn resources_and_log_level_are_as_the_annotations_say() {
    let injected = inject(
        with(
            &[
                ("endpoints.dev/sidecar-cpu-request", "50m"),
                ("endpoints.dev/sidecar-cpu-limit", "2"),
                ("endpoints.dev/sidecar-memory-limit", "64Mi"),
                ("endpoints.dev/sidecar-log-level", "debug"),
            ],
            http_app(),
        ),
        &config(),
    )
    .unwrap();
    assert_eq!(
        json(&sidecar_of(&injected).resources),
        json!({
            "requests": { "cpu": "50m", "memory": "16Mi" },
            "limits": { "cpu": "2", "memory": "64Mi" }
        })
    );
    assert_eq!(environment(&injected, "ENDPOINTS_LOG"), "debug");
}

#[test]
fn defaults_give_way_to_what_is_said_so_that_no_request_is_over_its_limit() {
    let resources = |annotations: &[(&str, &str)]| {
        let injected = inject(with(annotations, http_app()), &config()).unwrap();
        json(&sidecar_of(&injected).resources)
    };
    let high = resources(&[("endpoints.dev/sidecar-memory-request", "1Gi")]);
    assert_eq!(high["limits"]["memory"], "1Gi");
    let low = resources(&[("endpoints.dev/sidecar-cpu-limit", "5m")]);
    assert_eq!(
        (&low["requests"]["cpu"], &low["limits"]["cpu"]),
        (&json!("5m"), &json!("5m"))
    );
}

#[test]
fn what_is_said_for_a_guaranteed_pod_keeps_it_guaranteed() {
    let mut guaranteed = http_app();
    guaranteed["containers"][0]["resources"] = json!({ "limits": { "cpu": "1", "memory": "1Gi" } });
    let resources = |annotations: &[(&str, &str)]| {
        let injected = inject(with(annotations, guaranteed.clone()), &config()).unwrap();
        json(&sidecar_of(&injected).resources)
    };
    for key in [
        "endpoints.dev/sidecar-cpu-request",
        "endpoints.dev/sidecar-cpu-limit",
    ] {
        let own = resources(&[(key, "70m")]);
        assert_eq!(own["limits"], own["requests"]);
        assert_eq!(own["limits"]["cpu"], "70m");
    }
}

/// Where the pod's DNS does not know Services, the operator's name alone would be no address.
#[test]
fn an_odd_dns_policy_gets_the_operators_address_beside_its_name() {
    let known = InjectorConfig {
        operator_fallback: Some("10.96.0.7:9444".parse().unwrap()),
        ..config()
    };
    let name = "endpoints-operator.endpoints-system.svc:9444";
    let address = |policy: Value, config: &InjectorConfig| {
        let mut spec = http_app();
        spec["dnsPolicy"] = policy;
        environment(
            &inject(pod(spec), config).unwrap(),
            "ENDPOINTS_OPERATOR_ADDRESS",
        )
    };
    for policy in ["Default", "None"] {
        assert_eq!(
            address(json!(policy), &known),
            format!("{name},10.96.0.7:9444")
        );
        assert_eq!(address(json!(policy), &config()), name);
    }
    for policy in [
        json!("ClusterFirst"),
        json!("ClusterFirstWithHostNet"),
        json!(null),
    ] {
        assert_eq!(address(policy, &known), name);
    }
}

/// Older cluster autoscalers keep a node for the sake of any emptyDir that is not listed.
#[test]
fn our_volumes_are_added_to_those_that_an_autoscaler_may_drop() {
    const KEY: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
    let listed = |written: Option<&str>| {
        let pod = match written {
            Some(written) => with(&[(KEY, written)], http_app()),
            None => pod(http_app()),
        };
        let once = inject(pod, &config()).unwrap();
        assert_eq!(inject(once.clone(), &config()), Ok(once.clone()));
        let own = once.spec.unwrap().volumes.unwrap().into_iter();
        let own = own.filter(|volume| volume.empty_dir.is_some());
        let own: Vec<_> = own.map(|volume| volume.name).collect();
        let annotation = once.metadata.annotations.unwrap()[KEY].clone();
        assert!(own.len() == 1 || own.len() == 2, "{own:?}");
        annotation
            .strip_suffix(&own.join(","))
            .unwrap_or_else(|| panic!("{annotation}"))
            .to_owned()
    };
    assert_eq!(listed(None), "");
    assert_eq!(listed(Some("")), "");
    assert_eq!(listed(Some("scratch")), "scratch,");
    assert_eq!(listed(Some(" scratch , cache,")), "scratch,cache,");
}

#[test]
fn ephemeral_containers_are_left_alone() {
    let mut debugged = http_app();
    debugged["ephemeralContainers"] =
        json!([{ "name": "debugger", "image": "busybox", "targetContainerName": "app" }]);
    let injected = inject(pod(debugged.clone()), &config()).unwrap();
    assert_eq!(
        json(&spec(&injected).ephemeral_containers),
        debugged["ephemeralContainers"]
    );
}

#[test]
fn other_meshes_are_told_apart_by_their_ports_only() {
    let mut meshed = http_app();
    meshed["initContainers"] = json!([
        { "name": "istio-init" },
        { "name": "istio-proxy", "restartPolicy": "Always",
          "ports": [{ "name": "http-envoy-prom", "containerPort": 15090 }] }
    ]);
    let containers = meshed["containers"].as_array_mut().unwrap();
    containers.push(json!({
        "name": "linkerd-proxy", "ports": [{ "name": "linkerd-proxy", "containerPort": 4143 }]
    }));
    let injected = inject(pod(meshed), &config()).unwrap();
    let inits = spec(&injected).init_containers.iter().flatten();
    let names: Vec<_> = inits.map(|container| &*container.name).collect();
    assert_eq!(names, ["endpoints-proxy", "istio-init", "istio-proxy"]);
    assert_eq!(status_of(&injected).ports[0].app, 8080);
}

/// Their classic sidecars stand among the app's containers.
#[test]
fn ports_of_a_meshs_container_are_never_the_api() {
    for mesh in [
        "istio-proxy",
        "linkerd-proxy",
        "kuma-sidecar",
        "consul-dataplane",
        "daprd",
    ] {
        let port = json!({ "name": "http-x", "containerPort": 15090 });
        let mut meshed = http_app();
        let containers = meshed["containers"].as_array_mut().unwrap();
        containers.insert(0, json!({ "name": mesh, "ports": [port] }));
        let injected = inject(pod(meshed), &config()).unwrap();
        assert_eq!(status_of(&injected).ports[0].app, 8080, "{mesh}");

        let mut alone = app(json!([{ "name": "main", "containerPort": 8080 }]));
        let containers = alone["containers"].as_array_mut().unwrap();
        containers.push(json!({ "name": mesh, "ports": [port] }));
        assert!(
            denial(pod(alone)).starts_with("none of the pod's ports"),
            "{mesh}"
        );
    }
}
