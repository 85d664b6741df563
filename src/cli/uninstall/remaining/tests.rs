use super::*;

fn remaining(pods: impl IntoIterator<Item = (usize, usize)>) -> Remaining {
    let mut remaining = Remaining::default();
    for (namespace, pod) in pods {
        remaining.add(format!("ns-{namespace:03}"), format!("pod-{pod}"));
    }
    remaining
}

#[test]
fn few_pods_are_all_told_by_name() {
    let text = remaining([(1, 1), (2, 2)]).describe();
    assert_eq!(
        text,
        "2 pods have a sidecar that this operator serves:\n  ns-001/pod-1\n  ns-002/pod-2"
    );
    assert!(
        remaining([(1, 1)])
            .describe()
            .starts_with("1 pod has a sidecar")
    );
    assert!(remaining([]).is_empty());
}

#[test]
fn many_pods_are_told_by_number() {
    let text = remaining((0..100_000).map(|pod| (pod % 300, pod))).describe();
    assert!(text.starts_with("100000 pods have"), "{text}");
    assert!(text.contains("\n  and 99980 more. By namespace:"), "{text}");
    assert!(text.contains("\n  ns-000: 334\n"), "{text}");
    assert!(text.ends_with("\n  and 280 more namespaces"), "{text}");
    assert!(text.lines().count() < 50, "{text}");
}

#[test]
fn the_remedy_can_be_pasted() {
    let text = remedy("system", "eps", "endpoints.dev/uninstall");
    let line = text.lines().last().expect("a line");
    assert_eq!(
        line,
        "  kubectl -n system annotate deployment eps endpoints.dev/uninstall=force"
    );
}
