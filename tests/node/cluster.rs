//! The cluster under test, as `tests/node/run` names it, and the two programs that speak to it.

use std::env;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// The longest that any one command may take, in seconds: more is a hang, and ends the test.
const COMMAND_SECONDS: &str = "150";

/// A command that took longer is told, beside what else a test says with `--nocapture`.
const LONG: Duration = Duration::from_secs(2);

/// Which Helm: both are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Helm {
    Three,
    Four,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    command: String,
}

/// A variable that `tests/node/run` sets.
pub(crate) fn variable(name: &str) -> String {
    env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: start these tests by tests/node/run"))
}

/// The project's image, present on every node.
pub(crate) fn image() -> String {
    variable("E2E_IMAGE")
}

/// An image with busybox, present on every node.
pub(crate) fn busybox() -> String {
    variable("E2E_BUSYBOX_IMAGE")
}

/// Whether the node's processes are visible here: in a cluster of `tests/cluster/node`, not in one
/// that a developer named.
pub(crate) fn on_the_node() -> bool {
    let on_it = env::var_os("E2E_CONTAINERD").is_some();
    if !on_it {
        eprintln!("skipped: it handles the node's processes, which only tests/cluster/node shows");
    }
    on_it
}

/// kubectl; the caller looks at how it ended.
pub(crate) fn try_kubectl(arguments: &[&str], input: &str) -> Outcome {
    run("kubectl", arguments, input)
}

/// kubectl, which must succeed; what it printed.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    try_kubectl(arguments, "").expect_success()
}

/// An object, or a list of them, as JSON.
pub(crate) fn get(arguments: &[&str]) -> Value {
    let text = kubectl(&[&["get", "--output", "json"], arguments].concat());
    serde_json::from_str(&text).expect("kubectl prints JSON")
}

/// helm; the caller looks at how it ended.
pub(crate) fn try_helm(version: Helm, arguments: &[&str]) -> Outcome {
    match version {
        Helm::Three => run(&variable("E2E_HELM3"), arguments, ""),
        Helm::Four => run("helm", arguments, ""),
    }
}

/// A line of the README as a person types it: in a shell, in the project's folder. What it printed.
pub(crate) fn shell(line: &str, kubeconfig: &str) -> String {
    let line = format!(
        "cd '{}' && KUBECONFIG='{kubeconfig}' {line}",
        env!("CARGO_MANIFEST_DIR")
    );
    run("sh", &["-c", &line], "").expect_success()
}

/// Asks until the answer is right, for a bounded time; then fails with the last answer's reason.
pub(crate) fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(reason) => assert!(
                start.elapsed() < within,
                "not within {within:?}: {what}\nlast seen: {reason}"
            ),
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn run(program: &str, arguments: &[&str], input: &str) -> Outcome {
    let start = Instant::now();
    let mut child = Command::new("timeout")
        .args([COMMAND_SECONDS, program])
        .args(arguments)
        .env("KUBECONFIG", variable("E2E_KUBECONFIG"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("timeout (coreutils) starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    let writer = thread::spawn(move || {
        // A program that does not read its input says by its status what it thinks of it.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("a child can be waited for");
    writer.join().expect("the writer does not panic");
    let mut command = program.to_owned();
    for argument in arguments {
        let _ = write!(command, " {argument}");
    }
    if start.elapsed() > LONG {
        eprintln!("{:.1} s: {command}", start.elapsed().as_secs_f32());
    }
    Outcome {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        command,
    }
}

// === impl Outcome ===

impl Outcome {
    /// What it printed; fails the test with what it complained about, if it did not succeed.
    pub(crate) fn expect_success(self) -> String {
        assert!(
            self.success,
            "failed: {}\n{}{}",
            self.command, self.stdout, self.stderr
        );
        self.stdout
    }

    /// What it complained about; fails the test if it succeeded.
    pub(crate) fn expect_failure(self) -> String {
        assert!(
            !self.success,
            "succeeded: {}\n{}",
            self.command, self.stdout
        );
        self.stderr
    }
}
