use super::*;

fn run(inline: &str, cache: &Cache) -> Outcome {
    let spec = serde_json::json!({ "openapi": { "inline": inline } });
    let source = Source {
        spec: Arc::new(serde_json::from_value(spec).unwrap()),
        texts: ConfigMapTexts::default(),
    };
    let job = Job {
        key: ServiceKey {
            namespace: "shop".into(),
            name: "bookstore".into(),
        },
        ticket: 1,
        input: Input::Newest {
            uid: "u".into(),
            generation: 2,
            source,
        },
    };
    job.run(policy::compile_with, cache)
}

#[test]
fn operations_with_an_optional_token_are_not_protected() {
    let document = r#"
swagger: "2.0"
host: books.example
securityDefinitions:
  who: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://i.example", x-google-jwks_uri: "https://i.example/k"}
paths:
  /open: {get: {responses: {}}}
  /optional: {get: {security: [{who: []}, {}], responses: {}}}
  /protected: {get: {security: [{who: []}], responses: {}}}
"#;
    let outcome = run(document, &Cache::default());
    let policy = outcome.good.expect("it compiles").policy;
    assert_eq!((policy.operations, policy.protected), (3, 1));
}

#[test]
fn findings_come_back_as_a_verdict() {
    let outcome = run("[]", &Cache::default());
    assert!(matches!(outcome.verdict, Verdict::Broken(_)));
    assert!(outcome.good.is_none());
    assert_eq!(
        (outcome.ticket, outcome.generation, &*outcome.uid),
        (1, 2, "u")
    );
}
