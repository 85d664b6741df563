use super::*;

fn policy() -> Policy {
    Policy {
        format: 1,
        service: String::from("s"),
        operations: vec![Operation {
            method: String::from("GET"),
            path: String::from("/a"),
            name: String::from("a"),
            security: vec![Alternative::of("p")],
            backend: None,
            cors: None,
        }],
        providers: BTreeMap::from([(
            String::from("p"),
            Provider {
                issuer: String::from("i"),
                keys: KeySource::Url(String::from("https://i/k")),
                audiences: Some(BTreeSet::from([String::from("s")])),
                locations: Vec::new(),
            },
        )]),
        cors: CorsMode::Off,
        required_claims: BTreeSet::from([RegisteredClaim::Exp]),
        backend: None,
        healthz: None,
        backends: Vec::new(),
        cors_rules: Vec::new(),
        settings: Settings::default(),
    }
}

/// The bytes are what sidecars acknowledge and what later versions must still read: a change here
/// is a new format.
#[test]
fn the_bytes_are_stable() {
    let bytes = policy().canonical_bytes();
    assert_eq!(
        String::from_utf8(bytes.clone()).unwrap(),
        r#"{"format":1,"service":"s","operations":[{"method":"GET","path":"/a","name":"a","security":["p"]}],"providers":{"p":{"issuer":"i","keys":{"url":"https://i/k"},"audiences":["s"]}},"cors":"off","requiredClaims":["exp"]}"#
    );
    assert_eq!(Policy::from_bytes(&bytes).unwrap(), policy());
    assert_eq!(policy().hash(), hash(&bytes));
}

/// Everything that only format 2 can say.
fn newer() -> Policy {
    let mut policy = policy();
    policy.format = 2;
    policy.operations[0].security = vec![
        Alternative(vec![
            Requirement {
                provider: String::from("p"),
                scopes: BTreeSet::from([String::from("w"), String::from("r")]),
                audiences: Some(BTreeSet::from([String::from("z")])),
            },
            Requirement {
                provider: String::from("q"),
                scopes: BTreeSet::new(),
                audiences: None,
            },
        ]),
        Alternative(Vec::new()),
    ];
    policy.operations[0].backend = Some(0);
    policy.operations[0].cors = Some(0);
    policy.backends = vec![BackendRule {
        address: Some(String::from("https://b:443")),
        http2: true,
        path: Some(PathRule::Append(String::from("/v"))),
        deadline_ms: Some(1500),
    }];
    policy.cors_rules = vec![CorsMode::Off];
    policy.providers.insert(
        String::from("q"),
        Provider {
            issuer: String::from("j"),
            keys: KeySource::Discovery {
                url: String::from("https://j/d"),
                issuer: String::from("j"),
            },
            audiences: None,
            locations: vec![
                TokenLocation::Header {
                    name: String::from("x-token"),
                    value_prefix: String::from("T "),
                },
                TokenLocation::Query(String::from("t")),
            ],
        },
    );
    policy
}

#[test]
fn the_bytes_of_newer_forms_are_stable() {
    let bytes = newer().canonical_bytes();
    assert_eq!(
        String::from_utf8(bytes.clone()).unwrap(),
        concat!(
            r#"{"format":2,"service":"s","operations":[{"method":"GET","path":"/a","name":"a","security":["#,
            r#"[{"provider":"p","scopes":["r","w"],"audiences":["z"]},{"provider":"q"}],[]],"backend":0,"cors":0}],"#,
            r#""providers":{"p":{"issuer":"i","keys":{"url":"https://i/k"},"audiences":["s"]},"#,
            r#""q":{"issuer":"j","keys":{"discovery":{"url":"https://j/d","issuer":"j"}},"#,
            r#""locations":[{"header":{"name":"x-token","valuePrefix":"T "}},{"query":"t"}]}},"#,
            r#""cors":"off","requiredClaims":["exp"],"#,
            r#""backends":[{"address":"https://b:443","http2":true,"path":{"append":"/v"},"deadlineMs":1500}],"#,
            r#""corsRules":["off"]}"#,
        )
    );
    assert_eq!(Policy::from_bytes(&bytes).unwrap(), newer());
}

/// A sidecar of format 1 must never be given less than it is told, nor be refused what it can run.
#[test]
fn each_newer_form_alone_needs_the_newer_format() {
    assert_eq!(policy().needed_format(), 1);
    let with = |change: fn(&mut Policy)| {
        let mut changed = policy();
        change(&mut changed);
        changed.needed_format()
    };
    let forms: [fn(&mut Policy); 10] = [
        |policy| policy.operations[0].security = newer().operations[0].security[..1].to_vec(),
        |policy| policy.operations[0].security = vec![Alternative(Vec::new())],
        |policy| policy.operations[0].security[0].0[0].scopes = BTreeSet::from([String::new()]),
        |policy| policy.operations[0].security[0].0[0].audiences = Some(BTreeSet::new()),
        |policy| policy.operations[0].backend = Some(0),
        |policy| policy.operations[0].cors = Some(0),
        |policy| policy.backends = newer().backends,
        |policy| policy.cors_rules = newer().cors_rules,
        |policy| policy.providers = newer().providers,
        |policy| policy.operations[0].path = String::from("/a/{b}.{c}"),
    ];
    for (index, form) in forms.into_iter().enumerate() {
        assert_eq!(with(form), 2, "{index}");
    }
    assert_eq!(
        with(|policy| policy.operations[0].path = String::from("/a/{b}:c")),
        1
    );
    assert_eq!(with(|policy| policy.operations.clear()), 1);
}

#[test]
fn the_hash_is_hexadecimal_sha_256() {
    // FIPS 180-4, the empty message.
    assert_eq!(
        hash(b""),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn a_newer_format_is_told_from_garbage() {
    let newer = format!(
        r#"{{"format": {}, "shape": ["nobody", "knows"]}}"#,
        FORMAT + 1
    );
    assert!(matches!(
        Policy::from_bytes(newer.as_bytes()),
        Err(FormatError::TooNew { found }) if found == FORMAT + 1
    ));
    for garbage in [
        &b""[..],
        b"{}",
        b"null",
        b"{\"format\": 1}",
        b"\xff",
        b"{\"format\": -1}",
    ] {
        assert!(matches!(
            Policy::from_bytes(garbage),
            Err(FormatError::Malformed(_))
        ));
    }
}

#[test]
fn an_unknown_field_of_this_format_is_refused() {
    let mut value = serde_json::to_value(policy()).unwrap();
    value["surprise"] = serde_json::json!(1);
    assert!(Policy::from_bytes(&serde_json::to_vec(&value).unwrap()).is_err());
}

#[test]
fn size_and_depth_are_bounded() {
    let large = vec![b' '; MAX_POLICY_BYTES + 1];
    assert!(matches!(
        Policy::from_bytes(&large),
        Err(FormatError::TooLarge(_))
    ));
    let deep = format!("{{\"format\": 1, \"x\": {}", "[".repeat(1_000_000));
    assert!(Policy::from_bytes(deep.as_bytes()).is_err());
}
