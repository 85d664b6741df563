//! A sidecar that hangs: the status must not count what no sidecar has said.

use serde_json::json;

use crate::cluster::on_the_node;
use crate::http::Request;
use crate::installation;
use crate::process::Process;
use crate::shop::Shop;

#[test]
fn a_stopped_sidecar_is_not_counted_until_it_runs_the_edit() {
    if !on_the_node() {
        return;
    }
    let _installation = installation::shared();
    let shop = Shop::new("stopped", 3);
    let before = shop.sidecars();
    let stopped = Process::of(&before[1]).stop();

    shop.patch_spec(&json!({ "cors": { "allowOrigins": ["https://new.example.com"] } }));
    let wait = [
        "wait",
        "--for=condition=Programmed",
        "eps/bookstore",
        "--timeout=6s",
    ];
    let complaint = shop.namespace.try_kubectl(&wait, "").expect_failure();
    assert!(complaint.contains("timed out"), "{complaint}");
    let status = shop.resource()["status"].clone();
    assert_eq!(status["sidecars"]["summary"], "2/3", "{status:#}");
    assert_eq!(status["sidecars"]["total"], 3);
    assert_eq!(status["sidecars"]["current"], 2);
    assert_eq!(status["sidecars"]["stale"], 1);
    let programmed = shop.condition("Programmed");
    assert_eq!(programmed["status"], "False", "{programmed:#}");

    drop(stopped);
    shop.wait_programmed();
    assert_eq!(shop.resource()["status"]["sidecars"]["summary"], "3/3");
    let after = shop.sidecars();
    assert_eq!(after, before, "it went on, it was not replaced");
    let preflight = Request::preflight("/v1/shelves", "https://new.example.com", "POST", "");
    let response = shop
        .namespace
        .send_to(&preflight, &after[1].address, after[1].port);
    assert_eq!(response.status, 200, "{response:#?}");
}
