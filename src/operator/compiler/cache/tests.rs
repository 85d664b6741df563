use super::*;
use crate::policy::{ConfigMapTexts, compile_with};

fn source(host: &str) -> Source {
    let document = format!("swagger: '2.0'\n{host}paths: {{/a: {{get: {{}}}}}}\n");
    let spec = serde_json::json!({ "openapi": { "inline": document } });
    Source {
        spec: Arc::new(serde_json::from_value(spec).unwrap()),
        texts: ConfigMapTexts::default(),
    }
}

fn of(name: &str) -> ServiceIdentity {
    ServiceIdentity {
        name: name.into(),
        namespace: "shop".into(),
    }
}

#[test]
fn the_same_document_of_two_tenants_is_compiled_once() {
    let cache = Cache::default();
    let first = cache.compile(&source("host: books.example\n"), &of("a"), compile_with);
    let second = cache.compile(&source("host: books.example\n"), &of("b"), compile_with);
    assert!(Arc::ptr_eq(&first.unwrap(), &second.unwrap()));
}

/// A name that follows from the resource's own is never another's: audiences are made from it.
#[test]
fn a_policy_that_is_named_after_its_resource_is_no_others() {
    let cache = Cache::default();
    let first = cache.compile(&source(""), &of("a"), compile_with).unwrap();
    let second = cache.compile(&source(""), &of("b"), compile_with).unwrap();
    assert_eq!(first.policy.service, "a.shop.svc");
    assert_eq!(second.policy.service, "b.shop.svc");
    let again = cache.compile(&source(""), &of("a"), compile_with).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    // Nor where another one writes that name into its document.
    let spoofed = cache
        .compile(&source("host: b.shop.svc\n"), &of("b"), compile_with)
        .unwrap();
    let other = cache
        .compile(&source("host: b.shop.svc\n"), &of("a"), compile_with)
        .unwrap();
    assert_eq!(spoofed.policy.service, other.policy.service);
}

#[test]
fn what_is_remembered_is_bounded() {
    let cache = Cache::default();
    for number in 0..2 * MAX_ENTRIES {
        let source = source(&format!("host: h{number}.example\n"));
        cache.compile(&source, &of("a"), compile_with).unwrap();
    }
    assert_eq!(cache.0.lock().unwrap().len(), MAX_ENTRIES);
    let large = format!("host: large.example\n# {}\n", "x".repeat(1 << 19));
    for number in 0..20 {
        let source = source(&format!("# {number}\n{large}"));
        cache.compile(&source, &of("a"), compile_with).unwrap();
    }
    let known = cache.0.lock().unwrap();
    assert!(known.iter().map(|known| known.bytes).sum::<usize>() <= MAX_BYTES);
}
