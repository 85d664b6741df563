//! `capture: redirect` and `capture: none`: by number, all names left alone.

use super::*;
use crate::api::annotations::{CaptureMode, TakenPort};
use crate::api::probes::{self, Handler};

fn with(capture: &str, ports: &str, spec: Value) -> Pod {
    let mut annotations = json!({
        "endpoints.dev/service": "bookstore", "endpoints.dev/capture": capture
    });
    if !ports.is_empty() {
        annotations["endpoints.dev/ports"] = json!(ports);
    }
    annotated(annotations, spec)
}

fn redirected(spec: Value) -> Pod {
    inject(with("redirect", "", spec), &config()).unwrap()
}

fn init_names(pod: &Pod) -> Vec<&str> {
    let inits = spec(pod).init_containers.iter().flatten();
    inits.map(|container| container.name.as_str()).collect()
}

fn container<'a>(pod: &'a Pod, name: &str) -> &'a Container {
    let inits = spec(pod).init_containers.iter().flatten();
    let mut all = inits.chain(&spec(pod).containers);
    all.find(|container| container.name == name).unwrap()
}

#[test]
fn redirect_leaves_names_alone_and_puts_the_redirection_first_of_all() {
    let mut with_init = http_app();
    with_init["initContainers"] = json!([{ "name": "migrate" }]);
    let injected = redirected(with_init.clone());
    let taken = TakenPort {
        name: None,
        listen: 14080,
        app: 8080,
        renamed: None,
    };
    let status = status_of(&injected);
    assert_eq!(status.capture, CaptureMode::Redirect);
    assert_eq!(status.ports, [taken]);
    assert_eq!(
        json(&app_of(&injected).ports),
        json!([{ "name": "http", "containerPort": 8080 }])
    );
    let names = ["endpoints-redirect", "endpoints-proxy", "migrate"];
    assert_eq!(init_names(&injected), names);
    let ports = json(&sidecar_of(&injected).ports);
    assert_eq!(
        ports[0],
        json!({ "containerPort": 14080, "protocol": "TCP" })
    );

    let classic = inject(with("redirect", "", with_init), &classic()).unwrap();
    assert_eq!(init_names(&classic), ["endpoints-redirect", "migrate"]);
    assert_eq!(spec(&classic).containers[0].name, "endpoints-proxy");
}

#[test]
fn the_redirection_has_one_capability_as_root_and_nothing_else() {
    let injected = redirected(http_app());
    let redirect = container(&injected, "endpoints-redirect");
    assert_eq!(redirect.args.as_ref().unwrap(), &["redirect"]);
    assert_eq!(
        json(redirect.security_context.as_ref().unwrap()),
        json!({
            "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false,
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"], "add": ["NET_ADMIN"] },
            "seccompProfile": { "type": "RuntimeDefault" }
        })
    );
    assert_eq!(
        json(&redirect.env),
        json!([{ "name": "ENDPOINTS_LISTENERS", "value": "14080=8080" }])
    );
    // Not the app's API token, nor the sidecar's.
    let mounts = json(&redirect.volume_mounts);
    assert_eq!(mounts.as_array().unwrap().len(), 1);
    assert_eq!(mounts[0]["name"], "endpoints-no-api-token");
    assert!(redirect.resources.is_some(), "a quota counts it");
    assert_eq!(redirect.restart_policy, None);
    // The sidecar itself stays as restricted as ever.
    let sidecar = json(&sidecar_of(&injected).security_context);
    assert_eq!(sidecar["capabilities"], json!({ "drop": ["ALL"] }));
}

#[test]
fn a_number_need_not_be_declared_nor_named() {
    let injected = inject(
        with(
            "redirect",
            "8080,http,9090",
            app(json!([{ "name": "http", "containerPort": 80 }])),
        ),
        &config(),
    )
    .unwrap();
    assert_eq!(
        environment(&injected, "ENDPOINTS_LISTENERS"),
        "14080=8080,14081=80,14082=9090"
    );
    let twice = app(json!([{ "containerPort": 80 }, { "containerPort": 80, "name": "http" }]));
    let injected = inject(with("redirect", "80,http", twice), &config()).unwrap();
    assert_eq!(status_of(&injected).ports.len(), 1);
}

