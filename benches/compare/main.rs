//! The parts of `make bench` that are ours: backend, operator, tokens, WebSocket client. `run`, in
//! this folder, starts them, nginx and Envoy, and says what each costs.
// An order that is none is a defect of the script: it ends the run.
#![allow(clippy::print_stdout, clippy::panic)]

mod backend;
mod operator;
#[path = "../support/shop.rs"]
mod shop;
#[path = "../../tests/support/operator.rs"]
mod support;
#[path = "../../tests/support/tokens.rs"]
mod tokens;
mod websocket;

use std::path::Path;
use std::time::Duration;

use self::tokens::{Signer, key_set};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let seconds = |text: &str| Duration::from_secs(text.parse().expect("seconds"));
    match arguments.as_slice() {
        ["backend"] => runtime.block_on(backend::run()),
        ["operator", keys] => runtime.block_on(operator::run(Path::new(keys))),
        ["tokens", folder, number] => tokens(Path::new(folder), number.parse().expect("a number")),
        ["operations", policy] => operations(policy),
        ["websocket", address, connections, time] => {
            let connections = connections.parse().expect("a number");
            let address = address.parse().expect("an address");
            runtime.block_on(websocket::run(address, connections, seconds(time)));
        }
        // What `cargo bench` gives to every bench.
        _ => println!("benches/compare/run starts this program"),
    }
}

/// Prints method, path and need of a token of each operation of a policy.
fn operations(policy: &str) {
    for operation in shop::policy(operator::shape(policy, 0)).operations {
        let need = match operation.security.is_empty() {
            true => "open",
            false => "secured",
        };
        println!("{} {} {need}", operation.method, operation.path);
    }
}

/// Writes keys and as many tokens of each algorithm.
fn tokens(folder: &Path, number: usize) {
    let signers = [
        Signer::new("RS256", "rsa"),
        Signer::new("ES256", "elliptic"),
    ];
    let write = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).expect("the folder can be written to");
    };
    write("keys.json", key_set(&signers.each_ref()));
    for signer in &signers {
        // RSA signs slowly.
        let number = match signer.algorithm {
            "RS256" => number / 20,
            _ => number,
        };
        let tokens: Vec<_> = (0..number).map(|at| shop::token(signer, at)).collect();
        write(signer.algorithm, tokens.join("\n"));
    }
}
