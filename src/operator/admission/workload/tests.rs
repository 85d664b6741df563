use super::*;

fn run(object: &mut Value) -> Vec<Report> {
    inject_object(object, &InjectorConfig::of_tests(), "default", &|_| {
        SidecarSettings::default()
    })
}

fn template() -> Value {
    json!({
        "metadata": { "annotations": { "endpoints.dev/service": "shop" } },
        "spec": { "containers": [
            { "name": "app", "ports": [{ "name": "http", "containerPort": 80 }], "newer": { "field": 1 } }
        ] }
    })
}

#[test]
fn every_kind_that_makes_pods_is_injected_where_its_template_is() {
    for (version, kind, place) in [
        ("apps/v1", "Deployment", "/spec/template"),
        ("apps/v1", "StatefulSet", "/spec/template"),
        ("apps/v1", "DaemonSet", "/spec/template"),
        ("apps/v1", "ReplicaSet", "/spec/template"),
        ("batch/v1", "Job", "/spec/template"),
        ("v1", "ReplicationController", "/spec/template"),
        ("v1", "PodTemplate", "/template"),
        ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template"),
    ] {
        let mut object = json!({
            "apiVersion": version, "kind": kind, "metadata": { "name": "x", "namespace": "n" },
            "template": {}, "spec": { "template": {}, "jobTemplate": { "spec": { "template": {} } } }
        });
        *object.pointer_mut(place).unwrap() = template();
        let reports = run(&mut object);
        assert_eq!(reports[0].object, format!("{kind} n/x"));
        assert!(matches!(&reports[0].fate, Fate::Injected { service, .. }
            if service.namespace == "n" && service.name == "shop"));
        let pod = object.pointer(place).unwrap();
        assert_eq!(pod["spec"]["initContainers"][0]["name"], "endpoints-proxy");
        assert_eq!(pod["spec"]["containers"][0]["newer"]["field"], 1);
        // And again: nothing changes.
        let once = object.clone();
        run(&mut object);
        assert_eq!(object, once, "{kind}");
    }
}

#[test]
fn lists_are_entered_and_others_left_alone() {
    let mut pod = template();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    let other = json!({ "apiVersion": "example.dev/v1", "kind": "Deployment", "spec": { "template": template() } });
    let mut list = json!({ "apiVersion": "v1", "kind": "List", "items": [pod, other, 7, null] });
    let reports = run(&mut list);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].object, "Pod default/(no name)");
    assert_eq!(list["items"][1], other);
}

#[test]
fn what_is_not_injected_says_why_and_stays() {
    let mut wrong = template();
    wrong["metadata"]["annotations"] = json!({ "endpoints.dev/servce": "shop" });
    let mut plain = template();
    plain["metadata"]["annotations"] = json!(null);
    let deployment = |metadata: Value, template: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": { "template": template }
        })
    };
    let on_top = json!({ "annotations": { "endpoints.dev/service": "shop" } });
    for (mut object, expected) in [
        (deployment(json!({}), wrong), "Denied"),
        (deployment(json!({}), plain.clone()), "NotAsked"),
        (deployment(on_top, plain), "Misplaced"),
        (
            deployment(json!({}), json!({ "spec": { "containers": 7 } })),
            "Unreadable",
        ),
        (
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "spec": null }),
            "Unreadable",
        ),
    ] {
        let before = object.clone();
        let reports = run(&mut object);
        assert!(
            format!("{:?}", reports[0].fate).starts_with(expected),
            "{reports:?}"
        );
        assert_eq!(object, before);
    }
}