#[test]
fn ports_that_cannot_be_redirected_are_denied() {
    let denied = |ports: &str, declared: Value| denial(with("redirect", ports, app(declared)));
    let udp = json!([{ "name": "dns", "containerPort": 53, "protocol": "UDP" }]);
    assert!(denied("53", udp.clone()).contains("is UDP: only TCP"));
    assert!(denied("dns", udp).contains("is UDP: only TCP"));
    assert!(denied("web", json!([])).contains("no container declares port web"));
    assert!(denied("", json!([{ "containerPort": 80 }])).contains("name the ones to protect"));
    assert!(denied("14080", json!([])).contains("port 14080 is the sidecar's own"));
    assert!(denied("14070", json!([])).contains("port 14070 is the sidecar's own"));
    let shared = json!({ "containers": [
        { "name": "app", "ports": [{ "name": "http", "containerPort": 1 }] },
        { "name": "b", "ports": [{ "name": "http", "containerPort": 2 }] }
    ] });
    assert!(denial(with("redirect", "http", shared)).contains("1 in app, 2 in b"));
}

/// What the node forwards arrives at the app's number, where the kernel hands it on.
#[test]
fn a_host_port_is_captured_by_number() {
    let host = json!([{ "name": "http", "containerPort": 8080, "hostPort": 80 }]);
    assert!(inject(with("redirect", "", app(host)), &config()).is_ok());
}

// === probes ===

fn asked(pod: &Pod) -> Vec<probes::AppProbe> {
    probes::read(&environment(pod, probes::ENVIRONMENT)).expect("a list")
}

#[test]
fn probes_of_redirected_ports_are_asked_through_the_sidecar() {
    let injected = redirected(json!({ "containers": [{
        "name": "app",
        "ports": [{ "name": "http", "containerPort": 8080 }, { "name": "admin", "containerPort": 9000 }],
        "livenessProbe": { "httpGet": { "path": "/live?x=$(X)", "port": "http",
            "httpHeaders": [{ "name": "Host", "value": "a.example" }] }, "timeoutSeconds": 7 },
        "readinessProbe": { "tcpSocket": { "port": 8080 }, "periodSeconds": 3 },
        "startupProbe": { "grpc": { "port": 8080, "service": "s" } },
        "lifecycle": { "postStart": { "httpGet": { "path": "/warm", "port": 8080 } },
                       "preStop": { "tcpSocket": { "port": "http" } } }
    }, {
        "name": "other", "livenessProbe": { "httpGet": { "port": 8080 } },
        "readinessProbe": { "httpGet": { "path": "/", "port": 9000 } },
        "startupProbe": { "exec": { "command": ["true"] } }
    }] }));
    let app = json(app_of(&injected));
    let at = |path: &str| json!({ "path": path, "port": 14070 });
    let mut live = at("/app/app/livez");
    live["httpHeaders"] = json!([{ "name": "Host", "value": "a.example" }]);
    assert_eq!(
        app["livenessProbe"],
        json!({ "httpGet": live, "timeoutSeconds": 7 })
    );
    assert_eq!(
        app["readinessProbe"],
        json!({ "httpGet": at("/app/app/readyz"), "periodSeconds": 3 })
    );
    assert_eq!(
        app["startupProbe"],
        json!({ "httpGet": at("/app/app/startupz") })
    );
    assert_eq!(
        app["lifecycle"]["postStart"],
        json!({ "httpGet": at("/app/app/poststart") })
    );
    assert_eq!(
        app["lifecycle"]["preStop"],
        json!({ "httpGet": at("/app/app/prestop") })
    );
    // All containers share the pod's network: what asks the same number is asked the same way.
    let other = json(container(&injected, "other"));
    assert_eq!(
        other["livenessProbe"],
        json!({ "httpGet": at("/app/other/livez") })
    );
    assert_eq!(other["readinessProbe"]["httpGet"]["port"], 9000);
    assert_eq!(other["startupProbe"]["exec"]["command"][0], "true");

    let asked = asked(&injected);
    assert_eq!(asked.len(), 6);
    let live = &asked[0];
    assert_eq!(
        (live.handler, live.port, live.timeout_seconds),
        (Handler::LivenessProbe, 8080, 7)
    );
    assert!(json(&asked)[0]["httpGet"]["path"] == "/live?x=$(X)");
    // kubelet would put a variable of that name there.
    assert!(!environment(&injected, probes::ENVIRONMENT).contains('$'));
}

#[test]
fn the_sidecar_waits_for_the_app_as_long_as_kubelet_does() {
    let probe = |seconds: Value| json!({ "httpGet": { "port": 80 }, "timeoutSeconds": seconds });
    let injected = redirected(json!({ "containers": [{
        "name": "app", "ports": [{ "name": "http", "containerPort": 80 }],
        "livenessProbe": probe(json!(null)), "readinessProbe": probe(json!(90)),
        "startupProbe": probe(json!(100_000)),
        "lifecycle": { "preStop": { "httpGet": { "path": "/drain", "port": 80 } } }
    }] }));
    let seconds: Vec<_> = asked(&injected)
        .iter()
        .map(|probe| probe.timeout_seconds)
        .collect();
    // A lifecycle handler may take as long as the pod's end.
    assert_eq!(seconds, [1, 90, 3600, 3600]);
}

