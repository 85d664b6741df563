//! ConfigMaps that specs name.

use super::*;
use crate::api::endpoints_service::{ConfigMapKeyReference, ConfigMapVersion};
use crate::operator::index::{ConfigMapFacts, ConfigMapState, MAX_CONFIG_MAPS};

fn referring(generation: i64, name: &str) -> ServiceObject {
    let mut object = mk_object(generation, "");
    object.spec.as_mut().unwrap().openapi = OpenApiSource {
        config_map_key_ref: Some(ConfigMapKeyReference {
            name: name.into(),
            key: "api.yaml".into(),
        }),
        ..OpenApiSource::default()
    };
    object
}

fn holding(version: &str, text: &str) -> ConfigMapState {
    ConfigMapState::Present(ConfigMapFacts {
        resource_version: version.into(),
        data: [("api.yaml".to_owned(), text.into())].into(),
        binary: BTreeSet::new(),
    })
}

fn refs(index: &Index) -> (String, String) {
    let status = status_of(index);
    let found = find(&status, RESOLVED_REFS);
    (found.reason.clone(), found.message.clone())
}

#[test]
fn nothing_is_said_and_nothing_is_settled_before_the_config_map_is_known() {
    let mut index = index();
    index.apply_entry(&key(), referring(1, "docs"));
    let changes = index.take_changes();
    let docs = ("shop".to_owned(), "docs".to_owned());
    assert_eq!(changes.config_maps.added, [docs.clone()].into());
    assert!(!index.is_settled());
    assert_eq!(index.status(&key(), now(0)), None);

    index.apply_config_map("docs", holding("7", "v1"));
    assert!(index.is_settled());
    let hash = published(&mut index);
    let status = status_of(&index);
    assert_eq!(condition(&status, ACCEPTED), ("True", "Valid", 1));
    let policy = status.policy.unwrap();
    assert_eq!(policy.hash, hash);
    let version = ConfigMapVersion {
        name: "docs".into(),
        resource_version: "7".into(),
    };
    assert_eq!(policy.config_maps, [version]);

    index.apply_entry(&key(), mk_object(2, "v1"));
    assert_eq!(index.take_changes().config_maps.removed, [docs].into());
    assert_eq!(status_of(&index).policy.unwrap().config_maps, []);
}

#[test]
fn edit_of_a_config_map_is_compiled_and_programmed_only_when_sidecars_have_it() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), referring(1, "docs"));
    index.apply_config_map("docs", holding("7", "v1"));
    let hash = published(&mut index);
    index.report(
        &mk_report("a", "1", Event::Applied { hash }),
        Instant::now(),
    );
    assert_eq!(
        condition(&status_of(&index), PROGRAMMED),
        ("True", "AllCurrent", 1)
    );

    index.apply_config_map("docs", holding("8", "v2"));
    let status = status_of(&index);
    assert_eq!(condition(&status, PROGRAMMED), ("False", "Pending", 1));
    let hash = published(&mut index);
    assert_eq!(status.policy.unwrap().hash, hash);
    index.report(
        &mk_report("a", "1", Event::Applied { hash }),
        Instant::now(),
    );
    assert_eq!(
        condition(&status_of(&index), PROGRAMMED),
        ("True", "AllCurrent", 1)
    );
}

#[test]
fn another_key_of_the_config_map_is_a_version_and_no_compilation() {
    let mut index = index();
    index.apply_entry(&key(), referring(1, "docs"));
    index.apply_config_map("docs", holding("7", "v1"));
    index.take_changes();
    let compiled = index.compiled;
    let ConfigMapState::Present(mut facts) = holding("8", "v1") else {
        panic!("present")
    };
    facts.data.insert("other".into(), "x".into());
    index.apply_config_map("docs", ConfigMapState::Present(facts));
    assert_eq!(index.compiled, compiled);
    assert!(index.take_changes().publish.is_empty());
    let policy = status_of(&index).policy.unwrap();
    assert_eq!(policy.config_maps[0].resource_version, "8");
}

