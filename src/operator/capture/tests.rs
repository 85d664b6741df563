use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::*;
use crate::api::conditions::reason::{
    HEADLESS_SERVICE, HOST_PORT, MANUAL_ENDPOINTS, MIXED_PODS, NUMERIC_TARGET_PORT,
};

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
         sidecar; set its targetPort to http: kubectl patch service bookstore -n shop -p \
         '{\"spec\":{\"ports\":[{\"port\":80,\"targetPort\":\"http\"}]}}'"
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
fn number_that_two_protocols_share_is_patched_by_its_place() {
    let around = around(&[
        json!({ "name": "u", "port": 80, "protocol": "UDP", "targetPort": 8080 }),
        json!({ "name": "t", "port": 80, "targetPort": 8080 }),
    ]);
    assert!(
        around.message.ends_with(
            "kubectl patch service bookstore -n shop --type=json -p \
             '[{\"op\":\"add\",\"path\":\"/spec/ports/1/targetPort\",\"value\":\"http\"}]'"
        ),
        "{}",
        around.message
    );
}

#[test]
fn name_that_no_port_can_have_is_not_pasted_into_a_shell() {
    let mut pod = raw_pod();
    pod["metadata"]["annotations"]["endpoints.dev/status"] =
        json!(r#"{"version":"0","ports":[{"name":"';reboot'","listen":14080,"app":8080}]}"#);
    let services = [service(json!([{ "port": 8080 }]))];
    let Capture::Around(around) = look_at(&[pod], &services, &[]) else {
        panic!("it goes around")
    };
    assert!(!around.message.contains("reboot"), "{}", around.message);
    assert!(
        around.message.contains("\"targetPort\":14080"),
        "{}",
        around.message
    );
}

#[test]
fn what_is_said_of_app_protocol_and_unready_pods_changes_no_verdict() {
    let mut odd =
        service(json!([{ "port": 80, "targetPort": "http", "appProtocol": "kubernetes.io/h2c" }]));
    odd["spec"]["publishNotReadyAddresses"] = json!(true);
    assert_eq!(
        look_at(&[raw_pod()], &[odd], &[]),
        Capture::All { services: 1 }
    );
    let mut unready = service(json!([{ "port": 8080 }]));
    unready["spec"]["publishNotReadyAddresses"] = json!(true);
    let Capture::Around(around) = look_at(&[raw_pod()], &[unready], &[]) else {
        panic!("it goes around")
    };
    assert!(
        around.message.contains("also while pods are not ready"),
        "{}",
        around.message
    );
}

#[test]
fn headless_service_goes_around_whatever_its_ports() {
    let Capture::Around(around) = look_at(&[raw_pod()], &[headless()], &[]) else {
        panic!("it does")
    };
    assert_eq!(around.reason, HEADLESS_SERVICE);
    assert!(
        around.message.contains("Service bookstore is headless"),
        "{}",
        around.message
    );
    assert!(
        around.message.contains("annotate the pods"),
        "{}",
        around.message
    );
}

#[test]
fn headless_service_of_a_workload_names_the_command() {
    let mut pod = raw_pod();
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "2", "controller": true
    }]);
    let Capture::Around(around) = look_at(&[pod], &[headless()], &[]) else {
        panic!("it goes around")
    };
    assert!(
        around.message.ends_with(
            "kubectl patch statefulset db -n shop -p '{\"spec\":{\"template\":{\"metadata\":\
             {\"annotations\":{\"endpoints.dev/capture\":\"redirect\"}}}}}'"
        ),
        "{}",
        around.message
    );
}

#[test]
fn redirected_ports_are_captured_by_number_and_headless_too() {
    for spec in [
        service(json!([{ "port": 80, "targetPort": 8080 }])),
        service(json!([{ "port": 8080 }])),
        service(json!([{ "port": 80, "targetPort": "app-http" }])),
        headless(),
    ] {
        let captured = look_at(&[with_mode("redirect")], std::slice::from_ref(&spec), &[]);
        assert_eq!(captured, Capture::All { services: 1 }, "{spec}");
        // An older pod beside it is not.
        let pods = [with_mode("redirect"), raw_pod()];
        let captured = look_at(&pods, std::slice::from_ref(&spec), &[]);
        assert!(matches!(captured, Capture::Around(_)), "{spec}");
    }
}

