//! The README promises commands: each is run somewhere, and here it is written down where. A command
//! that is added or changed there has to be run, too, before this passes.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

/// The commands of the README, with what runs them.
const RUN_BY: &[(&str, &str)] = &[
    (
        "cargo run -- dev examples/bookstore/endpointsservice.yaml",
        ".ci/run",
    ),
    ("cargo run -- check examples", ".ci/run"),
    ("make test", ".ci/run"),
    (
        "helm install endpoints-operator charts/endpoints-operator -n endpoints-system --create-namespace --wait",
        "tests/node",
    ),
    (
        "kubectl apply -f examples/bookstore/endpointsservice.yaml",
        "tests/node",
    ),
    (
        "kubectl apply -f examples/bookstore/deployment.yaml",
        "tests/node",
    ),
    (
        "kubectl wait --for=condition=Programmed eps/bookstore",
        "tests/node",
    ),
    ("kubectl get eps", "tests/node"),
    (
        "kubectl create token default --audience bookstore-clients",
        "tests/node",
    ),
];

#[test]
fn every_command_of_the_readme_is_run_somewhere() {
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let mut commands = Vec::new();
    let mut shell = false;
    for line in readme.lines() {
        match line {
            "```sh" => shell = true,
            "```" => shell = false,
            command if shell => commands.push(command),
            _ => {}
        }
    }
    let known: Vec<_> = RUN_BY.iter().map(|(command, _)| *command).collect();
    assert_eq!(commands, known);
}

#[test]
fn what_is_said_to_run_a_command_names_it() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (command, by) in RUN_BY {
        let text = if *by == "tests/node" {
            let files = std::fs::read_dir(root.join(by))
                .unwrap()
                .map(|entry| entry.unwrap().path());
            files
                .map(|file| std::fs::read_to_string(file).unwrap_or_default())
                .collect()
        } else {
            std::fs::read_to_string(root.join(by)).unwrap()
        };
        assert!(text.contains(command), "{by} does not run `{command}`");
    }
}