#[test]
fn config_map_of_no_use_is_named_and_the_last_good_policy_stays() {
    let mut index = index();
    index.apply_pod(mk_pod("a", "1"));
    index.apply_entry(&key(), referring(1, "docs"));
    index.apply_config_map("docs", holding("7", "v1"));
    let hash = published(&mut index);
    let facts = |change: &dyn Fn(&mut ConfigMapFacts)| {
        let ConfigMapState::Present(mut facts) = holding("8", "v1") else {
            panic!("present")
        };
        change(&mut facts);
        ConfigMapState::Present(facts)
    };
    let large = "x".repeat((1 << 20) + 1);
    for (state, reason, words) in [
        (
            ConfigMapState::Absent,
            "ConfigMapNotFound",
            "no ConfigMap `docs` in this namespace",
        ),
        (
            facts(&|facts| {
                facts.data = [("other.yaml".to_owned(), "x".into())].into();
            }),
            "ConfigMapNotFound",
            "ConfigMap `docs` has no key `api.yaml`; it has `other.yaml`",
        ),
        (
            facts(&|facts| {
                facts.data.clear();
                facts.binary.insert("api.yaml".into());
            }),
            "InvalidConfigMap",
            "`binaryData`",
        ),
        (holding("8", " \n"), "InvalidConfigMap", "is empty"),
        (holding("8", &large), "InvalidConfigMap", "1 MiB"),
        (
            ConfigMapState::Unreadable("set configMaps.read".into()),
            "ConfigMapsNotRead",
            "set configMaps.read",
        ),
    ] {
        index.apply_config_map("docs", state);
        let (found, message) = refs(&index);
        assert_eq!(found, reason);
        assert!(message.contains(words), "{message}");
        assert!(
            message.contains("last good policy stays in force"),
            "{message}"
        );
        let status = status_of(&index);
        assert_eq!(condition(&status, ACCEPTED), ("Unknown", "Unresolved", 1));
        assert_eq!(condition(&status, PROGRAMMED), ("False", "NotAccepted", 1));
        assert_eq!(condition(&status, ENFORCED), ("True", "Enforcing", 1));
        assert_eq!(status.policy.unwrap().hash, hash);
        assert!(index.take_changes().remove.is_empty());
        index.apply_config_map("docs", holding("9", "v1"));
        assert_eq!(
            condition(&status_of(&index), ACCEPTED),
            ("True", "Valid", 1)
        );
    }
}

#[test]
fn outcome_of_an_earlier_text_counts_no_more() {
    let mut index = index();
    index.apply_entry(&key(), referring(1, "docs"));
    index.apply_config_map("docs", holding("7", "v1"));
    index.take_changes();
    let cache = Cache::default();
    index
        .index
        .apply_config_map("shop", "docs", holding("8", "v2"));
    let late = index.take_jobs().remove(0).run(fake_compile, &cache);
    index
        .index
        .apply_config_map("shop", "docs", holding("9", "v3"));
    let newest = index.take_jobs().remove(0).run(fake_compile, &cache);
    let hash = newest.good.as_ref().unwrap().policy.hash.clone();
    index.compiled(newest);
    index.compiled(late);
    assert_eq!(index.take_changes().publish.len(), 1);
    assert_eq!(status_of(&index).policy.unwrap().hash, hash);
    // One that is gone meanwhile is not replaced by what is under way.
    index
        .index
        .apply_config_map("shop", "docs", holding("10", "v4"));
    let late = index.take_jobs().remove(0).run(fake_compile, &cache);
    index.apply_config_map("docs", ConfigMapState::Absent);
    index.compiled(late);
    assert_eq!(refs(&index).0, "ConfigMapNotFound");
    assert_eq!(status_of(&index).policy.unwrap().hash, hash);
}

#[test]
fn namespace_over_its_quota_of_config_maps_takes_nothing_from_what_works() {
    let mut index = index();
    let service = |number: usize| ServiceKey {
        name: format!("s{number:03}"),
        ..key()
    };
    for number in 0..MAX_CONFIG_MAPS {
        let name = format!("z{number}");
        index.apply_entry(&service(number), referring(1, &name));
        index.apply_config_map(&name, holding("7", "v1"));
    }
    index.apply_entry(&key(), referring(1, "a"));
    assert_eq!(refs(&index).0, "TooManyConfigMaps");
    assert_eq!(
        index.take_changes().config_maps.added.len(),
        MAX_CONFIG_MAPS
    );
    index.delete_entry(&service(3));
    let changes = index.take_changes();
    assert_eq!(
        changes.config_maps.added,
        [("shop".to_owned(), "a".to_owned())].into()
    );
    index.apply_config_map("a", holding("7", "v1"));
    assert_eq!(
        condition(&status_of(&index), ACCEPTED),
        ("True", "Valid", 1)
    );
}
