use serde_json::json;

use super::*;
use crate::operator::admission::{InjectorConfig, SidecarSettings, inject};

fn config(native_sidecars: bool) -> InjectorConfig {
    InjectorConfig {
        native_sidecars,
        ..InjectorConfig::of_tests()
    }
}

/// A pod with a field that no version of our types knows, at every level.
fn from_the_future() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "rootNew": 1,
        "metadata": { "annotations": { "endpoints.dev/service": "a" }, "metaNew": { "x": [1] } },
        "spec": {
            "specNew": true,
            "resources": { "requests": { "cpu": "1" }, "resourcesNew": 1 },
            "volumes": [{ "name": "data", "emptyDir": {}, "volumeNew": "data" }],
            "initContainers": [{ "name": "init", "initNew": "init" }],
            "containers": [
                {
                    "name": "app", "containerNew": "app",
                    "ports": [{ "name": "http", "containerPort": 80, "portNew": 1 }],
                    "readinessProbe": { "httpGet": { "port": "http", "getNew": 1 }, "probeNew": 1 }
                },
                { "name": "second", "containerNew": "second" }
            ]
        }
    })
}

fn patched(raw: &Value, native_sidecars: bool) -> Value {
    let before: Pod = serde_json::from_value(raw.clone()).unwrap();
    let after = inject(
        before.clone(),
        &config(native_sidecars),
        &SidecarSettings::default(),
    )
    .unwrap();
    let mut patched = raw.clone();
    json_patch::patch(&mut patched, &between(&before, &after).unwrap()).unwrap();
    patched
}

#[test]
fn fields_newer_than_our_types_stay_where_they_are() {
    for native in [true, false] {
        let patched = patched(&from_the_future(), native);
        assert_eq!(patched["rootNew"], 1);
        assert_eq!(patched["metadata"]["metaNew"], json!({ "x": [1] }));
        let spec = &patched["spec"];
        assert_eq!(spec["specNew"], true);
        assert_eq!(spec["resources"]["resourcesNew"], 1);
        assert_eq!(spec["volumes"][0]["volumeNew"], "data");
        let (inits, containers) = if native { (1, 0) } else { (0, 1) };
        assert_eq!(spec["initContainers"][inits]["initNew"], "init");
        let app = &spec["containers"][containers];
        assert_eq!(app["containerNew"], "app");
        assert_eq!(
            app["ports"][0],
            json!({ "name": "app-http", "containerPort": 80, "portNew": 1 })
        );
        assert_eq!(
            app["readinessProbe"],
            json!({ "httpGet": { "port": "app-http", "getNew": 1 }, "probeNew": 1 })
        );
        assert_eq!(spec["containers"][containers + 1]["containerNew"], "second");
    }
}

/// What the naive diff of two lists gets wrong.
#[test]
fn no_field_of_the_users_ends_in_the_sidecar() {
    for native in [true, false] {
        let patched = patched(&from_the_future(), native);
        let list = if native {
            "initContainers"
        } else {
            "containers"
        };
        let sidecar = &patched["spec"][list][0];
        assert_eq!(sidecar["name"], "endpoints-proxy");
        assert!(sidecar.get("initNew").is_none() && sidecar.get("containerNew").is_none());
    }
}

#[test]
fn fields_stay_when_a_sidecar_moves_from_init_to_classic() {
    let patched = patched(&patched(&from_the_future(), true), false);
    assert_eq!(patched["spec"]["initContainers"][0]["initNew"], "init");
    assert_eq!(patched["spec"]["containers"][0]["name"], "endpoints-proxy");
    assert_eq!(patched["spec"]["containers"][1]["containerNew"], "app");
}

#[test]
fn empty_and_null_lists_are_filled() {
    let mut raw = json!({
        "metadata": { "annotations": { "endpoints.dev/service": "a" }, "labels": null },
        "spec": {
            "initContainers": null, "volumes": [],
            "containers": [{ "name": "app", "ports": [{ "name": "http", "containerPort": 80 }] }]
        }
    });
    let result = patched(&raw, true);
    assert_eq!(
        result["spec"]["initContainers"][0]["name"],
        "endpoints-proxy"
    );
    assert_eq!(result["spec"]["volumes"][0]["name"], "endpoints-token");
    assert_eq!(
        result["metadata"]["labels"]["endpoints.dev/injected"],
        "true"
    );
    raw["spec"]["initContainers"] = json!([]);
    assert_eq!(patched(&raw, true), result);
}

#[test]
fn pods_that_no_injection_leads_between_are_an_error() {
    let pod = |names: &[&str]| -> Pod {
        let containers: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        serde_json::from_value(json!({ "spec": { "containers": containers } })).unwrap()
    };
    assert!(between(&pod(&["a", "b"]), &pod(&["a"])).is_err());
    assert!(between(&pod(&["a"]), &pod(&["endpoints-proxy", "a", "b"])).is_err());
}
