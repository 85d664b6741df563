//! Text, YAML or JSON, to a tree with places.

use endpoints::openapi::source::{self, Kind, MAX_DEPTH, MAX_NODES, Node};
use serde_json::Value;

use super::findings;

/// The tree is bounded, and agrees with another reader of JSON wherever both can read.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let parsed = source::parse(text);
    match &parsed {
        Ok(root) => {
            let mut nodes = 0;
            check(root, 0, &mut nodes);
            if let Ok(value) = serde_json::from_str::<Value>(text) {
                assert!(agree(root, &value), "{root:?} is not {value}");
                if let Ok(structure) = source::from_value(&value) {
                    assert!(agree(&structure, &value));
                }
            }
        }
        Err(finding) => {
            assert!(finding.is_error());
            findings::check(std::slice::from_ref(finding), true);
        }
    }
    if let Ok(positions) = source::positions(text) {
        for document in 0..positions.documents() {
            positions.locate(document, "/paths/~1a/get");
            if let (Some(inner), Some(block)) = (
                positions.string(document, "/spec/openapi/inline"),
                positions.block(document, "/spec/openapi/inline"),
            ) && let Err(finding) = source::parse(inner)
                && let Some(position) = finding.place.position
            {
                block.outer(position);
            }
        }
    }
}

fn check(node: &Node, depth: usize, nodes: &mut usize) {
    *nodes += 1;
    assert!(depth < MAX_DEPTH && *nodes <= MAX_NODES);
    assert!(node.position.is_some_and(|at| at.line > 0 && at.column > 0));
    match &node.kind {
        Kind::Sequence(items) => items.iter().for_each(|item| check(item, depth + 1, nodes)),
        Kind::Mapping(entries) => entries.iter().enumerate().for_each(|(index, entry)| {
            let again = entries[..index.min(50)].iter().any(|e| e.key == entry.key);
            assert!(!again, "{:?} twice", entry.key);
            check(&entry.value, depth + 1, nodes);
        }),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::String(_) | Kind::Tagged(_) => {}
    }
}

fn agree(node: &Node, value: &Value) -> bool {
    match (&node.kind, value) {
        (Kind::Null, Value::Null) => true,
        (Kind::Bool(ours), Value::Bool(theirs)) => ours == theirs,
        (Kind::Number(ours), Value::Number(theirs)) => {
            let ours = ours.parse::<f64>().ok();
            ours.zip(theirs.as_f64())
                .is_some_and(|(ours, theirs)| is_near(ours, theirs))
        }
        (Kind::String(ours), Value::String(theirs)) => ours.value == *theirs,
        (Kind::Sequence(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| agree(a, b))
        }
        (Kind::Mapping(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|entry| {
                    theirs
                        .get(&entry.key)
                        .is_some_and(|v| agree(&entry.value, v))
                })
        }
        _ => false,
    }
}

/// The other reader is quick with many digits, and wrong in the last bit now and then.
fn is_near(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= 2.0 * f64::EPSILON * ours.abs()
}