#[test]
fn pods_that_capture_nothing_are_exempt_and_it_says_so() {
    let numeric = service(json!([{ "port": 8080 }]));
    let captured = look_at(&[with_mode("none")], std::slice::from_ref(&numeric), &[]);
    let Capture::Exempt {
        pods: 1,
        around: Some(around),
    } = captured
    else {
        panic!("{captured:?}")
    };
    assert!(around.contains("Service bookstore port 8080"), "{around}");
    let captured = look_at(&[with_mode("none")], &[], &[]);
    assert_eq!(
        captured,
        Capture::Exempt {
            pods: 1,
            around: None
        }
    );
    // The others are held to it.
    let captured = look_at(&[with_mode("none"), raw_pod()], &[numeric], &[]);
    assert!(matches!(captured, Capture::Around(_)), "{captured:?}");
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
        let service = json!({ "metadata": { "name": "bookstore" }, "spec": spec });
        let captured = look_at(&[raw_pod()], &[service], &[]);
        assert_eq!(captured, Capture::NotSelected, "{spec}");
    }
}

#[test]
fn without_pods_there_is_nothing_to_capture() {
    let services = [service(json!([{ "port": 8080 }]))];
    assert_eq!(look_at(&[], &services, &[]), Capture::NoSidecars);
}

#[test]
fn pods_without_sidecar_behind_a_leading_port_are_mixed() {
    let services = [service(
        json!([{ "name": "web", "port": 80, "targetPort": "http" }]),
    )];
    let old = json!([{ "addresses": ["10.0.0.9"], "targetRef": { "kind": "Pod", "name": "old", "uid": "9" } }]);
    let captured = look_at(
        &[raw_pod()],
        &services,
        &[slice("bookstore", "web", 8080, old.clone())],
    );
    let Capture::Around(around) = captured else {
        panic!("{captured:?}")
    };
    assert_eq!(around.reason, MIXED_PODS);
    assert_eq!(
        around.message,
        "Service bookstore leads to sidecars and to pod old, which has no sidecar; annotate and restart \
         them, or have them left out: kubectl patch service bookstore -n shop -p \
         '{\"spec\":{\"selector\":{\"endpoints.dev/injected\":\"true\"}}}'"
    );
    // Another port of the Service, which leads to no sidecar, is no matter of ours.
    let metrics = slice("bookstore", "metrics", 9090, old);
    assert_eq!(
        look_at(&[raw_pod()], &services, &[metrics]),
        Capture::All { services: 1 }
    );
}

#[test]
fn endpoints_that_get_no_requests_or_have_a_sidecar_are_not_mixed() {
    let services = [service(json!([{ "port": 80, "targetPort": "http" }]))];
    let target = |name: &str, uid: &str| json!({ "kind": "Pod", "name": name, "uid": uid });
    for (endpoint, mixed) in [
        (
            json!({ "addresses": ["10.0.0.9"], "targetRef": target("old", "9") }),
            true,
        ),
        (
            json!({ "addresses": ["10.0.0.9"], "targetRef": target("a", "other life") }),
            true,
        ),
        (json!({ "addresses": ["192.0.2.1"] }), true),
        (
            json!({ "addresses": ["10.0.0.1"], "targetRef": target("a", "1") }),
            false,
        ),
        (json!({ "addresses": ["10.0.0.1"] }), false),
        (
            json!({ "addresses": ["10.0.0.9"], "targetRef": target("old", "9"),
                    "conditions": { "ready": false } }),
            false,
        ),
        (
            json!({ "addresses": ["10.0.0.9"], "targetRef": target("old", "9"),
                    "conditions": { "ready": true, "terminating": true } }),
            false,
        ),
    ] {
        let slices = [slice("bookstore", "", 14080, json!([endpoint]))];
        let captured = look_at(&[raw_pod()], &services, &slices);
        assert_eq!(matches!(captured, Capture::Around(_)), mixed, "{endpoint}");
    }
}

