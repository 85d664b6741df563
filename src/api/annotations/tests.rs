use std::collections::BTreeMap;

use super::*;

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn read(pairs: &[(&str, &str)]) -> Result<Option<InjectionRequest>, AnnotationError> {
    InjectionRequest::read(&annotations(pairs))
}

#[test]
fn a_pod_without_our_annotations_asks_for_nothing() {
    assert_eq!(
        read(&[("example.com/service", "x"), ("endpoints.devious/x", "y")]),
        Ok(None)
    );
}

#[test]
fn ports_are_names_and_numbers_in_the_order_written() {
    let request = read(&[(SERVICE, "bookstore.v2"), (PORTS, "http, 8080,web")])
        .unwrap()
        .unwrap();
    assert_eq!(request.service, "bookstore.v2");
    assert_eq!(
        request.ports,
        [
            PortReference::Name("http".to_owned()),
            PortReference::Number(8080),
            PortReference::Name("web".to_owned())
        ]
    );
}

#[test]
fn a_service_alone_leaves_the_choice_of_ports_open() {
    assert_eq!(read(&[(SERVICE, "a")]).unwrap().unwrap().ports, []);
}

#[test]
fn an_unknown_key_is_refused_also_beside_a_good_service() {
    for key in [
        "endpoints.dev/servce",
        "endpoints.dev/captured",
        "endpoints.dev/",
    ] {
        let error = read(&[(SERVICE, "a"), (key, "x")]).unwrap_err();
        assert_eq!(
            error,
            AnnotationError::UnknownKey {
                key: key.to_owned()
            }
        );
    }
}

#[test]
fn ours_without_a_service_is_refused() {
    for key in [PORTS, STATUS] {
        let error = read(&[(key, "http")]).unwrap_err();
        assert_eq!(
            error,
            AnnotationError::WithoutService {
                key: key.to_owned()
            }
        );
    }
}

#[test]
fn a_service_must_be_a_resource_name() {
    for value in [
        "",
        "Bookstore",
        "a_b",
        "-a",
        "a-",
        "a..b",
        "shop/bookstore",
        &"a".repeat(254),
    ] {
        assert!(
            matches!(
                read(&[(SERVICE, value)]),
                Err(AnnotationError::Service { .. })
            ),
            "{value} was accepted"
        );
    }
}

#[test]
fn a_port_must_be_a_name_or_a_number() {
    let bad = [
        "",
        "http,",
        ",",
        "0",
        "65536",
        "+80",
        "-1",
        "Http",
        "a--b",
        "-a",
        "a-",
        "sixteen-letters-",
        "80 81",
    ];
    for value in bad {
        assert!(
            matches!(
                read(&[(SERVICE, "a"), (PORTS, value)]),
                Err(AnnotationError::Port { .. })
            ),
            "{value:?} was accepted"
        );
    }
}

#[test]
fn sixteen_ports_are_the_most() {
    let ports = |count: usize| vec!["http"; count].join(",");
    assert!(read(&[(SERVICE, "a"), (PORTS, &ports(16))]).is_ok());
    assert_eq!(
        read(&[(SERVICE, "a"), (PORTS, &ports(17))]),
        Err(AnnotationError::TooManyPorts { count: 17 })
    );
}

#[test]
fn a_long_value_is_quoted_in_part() {
    let message = read(&[(SERVICE, &"x/".repeat(100_000))])
        .unwrap_err()
        .to_string();
    assert!(message.len() < 400, "{} bytes", message.len());
}

#[test]
fn the_status_is_what_was_written_and_garbage_is_none() {
    let status = InjectionStatus {
        version: "0.1.0".to_owned(),
        ports: vec![TakenPort {
            name: Some("http".to_owned()),
            listen: 14080,
            app: 8080,
            renamed: Some("app-http".to_owned()),
        }],
        capture: CaptureMode::Named,
        pod_resources: None,
    };
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(
        text,
        r#"{"version":"0.1.0","capture":"named","ports":[{"name":"http","listen":14080,"app":8080,"renamed":"app-http"}]}"#
    );
    assert_eq!(
        InjectionStatus::read(&annotations(&[(STATUS, &text)])),
        Some(status)
    );
    for garbage in [
        "",
        "{}",
        "[]",
        r#"{"version":"1","ports":[{"listen":70000,"app":1}]}"#,
    ] {
        assert_eq!(
            InjectionStatus::read(&annotations(&[(STATUS, garbage)])),
            None
        );
    }
}

