//! User instructions per request, by callgrind: `make instructions`. Counts do not depend on how
//! busy the machine is, so they are a gate: each must be within 5 % of the one committed in
//! `instructions.json`, and at most the target there once it has been. `UPDATE_COUNTS=1` writes them.
//!
//! What is counted is the sidecar as it ships (`ENDPOINTS_BINARY`), with an operator that pushes it
//! its policy. It runs under valgrind twice, for N and for 2N requests; the difference divided by N
//! leaves start-up out.
// A policy that is refused is a defect of the bench: it ends the run.
#![allow(clippy::print_stdout, clippy::panic)]

#[path = "instructions/counts.rs"]
mod counts;
#[path = "instructions/load.rs"]
mod load;
#[path = "support/shop.rs"]
mod shop;
#[path = "../tests/support/operator.rs"]
mod support;
#[path = "../tests/support/tokens.rs"]
mod tokens;

use std::path::Path;
use std::process::{Command, ExitCode};

use tokio::runtime::Runtime;

use self::counts::Counts;
use self::shop::{Case, KEYS, Shape};
use self::support::{Operator, free_ports, sidecar};
use self::tokens::{Signer, key_set};

const REQUESTS: u64 = 2_000;

fn main() -> ExitCode {
    let binary = std::env::var("ENDPOINTS_BINARY");
    let binary = binary.unwrap_or_else(|_| "target/release/endpoints".to_owned());
    let signer = Signer::new("RS256", "bench");
    let token = shop::token(&signer, 1);
    let keys = key_set(&[&signer]);
    let backend = load::backend();
    let measured = Case::ALL.map(|(name, case)| {
        let request = case.request(&token);
        let counted = |requests| count(&binary, backend, case, &keys, &request, requests);
        let count = (counted(2 * REQUESTS) - counted(REQUESTS)) / REQUESTS;
        println!("{name:<10} {count:>7} user instructions a request");
        (name, count)
    });
    Counts::read().judge(&measured)
}

/// Instructions of a sidecar that served so many requests, one after the other on one connection.
fn count(binary: &str, backend: u16, case: Case, keys: &str, request: &str, requests: u64) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    // Kept when a name is given: for callgrind_annotate.
    let out = match std::env::var("CALLGRIND_OUT") {
        Ok(prefix) => format!("{prefix}.{case:?}.{requests}").into(),
        Err(_) => folder.path().join("callgrind"),
    };
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(Path::new(binary));
    let runtime = Runtime::new().expect("a runtime");
    let [traffic, _, admin] = free_ports();
    let (_operator, mut sidecar) = runtime.block_on(async {
        let mut operator = Operator::start().await;
        operator.publish_keys(KEYS, keys.to_owned());
        operator.publish(&shop::policy(Shape {
            whole: case.whole(),
            ..Shape::default()
        }));
        let log = folder.path().join("sidecar.log");
        let sidecar = sidecar(valgrind, &operator, [traffic, backend, admin], &log);
        operator.applied().await;
        (operator, sidecar)
    });
    load::run(traffic, case, request, requests);
    let stopped = Command::new("kill").arg(sidecar.id().to_string()).status();
    assert!(stopped.expect("kill runs").success());
    assert!(sidecar.wait().expect("it ends").success());
    let report = std::fs::read_to_string(&out).expect("callgrind wrote");
    let total = report.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "))
    });
    total.expect("a total").trim().parse().expect("a number")
}
