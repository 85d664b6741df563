use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::json;

use super::*;
use crate::api::conditions::reason::{HEADLESS_SERVICE, NUMERIC_TARGET_PORT};

#[test]
fn named_target_port_is_captured() {
    let captured = check(&[json!({ "port": 80, "targetPort": "http" })]);
    assert_eq!(captured, Capture::All { services: 1 });
}

#[test]
fn the_sidecars_own_number_is_captured() {
    let captured = check(&[json!({ "port": 80, "targetPort": 14080 })]);
    assert_eq!(captured, Capture::All { services: 1 });
}

#[test]
fn numeric_target_port_names_the_service_and_the_fix() {
    let around = around(&[json!({ "port": 80, "targetPort": 8080 })]);
    assert_eq!(around.reason, NUMERIC_TARGET_PORT);
    assert_eq!(
        around.message,
        "Service bookstore port 80 has targetPort 8080, the app's own port: requests go around the \
         sidecar; set its targetPort to http"
    );
}

#[test]
fn omitted_target_port_is_the_services_own_number() {
    let around = around(&[json!({ "port": 8080 })]);
    assert_eq!(around.reason, NUMERIC_TARGET_PORT);
    assert!(
        around.message.contains("has no targetPort, so 8080"),
        "{}",
        around.message
    );
}

#[test]
fn name_that_still_means_the_app_goes_around() {
    let around = around(&[json!({ "port": 80, "targetPort": "app-http" })]);
    assert_eq!(around.reason, NUMERIC_TARGET_PORT);
    assert!(
        around.message.contains("targetPort app-http"),
        "{}",
        around.message
    );
}

#[test]
fn one_port_around_is_enough_whatever_the_others_do() {
    around(&[
        json!({ "port": 80, "targetPort": "http" }),
        json!({ "port": 8080 }),
    ]);
}

#[test]
fn ports_that_are_not_protected_do_not_matter() {
    let metrics = json!({ "port": 9090 });
    assert_eq!(
        check(&[json!({ "port": 80, "targetPort": "http" }), metrics.clone()]),
        Capture::All { services: 1 }
    );
    assert_eq!(check(&[metrics]), Capture::NotSelected);
    let udp = json!({ "port": 8080, "protocol": "UDP" });
    assert_eq!(check(&[udp]), Capture::NotSelected);
}

#[test]
fn headless_service_goes_around_whatever_its_ports() {
    let service = mk_service(json!({
        "clusterIP": "None",
        "selector": { "app": "bookstore" },
        "ports": [{ "port": 80, "targetPort": "http" }]
    }));
    let Capture::Around(around) = capture(&[&pod()], [&service].into_iter()) else {
        panic!("it does")
    };
    assert_eq!(around.reason, HEADLESS_SERVICE);
    assert!(
        around.message.contains("Service bookstore is headless"),
        "{}",
        around.message
    );
}

#[test]
fn services_that_select_nothing_of_ours_do_not_matter() {
    let ports = json!([{ "port": 8080 }]);
    for spec in [
        json!({ "ports": ports }),
        json!({ "selector": {}, "ports": ports }),
        json!({ "selector": { "app": "other" }, "ports": ports }),
        json!({ "selector": { "app": "bookstore", "tier": "x" }, "ports": ports }),
        json!({ "type": "ExternalName", "selector": { "app": "bookstore" }, "ports": ports }),
    ] {
        let service = mk_service(spec.clone());
        let captured = capture(&[&pod()], [&service].into_iter());
        assert_eq!(captured, Capture::NotSelected, "{spec}");
    }
}

#[test]
fn without_pods_there_is_nothing_to_capture() {
    let service = mk_service(json!({ "selector": { "app": "bookstore" } }));
    assert_eq!(capture(&[], [&service].into_iter()), Capture::NoSidecars);
}

#[test]
fn long_lists_are_counted() {
    let ports: Vec<_> = (0..5)
        .map(|n| json!({ "port": 80 + n, "targetPort": 8080 }))
        .collect();
    assert!(around(&ports).message.ends_with(". And 2 more"));
}

fn check(ports: &[serde_json::Value]) -> Capture {
    let service = mk_service(json!({ "selector": { "app": "bookstore" }, "ports": ports }));
    capture(&[&pod()], [&service].into_iter())
}

fn around(ports: &[serde_json::Value]) -> Around {
    match check(ports) {
        Capture::Around(around) => around,
        other => panic!("{other:?}"),
    }
}

fn mk_service(spec: serde_json::Value) -> ServiceFacts {
    let service: Service =
        serde_json::from_value(json!({ "metadata": { "name": "bookstore" }, "spec": spec }))
            .unwrap();
    ServiceFacts::read(&service)
}

fn pod() -> InjectedPod {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "namespace": "shop", "name": "a", "uid": "1",
            "labels": { "app": "bookstore", "endpoints.dev/injected": "true" },
            "annotations": {
                "endpoints.dev/service": "bookstore",
                "endpoints.dev/status": r#"{"version":"0.1.0","ports":[{"name":"http","listen":14080,"app":8080}]}"#
            }
        },
        "spec": {
            "initContainers": [{
                "name": "endpoints-proxy", "restartPolicy": "Always",
                "ports": [{ "name": "http", "containerPort": 14080 }]
            }],
            "containers": [{
                "name": "app", "ports": [{ "name": "app-http", "containerPort": 8080 }]
            }]
        }
    }))
    .unwrap();
    InjectedPod::read(&pod).unwrap()
}
