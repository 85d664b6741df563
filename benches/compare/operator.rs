//! The operator of the real sidecar. It reads what to publish from its input, one word a line, and
//! prints `applied` when the sidecar says so. Each policy is compiled and encoded once, before it is
//! published for the first time: what that costs is not the sidecar's, nor on its machine.

use std::collections::BTreeMap;
use std::path::Path;

use endpoints::push::server::Event;
use tokio::sync::mpsc;

use crate::shop::{self, KEYS, Shape};
use crate::support::Operator;

/// Serves until its input ends; prints its port, then its authority's certificate as a JSON string.
pub async fn run(keys: &Path) {
    let mut operator = Operator::start().await;
    println!("{}", operator.port);
    println!("{}", serde_json::json!(operator.certificate));
    let keys = std::fs::read_to_string(keys).expect("the keys are there");
    operator.publish_keys(KEYS, keys);
    let (written, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let _ = written.send(line.expect("text"));
        }
    });
    // By name, each with the one that is published next time.
    let mut encoded = BTreeMap::new();
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return };
                let turns: &mut [_; 2] = encoded.entry(line).or_insert_with_key(|name| {
                    [0, 1].map(|turn| operator.encode(&shop::policy(shape(name, turn))))
                });
                turns.swap(0, 1);
                operator.send(turns[1].clone());
            }
            Some(report) = operator.reports.recv() => match report.event {
                Event::Applied { .. } => println!("applied"),
                Event::Rejected { reason, .. } => println!("rejected: {reason}"),
                Event::Connected { .. } | Event::KeysWanted { .. } | Event::Gone => {}
            }
        }
    }
}

/// What is published under a name.
pub fn shape(name: &str, turn: usize) -> Shape {
    let whole = Shape {
        whole: true,
        ..Shape::default()
    };
    match name {
        "plain" => Shape::default(),
        "whole" => whole,
        "uncached" => Shape {
            remembered: Some(0),
            ..whole
        },
        "remembering" => Shape {
            remembered: Some(20_000),
            ..whole
        },
        // Another one each time.
        "thousand" => Shape {
            further: 950 + turn,
            ..whole
        },
        other => panic!("{other} is no policy of this bench"),
    }
}
