//! The operator of the real sidecar. It reads what to publish from its input, one word a line, and
//! prints `applied` when the sidecar says so.

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
    let mut number = 0;
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return };
                number += 1;
                operator.publish(&shop::policy(shape(&line, number)));
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
pub fn shape(name: &str, number: usize) -> Shape {
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
            further: 950 + number % 2,
            ..whole
        },
        other => panic!("{other} is no policy of this bench"),
    }
}
