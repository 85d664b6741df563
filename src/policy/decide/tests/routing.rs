//! The switches of `routing`, and `mode: Audit`.

use super::*;
use crate::policy::format::{EscapedSlashes, RoutingSettings};

fn under(routing: RoutingSettings) -> Prepared {
    under_cors(CorsMode::Off, routing)
}

fn under_cors(cors: CorsMode, routing: RoutingSettings) -> Prepared {
    let mut policy = policy(cors);
    policy.settings.routing = routing;
    Prepared::new(policy).expect("a good policy")
}

fn as_it_came() -> RoutingSettings {
    RoutingSettings {
        paths_as_they_came: true,
        ..RoutingSettings::default()
    }
}

fn unmerged() -> RoutingSettings {
    RoutingSettings {
        empty_segments: true,
        ..RoutingSettings::default()
    }
}

#[test]
fn a_path_as_it_came_reaches_no_operation_but_its_own() {
    let off = under(as_it_came());
    for (target, expected) in [
        ("/shelves", "forward GET /shelves /shelves"),
        ("/shelves/", "forward GET /shelves /shelves/"),
        // Spellings stay: `%7E` is `~` to whoever decodes, and selects the same.
        (
            "/shelves/%7Ea%2d",
            "forward GET /shelves/{shelf} /shelves/%7Ea%2d",
        ),
        (
            "/shelves/%c3%a9",
            "forward GET /shelves/{shelf} /shelves/%c3%a9",
        ),
        (
            "/shelves/a\"b",
            "forward GET /shelves/{shelf} /shelves/a%22b",
        ),
        ("/files/a%41", "forward GET /files/** /files/a%41"),
        (
            "/files/../files/x",
            "forward GET /files/** /files/../files/x",
        ),
        // What another reading makes of these is another operation, or leaves the one it was.
        ("/%73helves", "400 AmbiguousPath"),
        ("/shelves/./1", "400 AmbiguousPath"),
        ("/shelves/../admin/users", "400 AmbiguousPath"),
        ("/files/../admin/users", "400 AmbiguousPath"),
        ("/files/%2e%2e/admin/users", "400 AmbiguousPath"),
        ("/files/%2E./admin/users", "400 AmbiguousPath"),
        ("/files/..%2fadmin%2fusers", "400 AmbiguousPath"),
        ("/files/%2e%2e%2fadmin%2fusers", "400 AmbiguousPath"),
        ("/files/../nothing", "400 AmbiguousPath"),
        ("/files/..;/admin/users", "400 AmbiguousPath"),
        ("/shelves/%40mine", "400 AmbiguousPath"),
        ("/files/x/%2e%2e/%2e%2e/admin/users", "400 AmbiguousPath"),
        // Nothing is nothing in every reading.
        ("/nothing/./at/all", "404 RouteNotFound"),
        ("/nothing/%41", "404 RouteNotFound"),
        // And what is no path is none.
        ("/a%zz", "400 BadPath"),
        ("/a%00", "400 BadPath"),
        ("/a\\b", "400 BadPath"),
        ("/files/../../x", "400 BadPath"),
        // Slashes are merged by another switch.
        ("//shelves", "forward GET /shelves /shelves"),
        ("/health/z", "healthy"),
        ("/health/./z", "healthy"),
        ("/x/../health/%7a", "healthy"),
        ("/health%2fz", "healthy"),
    ] {
        assert_eq!(decided(&off, "GET", target, &[]), expected, "{target}");
    }
}

#[test]
fn slashes_that_stay_make_no_other_operation() {
    let off = under(unmerged());
    for (target, expected) in [
        ("/files/a//b", "forward GET /files/** /files/a//b"),
        ("/files//", "forward GET /files/** /files//"),
        ("/files/a/../b//c", "forward GET /files/** /files/b//c"),
        ("//shelves", "400 AmbiguousPath"),
        ("/admin//users", "400 AmbiguousPath"),
        ("/shelves//1", "400 AmbiguousPath"),
        ("//nothing", "404 RouteNotFound"),
        ("/health//z", "healthy"),
    ] {
        assert_eq!(decided(&off, "GET", target, &[]), expected, "{target}");
    }
}

