use super::*;

#[test]
fn a_source_is_called_by_what_the_user_wrote_without_secrets() {
    let url = "https://me:secret@keys.example/jwks?token=secret#x".to_owned();
    assert_eq!(name(&KeySource::Url(url)), "https://keys.example/jwks?…");
    let discovered = KeySource::Discovery {
        url: "https://issuer.example/.well-known/openid-configuration?key=secret".to_owned(),
        issuer: "https://me:secret@issuer.example".to_owned(),
    };
    let name = name(&discovered);
    assert_eq!(
        name,
        "https://issuer.example/ (discovered by \
         https://issuer.example/.well-known/openid-configuration?…)"
    );
}

#[test]
fn a_source_is_fetched_as_often_as_the_most_demanding_of_its_users_says() {
    let source = KeySource::Url("https://keys.example/".to_owned());
    let used = |seconds: u64, retries: u32| {
        let every = std::time::Duration::from_secs(seconds);
        BTreeMap::from([(source.clone(), Pace { every, retries })])
    };
    let mut sources = Sources::default();
    let mut pace = |namespace: &str, used: BTreeMap<KeySource, Pace>| {
        let mut changes = SourceChanges::default();
        sources.set_used(namespace, used, &mut changes);
        let pace = changes.paces.get(&source).copied();
        pace.map(|pace| (pace.every.as_secs(), pace.retries))
    };
    assert_eq!(pace("a", used(300, 0)), None, "the default");
    assert_eq!(pace("b", used(60, 0)), Some((60, 0)));
    assert_eq!(pace("c", used(600, 2)), Some((60, 2)));
    assert_eq!(pace("a", used(300, 0)), None, "no news");
    assert_eq!(pace("b", BTreeMap::new()), Some((300, 2)));
    assert_eq!(pace("a", BTreeMap::new()), Some((600, 2)));
    assert_eq!(pace("c", BTreeMap::new()), None, "nobody's any more");
}
