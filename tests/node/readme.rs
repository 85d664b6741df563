//! What the README tells people to type, typed. (`helm install` is in [`crate::installation`].)

use std::fs;

use crate::cluster::{image, kubectl, shell};
use crate::http::Request;
use crate::installation;
use crate::namespace::Namespace;
use crate::shop::RELEASED_IMAGE;

const README: &str = include_str!("../../README.md");

#[test]
fn the_first_service_runs_as_the_readme_says() {
    if image() != RELEASED_IMAGE {
        eprintln!("skipped: the examples name {RELEASED_IMAGE}, the nodes have another image");
        return;
    }
    let _installation = installation::shared();
    let namespace = Namespace::new("readme");
    // A person's kubectl has a namespace of its own, too.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, kubectl(&["config", "view", "--raw"])).expect("it can be written");
    let kubeconfig = kubeconfig.to_str().expect("a path is text");
    let set_namespace = format!(
        "kubectl config set-context --current --namespace={}",
        namespace.name
    );
    shell(&set_namespace, kubeconfig);

    shell(
        "kubectl apply -f examples/bookstore/endpointsservice.yaml",
        kubeconfig,
    );
    shell(
        "kubectl apply -f examples/bookstore/deployment.yaml",
        kubeconfig,
    );
    shell(
        "kubectl wait --for=condition=Programmed eps/bookstore",
        kubeconfig,
    );
    let seen = columns(&shell("kubectl get eps", kubeconfig), "");
    let promised = columns(README, "    ");
    assert_eq!(seen.0, promised.0);
    let promised = promised
        .1
        .map(|word| word.replace("default", &namespace.name));
    assert_eq!(seen.1, promised);

    // A pod counts as ready a moment after its sidecar has the policy: the kubelet asks now and then.
    namespace.kubectl(&["rollout", "status", "deployment/bookstore", "--timeout=60s"]);
    let token = shell(
        "kubectl create token default --audience bookstore-clients",
        kubeconfig,
    );
    let request = Request::get("/v1/me").bearer(token.trim());
    assert_eq!(namespace.send(&request, "bookstore").status, 200);
}

/// Head and first row of the table that `kubectl get eps` prints, without the age.
fn columns(text: &str, indent: &str) -> ([String; 5], [String; 5]) {
    let mut lines = text.lines().skip_while(|line| {
        !line
            .strip_prefix(indent)
            .is_some_and(|line| line.starts_with("NAME "))
    });
    let mut row = || {
        let line = lines.next().unwrap_or_else(|| panic!("no table in {text}"));
        let words: Vec<_> = line.split_whitespace().take(5).map(str::to_owned).collect();
        words
            .try_into()
            .unwrap_or_else(|_| panic!("no table of resources: {line}"))
    };
    (row(), row())
}
