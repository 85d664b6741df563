//! What is set, appended and told, and how values are made.

use http::{Method, Version};

use super::*;
use crate::policy::format::HeaderEdits;

fn list(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn edits(set: &[(&str, &str)], append: &[(&str, &str)]) -> HeaderEdits {
    HeaderEdits {
        set: list(set),
        append: list(append),
    }
}

fn facts(headers: &HeaderMap) -> Facts<'_> {
    Facts {
        method: &Method::GET,
        path: "/shelves/1",
        headers,
        protocol: Version::HTTP_11,
        peer: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
        operation: Some("first"),
    }
}

/// What a backend gets of these headers.
fn requested(settings: HeaderSettings, fields: &[(&str, &str)]) -> HeaderMap {
    let plan = plan(settings);
    let mut headers = headers(fields);
    if let Some(edits) = plan.request(Some(0), &facts(&headers)) {
        edits.apply(&mut headers);
    }
    headers
}

#[test]
fn set_replaces_and_append_adds() {
    let settings = HeaderSettings {
        request: edits(
            &[("x-env", "prod")],
            &[("x-env", "more"), ("x-way", "proxy")],
        ),
        ..HeaderSettings::default()
    };
    let found = requested(
        settings,
        &[("x-env", "a"), ("x-env", "b"), ("x-way", "client")],
    );
    assert_eq!(
        found,
        headers(&[
            ("x-env", "prod"),
            ("x-env", "more"),
            ("x-way", "client"),
            ("x-way", "proxy"),
        ])
    );
}

#[test]
fn variables_say_what_came() {
    for (value, expected) in [
        ("%REQ(X-Id)%", "7"),
        ("<%REQ(x-id)%>", "<7>"),
        (
            "%REQ(:method)% %REQ(:path)% %REQ(:authority)%",
            "GET /shelves/1 a.example",
        ),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "1.2.3.4"),
        (
            "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
            "10.0.0.7",
        ),
        ("%PROTOCOL% %OPERATION%", "HTTP/1.1 first"),
        ("100%%", "100%"),
        ("  a  b  ", "a  b"),
        ("%REQ(x-none)% b", "b"),
    ] {
        let settings = HeaderSettings {
            request: edits(&[("x-out", value)], &[]),
            trusted_hops: 1,
            ..HeaderSettings::default()
        };
        let came = [
            ("x-id", "7"),
            ("host", "a.example"),
            ("x-forwarded-for", "9.9.9.9, 1.2.3.4"),
        ];
        assert_eq!(requested(settings, &came)["x-out"], expected, "{value}");
    }
}

#[test]
fn what_is_no_value_is_left_out_and_what_came_goes() {
    let long = "x".repeat(10_000);
    for (value, came) in [
        ("%REQ(x-none)%", ""),
        ("%REQ(x-long)%%REQ(x-long)%", &*long),
    ] {
        let settings = HeaderSettings {
            request: edits(&[("x-out", value)], &[("x-more", value)]),
            ..HeaderSettings::default()
        };
        let found = requested(
            settings,
            &[("x-out", "forged"), ("x-more", "kept"), ("x-long", came)],
        );
        assert!(!found.contains_key("x-out"), "{value}");
        assert_eq!(found["x-more"], "kept");
    }
}

#[test]
fn an_answer_gets_its_headers_whoever_made_it() {
    let plan = plan(HeaderSettings {
        response: edits(
            &[
                ("strict-transport-security", "max-age=31536000"),
                ("x-id", "%REQ(x-id)%"),
            ],
            &[("x-what", "%RESPONSE_CODE% %RESP(server)% %REQ(x-other)%")],
        ),
        ..HeaderSettings::default()
    });
    assert!(plan.captures());
    let request = headers(&[("x-id", "7"), ("x-other", "8")]);
    let captured = plan.capture(&facts(&request));
    let mut answer = headers(&[("server", "app"), ("x-id", "theirs")]);
    plan.respond(&captured, 404, &mut answer);
    assert_eq!(
        answer,
        headers(&[
            ("server", "app"),
            ("strict-transport-security", "max-age=31536000"),
            ("x-id", "7"),
            ("x-what", "404 app 8"),
        ])
    );
    // A request that nobody could read: nothing is known of it.
    let mut answer = HeaderMap::new();
    plan.respond(&Captured::default(), 400, &mut answer);
    assert_eq!(
        answer,
        headers(&[
            ("strict-transport-security", "max-age=31536000"),
            ("x-what", "400")
        ])
    );
}