#[test]
fn probes_of_other_hosts_and_ports_are_left_alone() {
    let spec = json!({ "containers": [{
        "name": "app", "ports": [{ "name": "http", "containerPort": 8080 }],
        "livenessProbe": { "httpGet": { "port": 8080, "host": "example.com" } },
        "readinessProbe": { "tcpSocket": { "port": 8080, "host": "10.0.0.1" } },
        "startupProbe": { "httpGet": { "port": "nowhere" } }
    }] });
    let injected = redirected(spec.clone());
    let app = json(app_of(&injected));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        assert_eq!(app[probe], spec["containers"][0][probe], "{probe}");
    }
    let variables = json(&sidecar_of(&injected).env);
    assert!(!variables.to_string().contains(probes::ENVIRONMENT));
}

#[test]
fn a_probe_over_tls_is_denied() {
    let mut over_tls = http_app();
    over_tls["containers"][0]["livenessProbe"] =
        json!({ "httpGet": { "port": "http", "scheme": "HTTPS" } });
    let message = denial(with("redirect", "", over_tls.clone()));
    assert!(message.contains("asks port 8080 over HTTPS"), "{message}");
    assert!(
        inject(pod(over_tls), &config()).is_ok(),
        "by name it stays kubelet's"
    );
}

#[test]
fn what_a_redirection_changed_is_put_back_when_the_annotation_changes() {
    let mut probed = http_app();
    probed["containers"][0]["livenessProbe"] = json!({ "tcpSocket": { "port": "http" } });
    probed["containers"][0]["readinessProbe"] = json!({ "grpc": { "port": 8080 } });
    let mut redirected = redirected(probed.clone());
    let annotations = redirected.metadata.annotations.as_mut().unwrap();
    annotations.remove("endpoints.dev/capture");
    let named = inject(redirected, &config()).unwrap();
    assert_eq!(named.spec, inject(pod(probed), &config()).unwrap().spec);
}

#[test]
fn a_forged_list_of_probes_counts_for_its_own_places_only() {
    let mut injected = redirected(http_app());
    let inits = injected
        .spec
        .as_mut()
        .unwrap()
        .init_containers
        .as_mut()
        .unwrap();
    let forged = json!([{
        "container": "app", "handler": "livenessProbe", "port": 1, "timeoutSeconds": 1,
        "httpGet": { "path": "/stolen", "port": 1 }
    }]);
    let variable = json!({ "name": probes::ENVIRONMENT, "value": forged.to_string() });
    let variables = inits[1].env.as_mut().unwrap();
    variables.push(serde_json::from_value(variable).unwrap());
    assert_eq!(inject(injected, &config()).unwrap(), redirected(http_app()));
}

// === none ===

#[test]
fn none_takes_nothing_and_listens() {
    let host = json!([{ "name": "http", "containerPort": 8080, "hostPort": 80 }]);
    let injected = inject(with("none", "", app(host.clone())), &config()).unwrap();
    assert_eq!(json(&app_of(&injected).ports), host);
    assert_eq!(init_names(&injected), ["endpoints-proxy"]);
    assert_eq!(environment(&injected, "ENDPOINTS_LISTENERS"), "14080=8080");
    let status = status_of(&injected);
    assert_eq!(status.capture, CaptureMode::None);
    assert_eq!(status.ports[0].name, None);
    assert!(json(&sidecar_of(&injected).readiness_probe)["httpGet"]["path"] == "/readyz");
}

// === what is told ===

#[test]
fn a_redirection_is_warned_of_and_so_are_native_ports_that_nobody_finds() {
    let told = |annotations: Value, config: &InjectorConfig| {
        let injected = inject(annotated(annotations, http_app()), config).unwrap();
        warnings(&injected, config).join("; ")
    };
    let service = json!({ "endpoints.dev/service": "a" });
    assert_eq!(told(service.clone(), &config()), "");
    let mut redirect = service.clone();
    redirect["endpoints.dev/capture"] = json!("redirect");
    assert!(told(redirect.clone(), &config()).contains("NET_ADMIN"));
    let mut native = service;
    native["endpoints.dev/sidecar"] = json!("native");
    assert_eq!(told(native.clone(), &config()), "");
    assert!(told(native, &classic()).contains("from Kubernetes 1.33"));
    redirect["endpoints.dev/sidecar"] = json!("native");
    assert!(
        !told(redirect, &classic()).contains("1.33"),
        "numbers need no names"
    );
}
