use std::sync::Arc;

use super::*;

fn key() -> ServiceKey {
    ServiceKey {
        namespace: "shop".into(),
        name: "bookstore".into(),
    }
}

fn source(inline: &str) -> Source {
    let spec = serde_json::json!({ "openapi": { "inline": inline } });
    Source {
        spec: Arc::new(serde_json::from_value(spec).unwrap()),
        texts: ConfigMapTexts::default(),
    }
}

fn pack(json: &[u8]) -> (String, String) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(json).unwrap();
    (STANDARD.encode(encoder.finish().unwrap()), hex(json))
}

#[test]
fn what_is_kept_is_read_again_as_it_was() {
    let mut with_texts = source("swagger");
    let reference = serde_json::from_str(r#"{"name": "docs", "key": "a.yaml"}"#).unwrap();
    with_texts.texts = [(reference, Arc::from("text"))].into_iter().collect();
    let kept = Kept::new(&key(), "u-1", 4, &with_texts);
    let stored = Stored::decode(kept.encoded().unwrap(), &kept.digest, &key()).unwrap();
    assert_eq!((&*stored.uid, stored.generation), ("u-1", 4));
    assert_eq!(Source::from(stored), with_texts);
}

#[test]
fn another_life_and_another_generation_have_another_digest() {
    let digest = |uid, generation| Kept::new(&key(), uid, generation, &source("a")).digest;
    assert_eq!(digest("u", 1), digest("u", 1));
    assert_ne!(digest("u", 1), digest("v", 1));
    assert_ne!(digest("u", 1), digest("u", 2));
}

#[test]
fn what_somebody_else_wrote_is_refused_for_what_it_is() {
    let kept = Kept::new(&key(), "u", 1, &source("a"));
    let good = kept.encoded().unwrap();
    let other = ServiceKey {
        name: "other".into(),
        ..key()
    };
    let (garbage, of_garbage) = pack(b"{}");
    let (bomb, of_bomb) = pack(&vec![b' '; MAX_SOURCE + 1]);
    let plain = STANDARD.encode("{}");
    let long = "A".repeat(MAX_ENCODED + 1);
    for (encoded, digest, key, why) in [
        (good, &*kept.digest, other, "another EndpointsService's"),
        (good, "0", key(), "digest"),
        (&garbage, &of_garbage, key(), "does not parse"),
        (&bomb, &of_bomb, key(), "unpacks to more"),
        (&plain, "", key(), "not gzip"),
        ("!", "", key(), "not base64"),
        (&long, "", key(), "more than 1048576 bytes"),
        ("", "", key(), "not gzip"),
    ] {
        let error = Stored::decode(encoded, digest, &key).unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn source_that_does_not_fit_is_told_and_not_written() {
    // Hardly any of it can be compressed.
    let mut seed = 1_u64;
    let noise: String = (0..1_100_000)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b' ' + u8::try_from(seed >> 57).unwrap() % 94)
        })
        .collect();
    let kept = Kept::new(&key(), "u", 1, &source(&noise));
    assert_eq!(kept.encoded(), None);
    let warning = kept.warning().unwrap();
    assert!(warning.message.contains("1 MiB"), "{}", warning.message);
    assert!(plan(Some(&Arc::new(kept)), [], true).is_empty());
    let small = Kept::new(&key(), "u", 1, &source("a"));
    assert_eq!(small.warning(), None);
}

#[test]
fn only_what_says_whose_it_is_is_ours() {
    let annotations = [(SERVICE, "bookstore"), (SERVICE_UID, "u"), (DIGEST, "d")];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let meta = |name: &str, count: usize| ObjectMeta {
        name: Some(name.into()),
        uid: Some("r".into()),
        annotations: Some(annotations.into_iter().take(count).map(owned).collect()),
        ..ObjectMeta::default()
    };
    let facts = RevisionFacts::read(&meta("bookstore-abc-12", 3)).unwrap();
    assert_eq!((facts.number, &*facts.service), (12, "bookstore"));
    for meta in [
        meta("bookstore-abc-12", 2),
        meta("bookstore-abc", 3),
        meta("x", 0),
    ] {
        assert_eq!(RevisionFacts::read(&meta), None);
    }
}