#[test]
fn a_plan_that_asks_for_nothing_does_nothing() {
    let plan = plan(HeaderSettings::default());
    let request = headers(&[("a", "b")]);
    assert!(plan.request(Some(0), &facts(&request)).is_none());
    assert!(!plan.captures());
    let mut answer = request.clone();
    plan.respond(&Captured::default(), 200, &mut answer);
    assert_eq!(answer, request);
}

#[test]
fn the_operation_is_told_by_the_proxy_alone() {
    let settings = HeaderSettings {
        operation_name: true,
        ..HeaderSettings::default()
    };
    let mut came = headers(&[("x-endpoint-api-operation-name", "forged")]);
    let plan = plan(settings);
    sanitise(&mut came, &plan);
    let told = plan
        .request(Some(1), &facts(&came))
        .expect("something to tell");
    told.apply(&mut came);
    assert_eq!(
        came,
        headers(&[("x-endpoint-api-operation-name", "second")])
    );
    // What no operation defines has no name.
    assert!(plan.request(None, &facts(&came)).is_none());
}

#[test]
fn another_prefix_renames_what_is_generated_and_both_are_stripped() {
    let settings = HeaderSettings {
        operation_name: true,
        generated_prefix: Some("x-books-".to_owned()),
        ..HeaderSettings::default()
    };
    let plan = plan(settings);
    assert_eq!(plan.user_info, "x-books-api-userinfo");
    let mut came = headers(&[
        ("x-endpoint-api-userinfo", "forged"),
        ("X-Books-API-UserInfo", "forged"),
        ("x_books_anything", "forged"),
        ("x-bookshelf", "kept"),
    ]);
    let mut trailers = came.clone();
    sanitise(&mut came, &plan);
    plan.sanitise_trailers(&mut trailers);
    assert_eq!(came, headers(&[("x-bookshelf", "kept")]));
    assert_eq!(trailers, came);
    plan.request(Some(0), &facts(&HeaderMap::new()))
        .expect("a name")
        .apply(&mut came);
    assert_eq!(came["x-books-api-operation-name"], "first");
}

#[test]
fn the_client_is_the_one_behind_the_proxies_that_are_trusted() {
    let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
    let way: &[(&str, &str)] = &[
        ("x-forwarded-for", "1.1.1.1, 2.2.2.2:80"),
        ("x-forwarded-for", "[2001:db8::1]:443,::ffff:4.4.4.4"),
    ];
    for (fields, hops, expected) in [
        (way, 0, "10.0.0.7"),
        (way, 1, "4.4.4.4"),
        (way, 2, "2001:db8::1"),
        (way, 3, "2.2.2.2"),
        (way, 4, "1.1.1.1"),
        (way, 5, "10.0.0.7"),
        (way, 16, "10.0.0.7"),
        (&[], 1, "10.0.0.7"),
        (&[("x-forwarded-for", "unknown")], 1, "10.0.0.7"),
        (&[("x-forwarded-for", "[::1]")], 1, "::1"),
        (&[("x-forwarded-for", "1.1.1.1,")], 1, "10.0.0.7"),
    ] {
        let found = client_address(&headers(fields), peer, hops);
        assert_eq!(found.to_string(), expected, "{fields:?} {hops}");
    }
}