// === words and amounts ===

#[test]
fn words_are_read_and_others_are_refused_with_those_there_are() {
    let request = read(&[
        (SERVICE, "a"),
        (CAPTURE, "redirect"),
        (SIDECAR, "classic"),
        (SIDECAR_LOG_LEVEL, "debug"),
    ])
    .unwrap()
    .unwrap();
    assert_eq!(request.capture, CaptureMode::Redirect);
    assert_eq!(request.sidecar, SidecarKind::Classic);
    assert_eq!(request.log_level, Some(LogLevel::Debug));
    let silent = read(&[(SERVICE, "a")]).unwrap().unwrap();
    assert_eq!(silent.capture, CaptureMode::Named);
    assert_eq!(silent.sidecar, SidecarKind::Auto);
    assert_eq!(silent.log_level, None);
    assert_eq!(silent.resources, SidecarResources::default());

    for key in [CAPTURE, SIDECAR, SIDECAR_LOG_LEVEL] {
        for value in ["", "x", "Named", " info", "true"] {
            let error = read(&[(SERVICE, "a"), (key, value)]).unwrap_err();
            assert!(
                matches!(&error, AnnotationError::Value { key: told, .. } if *told == key),
                "{key}: {value:?} is {error}"
            );
        }
    }
    let message = read(&[(SERVICE, "a"), (CAPTURE, "iptables")]).unwrap_err();
    assert_eq!(
        message.to_string(),
        "annotation endpoints.dev/capture: \"iptables\" is none of named, redirect, none"
    );
}

#[test]
fn all_words_that_there_are_can_be_written() {
    for (key, names) in [
        (CAPTURE, CaptureMode::NAMES),
        (SIDECAR, SidecarKind::NAMES),
        (SIDECAR_LOG_LEVEL, LogLevel::NAMES),
    ] {
        for name in names {
            assert!(
                read(&[(SERVICE, "a"), (key, name)]).is_ok(),
                "{key}: {name}"
            );
        }
    }
}

#[test]
fn amounts_are_quantities_that_the_sidecar_can_work_with() {
    let request = read(&[
        (SERVICE, "a"),
        (SIDECAR_CPU_REQUEST, "50m"),
        (SIDECAR_CPU_LIMIT, "0.5"),
        (SIDECAR_MEMORY_REQUEST, "32Mi"),
        (SIDECAR_MEMORY_LIMIT, "64Mi"),
    ])
    .unwrap()
    .unwrap();
    assert_eq!(request.resources.cpu_limit.as_deref(), Some("0.5"));
    assert_eq!(request.resources.memory_request.as_deref(), Some("32Mi"));

    for (key, value, told) in [
        (
            SIDECAR_CPU_REQUEST,
            "much",
            "is not a quantity: write it as 100m",
        ),
        (SIDECAR_CPU_LIMIT, "-1", "is not a quantity"),
        (SIDECAR_CPU_LIMIT, "0", "is less than the sidecar needs, 1m"),
        (
            SIDECAR_MEMORY_LIMIT,
            "64MB",
            "is not a quantity: write it as 64Mi",
        ),
        // Four tenths of a byte: somebody meant 400M.
        (
            SIDECAR_MEMORY_LIMIT,
            "400m",
            "is less than the sidecar needs, 16Mi",
        ),
        (
            SIDECAR_MEMORY_REQUEST,
            "1Mi",
            "is less than the sidecar needs",
        ),
        (SIDECAR_MEMORY_REQUEST, "", "is not a quantity"),
    ] {
        let message = read(&[(SERVICE, "a"), (key, value)])
            .unwrap_err()
            .to_string();
        assert!(message.contains(key) && message.contains(told), "{message}");
    }
    let endless = "9".repeat(100_000);
    let message = read(&[(SERVICE, "a"), (SIDECAR_CPU_LIMIT, &endless)]).unwrap_err();
    assert!(message.to_string().len() < 400);
}

#[test]
fn a_request_over_its_limit_is_refused() {
    for (request_key, limit_key, request, limit) in [
        (SIDECAR_CPU_REQUEST, SIDECAR_CPU_LIMIT, "1", "999m"),
        (SIDECAR_MEMORY_REQUEST, SIDECAR_MEMORY_LIMIT, "1Gi", "1G"),
    ] {
        let error =
            read(&[(SERVICE, "a"), (request_key, request), (limit_key, limit)]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(request_key) && message.contains(limit_key),
            "{message}"
        );
    }
}