#[test]
fn escaped_slashes_are_refused_where_that_is_asked_for() {
    let reject = under(RoutingSettings {
        escaped_slashes: EscapedSlashes::Reject,
        ..RoutingSettings::default()
    });
    for target in [
        "/files/a%2Fb",
        "/files/a%2fb",
        "/files/a%5Cb",
        "/no%5cthing",
    ] {
        assert_eq!(
            decided(&reject, "GET", target, &[]),
            "400 BadPath",
            "{target}"
        );
    }
    for target in ["/files/a%252Fb", "/files/a%20b", "/files/a?x=%2F"] {
        assert!(
            decided(&reject, "GET", target, &[]).starts_with("forward"),
            "{target}"
        );
    }
    assert_eq!(decided(&reject, "GET", "/health%2fz", &[]), "400 BadPath");
}

#[test]
fn escaped_slashes_are_redirected_to_this_host_and_nowhere_else() {
    let routing = RoutingSettings {
        escaped_slashes: EscapedSlashes::Redirect,
        ..RoutingSettings::default()
    };
    let off = under(routing.clone());
    for (target, expected) in [
        ("/shelves%2F1", "redirect /shelves/1"),
        ("/shelves%5c1?x=%2F&y", "redirect /shelves/1?x=%2F&y"),
        ("/%2Fevil.example/x", "redirect /evil.example/x"),
        ("/%5C%5Cevil.example", "redirect /evil.example"),
        ("/%2F%2F..%2F/evil.example", "redirect /evil.example"),
        ("/.%2F/evil.example", "redirect /evil.example"),
        ("/files/..%2fadmin%2fusers", "redirect /admin/users"),
        ("/files/%252F", "forward GET /files/** /files/%252F"),
        ("/shelves/1", "forward GET /shelves/{shelf} /shelves/1"),
        ("/x%2f..%2f..%2fy", "400 BadPath"),
        ("/health%2Fz", "healthy"),
    ] {
        assert_eq!(decided(&off, "GET", target, &[]), expected, "{target}");
    }
    let grpc = [("content-type", "Application/gRPC+proto")];
    assert_eq!(decided(&off, "POST", "/shelves%2F1", &grpc), "400 BadPath");
    // No browser follows a preflight to another place: it is answered for the path that is meant.
    let owned = under_cors(rule(GOOD), routing);
    let preflight = [("origin", GOOD), ("access-control-request-method", "GET")];
    assert_eq!(
        decided(&owned, "OPTIONS", "/shelves%2F1", &preflight),
        "preflight"
    );
}

#[test]
fn a_colon_is_no_part_of_a_wildcard_where_that_is_asked_for() {
    let without = under(RoutingSettings {
        no_colon_in_wildcard: true,
        ..RoutingSettings::default()
    });
    for (method, target, expected) in [
        ("GET", "/shelves/a:b", "404 RouteNotFound"),
        ("GET", "/files/a/b:c/d", "404 RouteNotFound"),
        ("POST", "/shelves/1:2:merge", "404 RouteNotFound"),
        (
            "POST",
            "/shelves/1:merge",
            "forward POST /shelves/{shelf}:merge /shelves/1:merge",
        ),
        ("GET", "/files/a", "forward GET /files/** /files/a"),
    ] {
        assert_eq!(decided(&without, method, target, &[]), expected, "{target}");
    }
    let with = prepared(CorsMode::Off);
    assert_eq!(
        decided(&with, "GET", "/shelves/a:b", &[]),
        "forward GET /shelves/{shelf} /shelves/a:b"
    );
}

