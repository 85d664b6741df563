mod cors;
mod routing;

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderName;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;
use crate::policy::Policy;
use crate::policy::cors::CorsVerdict;
use crate::policy::format::{CorsMode, CorsPolicy, FORMAT, Operation, OriginRule};

const ROUTES: [(&str, &str); 11] = [
    ("GET", "/shelves"),
    ("POST", "/shelves"),
    ("GET", "/shelves/{shelf}"),
    ("DELETE", "/shelves/{shelf}"),
    ("GET", "/shelves/@mine"),
    ("POST", "/shelves/{shelf}:merge"),
    ("GET", "/admin/users"),
    ("GET", "/files/**"),
    ("OPTIONS", "/declared"),
    ("GET", "/declared"),
    ("PURGE", "/cache"),
];

fn prepared(cors: CorsMode) -> Prepared {
    Prepared::new(policy(cors)).expect("a good policy")
}

fn policy(cors: CorsMode) -> Policy {
    let operations = ROUTES.map(|(method, path)| Operation {
        method: method.to_owned(),
        path: path.to_owned(),
        name: format!("{method} {path}"),
        security: Vec::new(),
        backend: None,
        cors: None,
    });
    Policy {
        format: FORMAT,
        service: "shelves.example".to_owned(),
        operations: operations.into(),
        providers: BTreeMap::new(),
        cors,
        required_claims: BTreeSet::new(),
        backend: None,
        healthz: Some("/health/z".to_owned()),
        backends: Vec::new(),
        cors_rules: Vec::new(),
        settings: crate::policy::format::Settings::default(),
    }
}

fn owned() -> Prepared {
    prepared(rule(GOOD))
}

/// The proxy answers, for this origin.
fn rule(origin: &str) -> CorsMode {
    CorsMode::Owned(CorsPolicy {
        origins: OriginRule::Exact(BTreeSet::from([origin.to_owned()])),
        allow_methods: "GET".to_owned(),
        allow_headers: String::new(),
        expose_headers: String::new(),
        allow_credentials: false,
        max_age_seconds: 1,
    })
}

const GOOD: &str = "https://good.example";
const BAD: &str = "https://bad.example";

