//! User instructions per request, by callgrind: `make instructions`. Counts do not depend on how
//! busy the machine is, so they are a gate: each must be within 5 % of the one committed in
//! `instructions.json`, and at most the target there. `UPDATE_COUNTS=1` writes them.
//!
//! The proxy runs under valgrind twice, for N and for 2N requests; the difference divided by N leaves
//! start-up out. One program, three roles: proxy, backend and client are processes of their own, so
//! that only the proxy is counted.
#![allow(clippy::print_stdout)]

#[path = "instructions/counts.rs"]
mod counts;
#[path = "instructions/load.rs"]
mod load;
#[path = "support/role.rs"]
mod role;
#[path = "support/shop.rs"]
mod shop;
#[path = "../tests/support/tokens.rs"]
mod tokens;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};

use self::counts::Counts;
use self::shop::Case;
use self::tokens::{Signer, key_set};

const REQUESTS: u64 = 2_000;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [role, backend, policy, keys] = arguments.as_slice()
        && role == "proxy"
    {
        let backend = backend.parse().expect("an address");
        role::proxy(backend, policy == "whole", keys);
        return ExitCode::SUCCESS;
    }
    let signer = Signer::new("RS256", "bench");
    let token = shop::token(&signer, 1);
    let keys = key_set(&[&signer]);
    let backend = load::backend();
    let measured = Case::ALL.map(|(name, case)| {
        let request = case.request(&token);
        let counted = |requests| count(backend, case, &keys, &request, requests);
        let count = (counted(2 * REQUESTS) - counted(REQUESTS)) / REQUESTS;
        println!("{name:<10} {count:>7} user instructions a request");
        (name, count)
    });
    Counts::read().judge(&measured)
}

/// Instructions of a proxy that served so many requests, one after the other on one connection.
fn count(backend: SocketAddr, case: Case, keys: &str, request: &str, requests: u64) -> u64 {
    let itself = std::env::current_exe().expect("a path");
    // Kept when a name is given: for callgrind_annotate.
    let kept = std::env::var("CALLGRIND_OUT").ok();
    let out = match &kept {
        Some(prefix) => format!("{prefix}.{case:?}.{requests}").into(),
        None => std::env::temp_dir().join(format!("callgrind.{}", std::process::id())),
    };
    let mut proxy = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(itself)
        .args(["proxy", &backend.to_string()])
        .args([if case.whole() { "whole" } else { "plain" }, keys])
        .stdout(Stdio::piped())
        .spawn()
        .expect("valgrind is installed");
    let address = first_line(&mut proxy).trim().parse().expect("an address");
    load::run(address, case, request, requests);
    let stopped = Command::new("kill")
        .arg(proxy.id().to_string())
        .status()
        .expect("kill runs");
    assert!(stopped.success());
    assert!(proxy.wait().expect("it ends").success());
    let report = std::fs::read_to_string(&out).expect("callgrind wrote");
    if kept.is_none() {
        let _ = std::fs::remove_file(&out);
    }
    let total = report.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "))
    });
    total.expect("a total").trim().parse().expect("a number")
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    line
}
