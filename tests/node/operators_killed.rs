//! Operators that die, and are replaced: no request of anybody fails, and the status stays true.

use std::time::Duration;

use crate::cluster::{eventually, on_the_node};
use crate::installation::{self, REPLICAS};
use crate::process::Process;
use crate::shop::Shop;
use crate::traffic::Traffic;

#[test]
fn operators_killed_and_restarted_under_traffic_fail_no_request() {
    if !on_the_node() {
        return;
    }
    let installation = installation::alone();
    let shop = Shop::new("killed", 3);
    let before = shop.sidecars();
    let traffic = Traffic::to(&shop);

    // All of them.
    kill(&installation, usize::from(REPLICAS));
    installation.wait_for_rollout();
    shop.allow_origin("https://one.example.com");
    shop.wait_sidecars("3/3");
    // Other pods in their place; kubelet would let the same ones wait before it starts them once more.
    installation.restart();
    shop.allow_origin("https://two.example.com");
    shop.wait_sidecars("3/3");
    // One of them: the other goes on.
    kill(&installation, 1);
    shop.allow_origin("https://three.example.com");
    installation.wait_for_rollout();
    shop.wait_sidecars("3/3");

    traffic.finish();
    assert_eq!(shop.sidecars(), before, "no pod was replaced or restarted");
}

/// Kills the processes of this many operators and waits until the kubelet has seen it.
fn kill(installation: &installation::Alone, number: usize) {
    let running = installation.operators();
    assert_eq!(running.len(), usize::from(REPLICAS), "{running:#?}");
    let victims = &running[..number];
    for operator in victims {
        Process::of_container(&operator.container_id).kill();
    }
    eventually(
        "the kubelet restarts what was killed",
        Duration::from_secs(60),
        || {
            let now = installation.operators();
            let restarted = |victim: &&installation::Operator| {
                now.iter().any(|operator| {
                    operator.pod == victim.pod
                        && operator.container_id != victim.container_id
                        && operator.ready
                })
            };
            if victims.iter().all(|victim| restarted(&victim)) {
                Ok(())
            } else {
                Err(format!("{now:?}"))
            }
        },
    );
}