/// What was decided, in short: `forward ROUTE PATH`, `preflight`, `healthy`, or `STATUS REASON`.
fn decided(prepared: &Prepared, method: &str, target: &str, fields: &[(&str, &str)]) -> String {
    let target: Uri = target.parse().expect("a target");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    match decide(prepared, &method, &target, &headers(fields)).action {
        Action::Preflight(_) => "preflight".to_owned(),
        Action::Healthy => "healthy".to_owned(),
        Action::Redirect(location) => format!("redirect {}", location.to_str().expect("text")),
        Action::Refuse(refusal) => format!("{} {}", refusal.status.as_u16(), refusal.reason),
        Action::Forward(forward) => {
            let Some(operation) = forward.operation else {
                let audited = forward.audited.expect("an audit lets it through");
                return format!("let through {} {}", audited.reason, forward.path);
            };
            let operation = &prepared.policy.operations[operation];
            let open = if forward.authenticate {
                ""
            } else {
                " unauthenticated"
            };
            let method = forward.method.map(|method| format!(" as {method}"));
            format!(
                "forward {} {}{}{open}",
                operation.name,
                forward.path,
                method.unwrap_or_default()
            )
        }
    }
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

fn refusal(prepared: &Prepared, method: &Method, target: &str) -> Refusal {
    let target = target.parse().expect("a target");
    match decide(prepared, method, &target, &HeaderMap::new()).action {
        Action::Refuse(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_defined_request_goes_on_by_its_normal_path() {
    let off = prepared(CorsMode::Off);
    for (target, expected) in [
        ("/shelves?x=/admin/users", "forward GET /shelves /shelves"),
        (
            "http://elsewhere/shelves/1?y",
            "forward GET /shelves/{shelf} /shelves/1",
        ),
        (
            "/shelves/../admin//users",
            "forward GET /admin/users /admin/users",
        ),
        (
            "/shelves/%2e%2e/admin/%75sers",
            "forward GET /admin/users /admin/users",
        ),
        (
            "/files/..%252fadmin",
            "forward GET /files/** /files/..%252fadmin",
        ),
    ] {
        assert_eq!(decided(&off, "GET", target, &[]), expected, "{target}");
    }
    // Nothing to change: nothing copied.
    let target: Uri = "/shelves/1".parse().unwrap();
    let decision = decide(&off, &Method::GET, &target, &HeaderMap::new());
    assert!(matches!(
        decision.action,
        Action::Forward(Forward {
            path: Cow::Borrowed("/shelves/1"),
            method: None,
            authenticate: true,
            ..
        })
    ));
    assert_eq!(decision.cors, ResponseCors::UNTOUCHED);
}

#[test]
fn the_world_is_closed() {
    let off = prepared(CorsMode::Off);
    for (method, target, expected) in [
        ("GET", "/nothing", "404 RouteNotFound"),
        ("PUT", "/shelves/1", "405 MethodNotAllowed"),
        ("HEAD", "/shelves", "405 MethodNotAllowed"),
        ("OPTIONS", "/shelves", "405 MethodNotAllowed"),
        ("OPTIONS", "/nothing", "404 RouteNotFound"),
        ("OPTIONS", "*", "400 BadPath"),
        ("GET", "/..", "400 BadPath"),
        ("GET", "/a%zz", "400 BadPath"),
        ("GET", "/a%00", "400 BadPath"),
        ("GET", "/a\\b", "400 BadPath"),
        ("GET", "/files/..%2fadmin%2fusers", "400 AmbiguousPath"),
        ("GET", "/shelves/%40mine", "400 AmbiguousPath"),
        ("POST", "/shelves/1%3amerge", "400 AmbiguousPath"),
        ("TRACE", "/shelves", "405 MethodRefused"),
        ("CONNECT", "good.example:443", "405 MethodRefused"),
    ] {
        assert_eq!(
            decided(&off, method, target, &[]),
            expected,
            "{method} {target}"
        );
    }
}

#[test]
fn refusals_speak_as_espv2() {
    let off = prepared(CorsMode::Off);
    assert_eq!(
        refusal(&off, &Method::GET, "/nothing").body(),
        br#"{"code":404,"message":"The current request is not defined by this API.","reason":"RouteNotFound"}"#
    );
    let wrong_method = refusal(&off, &Method::PUT, "/shelves/1");
    assert_eq!(
        wrong_method.message,
        "The current request is matched to the defined url template \"/shelves/{shelf}\" but its \
         http method is not allowed"
    );
    assert_eq!(wrong_method.allow.unwrap(), "DELETE, GET");
    let trace = refusal(&off, &Method::TRACE, "/shelves");
    assert_eq!(trace.allow.unwrap(), "GET, POST");
    let connect = refusal(&off, &Method::CONNECT, "good.example:443");
    assert_eq!(connect.allow.unwrap(), "");
}

#[test]
fn a_method_override_is_taken_from_post_alone() {
    const NAME: &str = "X-HTTP-Method-Override";
    let off = prepared(CorsMode::Off);
    for (method, target, value, expected) in [
        (
            "POST",
            "/shelves/1",
            "DELETE",
            "forward DELETE /shelves/{shelf} /shelves/1 as DELETE",
        ),
        (
            "POST",
            "/shelves",
            "GET",
            "forward GET /shelves /shelves as GET",
        ),
        (
            "POST",
            "/cache",
            "PURGE",
            "forward PURGE /cache /cache as PURGE",
        ),
        ("POST", "/shelves/1", "PATCH", "405 MethodNotAllowed"),
        ("POST", "/declared", "OPTIONS", "400 BadMethodOverride"),
        ("POST", "/shelves", "HEAD", "400 BadMethodOverride"),
        ("POST", "/shelves", "POST", "400 BadMethodOverride"),
        ("POST", "/shelves", "TRACE", "400 BadMethodOverride"),
        ("POST", "/shelves", "get", "400 BadMethodOverride"),
        ("POST", "/shelves", "GET, GET", "400 BadMethodOverride"),
        ("POST", "/shelves", "", "400 BadMethodOverride"),
        ("POST", "/shelves", "BREW", "400 BadMethodOverride"),
        ("GET", "/shelves", "GET", "400 BadMethodOverride"),
        ("GET", "/shelves/1", "DELETE", "400 BadMethodOverride"),
        ("OPTIONS", "/shelves", "GET", "400 BadMethodOverride"),
    ] {
        let found = decided(&off, method, target, &[(NAME, value)]);
        assert_eq!(found, expected, "{method} {value}");
    }
    let twice = [(NAME, "GET"), (NAME, "GET")];
    assert_eq!(
        decided(&off, "POST", "/shelves", &twice),
        "400 BadMethodOverride"
    );
}

#[test]
fn an_underscore_in_a_header_name_is_refused() {
    let off = prepared(CorsMode::Off);
    for name in [
        "x_user",
        "X_HTTP_Method_Override",
        "X_Endpoint_API_UserInfo",
    ] {
        assert_eq!(
            decided(&off, "GET", "/shelves", &[(name, "x")]),
            "400 UnderscoreHeader"
        );
    }
}

#[test]
fn the_health_path_is_answered_in_any_spelling() {
    for prepared in [
        prepared(CorsMode::Off),
        prepared(CorsMode::PassThrough),
        owned(),
    ] {
        for target in [
            "/health/z",
            "/health/z/",
            "/health//z",
            "/health/./z?probe=1",
            "/health/%7a",
            "/health%2fz",
            "/x/../health/z",
            "/x%2f..%2fhealth/z",
        ] {
            for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                assert_eq!(
                    decided(&prepared, method, target, &[]),
                    "healthy",
                    "{target}"
                );
            }
        }
        assert_eq!(
            decided(&prepared, "GET", "/health/zz", &[]),
            "404 RouteNotFound"
        );
    }
}

#[test]
fn an_owned_preflight_never_reaches_a_backend() {
    let owned = owned();
    let asked = ("access-control-request-method", "DELETE");
    for target in ["/shelves", "/declared", "/nothing", "/health/z", "/files/x"] {
        let matched = [("origin", GOOD), asked];
        assert_eq!(
            decided(&owned, "OPTIONS", target, &matched),
            "preflight",
            "{target}"
        );
        let unmatched = [("origin", BAD), asked];
        assert_eq!(
            decided(&owned, "OPTIONS", target, &unmatched),
            "400 PreflightRefused",
            "{target}"
        );
    }
    // No preflight: the declared operation, or nothing.
    let plain = [("origin", GOOD)];
    assert_eq!(
        decided(&owned, "OPTIONS", "/declared", &plain),
        "forward OPTIONS /declared /declared"
    );
    assert_eq!(
        decided(&owned, "OPTIONS", "/shelves", &plain),
        "400 PreflightRefused"
    );
    // And what is not OPTIONS is no preflight.
    let fields = [("origin", GOOD), asked];
    assert_eq!(
        decided(&owned, "GET", "/shelves", &fields),
        "forward GET /shelves /shelves"
    );
}

#[test]
fn allow_cors_passes_options_on_without_a_token() {
    let through = prepared(CorsMode::PassThrough);
    let preflight = [("origin", BAD), ("access-control-request-method", "GET")];
    // A preflight goes where the request would go that it announces.
    for (fields, operation) in [(&preflight[..], "GET"), (&[], "DELETE")] {
        let shelf = format!("forward {operation} /shelves/{{shelf}} /shelves/1 unauthenticated");
        for (target, expected) in [
            ("/shelves", "forward GET /shelves /shelves unauthenticated"),
            ("/shelves/1", &*shelf),
            ("/declared", "forward OPTIONS /declared /declared"),
            ("/nothing", "404 RouteNotFound"),
            ("/files/..%2fadmin%2fusers", "400 AmbiguousPath"),
        ] {
            assert_eq!(
                decided(&through, "OPTIONS", target, fields),
                expected,
                "{target}"
            );
        }
    }
    assert_eq!(
        decided(&through, "PUT", "/shelves", &preflight),
        "405 MethodNotAllowed"
    );
}

#[test]
fn the_response_plan_covers_refusals_too() {
    let owned = owned();
    let plan = |method: Method, target: &str, fields: &[(&str, &str)]| {
        let target = target.parse().expect("a target");
        decide(&owned, &method, &target, &headers(fields)).cors
    };
    let service = |origin| {
        let request = headers(&[("origin", origin)]);
        owned.cors.response(RuleId::SERVICE, &request)
    };
    let allowed = service(GOOD);
    for (method, target) in [
        (Method::GET, "/shelves"),
        (Method::GET, "/nothing"),
        (Method::PUT, "/shelves"),
        (Method::GET, "/a%zz"),
        (Method::GET, "/health/z"),
    ] {
        assert_eq!(
            plan(method, target, &[("origin", GOOD)]),
            allowed,
            "{target}"
        );
    }
    // No browser's preflight: a script may read why.
    let incomplete = plan(Method::OPTIONS, "/shelves", &[("origin", GOOD)]);
    assert_eq!(incomplete.verdict, CorsVerdict::PreflightMethodMissing);
    let not = service(BAD);
    assert_ne!(allowed, not);
    assert_eq!(plan(Method::GET, "/shelves", &[("origin", BAD)]), not);
    let unasked = owned.cors.response(RuleId::SERVICE, &HeaderMap::new());
    assert_eq!(plan(Method::GET, "/shelves", &[]), unasked);
    assert_eq!(unasked.verdict, CorsVerdict::OriginAbsent);

    let asked = ("access-control-request-method", "GET");
    let refused = plan(Method::OPTIONS, "/shelves", &[("origin", BAD), asked]);
    assert_eq!(refused.verdict, CorsVerdict::PreflightOriginUnmatched);
    // Also where the path cannot be read.
    for target in ["/shelves", "/a%zz"] {
        let answered = plan(Method::OPTIONS, target, &[("origin", GOOD), asked]);
        assert_eq!(answered.verdict, CorsVerdict::PreflightAnswered, "{target}");
    }
    let through = prepared(CorsMode::PassThrough);
    let target = "/nothing".parse().unwrap();
    let decision = decide(&through, &Method::GET, &target, &HeaderMap::new());
    let plan = through.cors.response(RuleId::SERVICE, &HeaderMap::new());
    assert_eq!(decision.cors, plan);
    assert_ne!(plan, ResponseCors::UNTOUCHED);
    let target = Uri::from_static("/shelves");
    let decision = decide(&through, &Method::OPTIONS, &target, &HeaderMap::new());
    assert_eq!(decision.cors.verdict, CorsVerdict::PreflightPassedOn);
}

/// Targets made of what makes trouble, near the routes.
fn hostile_target() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "/",
        "/",
        "..",
        "/../",
        "%2e%2e",
        "%2F",
        "%2f..%2f",
        "%5C",
        "%252f",
        "%40",
        "%3A",
        "shelves",
        "/shelves/",
        "@mine",
        ":merge",
        "admin/users",
        "admin",
        "users",
        "files",
        "/files/",
        "1",
        "declared",
        "%61dmin",
        "health",
        "z",
        ";x",
        "?q",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The backend may decode before it routes; what it then runs was decided upon.
    #[test]
    fn what_is_forwarded_runs_the_operation_that_was_decided_upon(
        target in hostile_target(),
        method in prop::sample::select(vec!["GET", "POST", "DELETE", "OPTIONS"]),
    ) {
        let Ok(uri) = target.parse::<Uri>() else { return Ok(()) };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let off = prepared(CorsMode::Off);
        let Action::Forward(forward) = decide(&off, &method, &uri, &HeaderMap::new()).action else {
            return Ok(());
        };
        let operation = forward.operation.expect("nothing is let through");
        // What goes out is in its one spelling already,
        let normal = normalise(&forward.path).unwrap();
        prop_assert!(matches!(normal.0, Cow::Borrowed(_)));
        // is the operation's by itself,
        let found = off.router.find(method.as_str(), &forward.path);
        prop_assert_eq!(found, RouteMatch::Operation(operation));
        // and by the reading of a backend that decodes everything once.
        let decoded = percent_decode_str(&forward.path).decode_utf8_lossy().replace('\\', "/");
        let escaped = decoded.replace('%', "%25").replace('?', "%3F");
        let reading = normalise(&escaped).unwrap();
        if let RouteMatch::Operation(theirs) = off.router.find(method.as_str(), &reading.0) {
            prop_assert_eq!(theirs, operation, "{} read as {}", forward.path, reading.0);
        }
        // Never the health path.
        prop_assert!(!is_health_path(&off, &forward.path) && &*reading.0 != "/health/z");
    }

    #[test]
    fn no_head_makes_a_decision_panic(
        target in "/\\PC{0,40}",
        method in "[A-Z]{1,8}",
        fields in prop::collection::vec((
            prop::sample::select(vec![
                "origin", "access-control-request-method", "x-http-method-override", "vary", "x_y",
            ]),
            "[ -~]{0,20}",
        ), 0..5),
    ) {
        let Ok(uri) = target.parse::<Uri>() else { return Ok(()) };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for prepared in [prepared(CorsMode::Off), prepared(CorsMode::PassThrough), owned()] {
            let decision = decide(&prepared, &method, &uri, &headers(&fields));
            let mut response = HeaderMap::new();
            prepared.cors.decorate(&decision.cors, &mut response, true);
        }
    }
}