#[test]
fn endpoints_written_by_hand_lead_around_by_address() {
    let by_hand =
        json!({ "metadata": { "name": "legacy" }, "spec": { "ports": [{ "port": 80 }] } });
    let services = std::slice::from_ref(&by_hand);
    let to =
        |port: u16, address: &str| slice("legacy", "", port, json!([{ "addresses": [address] }]));
    let look = |slice: Value| look_at(&[raw_pod()], services, &[slice]);
    let Capture::Around(around) = look(unmanaged(to(8080, "10.0.0.1"))) else {
        panic!("it goes around")
    };
    assert_eq!(around.reason, MANUAL_ENDPOINTS);
    assert!(
        around.message.ends_with(
            "make it 14080: kubectl patch endpointslice legacy-1 -n shop --type=json -p \
             '[{\"op\":\"replace\",\"path\":\"/ports/0/port\",\"value\":14080}]'"
        ),
        "{}",
        around.message
    );
    assert_eq!(
        look(unmanaged(to(14080, "10.0.0.1"))),
        Capture::All { services: 1 }
    );
    assert_eq!(look(unmanaged(to(8080, "10.0.0.2"))), Capture::NotSelected);
    assert_eq!(look(unmanaged(to(9090, "10.0.0.1"))), Capture::NotSelected);

    let mut mirrored = to(8080, "10.0.0.1");
    mirrored["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] =
        json!("endpointslicemirroring-controller.k8s.io");
    let Capture::Around(around) = look(mirrored) else {
        panic!("it goes around")
    };
    assert!(
        around
            .message
            .ends_with("kubectl edit endpoints legacy -n shop"),
        "a copy would be overwritten: {}",
        around.message
    );
}

#[test]
fn slices_that_are_not_listed_leave_the_verdict_open_unless_it_is_bad() {
    let pods = BTreeMap::from([("a".to_owned(), read_pod(raw_pod()))]);
    let verdict = |port: Value| {
        let service = read_service(service(json!([port])));
        let services = BTreeMap::from([(service.name.clone(), service)]);
        let around = Surroundings {
            namespace: "shop",
            pods: &pods,
            services: &services,
            slices: &BTreeMap::new(),
        };
        capture(&[&pods["a"]], &around)
    };
    assert_eq!(
        verdict(json!({ "port": 80, "targetPort": "http" })),
        Capture::Checking
    );
    let around = verdict(json!({ "port": 8080 }));
    assert!(matches!(around, Capture::Around(_)), "{around:?}");
}

/// Ports of nodes need no Service. The injector denies such pods; one of an older version may run.
#[test]
fn a_host_port_of_the_protected_number_goes_around() {
    let forwarded = |mode: &str, port: Value| {
        let mut pod = with_mode(mode);
        let ports = pod["spec"]["containers"][0]["ports"].as_array_mut();
        ports.unwrap().push(port);
        pod
    };
    let service = || service(json!([{ "port": 80, "targetPort": "http" }]));
    let edge = || json!({ "name": "edge", "containerPort": 8080, "hostPort": 80 });
    let pods = [forwarded("named", edge()), forwarded("named", edge())];
    let Capture::Around(around) = look_at(&pods, &[service()], &[]) else {
        panic!("it goes around");
    };
    assert_eq!(around.reason, HOST_PORT);
    assert_eq!(
        around.message,
        "Pod a has hostPort 80 for 8080, the app's own port: requests to that port of the node go around \
         the sidecar; remove the hostPort, or annotate the pods endpoints.dev/capture: redirect"
    );
    let withheld = with(&pods, &[], &[], |pods, around| withhold(pods[0], around));
    assert_eq!(withheld, Some(around.message), "whatever Services say");

    for port in [
        json!({ "containerPort": 9090, "hostPort": 80 }),
        json!({ "containerPort": 8080, "hostPort": 80, "protocol": "UDP" }),
        json!({ "containerPort": 8080, "hostPort": 0 }),
    ] {
        let captured = look_at(&[forwarded("named", port)], &[service()], &[]);
        assert_eq!(captured, Capture::All { services: 1 });
    }
    let redirected = look_at(&[forwarded("redirect", edge())], &[service()], &[]);
    assert_eq!(redirected, Capture::All { services: 1 });
    let Capture::Exempt { around, .. } = look_at(&[forwarded("none", edge())], &[service()], &[])
    else {
        panic!("capture is none");
    };
    assert!(around.unwrap().contains("hostPort 80"));
}

#[test]
fn of_several_reasons_the_first_in_order_wins_and_all_are_listed() {
    let mut services = vec![headless(), service(json!([{ "port": 8080 }]))];
    services[0]["metadata"]["name"] = json!("a-headless");
    services[1]["metadata"]["name"] = json!("z-numeric");
    let both = |services: &[Value]| match look_at(&[raw_pod()], services, &[]) {
        Capture::Around(around) => around,
        other => panic!("{other:?}"),
    };
    let found = both(&services);
    assert_eq!(found.reason, NUMERIC_TARGET_PORT);
    let (numeric, headless) = (
        found.message.find("z-numeric"),
        found.message.find("a-headless"),
    );
    assert!(numeric.unwrap() < headless.unwrap(), "{}", found.message);
    services.reverse();
    assert_eq!(both(&services), found, "whatever the order");
}

#[test]
fn long_lists_are_counted() {
    let ports: Vec<_> = (0..40)
        .map(|n| json!({ "name": format!("p{n}"), "port": 80 + n, "targetPort": 8080 }))
        .collect();
    let message = around(&ports).message;
    assert!(message.len() < 1000, "{} bytes", message.len());
    assert!(message.ends_with(" more"), "{message}");
}

#[test]
fn only_what_goes_around_withholds_readiness() {
    let withheld = |pod: Value, services: &[Value], slices: &[Value]| {
        with(&[pod], services, slices, |pods, around| {
            withhold(pods[0], around)
        })
    };
    let numeric = service(json!([{ "port": 8080 }]));
    let named = service(json!([{ "port": 80, "targetPort": "http" }]));
    let old = json!([{ "addresses": ["10.0.0.9"], "targetRef": { "kind": "Pod", "name": "old", "uid": "9" } }]);
    let mixed = slice("bookstore", "", 14080, old);
    assert!(withheld(raw_pod(), std::slice::from_ref(&numeric), &[]).is_some());
    assert!(withheld(raw_pod(), &[headless()], &[]).is_some());
    assert_eq!(withheld(raw_pod(), std::slice::from_ref(&named), &[]), None);
    assert_eq!(withheld(raw_pod(), &[], &[]), None, "no Service at all");
    assert_eq!(withheld(raw_pod(), &[named], &[mixed]), None, "mixed pods");
    assert_eq!(
        withheld(with_mode("none"), std::slice::from_ref(&numeric), &[]),
        None
    );
    assert_eq!(
        withheld(with_mode("redirect"), std::slice::from_ref(&numeric), &[]),
        None
    );
    let mut ready = raw_pod();
    ready["status"]["initContainerStatuses"] = json!([{
        "name": "endpoints-proxy", "ready": true, "image": "", "imageID": "", "restartCount": 0
    }]);
    assert_eq!(
        withheld(ready, std::slice::from_ref(&numeric), &[]),
        None,
        "it has it"
    );
    let mut ending = raw_pod();
    ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(withheld(ending, &[numeric], &[]), None);
}

fn check(ports: &[Value]) -> Capture {
    look_at(&[raw_pod()], &[service(json!(ports))], &[])
}

fn around(ports: &[Value]) -> Around {
    match check(ports) {
        Capture::Around(around) => around,
        other => panic!("{other:?}"),
    }
}

fn look_at(pods: &[Value], services: &[Value], slices: &[Value]) -> Capture {
    with(pods, services, slices, capture)
}

/// Reads everything; slices are all listed.
fn with<T>(
    pods: &[Value],
    services: &[Value],
    slices: &[Value],
    look: impl FnOnce(&[&InjectedPod], &Surroundings<'_>) -> T,
) -> T {
    let pods: BTreeMap<_, _> = pods
        .iter()
        .enumerate()
        .map(|(number, pod)| {
            let mut pod = read_pod(pod.clone());
            if number > 0 {
                pod.name = format!("{}{number}", pod.name);
            }
            (pod.name.clone(), pod)
        })
        .collect();
    let services: BTreeMap<_, _> = services
        .iter()
        .map(|service| read_service(service.clone()))
        .map(|service| (service.name.clone(), service))
        .collect();
    let mut known: BTreeMap<_, KnownSlices> = BTreeMap::new();
    for service in services.keys() {
        known.entry(service.clone()).or_default().listed = true;
    }
    for slice in slices {
        let slice: EndpointSlice = serde_json::from_value(slice.clone()).unwrap();
        let slice = SliceFacts::read(&slice).unwrap();
        let of_service = known.entry(slice.service.clone()).or_default();
        of_service.slices.insert(slice.name.clone(), slice);
    }
    let around = Surroundings {
        namespace: "shop",
        pods: &pods,
        services: &services,
        slices: &known,
    };
    look(&pods.values().collect::<Vec<_>>(), &around)
}

fn service(ports: Value) -> Value {
    json!({
        "metadata": { "name": "bookstore" },
        "spec": { "selector": { "app": "bookstore" }, "ports": ports }
    })
}

fn headless() -> Value {
    let mut headless = service(json!([{ "port": 80, "targetPort": "http" }]));
    headless["spec"]["clusterIP"] = json!("None");
    headless
}

fn slice(service: &str, port_name: &str, port: u16, endpoints: Value) -> Value {
    json!({
        "metadata": { "name": format!("{service}-1"), "labels": {
            "kubernetes.io/service-name": service,
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"
        } },
        "addressType": "IPv4",
        "ports": [{ "name": port_name, "port": port }],
        "endpoints": endpoints
    })
}

fn unmanaged(mut slice: Value) -> Value {
    slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = json!("me");
    slice
}

fn read_service(service: Value) -> ServiceFacts {
    let service: Service = serde_json::from_value(service).unwrap();
    ServiceFacts::read(&service)
}

fn read_pod(pod: Value) -> InjectedPod {
    let pod: Pod = serde_json::from_value(pod).unwrap();
    InjectedPod::read(&pod).unwrap()
}

fn with_mode(mode: &str) -> Value {
    let mut pod = raw_pod();
    let status = json!({
        "version": "0.1.0", "capture": mode,
        "ports": [{ "name": "http", "listen": 14080, "app": 8080 }]
    });
    pod["metadata"]["annotations"]["endpoints.dev/status"] = json!(status.to_string());
    pod
}

fn raw_pod() -> Value {
    json!({
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
        },
        "status": { "phase": "Running", "podIPs": [{ "ip": "10.0.0.1" }] }
    })
}
