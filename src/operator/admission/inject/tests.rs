use k8s_openapi::api::core::v1::Container;
use serde_json::{Value, json};

use super::*;
use crate::api::endpoints_service::{CountedWorkers, Workers};

mod again;
mod forms;
mod platform;
mod property;
mod redirect;

fn config() -> InjectorConfig {
    InjectorConfig {
        image: "registry.example/endpoints-operator:1".to_owned(),
        operator_address: "endpoints-operator.endpoints-system.svc:9444".to_owned(),
        ..InjectorConfig::of_tests()
    }
}

/// Under a service that says nothing about its sidecars.
fn inject(pod: Pod, config: &InjectorConfig) -> Result<Pod, Denial> {
    super::inject(pod, config, &SidecarSettings::default())
}

fn classic() -> InjectorConfig {
    InjectorConfig {
        native_sidecars: false,
        ..config()
    }
}

/// A pod annotated for `bookstore`, of this spec.
fn pod(spec: Value) -> Pod {
    annotated(json!({ "endpoints.dev/service": "bookstore" }), spec)
}

fn with_ports(ports: &str, spec: Value) -> Pod {
    annotated(
        json!({ "endpoints.dev/service": "bookstore", "endpoints.dev/ports": ports }),
        spec,
    )
}

fn annotated(annotations: Value, spec: Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "annotations": annotations }, "spec": spec }))
        .unwrap()
}

/// One container `app` with these ports.
fn app(ports: Value) -> Value {
    json!({ "containers": [{ "name": "app", "image": "app", "ports": ports }] })
}

fn http_app() -> Value {
    app(json!([{ "name": "http", "containerPort": 8080 }]))
}

fn spec(pod: &Pod) -> &PodSpec {
    pod.spec.as_ref().unwrap()
}

fn sidecar_of(pod: &Pod) -> &Container {
    let spec = spec(pod);
    let containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let found: Vec<_> = containers
        .filter(|container| container.name == "endpoints-proxy")
        .collect();
    assert_eq!(found.len(), 1, "one sidecar");
    found[0]
}

fn app_of(pod: &Pod) -> &Container {
    spec(pod)
        .containers
        .iter()
        .find(|container| container.name == "app")
        .unwrap()
}

fn status_of(pod: &Pod) -> InjectionStatus {
    InjectionStatus::read(pod.metadata.annotations.as_ref().unwrap()).expect("a status")
}

fn environment(pod: &Pod, name: &str) -> String {
    let variables = sidecar_of(pod).env.as_ref().unwrap();
    let variable = variables.iter().find(|variable| variable.name == name);
    variable
        .unwrap_or_else(|| panic!("no {name}"))
        .value
        .clone()
        .unwrap()
}

