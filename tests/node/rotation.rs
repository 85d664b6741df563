//! One CA after another while requests pass: nobody notices but whoever looks.

use std::time::Duration;

use crate::cluster::{eventually, get, kubectl, on_the_node};
use crate::installation::{self, NAMESPACE, RELEASE};
use crate::shop::Shop;
use crate::traffic::Traffic;

#[test]
fn the_ca_is_replaced_twice_under_traffic_and_nobody_is_shut_out() {
    if !on_the_node() {
        return;
    }
    let installation = installation::alone();
    let shop = Shop::new("rotation", 2);
    let before = shop.sidecars();
    let traffic = Traffic::to(&shop);
    let mut seen = vec![authority()];
    for number in 1..=2 {
        rotate(&seen);
        seen.push(authority());
        // Over the streams that there are, and then over new ones: these pods were given the first CA.
        shop.allow_origin(&format!("https://rotated-{number}.example.com"));
        installation.restart();
        shop.allow_origin(&format!("https://restarted-{number}.example.com"));
        // Injected, admitted and served under the new one.
        let replicas = format!("--replicas={}", 2 + number);
        let scale = ["scale", "deployment/bookstore", &replicas];
        shop.namespace.kubectl(&scale);
        let rollout = ["rollout", "status", "deployment/bookstore", "--timeout=90s"];
        shop.namespace.kubectl(&rollout);
        shop.wait_sidecars(&format!("{0}/{0}", 2 + number));
    }
    traffic.finish();
    let after = shop.sidecars();
    for sidecar in &before {
        assert!(
            after.contains(sidecar),
            "{sidecar:?} was replaced or restarted"
        );
    }
}

/// Asks for a new CA, as docs/operations.md says, and waits until it signs.
fn rotate(seen: &[String]) {
    let secret = format!("secret/{RELEASE}-ca");
    let ask = "endpoints.dev/rotate=now";
    kubectl(&["annotate", &secret, ask, "--namespace", NAMESPACE]);
    eventually("a new CA signs", Duration::from_secs(90), || {
        match seen.contains(&authority()) {
            false => Ok(()),
            true => Err(get(&[&secret, "--namespace", NAMESPACE])["metadata"].to_string()),
        }
    });
}

/// The certificate of the CA that signs.
fn authority() -> String {
    let secret = get(&["secret", &format!("{RELEASE}-ca"), "--namespace", NAMESPACE]);
    let certificate = secret["data"]["ca.crt"].as_str();
    certificate.expect("the Secret holds a CA").to_owned()
}
