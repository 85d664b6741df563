//! The last good policy outlives the sidecar's process, the operator's, and the spec it came from.

use std::time::Duration;

use crate::cluster::{eventually, on_the_node};
use crate::http::Request;
use crate::installation;
use crate::process::Process;
use crate::shop::{AUDIENCE, Shop};

#[test]
fn a_sidecar_killed_while_the_operator_is_away_serves_its_last_policy_at_once() {
    if !on_the_node() {
        return;
    }
    let installation = installation::alone();
    let shop = Shop::new("sidecar-killed", 1);
    let before = shop.sidecars().remove(0);
    let token = shop.namespace.token(AUDIENCE);
    let away = installation.away();

    Process::of(&before).kill();
    let after = eventually(
        "the kubelet restarts the sidecar",
        Duration::from_secs(30),
        || match shop.sidecars().pop() {
            Some(now) if now.container_id != before.container_id => Ok(now),
            other => Err(format!("{other:?}")),
        },
    );
    assert_eq!((&after.pod, &after.uid), (&before.pod, &before.uid));
    // Its policy was there before its listener: the first answers are already the right ones.
    let good = Request::get("/v1/me").bearer(&token);
    let answer = eventually("it listens", Duration::from_secs(10), || {
        good.try_send(&shop.namespace, &after.address, after.port)
    });
    assert_eq!(answer.status, 200, "{answer:#?}");
    let refused = Request::get("/v1/me");
    let answer = shop.namespace.send_to(&refused, &after.address, after.port);
    assert_eq!(answer.status, 401, "{answer:#?}");
    shop.namespace
        .wait("condition=Ready", &format!("pod/{}", after.pod), 30);

    drop(away);
    shop.wait_programmed();
    shop.wait_sidecars("1/1");
}

#[test]
fn a_pod_made_while_the_spec_is_broken_gets_the_last_good_policy_from_new_operators() {
    let installation = installation::alone();
    let shop = Shop::new("broken-restart", 1);
    shop.edit_document("paths:\n", "paths: [\n");
    shop.wait_condition("Accepted", "False");
    // No operator that compiled the good spec is left.
    installation.restart();
    let scale = ["scale", "deployment/bookstore", "--replicas=2"];
    shop.namespace.kubectl(&scale);
    let rollout = ["rollout", "status", "deployment/bookstore", "--timeout=90s"];
    shop.namespace.kubectl(&rollout);

    let token = shop.namespace.token(AUDIENCE);
    let sidecars = shop.sidecars();
    assert_eq!(sidecars.len(), 2, "{sidecars:#?}");
    for sidecar in &sidecars {
        let ask = |request: &Request| {
            let namespace = &shop.namespace;
            namespace
                .send_to(request, &sidecar.address, sidecar.port)
                .status
        };
        assert_eq!(ask(&Request::get("/v1/shelves")), 200);
        assert_eq!(ask(&Request::get("/v1/me").bearer(&token)), 200);
        assert_eq!(ask(&Request::get("/v1/me")), 401);
    }
    shop.wait_sidecars("2/2");
    let accepted = shop.wait_condition("Accepted", "False");
    assert_eq!(accepted["reason"], "InvalidOpenAPI", "{accepted:#}");
}
