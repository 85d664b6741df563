//! `endpoints redirect` on the real kernel: a network of its own, joined by a veth pair to another one,
//! as a pod's is to its node's. Needs `unshare`, `nsenter` (util-linux), `ip` (iproute2) and bash, but no
//! root: inside a user namespace everybody is.

#![allow(clippy::panic, reason = "helpers of tests fail by panicking, too")]

use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// The pod's addresses.
const FOUR: &str = "10.9.0.1";
const SIX: &str = "fd09::1";

#[test]
fn connections_from_outside_reach_the_sidecar_and_those_inside_the_app() {
    inside("pod_and_node");
}

/// The same, in the pod's network.
#[test]
#[ignore = "connections_from_outside_reach_the_sidecar_and_those_inside_the_app runs it in a network of its own"]
fn pod_and_node() {
    let node = Node::join();
    serve(8080, "app");
    serve(9090, "other app");
    serve(14080, "sidecar");
    serve(14081, "second listener");

    for address in [FOUR, SIX] {
        assert_eq!(node.ask(address, 8080), "app", "before");
    }
    // Containers restart: the second run replaces the first one's rules, the third changes nothing.
    success(redirect("14081=8080,14080=9090"));
    for address in [FOUR, SIX] {
        assert_eq!(node.ask(address, 8080), "second listener", "{address}");
        assert_eq!(node.ask(address, 9090), "sidecar", "{address}");
    }
    for _ in 0..2 {
        success(redirect("14080=8080"));
        for address in [FOUR, SIX] {
            assert_eq!(node.ask(address, 8080), "sidecar", "{address}");
            assert_eq!(node.ask(address, 9090), "other app", "{address}");
            // No rule for what is sent from here: the sidecar reaches the app, and so does the app.
            for inside in [address, if address == SIX { "::1" } else { "127.0.0.1" }] {
                assert_eq!(ask(inside, 8080), "app", "{inside}");
            }
        }
    }
    // The sidecar's own port stays what it is.
    assert_eq!(node.ask(FOUR, 14080), "sidecar");
}

/// In a user namespace without a network of its own, root is nobody to the network.
#[test]
fn without_net_admin_it_fails_and_says_so() {
    let output = Command::new("unshare")
        .args(["--map-root-user", "--user", "--"])
        .args([
            env!("CARGO_BIN_EXE_endpoints"),
            "redirect",
            "--listeners=14080=8080",
        ])
        .output()
        .expect("unshare (util-linux) starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("NET_ADMIN is missing"), "{told}");
    assert!(told.contains("endpoints.dev/capture: named"), "{told}");
}

#[test]
fn ports_that_are_none_are_refused() {
    for listeners in ["14080", "0=8080", "14080=0", "14080=http", ""] {
        let output = redirect(listeners);
        assert_eq!(output.status.code(), Some(2), "{listeners}: {output:?}");
    }
}

/// Runs a test of this file in a network of its own.
fn inside(test: &str) {
    let own = std::env::current_exe().expect("a test knows its own path");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "--"])
        .arg(own)
        .args([test, "--exact", "--ignored", "--nocapture"])
        .output()
        .expect("unshare (util-linux) starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{errors}"
    );
}

fn redirect(listeners: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_endpoints"))
        .arg("redirect")
        .env("ENDPOINTS_LISTENERS", listeners)
        .output()
        .expect("our binary runs")
}

/// The other end of the veth pair.
struct Node(Child);

impl Node {
    /// Makes the other network, and the way to it.
    fn join() -> Self {
        let holder = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "echo up; exec sleep 120"])
            .stdout(Stdio::piped())
            .spawn();
        let mut holder = holder.expect("unshare (util-linux) starts");
        let mut up = [0; 3];
        let out = holder.stdout.as_mut().expect("it is piped");
        out.read_exact(&mut up).expect("it says that it is there");
        let node = Self(holder);
        let id = node.0.id().to_string();
        for command in [
            "link set lo up".to_owned(),
            format!("link add eth0 type veth peer name eth0 netns {id}"),
            format!("address add {FOUR}/24 dev eth0"),
            format!("address add {SIX}/64 dev eth0 nodad"),
            "link set eth0 up".to_owned(),
        ] {
            success(ip(Command::new("ip"), &command));
        }
        for command in [
            "address add 10.9.0.2/24 dev eth0",
            "address add fd09::2/64 dev eth0 nodad",
            "link set eth0 up",
        ] {
            success(ip(node.command("ip"), command));
        }
        node
    }

    /// A program in the other network.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.0.id().to_string(), "--net", "--", program]);
        command
    }

    /// Who answers there.
    fn ask(&self, address: &str, port: u16) -> String {
        let script = format!("exec 3<>/dev/tcp/{address}/{port} && cat <&3");
        let output = self
            .command("timeout")
            .args(["10", "bash", "-c", &script])
            .output();
        success(output.expect("nsenter (util-linux) starts"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ip(mut command: Command, arguments: &str) -> Output {
    let arguments = arguments.split(' ');
    command
        .args(arguments)
        .output()
        .expect("ip (iproute2) starts")
}

fn success(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("text")
}

fn ask(address: &str, port: u16) -> String {
    let mut stream = TcpStream::connect((address, port)).expect("somebody listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

/// Says its name to everybody.
fn serve(port: u16, name: &'static str) {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).expect("a port of our own");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(name.as_bytes()));
        }
    });
}
