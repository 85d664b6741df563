use super::*;
use crate::policy::key_set::tokens::{Signer, key_set};

fn source(name: &str) -> KeySource {
    KeySource::Url(format!("https://{name}.example/jwks"))
}

fn keys(fetched_at: u64) -> Keys {
    let text = key_set(&[&Signer::new("ES256", "a")]);
    Keys {
        set: Arc::new(KeySet::parse(text.as_bytes()).unwrap()),
        fetched_at,
    }
}

#[test]
fn keys_are_usable_for_a_day() {
    let slot = KeySlot::new(source("a"));
    assert!(slot.usable(0, 24 * 3600).is_none());
    slot.replace(keys(1_000));
    assert!(slot.usable(1_000, 24 * 3600).is_some());
    assert!(slot.usable(1_000 + 24 * 3600, 24 * 3600).is_some());
    assert!(slot.usable(1_000 + 24 * 3600 + 1, 24 * 3600).is_none());
    // A clock that runs behind the fetcher's.
    assert!(slot.usable(900, 24 * 3600).is_some());
}

#[test]
fn one_source_has_one_slot_while_it_is_used() {
    let store = KeyStore::default();
    let slot = store.slot(&source("a"));
    assert!(Arc::ptr_eq(&slot, &store.slot(&source("a"))));
    assert!(!Arc::ptr_eq(&slot, &store.slot(&source("b"))));
    slot.replace(keys(1));
    assert_eq!(store.sources(), [source("a")]);
    drop(slot);
    assert!(store.sources().is_empty());
    assert!(store.slot(&source("a")).usable(1, 24 * 3600).is_none());
}

#[tokio::test]
async fn without_a_refresher_demand_is_answered_at_once() {
    let slot = KeyStore::default().slot(&source("a"));
    let asked = tokio::time::Instant::now();
    assert!(!slot.refresh_on_demand().await);
    assert!(asked.elapsed() < std::time::Duration::from_millis(500));
}

#[test]
fn keys_that_the_source_holds_are_there_and_never_too_old() {
    let text = key_set(&[&Signer::new("ES256", "a")]);
    let source = KeySource::Inline(text);
    let store = KeyStore::default();
    let slot = store.slot(&source);
    assert!(slot.usable(0, 1).is_some());
    assert!(slot.usable(u64::MAX, 1).is_some());
    assert!(store.sources().is_empty(), "nobody fetches them");
}
