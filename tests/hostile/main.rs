//! What a hostile or broken document costs, and what its author is told: each is compiled in a
//! process of its own, whose time and memory are then its own too.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod bytes;
mod cases;
#[path = "../../fuzz/src/findings.rs"]
mod findings;
mod headers;
mod measure;
mod products;

use cases::Expected;
use endpoints::api::EndpointsServiceSpec;
use endpoints::policy::{Prepared, ServiceIdentity, compile};
use measure::Cost;

/// The most memory a document may take, in KiB: 200 MB.
const MOST_MEMORY: u64 = 200 * 1000;
/// The most time, in milliseconds of the processor: a second, and the tenfold in a debug build.
const MOST_TIME: u64 = if cfg!(debug_assertions) {
    10_000
} else {
    1_000
};

/// The environment's word for "you are the child, and this is your case".
const CASE: &str = "ENDPOINTS_HOSTILE_CASE";

#[test]
fn every_case_is_told_in_time_and_memory() {
    let mut problems = Vec::new();
    for case in cases::all() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_child_compiles_its_case", "--nocapture"])
            .env(CASE, case.name)
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let Some(cost) = Cost::find(&told).filter(|_| output.status.success()) else {
            let why = String::from_utf8_lossy(&output.stderr);
            problems.push(format!("{}: {}\n{why}", case.name, output.status));
            continue;
        };
        println!(
            "{:<40} {:>6} ms {:>7} KiB",
            case.name, cost.milliseconds, cost.memory
        );
        if cost.milliseconds > MOST_TIME || cost.memory > MOST_MEMORY {
            problems.push(format!("{} costs too much: {cost:?}", case.name));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Nothing, unless the test above started this process.
#[test]
fn the_child_compiles_its_case() {
    let Ok(name) = std::env::var(CASE) else {
        return;
    };
    let case = cases::all()
        .into_iter()
        .find(|case| case.name == name)
        .expect("a case");
    let spec = (case.spec)();
    let before = Cost::start();
    run(&spec, case.expected);
    Cost::so_far().since(&before).print();
}

fn run(spec: &EndpointsServiceSpec, expected: Expected) {
    let identity = ServiceIdentity {
        name: String::from("hostile"),
        namespace: String::from("test"),
    };
    let text = spec.openapi.inline.is_some();
    match (compile(spec, &identity), expected) {
        (Ok(compiled), Expected::Compiles) => {
            findings::check(&compiled.warnings, text);
            Prepared::new(compiled.policy).expect("what compiles can be run");
        }
        (Err(refused), Expected::Refused(words)) => {
            findings::check(&refused, text);
            for error in refused.iter().filter(|finding| finding.is_error()) {
                assert!(error.help.is_some(), "no remedy: {error}");
            }
            let told = refused
                .iter()
                .any(|finding| finding.is_error() && finding.to_string().contains(words));
            assert!(
                told,
                "nothing about {words:?}: {:#?}",
                &refused[..refused.len().min(3)]
            );
        }
        (Ok(_), Expected::Refused(words)) => panic!("compiles, though {words}"),
        (Err(refused), Expected::Compiles) => panic!("{:#?}", &refused[..refused.len().min(3)]),
    }
}