#[test]
fn underscores_and_the_override_have_their_switches() {
    let lax = under(RoutingSettings {
        underscores_in_headers: true,
        no_method_override: true,
        ..RoutingSettings::default()
    });
    assert_eq!(
        decided(&lax, "GET", "/shelves", &[("x_user", "y")]),
        "forward GET /shelves /shelves"
    );
    let asked = [("x-http-method-override", "DELETE")];
    assert_eq!(
        decided(&lax, "POST", "/shelves", &asked),
        "forward POST /shelves /shelves"
    );
    assert_eq!(
        decided(&lax, "GET", "/shelves", &asked),
        "forward GET /shelves /shelves"
    );
}

#[test]
fn an_audit_lets_through_what_is_undefined_and_never_what_is_malformed() {
    let routing = RoutingSettings {
        audit: true,
        ..RoutingSettings::default()
    };
    let audit = under(routing.clone());
    for (method, target, fields, expected) in [
        (
            "GET",
            "/nothing",
            &[][..],
            "let through RouteNotFound /nothing",
        ),
        (
            "PUT",
            "/shelves/1",
            &[],
            "let through MethodNotAllowed /shelves/1",
        ),
        (
            "OPTIONS",
            "/shelves",
            &[],
            "let through MethodNotAllowed /shelves",
        ),
        ("GET", "/shelves/../x", &[], "let through RouteNotFound /x"),
        ("GET", "/shelves", &[], "forward GET /shelves /shelves"),
        ("GET", "/health/z", &[], "healthy"),
        ("GET", "/a%00", &[], "400 BadPath"),
        ("GET", "/files/..%2fadmin%2fusers", &[], "400 AmbiguousPath"),
        ("TRACE", "/shelves", &[], "405 MethodRefused"),
        ("CONNECT", "good.example:443", &[], "405 MethodRefused"),
        ("GET", "/shelves", &[("x_a", "b")], "400 UnderscoreHeader"),
        (
            "GET",
            "/shelves",
            &[("x-http-method-override", "PUT")],
            "400 BadMethodOverride",
        ),
    ] {
        assert_eq!(
            decided(&audit, method, target, fields),
            expected,
            "{method} {target}"
        );
    }
    // CORS is as it is.
    let owned = under_cors(rule(GOOD), routing);
    let asked = ("access-control-request-method", "GET");
    let unmatched = [("origin", BAD), asked];
    assert_eq!(
        decided(&owned, "OPTIONS", "/nothing", &unmatched),
        "400 PreflightRefused"
    );
    assert_eq!(
        decided(&owned, "OPTIONS", "/nothing", &[("origin", GOOD), asked]),
        "preflight"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// However a backend reads what is forwarded as it came: raw, unescaped, resolved, merged, or all
    /// of it and reserved characters too.
    #[test]
    fn what_is_forwarded_as_it_came_runs_the_operation_that_was_decided_upon(
        target in hostile_target(),
        paths_as_they_came in any::<bool>(),
        empty_segments in any::<bool>(),
    ) {
        let Ok(uri) = target.parse::<Uri>() else { return Ok(()) };
        let off = under(RoutingSettings {
            paths_as_they_came,
            empty_segments,
            ..RoutingSettings::default()
        });
        let Action::Forward(forward) = decide(&off, &Method::GET, &uri, &HeaderMap::new()).action else {
            return Ok(());
        };
        let operation = forward.operation.expect("nothing is let through");
        let decoded = percent_decode_str(&forward.path).decode_utf8_lossy().replace('\\', "/");
        let once = decoded.replace('%', "%25").replace('?', "%3F");
        for reading in [&*forward.path, &*once] {
            for reading in [reading.to_owned(), normalise(reading).unwrap().0.into_owned()] {
                prop_assert!(!is_health_path(&off, &reading));
                if let RouteMatch::Operation(theirs) = off.router.find("GET", &reading) {
                    prop_assert_eq!(theirs, operation, "{} read as {}", forward.path, reading);
                }
            }
        }
    }
}
