//! Pods that were injected before, or say so: the same comes out, whatever others added.

use super::*;

#[test]
fn a_second_injection_changes_nothing() {
    for config in [config(), classic()] {
        let once = inject(pod(http_app()), &config).unwrap();
        assert_eq!(inject(once.clone(), &config), Ok(once));
    }
}

/// The pod with a container that another webhook put before or behind the others.
fn with_late(mut pod: Pod, first: bool, name: &str, ports: Value) -> Pod {
    let late = json!({ "name": name, "ports": ports });
    let late = serde_json::from_value(late).unwrap();
    let containers = &mut pod.spec.as_mut().unwrap().containers;
    containers.insert(if first { 0 } else { containers.len() }, late);
    pod
}

/// What the author of the pod wrote was unambiguous, and stays so.
#[test]
fn a_container_added_after_the_first_injection_is_taken_into_account() {
    let ports =
        json!([{ "name": "web", "containerPort": 81 }, { "name": "http-x", "containerPort": 82 }]);
    for capture in ["named", "redirect", "none"] {
        for (config, first) in [(config(), false), (classic(), true)] {
            let annotations =
                json!({ "endpoints.dev/service": "bookstore", "endpoints.dev/capture": capture });
            let once = inject(annotated(annotations, http_app()), &config).unwrap();
            let chosen = status_of(&once).ports;
            let late = with_late(once, first, "late", ports.clone());
            let again = inject(late, &config).unwrap();
            assert_eq!(status_of(&again).ports, chosen, "{capture}");
            let containers = spec(&again).containers.iter();
            let mut late = containers.filter(|container| container.name == "late");
            assert_eq!(json(&late.next().unwrap().ports), ports);
            assert_eq!(inject(again.clone(), &config), Ok(again));
        }
    }
    // Nobody chose between these.
    let never = with_late(pod(http_app()), false, "late", ports);
    assert!(denial(never).contains("http (8080), web (81), http-x (82)"));
}

/// A name that a late container has, too, would lead Services there.
#[test]
fn a_container_added_after_the_first_injection_may_not_share_the_name_nor_hold_our_ports() {
    for (port, told) in [
        (json!({ "name": "http", "containerPort": 81 }), "81 in late"),
        (
            json!({ "name": "web", "containerPort": 14080 }),
            "port 14080 of",
        ),
        (
            json!({ "name": "web", "containerPort": 8080, "hostPort": 80 }),
            "hostPort 80",
        ),
    ] {
        let once = inject(pod(http_app()), &config()).unwrap();
        let message = denial(with_late(once, false, "late", json!([port])));
        assert!(message.contains(told), "{message}");
    }
}

/// An earlier choice that the pod no longer has decides nothing.
#[test]
fn an_earlier_choice_counts_only_for_a_port_that_is_still_there() {
    let mut once = inject(pod(http_app()), &config()).unwrap();
    once.spec.as_mut().unwrap().containers.clear();
    let web = with_late(
        once.clone(),
        true,
        "app",
        json!([{ "name": "web", "containerPort": 81 }]),
    );
    assert_eq!(status_of(&inject(web, &config()).unwrap()).ports[0].app, 81);
    let two =
        json!([{ "name": "web", "containerPort": 81 }, { "name": "api", "containerPort": 82 }]);
    assert!(denial(with_late(once, true, "app", two)).contains("web (81), api (82)"));
}

#[test]
fn a_pod_moves_between_native_and_classic() {
    let native = inject(pod(http_app()), &config()).unwrap();
    let both = inject(native, &classic()).unwrap();
    let direct = inject(pod(http_app()), &classic()).unwrap();
    assert_eq!(spec(&both).containers, spec(&direct).containers);
    assert_eq!(sidecar_of(&both).restart_policy, None);
}

#[test]
fn a_status_without_a_sidecar_is_not_trusted() {
    let forged = json!({ "version": "1", "ports": [
        { "name": "stolen", "listen": 1, "app": 8080, "renamed": "http" }
    ] });
    let annotations = json!({
        "endpoints.dev/service": "bookstore", "endpoints.dev/status": forged.to_string()
    });
    let injected = inject(annotated(annotations, http_app()), &config()).unwrap();
    let honest = inject(pod(http_app()), &config()).unwrap();
    assert_eq!(injected, honest);
}

#[test]
fn our_names_are_refused_where_we_did_not_put_them() {
    let mut container = http_app();
    container["initContainers"] = json!([{ "name": "endpoints-proxy" }]);
    assert!(denial(pod(container)).contains("container endpoints-proxy is reserved"));
    let mut volume = http_app();
    volume["volumes"] = json!([{ "name": "endpoints-token", "emptyDir": {} }]);
    assert!(denial(pod(volume)).contains("volume endpoints-token is reserved"));
}

/// Whoever forges a status loses nothing by it without a word.
#[test]
fn a_forged_status_takes_out_nothing_that_no_injection_put_in() {
    let forged = json!({
        "endpoints.dev/service": "bookstore",
        "endpoints.dev/status": json!({ "version": "1", "ports": [] }).to_string()
    });
    let mut container = http_app();
    container["initContainers"] = json!([{ "name": "endpoints-proxy", "image": "mine" }]);
    let message = denial(annotated(forged, container));
    assert!(
        message.contains("container endpoints-proxy is reserved"),
        "{message}"
    );

    let mut injected = inject(pod(http_app()), &config()).unwrap();
    let volumes = injected.spec.as_mut().unwrap().volumes.as_mut().unwrap();
    let own = json!({ "name": "endpoints-listener-tls", "hostPath": { "path": "/etc" } });
    volumes.push(serde_json::from_value(own).unwrap());
    let message = denial(injected);
    assert!(
        message.contains("volume endpoints-listener-tls is reserved"),
        "{message}"
    );
}
