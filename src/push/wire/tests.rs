use proptest::prelude::*;

use super::*;

fn hello() -> Hello {
    Hello {
        pod: PodRef {
            namespace: "shop".into(),
            name: "web-0".into(),
            uid: "u1".into(),
        },
        service: "bookstore".into(),
        version: "0.1.0".into(),
        format: 1,
        protocol: PROTOCOL,
        hash: None,
    }
}

#[test]
fn messages_are_readable_json_with_their_type() {
    let frame = encode(&ToOperator::Hello(hello())).unwrap();
    assert_eq!(
        &frame[4..],
        br#"{"type":"hello","pod":{"namespace":"shop","name":"web-0","uid":"u1"},"service":"bookstore","version":"0.1.0","format":1,"protocol":2}"#
    );
    assert_eq!(
        frame[..4],
        u32::try_from(frame.len() - 4).unwrap().to_be_bytes()
    );
    let keys = ToSidecar::Keys(Keys {
        source: KeySource::Url("https://issuer.example/jwks".into()),
        version: "v".into(),
        fetched_at: 7,
        set: "{}".into(),
    });
    assert_eq!(
        &encode(&keys).unwrap()[4..],
        br#"{"type":"keys","source":{"url":"https://issuer.example/jwks"},"version":"v","fetchedAt":7,"set":"{}"}"#
    );
}