#[test]
fn what_clients_say_of_their_way_is_dropped_or_left_alone_where_that_is_asked_for() {
    let host = HeaderValue::from_static("api.example");
    let came = headers(&[
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "front"),
    ]);
    let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
    let mut set = came.clone();
    forwarded(ForwardedMode::Set, &mut set, peer, &host);
    assert_eq!(
        set,
        headers(&[
            ("x-forwarded-for", "10.0.0.7"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "api.example"),
        ])
    );
    let mut off = came.clone();
    forwarded(ForwardedMode::Off, &mut off, peer, &host);
    assert_eq!(off, came);
}

#[test]
fn underscores_do_not_pass_for_what_the_proxy_answers_for() {
    let settings = HeaderSettings {
        request: edits(&[("x-env", "prod"), ("x-client-id", "%OPERATION%")], &[]),
        ..HeaderSettings::default()
    };
    let plan = plan_with(settings, &[HeaderName::from_static("x-session-token")]);
    let mut came = headers(&[
        ("x_forwarded_for", "1.1.1.1"),
        ("transfer_encoding", "chunked"),
        ("content_length", "7"),
        ("content_type", "text/html"),
        ("x_http_method_override", "DELETE"),
        ("X-HTTP_Method", "DELETE"),
        ("x_session_token", "never verified"),
        ("x_client-id", "forged"),
        ("x_goog_iap_jwt_assertion", "never verified"),
        ("x_mine", "kept"),
    ]);
    sanitise(&mut came, &plan);
    assert_eq!(came, headers(&[("x_mine", "kept")]));
}

#[test]
fn what_may_be_said_in_two_ways_is_said_in_one() {
    let mut came = headers(&[
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("content-length", "007"),
    ]);
    sanitise_request(&mut came);
    assert_eq!(
        came,
        headers(&[("cookie", "a=1; b=2"), ("content-length", "7")])
    );
    for (written, plain) in [("0", "0"), ("00", "0"), ("10", "10")] {
        let mut came = headers(&[("content-length", written)]);
        sanitise_request(&mut came);
        assert_eq!(came["content-length"], plain);
    }
}

#[test]
fn values_that_cannot_be_made_are_refused() {
    for (value, of_response, message) in [
        ("50%", false, "not closed"),
        ("%REQ(x", true, "not closed"),
        ("%HOSTNAME%", false, "not a variable"),
        ("%REQ(x?y)%", false, "not a variable"),
        ("%REQ(x):5%", false, "not a variable"),
        ("%REQ()%", false, "not a variable"),
        ("%req(x)%", false, "not a variable"),
        ("%RESP(x)%", false, "known only of answers"),
        ("%RESPONSE_CODE%", false, "known only of answers"),
        ("a\r\nb", false, "a character"),
        ("\u{e9}", false, "a character"),
        ("  ", false, "empty"),
        ("", true, "empty"),
        (&*"%PROTOCOL%".repeat(17), false, "more than 16 variables"),
        (&*"x%PROTOCOL%".repeat(17), false, "more than 16 variables"),
    ] {
        let error = ValueTemplate::parse(value, of_response).expect_err(value);
        assert!(error.to_string().contains(message), "{value}: {error}");
    }
}

#[test]
fn what_the_compiler_never_writes_is_no_plan() {
    for (settings, why) in [
        (edits(&[("X-Env", "a")], &[]), "lower case"),
        (edits(&[("host", "a")], &[]), "sets it itself"),
        (edits(&[], &[("x-endpoint-a", "a")]), "makes such headers"),
        (edits(&[], &[("x-a", "%B%")]), "not a variable"),
    ] {
        let settings = HeaderSettings {
            request: settings,
            ..HeaderSettings::default()
        };
        let error = try_plan(settings, &[]).expect_err(why);
        assert!(error.contains(why), "{error}");
    }
    for prefix in [
        "x-",
        "X-Books-",
        "x-books",
        "x-endpoint-",
        "x-forwarded-",
        "content-",
        "",
    ] {
        let settings = HeaderSettings {
            generated_prefix: Some(prefix.to_owned()),
            ..HeaderSettings::default()
        };
        assert!(try_plan(settings, &[]).is_err(), "{prefix}");
    }
}
