use proptest::prelude::*;

use super::*;

fn policy(origins: OriginRule) -> CorsPolicy {
    CorsPolicy {
        origins,
        allow_methods: "GET, POST".to_owned(),
        allow_headers: "Authorization,X-Api-Key".to_owned(),
        expose_headers: "Content-Length,Content-Range".to_owned(),
        allow_credentials: false,
        max_age_seconds: 1_728_000,
    }
}

fn decider(origins: OriginRule, allow_credentials: bool) -> CorsDecider {
    let policy = CorsPolicy {
        allow_credentials,
        ..policy(origins)
    };
    CorsDecider::new(&CorsMode::Owned(policy)).expect("a good policy")
}

fn exact(origins: &[&str]) -> OriginRule {
    OriginRule::Exact(origins.iter().map(|&origin| origin.to_owned()).collect())
}

fn regex(pattern: &str) -> OriginRule {
    OriginRule::Regex(pattern.to_owned())
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn preflight_of(origin: &str) -> HeaderMap {
    headers(&[("origin", origin), ("access-control-request-method", "PUT")])
}

/// Fields as sorted text, to compare whole answers.
fn text(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

/// The headers of the answer to a preflight, if it is answered; those of `before` stand there already.
fn answered(decider: &CorsDecider, request: &HeaderMap, before: HeaderMap) -> Option<HeaderMap> {
    let Preflight::Answer(allow_origin) = decider.preflight(request, false) else {
        return None;
    };
    let mut answer = before;
    let plan = ResponseHeaders::AnsweredPreflight { allow_origin };
    decider.decorate(&plan, &mut answer, true);
    Some(answer)
}

/// `Access-Control-Allow-Origin` of the response to a request of `origin`.
fn allowed(decider: &CorsDecider, origin: &str) -> Option<String> {
    let mut response = HeaderMap::new();
    let (plan, _) = decider.response(&headers(&[("origin", origin)]));
    decider.decorate(&plan, &mut response, false);
    let preflight = answered(decider, &preflight_of(origin), HeaderMap::new())
        .and_then(|answer| answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned());
    let actual = response.get(ACCESS_CONTROL_ALLOW_ORIGIN).cloned();
    assert!(
        actual == preflight || actual == Some(ANY),
        "a preflight and its request agree: {origin}"
    );
    preflight.map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn a_matched_preflight_is_answered_as_espv2_but_may_be_cached() {
    let decider = decider(exact(&["https://shop.example"]), true);
    let preflight = preflight_of("https://shop.example");
    let again = decider.preflight(&preflight, true);
    assert_eq!(again, decider.preflight(&preflight, false));
    // Whatever else sets headers on answers: these are what the rule says.
    let others = headers(&[
        ("access-control-allow-origin", "*"),
        ("access-control-allow-private-network", "true"),
        ("access-control-max-age", "1"),
    ]);
    for before in [HeaderMap::new(), others] {
        let answer = answered(&decider, &preflight, before).expect("answered");
        assert_eq!(
            text(&answer),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-headers: Authorization,X-Api-Key",
                "access-control-allow-methods: GET, POST",
                "access-control-allow-origin: https://shop.example",
                "access-control-expose-headers: Content-Length,Content-Range",
                "access-control-max-age: 1728000",
                "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            ]
        );
    }
}

#[test]
fn any_origin_without_credentials_is_a_literal_star_without_vary() {
    let decider = decider(OriginRule::Any, false);
    let answer = answered(&decider, &preflight_of("null"), HeaderMap::new()).expect("answered");
    assert_eq!(
        text(&answer),
        [
            "access-control-allow-headers: Authorization,X-Api-Key",
            "access-control-allow-methods: GET, POST",
            "access-control-allow-origin: *",
            "access-control-expose-headers: Content-Length,Content-Range",
            "access-control-max-age: 1728000",
        ]
    );
    // Also where nobody asked: a cache does not know the difference.
    for request in [headers(&[]), headers(&[("origin", "https://a.example")])] {
        let mut response = HeaderMap::new();
        decider.decorate(&decider.response(&request).0, &mut response, false);
        assert_eq!(
            text(&response),
            [
                "access-control-allow-origin: *",
                "access-control-expose-headers: Content-Length,Content-Range",
            ]
        );
    }
}

#[test]
fn origins_are_compared_by_the_rule() {
    let any = decider(OriginRule::Any, true);
    assert_eq!(
        allowed(&any, "https://a.example").as_deref(),
        Some("https://a.example")
    );
    assert_eq!(allowed(&any, "null"), None);
    assert_eq!(allowed(&any, "NULL"), None);
    assert_eq!(allowed(&any, "*"), None);

    let listed = decider(
        exact(&["https://a.example", "http://b.example:8080"]),
        false,
    );
    for origin in ["https://a.example", "http://b.example:8080"] {
        assert_eq!(allowed(&listed, origin).as_deref(), Some(origin));
    }
    for origin in [
        "http://a.example",
        "HTTPS://a.example",
        "https://A.example",
        "https://a.example.evil",
        "https://evil-a.example",
        "https://a.example/",
        "https://a.example:8443",
        "http://b.example",
        "null",
        "*",
        "https://a.example, https://a.example",
    ] {
        assert_eq!(allowed(&listed, origin), None, "{origin}");
    }

    let null = decider(exact(&["null"]), false);
    assert_eq!(allowed(&null, "null").as_deref(), Some("null"));

    let pattern = decider(regex(r"https://[a-z]+\.example|.*null|\*"), false);
    assert_eq!(
        allowed(&pattern, "https://a.example").as_deref(),
        Some("https://a.example")
    );
    let endless = format!("https://{}.example", "a".repeat(600));
    for origin in [
        "null",
        "*",
        &*endless,
        "https://a.example.evil",
        "https://evil.com/https://a.example",
        "https://A.example",
    ] {
        assert_eq!(allowed(&pattern, origin), None, "{origin}");
    }
}

#[test]
fn an_unmatched_preflight_says_what_failed_and_never_reaches_a_backend() {
    let decider = decider(exact(&["https://a.example"]), false);
    let method = ("access-control-request-method", "GET");
    let good = ("origin", "https://a.example");
    let bad = ("origin", "https://b.example");
    for (request, verdict, words, declared) in [
        (
            vec![bad, method],
            CorsVerdict::PreflightOriginUnmatched,
            "The Origin does not match.",
            true,
        ),
        (
            vec![good, good, method],
            CorsVerdict::PreflightOriginRepeated,
            "There are several Origin headers.",
            true,
        ),
        (
            vec![method],
            CorsVerdict::PreflightOriginMissing,
            "Origin is missing.",
            false,
        ),
        (
            vec![("origin", ""), method],
            CorsVerdict::PreflightOriginMissing,
            "Origin is missing.",
            false,
        ),
        (
            vec![good],
            CorsVerdict::PreflightMethodMissing,
            "Access-Control-Request-Method is missing.",
            false,
        ),
        (
            vec![good, ("access-control-request-method", "")],
            CorsVerdict::PreflightMethodMissing,
            "Access-Control-Request-Method is missing.",
            false,
        ),
        (
            vec![],
            CorsVerdict::PreflightOriginAndMethodMissing,
            "Origin and Access-Control-Request-Method are missing.",
            false,
        ),
    ] {
        let request = headers(&request);
        assert_eq!(
            verdict.refusal(),
            format!(
                "The CORS preflight request is missing one (or more) of the following required \
                 headers [Origin, Access-Control-Request-Method] or has an unmatched Origin header. \
                 {words}"
            )
        );
        let refused = Preflight::Refuse(verdict);
        assert_eq!(decider.preflight(&request, false), refused);
        let expected = if declared { refused } else { Preflight::No };
        assert_eq!(decider.preflight(&request, true), expected, "{words}");
    }
}

#[test]
fn a_request_that_is_no_preflight_has_a_verdict_too() {
    let listed = decider(exact(&["https://a.example"]), false);
    let any = decider(OriginRule::Any, false);
    let good = ("origin", "https://a.example");
    for (request, by_list, by_star) in [
        (
            vec![good],
            CorsVerdict::OriginMatched,
            CorsVerdict::OriginMatched,
        ),
        (
            vec![("origin", "https://b.example")],
            CorsVerdict::OriginUnmatched,
            CorsVerdict::OriginMatched,
        ),
        (
            vec![good, good],
            CorsVerdict::OriginUnmatched,
            CorsVerdict::OriginUnmatched,
        ),
        (
            vec![("origin", "")],
            CorsVerdict::OriginAbsent,
            CorsVerdict::OriginAbsent,
        ),
        (vec![], CorsVerdict::OriginAbsent, CorsVerdict::OriginAbsent),
    ] {
        let request = headers(&request);
        assert_eq!(listed.response(&request).1, by_list, "{request:?}");
        assert_eq!(any.response(&request).1, by_star, "{request:?}");
    }
}

#[test]
fn the_backends_own_cors_headers_never_pass_and_its_vary_does() {
    let decider = decider(exact(&["https://a.example"]), true);
    let from_backend = headers(&[
        ("access-control-allow-origin", "*"),
        ("access-control-allow-origin", "https://evil.example"),
        ("access-control-allow-private-network", "true"),
        ("access-control-max-age", "1"),
        ("vary", "Accept"),
        ("etag", "x"),
    ]);
    let decorated = |request: &[(&'static str, &str)]| {
        let mut response = from_backend.clone();
        decider.decorate(&decider.response(&headers(request)).0, &mut response, false);
        text(&response)
    };
    assert_eq!(
        decorated(&[("origin", "https://a.example")]),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://a.example",
            "access-control-expose-headers: Content-Length,Content-Range",
            "etag: x",
            "vary: Accept",
            "vary: Origin",
        ]
    );
    for request in [&[][..], &[("origin", "https://evil.example")]] {
        assert_eq!(
            decorated(request),
            ["etag: x", "vary: Accept", "vary: Origin"]
        );
    }
}

#[test]
fn vary_is_not_said_twice() {
    let decider = decider(exact(&["https://a.example"]), false);
    for vary in ["Origin", "accept, ORIGIN", "*"] {
        let mut response = headers(&[("vary", vary)]);
        decider.decorate(&decider.response(&HeaderMap::new()).0, &mut response, false);
        assert_eq!(text(&response), [format!("vary: {vary}")]);
    }
    let mut refused = HeaderMap::new();
    decider.decorate(&ResponseHeaders::RefusedPreflight, &mut refused, true);
    assert_eq!(
        text(&refused),
        ["vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"]
    );
    let before = headers(&[("vary", "Accept-Language")]);
    let answer = answered(&decider, &preflight_of("https://a.example"), before).expect("answered");
    assert_eq!(answer.get_all(VARY).iter().count(), 2);
}

#[test]
fn empty_lists_are_not_sent() {
    let bare = CorsPolicy {
        allow_methods: String::new(),
        allow_headers: String::new(),
        expose_headers: String::new(),
        ..policy(OriginRule::Any)
    };
    let decider = CorsDecider::new(&CorsMode::Owned(bare)).expect("a good policy");
    let preflight = preflight_of("https://a.example");
    let answer = answered(&decider, &preflight, HeaderMap::new()).expect("answered");
    assert_eq!(
        text(&answer),
        [
            "access-control-allow-origin: *",
            "access-control-max-age: 1728000"
        ]
    );
}

#[test]
fn passing_through_touches_only_our_own_answers() {
    let decider = CorsDecider::new(&CorsMode::PassThrough).expect("no policy");
    assert!(decider.passes_through() && !decider.owns());
    assert_eq!(
        decider.preflight(&preflight_of("https://a.example"), false),
        Preflight::No
    );
    let (plan, _) = decider.response(&HeaderMap::new());

    let mut backends = headers(&[("access-control-allow-origin", "https://b.example")]);
    let before = backends.clone();
    decider.decorate(&plan, &mut backends, false);
    assert_eq!(backends, before);

    let mut ours = HeaderMap::new();
    decider.decorate(&plan, &mut ours, true);
    assert_eq!(text(&ours), ["access-control-allow-origin: *"]);
}

#[test]
fn off_touches_nothing() {
    let decider = CorsDecider::new(&CorsMode::Off).expect("no policy");
    assert!(!decider.passes_through() && !decider.owns());
    assert_eq!(
        decider.preflight(&preflight_of("https://a.example"), false),
        Preflight::No
    );
    let mut response = headers(&[("access-control-allow-origin", "*")]);
    let before = response.clone();
    decider.decorate(&decider.response(&HeaderMap::new()).0, &mut response, true);
    assert_eq!(response, before);
}

#[test]
fn what_cannot_be_sent_or_compiled_is_an_error() {
    for bad in [
        CorsPolicy {
            allow_headers: "a\r\nb".to_owned(),
            ..policy(OriginRule::Any)
        },
        policy(regex("(")),
        policy(regex("a)|(?:b")),
        policy(regex("(?:a{1000}){1000}")),
    ] {
        assert!(
            CorsDecider::new(&CorsMode::Owned(bad.clone())).is_err(),
            "{bad:?}"
        );
    }
}

proptest! {
    /// Whatever a backend sends and a client claims: who is allowed is what the rule says.
    #[test]
    fn only_the_rule_allows(
        origin in "(https?://)?[a-cA-C.:*]{0,6}|null|\\*",
        backends in prop::collection::vec("[a-z*:/.]{0,8}", 0..3),
        credentials: bool,
    ) {
        let decider = decider(exact(&["https://a.b", "http://b"]), credentials);
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, HeaderValue::from_str(&origin).unwrap());
        let mut response = HeaderMap::new();
        for value in backends {
            response.append(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_str(&value).unwrap());
            response.append(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        decider.decorate(&decider.response(&request).0, &mut response, false);
        let listed = ["https://a.b", "http://b"].contains(&origin.as_str());
        let allowed: Vec<_> = response.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect();
        prop_assert_eq!(allowed, if listed { vec![&*origin] } else { vec![] });
        prop_assert_eq!(
            response.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS),
            listed && credentials
        );
        prop_assert_eq!(&response[VARY], "Origin");
    }
}
