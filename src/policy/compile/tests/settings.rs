//! `routing`, `mode` and `headers`.

use super::*;
use crate::policy::format::{
    EscapedSlashes, ForwardedMode, HeaderEdits, HeaderSettings, RoutingSettings, Settings,
};

#[test]
fn what_says_the_default_leaves_the_policy_as_it_is() {
    let plain = compiled(json!({})).policy;
    for fields in [
        json!({"routing": {}, "headers": {}, "mode": "Enforce"}),
        json!({"routing": {
            "normalizePath": true, "mergeSlashes": true, "escapedSlashes": "Keep",
            "colonInWildcard": true, "underscoresInHeaders": false, "methodOverride": true,
        }}),
        json!({"headers": {
            "request": {}, "response": {"set": {}, "append": {}}, "operationName": false,
            "generatedPrefix": "X-Endpoint-", "forwarded": {"mode": "Append", "trustedHops": 0},
        }}),
    ] {
        assert_eq!(compiled(fields).policy.hash(), plain.hash());
    }
    assert_eq!(plain.settings, Settings::default());
}

#[test]
fn each_switch_of_routing_arrives() {
    let routing = |fields: Value| {
        let policy = compiled(json!({"routing": fields})).policy;
        assert_eq!(policy.format, 3);
        policy.settings.routing
    };
    let default = RoutingSettings::default;
    assert_eq!(
        routing(json!({"normalizePath": false})),
        RoutingSettings {
            paths_as_they_came: true,
            ..default()
        }
    );
    assert_eq!(
        routing(json!({"mergeSlashes": false})),
        RoutingSettings {
            empty_segments: true,
            ..default()
        }
    );
    assert_eq!(
        routing(json!({"escapedSlashes": "Reject"})),
        RoutingSettings {
            escaped_slashes: EscapedSlashes::Reject,
            ..default()
        }
    );
    assert_eq!(
        routing(json!({"escapedSlashes": "Redirect"})),
        RoutingSettings {
            escaped_slashes: EscapedSlashes::Redirect,
            ..default()
        }
    );
    assert_eq!(
        routing(json!({"colonInWildcard": false})),
        RoutingSettings {
            no_colon_in_wildcard: true,
            ..default()
        }
    );
    assert_eq!(
        routing(json!({"underscoresInHeaders": true})),
        RoutingSettings {
            underscores_in_headers: true,
            ..default()
        }
    );
    assert_eq!(
        routing(json!({"methodOverride": false})),
        RoutingSettings {
            no_method_override: true,
            ..default()
        }
    );
}

#[test]
fn an_audit_is_told_as_long_as_it_lasts() {
    let compiled = compiled(json!({"mode": "Audit"}));
    assert!(compiled.policy.settings.routing.audit);
    let codes: Vec<_> = compiled
        .warnings
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, ["audit-mode"]);
    assert_eq!(compiled.warnings[0].place.pointer, "/spec/mode");
}

#[test]
fn headers_arrive_in_lower_case_and_as_they_are_written() {
    let settings = compiled(json!({"headers": {
        "request": {"set": {"X-Env": "prod"}, "append": {"X-Way": "%PROTOCOL% 100%%"}},
        "response": {"set": {"Strict-Transport-Security": "max-age=31536000; includeSubdomains"}},
        "operationName": true,
        "generatedPrefix": "X-Bookstore-",
        "forwarded": {"mode": "Set", "trustedHops": 2},
    }}))
    .policy
    .settings
    .headers;
    let list = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    assert_eq!(
        settings,
        HeaderSettings {
            request: HeaderEdits {
                set: list("x-env", "prod"),
                append: list("x-way", "%PROTOCOL% 100%%"),
            },
            response: HeaderEdits {
                set: list(
                    "strict-transport-security",
                    "max-age=31536000; includeSubdomains"
                ),
                ..HeaderEdits::default()
            },
            operation_name: true,
            generated_prefix: Some("x-bookstore-".to_owned()),
            forwarded: ForwardedMode::Set,
            trusted_hops: 2,
        }
    );
}

