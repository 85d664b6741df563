use prometheus_client::registry::Registry;

use super::*;

#[test]
fn unready_names_what_it_waits_for() {
    let readiness = Readiness::new();
    let (trigger, shutdown) = crate::shutdown::channel();
    let status = |path| {
        answer(
            &Method::GET,
            path,
            &readiness,
            &Metrics::new(Registry::default()),
            &shutdown,
        )
        .status()
        .as_u16()
    };
    let pending = readiness.pending("the caches");
    assert_eq!((status("/livez"), status("/readyz")), (200, 503));
    drop(pending);
    assert_eq!((status("/livez"), status("/readyz")), (200, 200));
    trigger.start();
    assert_eq!((status("/livez"), status("/readyz")), (200, 503));
}

#[test]
fn metrics_are_rendered_with_their_prefix() {
    let metrics = Metrics::new(Registry::default());
    metrics.reconciles.inc();
    assert!(
        metrics
            .render()
            .contains("endpoints_operator_reconciles_total 1")
    );
}

#[test]
fn other_paths_and_methods_are_refused() {
    let (_trigger, shutdown) = crate::shutdown::channel();
    let status = |method, path| {
        answer(
            &method,
            path,
            &Readiness::new(),
            &Metrics::new(Registry::default()),
            &shutdown,
        )
        .status()
        .as_u16()
    };
    assert_eq!(status(Method::POST, "/livez"), 405);
    assert_eq!(status(Method::GET, "/"), 404);
}