#[test]
fn a_field_of_a_newer_side_is_passed_over_and_an_unknown_type_is_an_error() {
    let read = |json: &str| {
        let mut decoder = Decoder::new(MAX_FRAME);
        decoder.push(&u32::try_from(json.len()).unwrap().to_be_bytes());
        decoder.push(json.as_bytes());
        decoder.message::<ToSidecar>()
    };
    let unchanged = read(r#"{"type":"unchanged","hash":"h","newer":1}"#).unwrap();
    assert_eq!(unchanged, Some(ToSidecar::Unchanged { hash: "h".into() }));
    let error = read(r#"{"type":"secret-word"}"#).unwrap_err().to_string();
    assert!(
        error.starts_with("a frame that is not a message"),
        "{error}"
    );
    assert!(!error.contains("secret-word"), "quotes the peer: {error}");
}

#[test]
fn a_side_that_says_no_protocol_speaks_the_first() {
    let json = r#"{"type":"hello","pod":{"namespace":"n","name":"p","uid":"u"},"service":"s","version":"0.1.0","format":1}"#;
    let Ok(ToOperator::Hello(hello)) = serde_json::from_str(json) else {
        panic!("not a hello");
    };
    assert_eq!(hello.protocol, 1);
}

#[test]
fn what_came_with_the_second_protocol_is_readable_json_too() {
    let json = |message: &ToSidecar| serde_json::to_string(message).unwrap();
    let bundle = "PEM".into();
    assert_eq!(
        json(&ToSidecar::Trust { bundle }),
        r#"{"type":"trust","bundle":"PEM"}"#
    );
    let reason = Some("why".into());
    assert_eq!(
        json(&ToSidecar::Withhold { reason }),
        r#"{"type":"withhold","reason":"why"}"#
    );
    assert_eq!(
        json(&ToSidecar::Withhold { reason: None }),
        r#"{"type":"withhold"}"#
    );
    let source = KeySource::Url("https://issuer.example/jwks".into());
    let id = source_id(&source);
    assert_eq!(
        serde_json::to_string(&ToOperator::KeysWanted { source: id.clone() }).unwrap(),
        format!(r#"{{"type":"keysWanted","source":"{id}"}}"#)
    );
    assert!(id.len() <= 80 && id != source_id(&KeySource::Url("https://other.example".into())));
}

#[test]
fn a_length_over_the_limit_is_refused_before_the_frame_is_read() {
    let mut decoder = Decoder::new(10);
    decoder.push(&11_u32.to_be_bytes());
    let error = decoder.message::<ToOperator>().unwrap_err();
    assert!(
        matches!(
            error,
            WireError::TooLong {
                length: 11,
                limit: 10
            }
        ),
        "{error}"
    );
}

#[test]
fn a_message_over_the_limit_is_not_encoded() {
    let reason = "x".repeat(MAX_FRAME);
    let error = encode(&ToOperator::Rejected {
        hash: String::new(),
        reason,
    })
    .unwrap_err();
    assert!(matches!(error, WireError::TooLong { .. }), "{error}");
}

#[test]
fn a_stream_must_not_end_inside_a_frame() {
    let mut decoder = Decoder::new(100);
    assert!(decoder.finish().is_ok());
    decoder.push(&[0, 0]);
    assert!(matches!(decoder.finish(), Err(WireError::Truncated)));
}

#[test]
fn a_bomb_is_refused_after_the_bound() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1024 * 1024];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = STANDARD.encode(encoder.finish().unwrap());
    assert!(bomb.len() < 128 * 1024, "a bomb is small: {}", bomb.len());
    assert!(matches!(unpack(&bomb), Err(WireError::TooLarge)));
}

#[test]
fn what_the_other_side_would_not_unpack_is_not_packed() {
    assert!(matches!(
        pack(&vec![0; MAX_POLICY_BYTES + 1]),
        Err(WireError::TooLarge)
    ));
    assert_eq!(
        unpack(&pack(&vec![0; MAX_POLICY_BYTES]).unwrap())
            .unwrap()
            .len(),
        MAX_POLICY_BYTES
    );
}

#[test]
fn a_body_cut_short_is_refused() {
    let whole = pack(b"some policy, long enough to be cut").unwrap();
    let cut = STANDARD.encode(&STANDARD.decode(whole).unwrap()[..20]);
    assert!(matches!(unpack(&cut), Err(WireError::NotPacked)));
}

#[test]
fn a_reason_is_one_line_of_bounded_length() {
    assert_eq!(reason("a\nb\u{1b}[31m"), "a b [31m");
    let long = "ä".repeat(MAX_REASON);
    assert!(reason(&long).len() <= MAX_REASON && reason(&long).len() > MAX_REASON - 2);
}

fn to_operator() -> impl Strategy<Value = ToOperator> {
    prop_oneof![
        (".*", ".*", any::<u32>(), proptest::option::of(".*")).prop_map(
            |(service, version, format, hash)| {
                ToOperator::Hello(Hello {
                    service,
                    version,
                    format,
                    hash,
                    ..hello()
                })
            }
        ),
        ".*".prop_map(|hash| ToOperator::Applied { hash }),
        (".*", ".*").prop_map(|(hash, reason)| ToOperator::Rejected { hash, reason }),
        ".*".prop_map(|source| ToOperator::KeysWanted { source }),
    ]
}

proptest! {
    #[test]
    fn messages_survive_whatever_the_chunks(
        messages in prop::collection::vec(to_operator(), 0..6),
        cut in 1_usize..40,
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap()).collect();
        let mut decoder = Decoder::new(MAX_FRAME);
        let mut read = Vec::new();
        for chunk in stream.chunks(cut) {
            decoder.push(chunk);
            while let Some(message) = decoder.message::<ToOperator>().unwrap() {
                read.push(message);
            }
        }
        prop_assert_eq!(read, messages);
        prop_assert!(decoder.finish().is_ok());
    }

    #[test]
    fn garbage_is_an_error_or_too_little_and_never_more(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..32),
    ) {
        let mut decoder = Decoder::new(256);
        'stream: for chunk in &chunks {
            decoder.push(chunk);
            loop {
                match decoder.message::<ToSidecar>() {
                    Ok(Some(message)) => prop_assert!(false, "garbage became {:?}", message),
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
            // Never more than one frame and one chunk is held.
            prop_assert!(decoder.buffer.len() <= 4 + 256 + 64);
        }
    }

    #[test]
    fn garbage_in_a_well_formed_frame_is_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::new(256);
        decoder.push(&u32::try_from(body.len()).unwrap().to_be_bytes());
        decoder.push(&body);
        prop_assert!(decoder.message::<ToOperator>().is_err());
    }

    #[test]
    fn bodies_survive(canonical in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(unpack(&pack(&canonical).unwrap()).unwrap(), canonical);
    }

    #[test]
    fn unpacking_garbage_never_panics(body in ".*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = unpack(&body);
        prop_assert!(unpack(&STANDARD.encode(&bytes)).is_err());
    }
}