#[test]
fn headers_that_are_not_theirs_to_set_are_refused() {
    for (name, why, help) in [
        ("Content-Length", "framed", "another name"),
        ("transfer-encoding", "framed", "another name"),
        ("Trailer", "framed", "another name"),
        ("Expect", "framed", "another name"),
        ("transfer_encoding", "framed", "another name"),
        ("Connection", "ends at each hop", "another name"),
        ("TE", "ends at each hop", "another name"),
        ("Upgrade", "ends at each hop", "another name"),
        ("Proxy-Authorization", "ends at each hop", "another name"),
        ("Host", "sets it itself", "backend.address"),
        (":path", "request line", "another name"),
        (
            "X-Endpoint-API-UserInfo",
            "makes such headers",
            "operationName",
        ),
        ("x_endpoint_anything", "makes such headers", "operationName"),
        (
            "X-Forwarded-Authorization",
            "makes such headers",
            "operationName",
        ),
        (
            "X-HTTP-Method-Override",
            "makes such headers",
            "operationName",
        ),
        ("X-Forwarded-For", "headers.forwarded", "headers.forwarded"),
        ("Forwarded", "headers.forwarded", "headers.forwarded"),
        ("X Env", "not the name of a header", "letters"),
        ("", "not the name of a header", "letters"),
        ("X-\u{e9}", "not the name of a header", "letters"),
        ("X-A\r\nX-B", "not the name of a header", "letters"),
    ] {
        for side in ["request", "response"] {
            for action in ["set", "append"] {
                let fields = json!({"headers": {side: {action: {name: "x"}}}});
                assert_refused(
                    fields,
                    &format!("/spec/headers/{side}/{action}/{name}"),
                    why,
                    help,
                );
            }
        }
    }
    let both = json!({"headers": {
        "generatedPrefix": "X-Books-",
        "request": {"set": {"X-Books-Shelf": "1"}},
    }});
    assert_refused(
        both,
        "/spec/headers/request/set/X-Books-Shelf",
        "makes such headers",
        "",
    );
    let cors =
        json!({"headers": {"response": {"set": {"Access-Control-Max-Age": "1"}}}, "cors": {}});
    assert_refused(
        cors,
        "/spec/headers/response/set/Access-Control-Max-Age",
        "owns CORS",
        "`cors`",
    );
    // Without `cors` nobody else says them.
    compiled(json!({"headers": {"response": {"set": {"Access-Control-Max-Age": "1"}}}}));
    compiled(json!({"headers": {"request": {"set": {"X-Forwarded-Proto": "https"}}}}));
}

#[test]
fn values_that_cannot_be_sent_are_refused_with_the_variables_there_are() {
    let place = "/spec/headers/request/set/X-A";
    for (value, why, help) in [
        ("%HOSTNAME%", "not a variable", "%REQ(name)%"),
        ("50%", "not closed", "%%"),
        ("%RESP(x)%", "only of answers", "%REQ(name)%"),
        ("", "empty", "write a value"),
        ("a\r\nX-B: c", "a character", "printable ASCII"),
        ("\u{e9}", "a character", "printable ASCII"),
        (&*"x".repeat(4097), "more than 4096 bytes", "shorter"),
        (
            &*"%PROTOCOL%".repeat(20),
            "more than 16 variables",
            "%REQ(name)%",
        ),
    ] {
        let fields = json!({"headers": {"request": {"set": {"X-A": value}}}});
        assert_refused(fields, place, why, help);
    }
    compiled(json!({"headers": {"response": {"set": {"X-A": "%RESP(x)% %RESPONSE_CODE%"}}}}));
}

#[test]
fn bounds_on_headers_hold() {
    let many: serde_json::Map<_, _> = (0..33).map(|n| (format!("X-{n}"), json!("1"))).collect();
    assert_refused(
        json!({"headers": {"request": {"append": many}}}),
        "/spec/headers/request/append",
        "more than 32",
        "fewer",
    );
    let long = "x".repeat(129);
    assert_refused(
        json!({"headers": {"request": {"set": {long.clone(): "1"}}}}),
        &format!("/spec/headers/request/set/{long}"),
        "more than 128 bytes",
        "shorter",
    );
    assert_refused(
        json!({"headers": {"request": {"set": {"X-A": "1", "x-a": "2"}}}}),
        "/spec/headers/request/set/x-a",
        "twice",
        "case",
    );
    assert_refused(
        json!({"headers": {"forwarded": {"trustedHops": 17}}}),
        "/spec/headers/forwarded/trustedHops",
        "17",
        "0 to 16",
    );
}

#[test]
fn a_prefix_takes_nothing_that_clients_send() {
    let place = "/spec/headers/generatedPrefix";
    for (prefix, why) in [
        ("X-", "not made of words"),
        ("X-Books", "not made of words"),
        ("X--Books-", "not made of words"),
        ("X_Books-", "not made of words"),
        ("-", "not made of words"),
        ("", "not made of words"),
        ("X-Forwarded-", "would be taken from every client"),
        ("Content-", "would be taken from every client"),
        ("sec-", "would be taken from every client"),
        ("X-Goog-", "would be taken from every client"),
    ] {
        assert_refused(
            json!({"headers": {"generatedPrefix": prefix}}),
            place,
            why,
            "X-Bookstore-",
        );
    }
    let long = format!("X-{}-", "a".repeat(64));
    assert_refused(
        json!({"headers": {"generatedPrefix": long}}),
        place,
        "64 bytes",
        "",
    );
}
