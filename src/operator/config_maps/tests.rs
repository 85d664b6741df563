use super::*;

fn added(name: &str) -> ConfigMapChanges {
    ConfigMapChanges {
        added: [("shop".to_owned(), name.to_owned())].into(),
        ..ConfigMapChanges::default()
    }
}

#[tokio::test]
async fn without_the_right_to_read_them_each_says_what_to_do() {
    let metrics = Metrics::new(prometheus_client::registry::Registry::default());
    let mut watches = ConfigMapWatches::new(None, metrics);
    watches.change(added("docs"));
    let seen = watches.next().await.unwrap();
    let ConfigMapState::Unreadable(why) = seen.state else {
        panic!("{seen:?}")
    };
    assert!(why.contains("configMaps.read"), "{why}");
    assert_eq!((&*seen.namespace, &*seen.name), ("shop", "docs"));
    assert_eq!(watches.len(), 0);
}

#[test]
fn text_and_the_names_of_what_is_no_text_are_kept() {
    let config_map = serde_json::from_value(serde_json::json!({
        "metadata": { "resourceVersion": "7" },
        "data": { "a": "text" }, "binaryData": { "b": "AAAA" }
    }));
    let facts = facts(config_map.unwrap());
    assert_eq!(facts.resource_version, "7");
    assert_eq!(facts.data.get("a").map(|text| &**text), Some("text"));
    assert!(facts.binary.contains("b"));
}