fn denial(pod: Pod) -> String {
    inject(pod, &config()).expect_err("denied").to_string()
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

// === who is injected ===

#[test]
fn a_pod_that_does_not_ask_comes_back_as_it_was() {
    for annotations in [json!(null), json!({}), json!({ "other.dev/service": "a" })] {
        let pod = annotated(annotations, http_app());
        assert_eq!(inject(pod.clone(), &config()), Ok(pod));
    }
}

#[test]
fn a_mistyped_annotation_is_denied_with_the_nearest_right_one() {
    let message = denial(annotated(
        json!({ "endpoints.dev/servce": "a" }),
        http_app(),
    ));
    assert!(
        message.contains("did you mean endpoints.dev/service?"),
        "{message}"
    );
}

#[test]
fn pods_the_sidecar_cannot_stand_in_are_denied() {
    let mut host = http_app();
    host["hostNetwork"] = json!(true);
    assert_eq!(inject(pod(host), &config()), Err(Denial::HostNetwork));

    let mut windows = http_app();
    windows["os"] = json!({ "name": "windows" });
    assert_eq!(inject(pod(windows), &config()), Err(Denial::Windows));

    for label in ["kubernetes.io/os", "beta.kubernetes.io/os"] {
        let mut windows = http_app();
        windows["nodeSelector"] = json!({ label: "windows" });
        assert_eq!(inject(pod(windows), &config()), Err(Denial::Windows));
    }
}

#[test]
fn a_job_is_denied_where_the_sidecar_would_keep_it_from_completing() {
    let mut job = http_app();
    job["restartPolicy"] = json!("Never");
    let message = inject(pod(job.clone()), &classic())
        .unwrap_err()
        .to_string();
    assert!(message.contains("restartPolicy Never"), "{message}");
    assert!(
        message.contains("endpoints.dev/sidecar: native"),
        "{message}"
    );
    assert!(inject(pod(job), &config()).is_ok());
}

// === which port ===

#[test]
fn the_only_port_that_looks_like_http_is_taken() {
    for name in ["http", "http-alt", "web", "api", "grpc", "grpc-web"] {
        let ports = json!([{ "name": "metrics", "containerPort": 9090 }, { "name": name, "containerPort": 8080 }]);
        let injected = inject(pod(app(ports)), &config()).unwrap();
        assert_eq!(status_of(&injected).ports[0].name.as_deref(), Some(name));
    }
}

/// Prometheus would get 401, and the API beside it would stay open.
#[test]
fn ports_for_metrics_are_never_taken_unless_named() {
    for name in [
        "http-metrics",
        "http-envoy-prom",
        "http-prometheus",
        "grpc-metrics",
        "http-metrics-2",
        "http-monitoring",
    ] {
        let scraped = json!({ "name": name, "containerPort": 9090 });
        let alone = json!([scraped, { "name": "main", "containerPort": 8080 }]);
        let message = denial(pod(app(alone.clone())));
        assert!(message.starts_with("none of the pod's ports"), "{message}");
        let injected = inject(with_ports(name, app(alone)), &config()).unwrap();
        assert_eq!(status_of(&injected).ports[0].app, 9090, "it was named");
        let beside = json!([scraped, { "name": "http", "containerPort": 8080 }]);
        let injected = inject(pod(app(beside)), &config()).unwrap();
        assert_eq!(status_of(&injected).ports[0].app, 8080, "{name}");
    }
    let api = json!([{ "name": "http-promotions", "containerPort": 8080 }]);
    assert!(inject(pod(app(api)), &config()).is_ok());
}

#[test]
fn no_port_or_several_that_look_like_http_are_denied_listing_them() {
    let message = denial(pod(app(json!([
        { "name": "metrics", "containerPort": 9090 }, { "containerPort": 8080 }
    ]))));
    assert!(
        message.starts_with("none of the pod's ports look like HTTP"),
        "{message}"
    );
    assert!(
        message.ends_with("the pod declares metrics (9090), 8080"),
        "{message}"
    );

    let message = denial(pod(app(json!([
        { "name": "http", "containerPort": 80 }, { "name": "web", "containerPort": 81 }
    ]))));
    assert!(
        message.starts_with("http (80), web (81) of the pod's ports"),
        "{message}"
    );

    let message = denial(pod(app(json!(null))));
    assert!(message.ends_with("the pod declares no port"), "{message}");
}

#[test]
fn the_annotation_chooses_by_name_and_by_number() {
    let ports = json!([{ "name": "admin", "containerPort": 9000 }, { "name": "public", "containerPort": 8080 }]);
    for wanted in ["public", "8080", "public,8080", "8080, public"] {
        let injected = inject(with_ports(wanted, app(ports.clone())), &config()).unwrap();
        let taken = status_of(&injected).ports;
        assert_eq!(taken.len(), 1, "{wanted}");
        assert_eq!(taken[0].name.as_deref(), Some("public"));
        assert_eq!((taken[0].listen, taken[0].app), (14080, 8080));
    }
}

#[test]
fn each_taken_port_has_its_own_listener() {
    let ports =
        json!([{ "name": "a", "containerPort": 1000 }, { "name": "b", "containerPort": 2000 }]);
    let injected = inject(with_ports("b,a", app(ports)), &config()).unwrap();
    assert_eq!(
        environment(&injected, "ENDPOINTS_LISTENERS"),
        "14080=2000,14081=1000"
    );
    let ports = json(sidecar_of(&injected).ports.as_ref().unwrap());
    assert_eq!(
        ports,
        json!([
            { "name": "b", "containerPort": 14080, "protocol": "TCP" },
            { "name": "a", "containerPort": 14081, "protocol": "TCP" },
            { "containerPort": 14070, "protocol": "TCP" }
        ])
    );
}

#[test]
fn a_port_that_is_not_declared_is_denied_with_the_nearest_and_the_list() {
    let ports = json!([{ "name": "public", "containerPort": 8080 }]);
    let message = denial(with_ports("publik", app(ports.clone())));
    assert!(
        message.contains("no container declares port publik; did you mean public?"),
        "{message}"
    );
    assert!(
        message.ends_with("the pod declares public (8080)"),
        "{message}"
    );
    let message = denial(with_ports("9999", app(ports)));
    assert!(
        message.contains("no container declares port 9999; the pod declares"),
        "{message}"
    );
}

#[test]
fn an_unnamed_port_is_denied_with_the_remedy() {
    let message = denial(with_ports("8080", app(json!([{ "containerPort": 8080 }]))));
    assert!(
        message.contains("port 8080 of container app has no name"),
        "{message}"
    );
    assert!(message.contains("give it one (name: http)"), "{message}");
}

#[test]
fn a_name_that_two_containers_share_is_denied() {
    let two = json!({ "containers": [
        { "name": "app", "ports": [{ "name": "http", "containerPort": 8080 }] },
        { "name": "b", "ports": [{ "name": "http", "containerPort": 8081 }] }
    ] });
    let message = denial(with_ports("http", two));
    assert!(message.contains("8080 in app, 8081 in b"), "{message}");

    let beside_native_sidecar = json!({
        "containers": [{ "name": "app", "ports": [{ "name": "http", "containerPort": 8080 }] }],
        "initContainers": [{ "name": "b", "restartPolicy": "Always", "ports": [{ "name": "http", "containerPort": 8081 }] }]
    });
    let message = denial(pod(beside_native_sidecar));
    assert!(message.contains("8080 in app, 8081 in b"), "{message}");
}

/// Services look names up among containers that stay.
#[test]
fn an_init_container_that_ends_may_have_the_name_too() {
    let port = json!([{ "name": "http", "containerPort": 8080 }]);
    let migrated = json!({
        "containers": [{ "name": "app", "ports": port }],
        "initContainers": [{ "name": "migrate", "ports": port }]
    });
    let injected = inject(pod(migrated), &config()).unwrap();
    let inits = spec(&injected).init_containers.as_ref().unwrap();
    assert_eq!(json(&inits[1].ports), port, "it is left alone");
    assert_eq!(json(&app_of(&injected).ports)[0]["name"], "app-http");
}

#[test]
fn what_is_empty_counts_as_absent() {
    let mut spec = app(json!([
        { "name": "http", "containerPort": 8080, "protocol": "", "hostIP": "", "hostPort": 0 }
    ]));
    spec["restartPolicy"] = json!("");
    let injected = inject(pod(spec), &classic()).unwrap();
    assert_eq!(json(&app_of(&injected).ports)[0]["name"], "app-http");
}

#[test]
fn a_number_that_two_named_ports_share_is_denied() {
    let ports =
        json!([{ "name": "a", "containerPort": 8080 }, { "name": "b", "containerPort": 8080 }]);
    let message = denial(with_ports("8080", app(ports)));
    assert!(message.contains("a (8080), b (8080)"), "{message}");
}

#[test]
fn udp_and_sctp_are_denied() {
    for protocol in ["UDP", "SCTP"] {
        for wanted in ["media", "5000"] {
            let ports = json!([{ "name": "media", "containerPort": 5000, "protocol": protocol }]);
            let message = denial(with_ports(wanted, app(ports)));
            assert!(
                message.contains(&format!("is {protocol}: only TCP")),
                "{message}"
            );
        }
    }
}

#[test]
fn a_host_port_is_denied_on_the_taken_port_only() {
    let host = json!([{ "name": "http", "containerPort": 8080, "hostPort": 80 }]);
    assert!(denial(pod(app(host))).contains("hostPort 80"));
    let other = json!([
        { "name": "http", "containerPort": 8080, "hostPort": 0 },
        { "name": "node", "containerPort": 9100, "hostPort": 9100 }
    ]);
    assert!(inject(pod(app(other)), &config()).is_ok());
}

/// All containers share one network: it is the number that the node forwards to.
#[test]
fn a_host_port_of_the_same_number_is_denied_whichever_entry_has_it() {
    let http = json!({ "name": "http", "containerPort": 8080 });
    let edge = json!({ "name": "edge", "containerPort": 8080, "hostPort": 80 });
    let unnamed = json!({ "containerPort": 8080, "hostPort": 80 });
    let udp = json!({ "containerPort": 8080, "hostPort": 80, "protocol": "UDP" });
    for (other, told) in [
        (&edge, "port edge (8080) of container app"),
        (&unnamed, "port 8080 of"),
    ] {
        let message = denial(pod(app(json!([http, other]))));
        assert!(message.contains(told), "{message}");
        assert!(message.contains("hostPort 80"), "{message}");
    }
    assert!(inject(pod(app(json!([http, udp]))), &config()).is_ok());
    let mut beside = app(json!([http]));
    let other = json!({ "name": "edge", "ports": [unnamed] });
    beside["containers"].as_array_mut().unwrap().push(other);
    let message = denial(pod(beside));
    assert!(
        message.contains("of container edge has hostPort 80"),
        "{message}"
    );
}

#[test]
fn a_declared_port_that_is_the_sidecars_own_is_denied() {
    for number in [14070, 14080] {
        let ports = json!([{ "name": "http", "containerPort": 8080 }, { "containerPort": number }]);
        assert!(denial(pod(app(ports))).contains(&format!("port {number} of container app")));
    }
    let free = json!([
        { "name": "http", "containerPort": 8080 }, { "containerPort": 14081 },
        { "containerPort": 14070, "protocol": "UDP" }
    ]);
    assert!(inject(pod(app(free)), &config()).is_ok());
}

#[test]
fn a_number_outside_of_tcp_is_denied() {
    for number in [0, -1, 65536] {
        let ports = json!([{ "name": "http", "containerPort": number }]);
        assert!(denial(pod(app(ports))).contains("is not a port number"));
    }
}

// === the takeover ===

#[test]
fn probes_and_lifecycle_handlers_that_used_the_name_follow_the_app() {
    let probe = |port: Value| json!({ "httpGet": { "path": "/", "port": port } });
    let tcp = |port: Value| json!({ "tcpSocket": { "port": port } });
    let pod = pod(json!({ "containers": [
        {
            "name": "app",
            "ports": [{ "name": "http", "containerPort": 8080 }, { "name": "metrics", "containerPort": 9090 }],
            "livenessProbe": probe(json!("http")),
            "readinessProbe": tcp(json!("http")),
            "startupProbe": probe(json!(8080)),
            "lifecycle": { "preStop": probe(json!("http")), "postStart": tcp(json!("http")) }
        },
        { "name": "other", "readinessProbe": probe(json!("http")), "livenessProbe": probe(json!("metrics")) }
    ] }));
    let injected = inject(pod, &config()).unwrap();
    let app = json(app_of(&injected));
    assert_eq!(
        app["ports"][0],
        json!({ "name": "app-http", "containerPort": 8080 })
    );
    assert_eq!(app["ports"][1]["name"], "metrics");
    assert_eq!(app["livenessProbe"]["httpGet"]["port"], "app-http");
    assert_eq!(app["readinessProbe"]["tcpSocket"]["port"], "app-http");
    assert_eq!(app["startupProbe"]["httpGet"]["port"], 8080);
    assert_eq!(app["lifecycle"]["preStop"]["httpGet"]["port"], "app-http");
    assert_eq!(
        app["lifecycle"]["postStart"]["tcpSocket"]["port"],
        "app-http"
    );
    // kubelet looks a name up in the probe's own container: the other one never meant ours.
    let other = json(&spec(&injected).containers[1]);
    assert_eq!(other["readinessProbe"]["httpGet"]["port"], "http");
}

#[test]
fn the_apps_new_name_is_cut_and_numbered_when_taken() {
    let renamed = |ports: Value, wanted: &str| {
        let injected = inject(with_ports(wanted, app(ports)), &config()).unwrap();
        status_of(&injected)
            .ports
            .into_iter()
            .map(|port| port.renamed.unwrap())
            .collect::<Vec<_>>()
    };
    let port = |name: &str, number: u16| json!({ "name": name, "containerPort": number });
    assert_eq!(
        renamed(json!([port("fifteen-letters", 1)]), "fifteen-letters"),
        ["app-fifteen-let"]
    );
    assert_eq!(
        renamed(json!([port("abcdefghij-lmno", 1)]), "abcdefghij-lmno"),
        ["app-abcdefghij"]
    );
    assert_eq!(
        renamed(json!([port("http", 1), port("app-http", 2)]), "http"),
        ["app-http-2"]
    );
    assert_eq!(
        renamed(
            json!([port("fifteen-letterA", 1), port("fifteen-letterB", 2)]),
            "1,2"
        ),
        ["app-fifteen-let", "app-fifteen-l-2"]
    );
}

#[test]
fn a_native_sidecar_is_the_first_init_container() {
    let mut with_init = http_app();
    with_init["initContainers"] = json!([{ "name": "migrate" }]);
    let injected = inject(pod(with_init), &config()).unwrap();
    let names: Vec<_> = spec(&injected)
        .init_containers
        .iter()
        .flatten()
        .map(|container| &container.name)
        .collect();
    assert_eq!(names, ["endpoints-proxy", "migrate"]);
    assert_eq!(
        sidecar_of(&injected).restart_policy.as_deref(),
        Some("Always")
    );
}

#[test]
fn a_classic_sidecar_is_the_first_container() {
    let injected = inject(pod(http_app()), &classic()).unwrap();
    let names: Vec<_> = spec(&injected)
        .containers
        .iter()
        .map(|container| &container.name)
        .collect();
    assert_eq!(names, ["endpoints-proxy", "app"]);
    assert_eq!(sidecar_of(&injected).restart_policy, None);
    let annotations = injected.metadata.annotations.unwrap();
    assert_eq!(
        annotations["kubectl.kubernetes.io/default-container"],
        "app"
    );
}

#[test]
fn a_default_container_that_is_chosen_already_stays() {
    let annotations = json!({
        "endpoints.dev/service": "a", "kubectl.kubernetes.io/default-container": "other"
    });
    let injected = inject(annotated(annotations, http_app()), &config()).unwrap();
    let annotations = injected.metadata.annotations.unwrap();
    assert_eq!(
        annotations["kubectl.kubernetes.io/default-container"],
        "other"
    );
}

#[test]
fn the_sidecar_is_told_all_that_it_needs() {
    let injected = inject(pod(http_app()), &config()).unwrap();
    let sidecar = json(sidecar_of(&injected));
    assert_eq!(sidecar["image"], "registry.example/endpoints-operator:1");
    assert_eq!(sidecar["args"], json!(["proxy"]));
    for (name, value) in [
        ("ENDPOINTS_SERVICE", "bookstore"),
        (
            "ENDPOINTS_OPERATOR_ADDRESS",
            "endpoints-operator.endpoints-system.svc:9444",
        ),
        ("ENDPOINTS_TRUST_BUNDLE", "PEM"),
        (
            "ENDPOINTS_TOKEN_FILE",
            "/var/run/secrets/endpoints.dev/token",
        ),
        ("ENDPOINTS_LISTENERS", "14080=8080"),
        ("ENDPOINTS_ADMIN_PORT", "14070"),
    ] {
        assert_eq!(environment(&injected, name), value);
    }
    let variables = sidecar["env"].as_array().unwrap();
    for (name, path) in [
        ("ENDPOINTS_POD_NAME", "metadata.name"),
        ("ENDPOINTS_POD_NAMESPACE", "metadata.namespace"),
        ("ENDPOINTS_POD_UID", "metadata.uid"),
    ] {
        let variable = variables
            .iter()
            .find(|variable| variable["name"] == name)
            .unwrap();
        assert_eq!(variable["valueFrom"]["fieldRef"]["fieldPath"], path);
    }
    let volumes = json(spec(&injected).volumes.as_ref().unwrap());
    assert_eq!(
        volumes[0]["projected"]["sources"],
        json!([{ "serviceAccountToken":
            { "audience": "push.endpoints.dev", "expirationSeconds": 3600, "path": "token" } }])
    );
    let labels = injected.metadata.labels.unwrap();
    assert_eq!(labels["endpoints.dev/injected"], "true");
}

/// Admission mounts the app's token into every container that mounts nothing there.
#[test]
fn nothing_is_mounted_where_the_apps_api_token_would_be() {
    let injected = inject(pod(http_app()), &config()).unwrap();
    let mounts = json(sidecar_of(&injected).volume_mounts.as_ref().unwrap());
    let place = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mount = mounts
        .as_array()
        .unwrap()
        .iter()
        .find(|mount| mount["mountPath"] == place)
        .unwrap();
    let volumes = json(spec(&injected).volumes.as_ref().unwrap());
    let volume = volumes
        .as_array()
        .unwrap()
        .iter()
        .find(|volume| volume["name"] == mount["name"])
        .unwrap();
    assert_eq!(volume["emptyDir"]["medium"], "Memory");
}

#[test]
fn the_sidecar_keeps_its_state_in_a_bounded_volume_in_memory() {
    let injected = inject(pod(http_app()), &config()).unwrap();
    let sidecar = json(sidecar_of(&injected));
    let folder = "/var/lib/endpoints.dev";
    let mounts = sidecar["volumeMounts"].as_array().unwrap();
    let mount = json!({ "name": "endpoints-state", "mountPath": folder });
    assert!(mounts.contains(&mount), "{mounts:?}");
    let variable = json!({ "name": "ENDPOINTS_STATE_FOLDER", "value": folder });
    assert!(sidecar["env"].as_array().unwrap().contains(&variable));
    let volumes = json(spec(&injected).volumes.as_ref().unwrap());
    let volume = json!({
        "name": "endpoints-state", "emptyDir": { "medium": "Memory", "sizeLimit": "8Mi" }
    });
    assert!(volumes.as_array().unwrap().contains(&volume), "{volumes}");
}

#[test]
fn the_sidecar_may_fetch_keys_from_where_the_operator_may() {
    let variables = |config: &InjectorConfig| {
        let injected = inject(pod(http_app()), config).unwrap();
        let variables = sidecar_of(&injected).env.clone().unwrap_or_default();
        let jwks = variables
            .into_iter()
            .filter(|variable| variable.name.starts_with("ENDPOINTS_JWKS"))
            .map(|variable| (variable.name, variable.value.unwrap()));
        jwks.collect::<Vec<_>>()
    };
    assert_eq!(variables(&config()), []);
    let rule = crate::jwks::AddressRule {
        allow_http: true,
        ..crate::jwks::AddressRule::strict(vec![
            "127.0.0.0/8".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
        ])
    };
    let config = InjectorConfig {
        key_addresses: rule,
        ..config()
    };
    let expected = [
        ("ENDPOINTS_JWKS_ALLOW", "127.0.0.0/8,fd00::/8"),
        ("ENDPOINTS_JWKS_ALLOW_HTTP", "true"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(variables(&config), expected);
}

#[test]
fn the_sidecar_passes_pod_security_restricted() {
    let injected = inject(pod(http_app()), &config()).unwrap();
    assert_eq!(
        json(sidecar_of(&injected).security_context.as_ref().unwrap()),
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" }
        })
    );
}

#[test]
fn a_user_is_set_only_where_the_pod_says_root() {
    let user = |pod_level: Value, config: &InjectorConfig| {
        let mut spec = http_app();
        spec["securityContext"] = pod_level;
        let injected = inject(pod(spec), config).unwrap();
        sidecar_of(&injected)
            .security_context
            .as_ref()
            .unwrap()
            .run_as_user
    };
    assert_eq!(user(json!({ "runAsUser": 0 }), &config()), Some(65532));
    assert_eq!(user(json!({ "runAsUser": 1000 }), &config()), None);
    assert_eq!(user(json!(null), &config()), None);
}

// === resources ===

#[test]
fn a_guaranteed_pod_stays_guaranteed() {
    let resources = |app: Value| {
        let mut spec = http_app();
        spec["containers"][0]["resources"] = app;
        json(
            sidecar_of(&inject(pod(spec), &config()).unwrap())
                .resources
                .as_ref()
                .unwrap(),
        )
    };
    let guaranteed = resources(json!({
        "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "1000m" }
    }));
    assert_eq!(guaranteed["limits"], guaranteed["requests"]);
    let burstable = resources(json!({
        "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "500m" }
    }));
    assert_eq!(
        burstable["requests"],
        json!({ "cpu": "10m", "memory": "16Mi" })
    );
    assert_eq!(burstable["limits"], json!({ "memory": "128Mi" }));
    assert_eq!(resources(json!(null)), burstable);
}

#[test]
fn pod_level_resources_make_room_and_are_remembered() {
    let mut with_resources = http_app();
    with_resources["resources"] = json!({
        "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "2", "memory": "2G", "hugepages-2Mi": "2Mi" }
    });
    let injected = inject(pod(with_resources.clone()), &config()).unwrap();
    assert_eq!(
        json(spec(&injected).resources.as_ref().unwrap()),
        json!({
            "requests": { "cpu": "1010m", "memory": "1040Mi" },
            "limits": { "cpu": "2010m", "memory": "2084197Ki", "hugepages-2Mi": "2Mi" }
        })
    );
    let before = status_of(&injected).pod_resources.unwrap();
    assert_eq!(before.limits["memory"], "2G");
    assert_eq!(before.requests["cpu"], "1");

    with_resources["resources"]["limits"]["cpu"] = json!("much");
    assert!(denial(pod(with_resources)).contains("spec.resources.limits.cpu: \"much\""));
}

#[test]
fn a_guaranteed_pod_level_stays_guaranteed() {
    let mut with_resources = http_app();
    let both = json!({ "cpu": "1", "memory": "1Gi" });
    with_resources["resources"] = json!({ "requests": both, "limits": both });
    let injected = inject(pod(with_resources), &config()).unwrap();
    let raised = json(spec(&injected).resources.as_ref().unwrap());
    assert_eq!(raised["requests"], raised["limits"]);
}

/// Of a pod with limits alone the API server fills in the requests, from what its containers ask for: were
/// ours among them before, it would take theirs for all that is asked for.
#[test]
fn pod_level_requests_that_nobody_wrote_are_those_that_the_api_server_would_fill_in() {
    let raised = |resources: Value, containers: Value, inits: Value| {
        let mut asked = http_app();
        asked["resources"] = resources;
        asked["containers"][0]["resources"] = containers;
        asked["initContainers"] = inits;
        let before: PodSpec = serde_json::from_value(asked.clone()).unwrap();
        let injected = inject(pod(asked), &config()).unwrap();
        assert_eq!(inject(injected.clone(), &config()), Ok(injected.clone()));
        let status = status_of(&injected);
        let mut stripped = injected.spec.clone().unwrap();
        strip(&mut stripped, &status).unwrap();
        assert_eq!(stripped.resources, before.resources);
        json(&spec(&injected).resources)["requests"].clone()
    };
    let limits = json!({ "limits": { "cpu": "1", "memory": "1Gi" } });
    assert_eq!(
        raised(limits.clone(), json!(null), json!(null)),
        json!({ "cpu": "1200m", "memory": "1152Mi" }),
        "nobody asks: the limits, and the pod is Guaranteed"
    );
    assert_eq!(
        raised(
            limits.clone(),
            json!({ "requests": { "cpu": "300m" } }),
            json!(null)
        ),
        json!({ "cpu": "310m", "memory": "1040Mi" })
    );
    let cpu = |amount: &str| json!({ "requests": { "cpu": amount } });
    let inits = json!([
        { "name": "sidecar", "restartPolicy": "Always", "resources": { "limits": { "cpu": "100m" } } },
        { "name": "migrate", "resources": cpu("600m") },
        { "name": "late", "restartPolicy": "Always", "resources": cpu("50m") }
    ]);
    assert_eq!(
        raised(limits.clone(), cpu("300m"), inits.clone())["cpu"],
        "710m",
        "the init container beside the sidecar before it asks for most"
    );
    assert_eq!(raised(limits, cpu("800m"), inits)["cpu"], "960m");
    assert_eq!(
        raised(
            json!({ "limits": { "memory": "1Gi" } }),
            json!(null),
            json!(null)
        ),
        json!({ "cpu": "10m", "memory": "1040Mi" })
    );
    assert_eq!(
        raised(
            json!({ "requests": { "cpu": "1" } }),
            json!(null),
            json!(null)
        ),
        json!({ "cpu": "1010m" }),
        "without limits nothing is filled in"
    );
}

/// A LimitRange's defaults come between two calls, and would not come again after the second.
#[test]
fn what_a_limit_range_added_to_the_sidecar_stays() {
    let mut injected = inject(pod(http_app()), &config()).unwrap();
    let sidecar = &mut injected
        .spec
        .as_mut()
        .unwrap()
        .init_containers
        .as_mut()
        .unwrap()[0];
    let limits = sidecar.resources.as_mut().unwrap().limits.as_mut().unwrap();
    limits.insert(
        "cpu".to_owned(),
        serde_json::from_value(json!("500m")).unwrap(),
    );
    assert_eq!(inject(injected.clone(), &config()), Ok(injected));
}

// === what the service says about its sidecars ===

/// Under a service that says all there is to say.
fn settings() -> SidecarSettings {
    SidecarSettings {
        workers: Some(Workers::Number(3)),
        listener_secret: Some("shop-tls".to_owned()),
        backend_secret: Some("shop-client".to_owned()),
    }
}

#[test]
fn secrets_that_the_service_names_are_mounted_and_need_not_be_there() {
    let injected = super::inject(pod(http_app()), &config(), &settings()).unwrap();
    let volumes = json(&spec(&injected).volumes);
    let mounts = json(&sidecar_of(&injected).volume_mounts);
    for (volume, folder, secret) in [
        (
            "endpoints-listener-tls",
            "/var/run/endpoints.dev/listener-tls",
            "shop-tls",
        ),
        (
            "endpoints-backend-tls",
            "/var/run/endpoints.dev/backend-tls",
            "shop-client",
        ),
    ] {
        let expected = json!({
            "name": volume, "secret": { "secretName": secret, "optional": true }
        });
        assert!(volumes.as_array().unwrap().contains(&expected), "{volumes}");
        let expected = json!({ "name": volume, "mountPath": folder, "readOnly": true });
        assert!(mounts.as_array().unwrap().contains(&expected), "{mounts}");
    }
    assert!(
        app_of(&injected).volume_mounts.is_none(),
        "only the sidecar's"
    );
}

#[test]
fn the_number_of_workers_is_passed_on() {
    let injected = super::inject(pod(http_app()), &config(), &settings()).unwrap();
    assert_eq!(environment(&injected, "ENDPOINTS_WORKERS"), "3");
    let auto = SidecarSettings {
        workers: Some(Workers::Counted(CountedWorkers::Auto)),
        ..SidecarSettings::default()
    };
    let injected = super::inject(pod(http_app()), &config(), &auto).unwrap();
    assert_eq!(environment(&injected, "ENDPOINTS_WORKERS"), "auto");
}

#[test]
fn what_the_service_says_no_more_is_taken_out_again() {
    let with = super::inject(pod(http_app()), &config(), &settings()).unwrap();
    assert_eq!(
        super::inject(with.clone(), &config(), &settings()),
        Ok(with.clone())
    );
    assert_eq!(inject(with, &config()), inject(pod(http_app()), &config()));
}

#[test]
fn volumes_for_secrets_are_reserved_names() {
    for name in ["endpoints-listener-tls", "endpoints-backend-tls"] {
        let mut volume = http_app();
        volume["volumes"] = json!([{ "name": name, "emptyDir": {} }]);
        let message = denial(pod(volume));
        assert!(message.contains("is reserved"), "{message}");
    }
}
