//! Pods that could not run a sidecar where, or as whom, they run.

use super::*;

#[test]
fn a_pod_that_its_affinity_leads_to_windows_nodes_is_denied() {
    let term = |label: &str, operator: &str, systems: Value| {
        json!({ "matchExpressions": [
            { "key": "zone", "operator": "In", "values": ["a"] },
            { "key": label, "operator": operator, "values": systems }
        ] })
    };
    let windows = json!(["windows"]);
    let denied = |when: &str, terms: Value| {
        let mut spec = http_app();
        let terms = match when {
            "required" => json!({ "requiredDuringSchedulingIgnoredDuringExecution":
                { "nodeSelectorTerms": terms } }),
            _ => json!({ "preferredDuringSchedulingIgnoredDuringExecution":
                [{ "weight": 1, "preference": terms[0] }] }),
        };
        spec["affinity"] = json!({ "nodeAffinity": terms });
        inject(pod(spec), &config()) == Err(Denial::Windows)
    };
    for (label, operator, systems, expected) in [
        ("kubernetes.io/os", "In", windows.clone(), true),
        ("beta.kubernetes.io/os", "In", windows.clone(), true),
        ("kubernetes.io/os", "NotIn", json!(["linux"]), true),
        ("kubernetes.io/os", "In", json!(["linux"]), false),
        ("kubernetes.io/os", "In", json!(["linux", "windows"]), false),
        ("kubernetes.io/os", "NotIn", windows.clone(), false),
        ("kubernetes.io/os", "Exists", json!(null), false),
        ("kubernetes.io/arch", "In", windows.clone(), false),
    ] {
        let terms = json!([term(label, operator, systems)]);
        assert_eq!(denied("required", terms.clone()), expected, "{terms}");
        assert!(!denied("preferred", terms), "a wish");
    }
    let either = json!([
        term("kubernetes.io/os", "In", json!(["linux"])),
        term("kubernetes.io/os", "In", windows)
    ]);
    assert!(denied("required", either), "it may come to Windows");
}

/// kubelet would say CreateContainerConfigError, for ever.
#[test]
fn a_root_pod_is_denied_where_users_are_left_to_the_platform() {
    let assigned = InjectorConfig {
        set_run_as_user: false,
        ..config()
    };
    let of = |pod_level: Value| {
        let mut spec = http_app();
        spec["securityContext"] = pod_level;
        spec["containers"][0]["securityContext"] = json!({ "runAsUser": 0 });
        inject(pod(spec), &assigned)
    };
    let message = of(json!({ "runAsUser": 0 })).unwrap_err().to_string();
    assert!(
        message.starts_with("spec.securityContext.runAsUser: 0"),
        "{message}"
    );
    assert!(
        message.contains("in the containers that need it"),
        "{message}"
    );
    for fine in [json!(null), json!({ "runAsUser": 1000 })] {
        let user = sidecar_of(&of(fine).unwrap()).security_context.clone();
        assert_eq!(user.unwrap().run_as_user, None);
    }
}
