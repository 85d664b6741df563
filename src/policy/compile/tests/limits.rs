//! What hostile documents cost: without these bounds the tests take minutes, or all of memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::described::*;
use super::*;
use crate::openapi::description::Operation;
use crate::policy::format::MAX_POLICY_BYTES;

/// Half a megabyte of `security`, shared by 20,000 operations, would be ten gigabytes of policy.
#[test]
fn a_security_that_all_operations_copy_is_refused_before_it_is_copied() {
    let long: Vec<_> = (0..64)
        .map(|number| {
            let scopes: Vec<_> = (0..16).map(|scope| format!("{scope:0>500}")).collect();
            format!("one:{number},{}", scopes.join(","))
        })
        .collect();
    let alternatives: Vec<[&str; 1]> = long.iter().map(|written| [written.as_str()]).collect();
    let alternatives: Vec<&[&str]> = alternatives.iter().map(|names| &names[..]).collect();
    let shared = described::security(&alternatives);
    let operations = (0..20_000)
        .map(|number| Operation {
            security: shared.clone(),
            ..operation("GET", &format!("/{number}"))
        })
        .collect();
    let finding = refusal(&description(operations, vec![scheme("one")]), json!({}));
    assert!(finding.message.contains("16 MiB"), "{finding}");
}

/// About the most operations that fit into a megabyte of text; all with one id, and with names that
/// only a number tells apart.
#[test]
fn a_document_of_nothing_but_operations_fits() {
    let shared = described::security(&[&["one"]]);
    let named = |path: String| Operation {
        security: shared.clone(),
        operation_id: Some(String::from("same")),
        ..operation("GET", &path)
    };
    let short = (0..40_000).map(|number| named(format!("/{number}")));
    let long = (0..2_000).map(|number| named(format!("/{}/{number}", "x".repeat(130))));
    let described = description(short.chain(long).collect(), vec![scheme("one")]);
    let spec = bookstore(json!({}));
    let compiled = described::compile_described(&described, &spec).unwrap();
    assert!(compiled.policy.canonical_bytes().len() < MAX_POLICY_BYTES);
    assert_eq!(compiled.warnings.len(), Findings::MAX);
    let operations = compiled.policy.operations.iter();
    let names: BTreeSet<_> = operations.map(|operation| &operation.name).collect();
    assert_eq!(names.len(), 42_000);
}

#[test]
fn findings_are_bounded_and_the_same_each_time() {
    let operations: Vec<_> = (0..10_000)
        .map(|number| {
            let mut security = described::security(&[&["nobody"]]);
            let written = &mut Arc::make_mut(&mut security).alternatives[0];
            written.requirements[0].place = place(&format!("/{number}"));
            Operation {
                security,
                ..operation("GET", &format!("/{number}"))
            }
        })
        .collect();
    let description = description(operations, Vec::new());
    let first = described::outcome(&description, json!({})).unwrap_err();
    assert_eq!(first.len(), Findings::MAX);
    assert!(first.last().unwrap().message.contains("9900 more"));
    assert_eq!(
        described::outcome(&description, json!({})).unwrap_err(),
        first
    );
}
