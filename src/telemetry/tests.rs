use std::process::Command;

use super::*;

/// The environment's word for "you are the child".
const CHILD: &str = "ENDPOINTS_TELEMETRY_CHILD";

#[test]
fn a_panic_is_a_line_without_what_was_worked_on() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "telemetry::tests::the_child", "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<serde_json::Value> = stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let causes: Vec<_> = lines.iter().map(|line| line["cause"].as_str()).collect();
    let not_told = "not told, since it may hold what was worked on";
    assert_eq!(causes, [Some("words of ours"), Some(not_told)], "{stderr}");
    for line in &lines {
        let place = line["place"].as_str().unwrap();
        assert!(place.starts_with("src/telemetry/tests.rs:"), "{place}");
        assert_eq!(line["thread"], "defective", "{line}");
    }
    assert!(!stderr.contains("eyJhbGciOi"), "{stderr}");
}

#[test]
fn the_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    init("info").unwrap();
    log_panics();
    let token = String::from("eyJhbGciOi");
    let panicking: [Box<dyn FnOnce() + Send>; 2] = [
        Box::new(|| panic!("words of ours")),
        Box::new(move || panic!("no key fits {token}")),
    ];
    for panicking in panicking {
        let thread = std::thread::Builder::new().name(String::from("defective"));
        assert!(thread.spawn(panicking).unwrap().join().is_err());
    }
}

#[test]
fn a_filter_that_is_none_is_told_with_one_that_is() {
    let error = parse("endpoints=loud").unwrap_err().to_string();
    assert!(error.contains("`endpoints=loud` is no filter"), "{error}");
    assert!(error.contains("endpoints=debug"), "{error}");
    assert!(parse("warn,endpoints=debug").is_ok());
}
