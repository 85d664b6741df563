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
    let plain = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": {} });
    let own = json!({ "apiVersion": "endpoints.dev/v1alpha1", "kind": "EndpointsService" });
    let items = json!([pod, other, 7, null, plain, own]);
    let mut list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    let reports = run(&mut list);
    assert_eq!(reports.len(), 3, "{reports:?}");
    assert_eq!(reports[0].object, "Pod default/(no name)");
    assert_eq!(list["items"][1], other);
    let unknown = |kind: &str, asks| Fate::UnknownKind {
        kind: kind.to_owned(),
        asks,
    };
    assert_eq!(
        reports[1].fate,
        unknown("Deployment of example.dev/v1", true)
    );
    assert_eq!(reports[2].fate, unknown("ConfigMap of v1", false));
}

#[test]
fn lists_that_are_too_deep_are_told() {
    let mut pod = template();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    let nested = |depth: usize| {
        (0..depth).fold(
            pod.clone(),
            |inner, _| json!({ "apiVersion": "v1", "kind": "List", "items": [inner] }),
        )
    };
    let fate = |mut list: Value| run(&mut list)[0].fate.clone();
    assert!(matches!(fate(nested(4)), Fate::Injected { .. }));
    assert!(matches!(fate(nested(5)), Fate::Unreadable(_)));
}

/// As a chart writes a value that it was not given; the API server makes the empty text of it.
#[test]
fn null_among_texts_and_quantities_is_what_it_is_to_the_api_server() {
    let mut pod = template();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["annotations"]["team"] = json!(null);
    pod["metadata"]["labels"] = json!({ "team": null });
    pod["spec"]["nodeSelector"] = json!({ "pool": null });
    pod["spec"]["containers"][0]["args"] = json!(["a", null]);
    pod["spec"]["initContainers"] = json!([{ "name": "first", "command": [null] }]);
    pod["spec"]["containers"][0]["resources"] =
        json!({ "limits": { "cpu": null }, "requests": null });
    pod["spec"]["topologySpreadConstraints"] =
        json!([{ "labelSelector": { "matchLabels": { "app": null } } }]);
    let reports = run(&mut pod);
    assert!(
        matches!(reports[0].fate, Fate::Injected { .. }),
        "{reports:?}"
    );
    assert_eq!(pod["metadata"]["labels"]["endpoints.dev/injected"], "true");
    let once = pod.clone();
    run(&mut pod);
    assert_eq!(pod, once);
    pod["metadata"]["annotations"]["endpoints.dev/service"] = json!(null);
    let reports = run(&mut pod);
    assert!(matches!(reports[0].fate, Fate::Denied(_)), "{reports:?}");
}

#[test]
fn what_cannot_be_read_is_named_by_its_place() {
    let reason = |container: Value| {
        let mut template = template();
        template["spec"]["containers"][0] = container;
        let mut deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "spec": { "template": template }
        });
        match run(&mut deployment).remove(0).fate {
            Fate::Unreadable(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    for (container, place) in [
        (json!(null), "spec.template.spec.containers[0]: "),
        (
            json!({ "name": "app", "ports": [null] }),
            "spec.template.spec.containers[0].ports[0]: ",
        ),
        (
            json!({ "name": "app", "ports": [{ "containerPort": "80" }] }),
            "spec.template.spec.containers[0].ports[0].containerPort: ",
        ),
    ] {
        let reason = reason(container);
        assert!(reason.starts_with(place), "{reason}");
    }
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "containers": 7 } });
    let reports = run(&mut pod);
    let Fate::Unreadable(reason) = &reports[0].fate else {
        panic!("{reports:?}");
    };
    assert!(reason.starts_with("spec.containers: "), "{reason}");
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
    let on_jobs = json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "spec": { "jobTemplate": { "metadata": on_top, "spec": { "template": plain } } }
    });
    for (mut object, expected) in [
        (deployment(json!({}), wrong), "Denied"),
        (deployment(json!({}), plain.clone()), "NotAsked"),
        (deployment(on_top, plain), "Misplaced"),
        (on_jobs, "Misplaced"),
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
