//! One CA after another while requests pass: nobody notices but whoever looks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{eventually, get, kubectl, on_the_node};
use crate::installation::{self, NAMESPACE, RELEASE};
use crate::shop::Shop;
use crate::traffic::Traffic;

const FLAG: &str = "--ca-overlap=";
/// The shortest that the operator takes: users give sidecars that are away an hour.
const OVERLAP: &str = "--ca-overlap=5s";

#[test]
fn the_ca_is_replaced_twice_under_traffic_and_nobody_is_shut_out() {
    if !on_the_node() {
        return;
    }
    let installation = installation::alone();
    let _hasty = Hasty::new(&installation);
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

/// Operators that do not wait long between two CAs; as they were when this goes.
struct Hasty<'a> {
    installation: &'a installation::Alone,
    before: String,
}

impl<'a> Hasty<'a> {
    fn new(installation: &'a installation::Alone) -> Self {
        let before = wait_between(OVERLAP);
        installation.wait_for_rollout();
        Self {
            installation,
            before,
        }
    }
}

impl Drop for Hasty<'_> {
    fn drop(&mut self) {
        wait_between(&self.before);
        self.installation.wait_for_rollout();
    }
}

/// Has the operators take another argument for how long they wait; the one before.
fn wait_between(argument: &str) -> String {
    let deployment = get(&["deployment", RELEASE, "--namespace", NAMESPACE]);
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let arguments = arguments.as_array().expect("a list");
    let is_it = |argument: &Value| argument.as_str().is_some_and(|it| it.starts_with(FLAG));
    let position = arguments.iter().position(is_it).expect("the chart says it");
    let path = format!("/spec/template/spec/containers/0/args/{position}");
    let patch = json!([{ "op": "replace", "path": path, "value": argument }]).to_string();
    let deployment = format!("deployment/{RELEASE}");
    let patch = ["--type=json", "--patch", &patch];
    kubectl(
        &[
            &["patch", &*deployment, "--namespace", NAMESPACE],
            &patch[..],
        ]
        .concat(),
    );
    arguments[position].as_str().unwrap_or_default().to_owned()
}
