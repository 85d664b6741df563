use super::*;

fn policy() -> Policy {
    Policy {
        format: FORMAT,
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
    let newer = br#"{"format": 2, "shape": ["nobody", "knows"]}"#;
    assert!(matches!(
        Policy::from_bytes(newer),
        Err(FormatError::TooNew { found: 2 })
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
