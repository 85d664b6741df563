//! The README's commands, as written, in its order, in the namespace where a newcomer runs them.

use std::process::Command;
use std::time::Duration;

use crate::cluster::{eventually, image, kubectl, variable};
use crate::installation;

/// What the README says of installing, in order; `tests/readme` holds it against the README itself.
const COMMANDS: [&str; 6] = [
    "helm install endpoints-operator charts/endpoints-operator -n endpoints-system --create-namespace --wait",
    "kubectl apply -f examples/bookstore/endpointsservice.yaml",
    "kubectl apply -f examples/bookstore/deployment.yaml",
    "kubectl wait --for=condition=Programmed eps/bookstore",
    "kubectl get eps",
    "kubectl create token default --audience bookstore-clients",
];

#[test]
fn the_commands_of_the_readme_install_and_protect_the_bookstore() {
    if image() != "endpoints-operator:0.1.0" {
        eprintln!("skipped: the README's commands install endpoints-operator:0.1.0");
        return;
    }
    let installation = installation::alone();
    // Others' comes back when they ask for it.
    installation.uninstall();
    let [install, apply_service, apply_app, wait, get, token] = COMMANDS;
    for command in [install, apply_service, apply_app, wait] {
        shell(command);
    }
    eventually("the table of the README", Duration::from_secs(60), || {
        let table = shell(get);
        let row: Vec<_> = table
            .lines()
            .nth(1)
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        match row.as_slice() {
            ["bookstore", "bookstore.default.svc", "9", "3/3", "True", _] => Ok(()),
            _ => Err(table),
        }
    });
    let token = shell(token);
    let call = format!(
        "curl --silent --max-time 10 --header 'Authorization: Bearer {}' http://bookstore.default.svc.cluster.local/v1/me",
        token.trim()
    );
    // Pods are ready one by one: the Service may have none yet.
    eventually("an answer to the token", Duration::from_secs(60), || {
        let answer = shell(&call);
        match answer.contains("system:serviceaccount:default:default") {
            true => Ok(()),
            false => Err(answer),
        }
    });
    for file in ["deployment", "endpointsservice"] {
        kubectl(&[
            "delete",
            "--filename",
            &format!("examples/bookstore/{file}.yaml"),
        ]);
    }
    installation.uninstall();
}

/// A line, as typed in a clone of the project.
fn shell(line: &str) -> String {
    let output = Command::new("bash")
        .args(["-c", line])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("KUBECONFIG", variable("E2E_KUBECONFIG"))
        .output()
        .expect("bash is there");
    let said = String::from_utf8_lossy(&output.stderr);
    // curl says by its status what is not there yet; the callers look at what was printed.
    assert!(
        output.status.success() || line.starts_with("curl"),
        "{line}\n{said}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
