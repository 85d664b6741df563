//! The sidecar in its pod.

use std::fs;

use crate::cluster::on_the_node;
use crate::process::Process;
use crate::shop;

const API_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Built-in admission mounts the app's API token into every container that has nothing there.
#[test]
fn the_sidecar_does_not_carry_the_apps_api_token() {
    let (shop, _installation) = shop::shared();
    let pods = shop.namespace.get(&["pods", "--selector=app=bookstore"]);
    let spec = &pods["items"][0]["spec"];
    let volume_at_token = |list: &str, container: &str| {
        let containers = spec[list].as_array().expect("a list");
        let container = containers
            .iter()
            .find(|c| c["name"] == container)
            .expect("a container");
        let mounts = container["volumeMounts"].as_array().expect("a list");
        let mount = mounts
            .iter()
            .find(|mount| mount["mountPath"] == API_TOKEN)
            .expect("a mount");
        let volumes = spec["volumes"].as_array().expect("a list");
        volumes
            .iter()
            .find(|volume| volume["name"] == mount["name"])
            .expect("a volume")
            .clone()
    };
    // The app has it, so there was one to take.
    let volume = volume_at_token("containers", "bookstore");
    assert!(volume["projected"].is_object(), "{volume:#}");
    let volume = volume_at_token("initContainers", "endpoints-proxy");
    assert_eq!(volume["emptyDir"]["medium"], "Memory", "{volume:#}");

    if !on_the_node() {
        return;
    }
    for sidecar in shop.sidecars() {
        let folder = Process::of(&sidecar).path(API_TOKEN);
        let files: Vec<_> = fs::read_dir(&folder)
            .expect("the folder is mounted")
            .collect();
        assert!(files.is_empty(), "{files:?}");
    }
}
