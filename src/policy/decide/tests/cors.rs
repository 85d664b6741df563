//! CORS rules of operations.

use super::*;

const OTHER: &str = "https://other.example";

/// With rules of their own for some operations, by name.
fn with_rules(service: CorsMode, rules: &[(&str, CorsMode)]) -> Prepared {
    let mut policy = policy(service);
    for (place, (name, rule)) in rules.iter().enumerate() {
        policy.cors_rules.push(rule.clone());
        let operation = policy.operations.iter_mut().find(|own| own.name == *name);
        operation.expect("an operation").cors = Some(place);
    }
    Prepared::new(policy).expect("a good policy")
}

/// What a preflight for a method is answered: the origin that is allowed, or what was decided.
fn preflight(prepared: &Prepared, target: &str, requested: &str, origin: &str) -> String {
    let fields = [
        ("origin", origin),
        ("access-control-request-method", requested),
    ];
    let uri = target.parse().expect("a target");
    match decide(prepared, &Method::OPTIONS, &uri, &headers(&fields)).action {
        Action::Preflight(origin) => origin.to_str().expect("visible ASCII").to_owned(),
        _ => decided(prepared, "OPTIONS", target, &fields),
    }
}

/// The CORS headers of a response, the proxy's own or the backend's.
fn decorated(
    prepared: &Prepared,
    (method, target): (&str, &str),
    fields: &[(&str, &str)],
    ours: bool,
) -> Vec<String> {
    let uri = target.parse().expect("a target");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let decision = decide(prepared, &method, &uri, &headers(fields));
    let mut response = match ours {
        true => HeaderMap::new(),
        false => headers(&[("access-control-allow-origin", "https://backend")]),
    };
    prepared.cors.decorate(&decision.cors, &mut response, ours);
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", value.to_str().expect("visible ASCII"))
    };
    response.iter().map(line).collect()
}

#[test]
fn a_preflight_is_answered_by_the_rule_of_the_method_it_asks_for() {
    let prepared = with_rules(rule(GOOD), &[("DELETE /shelves/{shelf}", rule(OTHER))]);
    let refused = "400 PreflightRefused";
    for (target, requested, origin, expected) in [
        ("/shelves/1", "DELETE", OTHER, OTHER),
        ("/shelves/1", "DELETE", GOOD, refused),
        ("/shelves/1", "GET", GOOD, GOOD),
        ("/shelves/1", "GET", OTHER, refused),
        // Nobody has PUT: another operation of the path, the first by name.
        ("/shelves/1", "PUT", OTHER, OTHER),
        ("/shelves/1", "PUT", GOOD, refused),
        ("/shelves/1", "delete", OTHER, OTHER),
        ("/shelves", "DELETE", GOOD, GOOD),
        // No path: the service's.
        ("/nothing", "DELETE", GOOD, GOOD),
        ("/nothing", "DELETE", OTHER, refused),
        ("/files/..%2fadmin", "GET", GOOD, GOOD),
    ] {
        assert_eq!(
            preflight(&prepared, target, requested, origin),
            expected,
            "{target} {requested} {origin}"
        );
    }
}

#[test]
fn an_operation_may_have_cors_off_or_on_by_itself() {
    let off = with_rules(rule(GOOD), &[("GET /shelves", CorsMode::Off)]);
    assert_eq!(
        preflight(&off, "/shelves", "GET", GOOD),
        "405 MethodNotAllowed"
    );
    assert_eq!(preflight(&off, "/shelves", "POST", GOOD), GOOD);
    let fields = [("origin", GOOD)];
    assert!(decorated(&off, ("GET", "/shelves"), &fields, true).is_empty());
    assert_eq!(
        decorated(&off, ("GET", "/shelves"), &fields, false),
        ["access-control-allow-origin: https://backend"]
    );
    // Its preflight's refusal is no more readable than its answer.
    let asked = [fields[0], ("access-control-request-method", "GET")];
    assert!(decorated(&off, ("OPTIONS", "/shelves"), &asked, true).is_empty());

    let on = with_rules(CorsMode::Off, &[("GET /shelves", rule(GOOD))]);
    assert_eq!(preflight(&on, "/shelves", "GET", GOOD), GOOD);
    assert_eq!(
        preflight(&on, "/shelves", "POST", GOOD),
        "405 MethodNotAllowed"
    );
    assert_eq!(preflight(&on, "/nothing", "GET", GOOD), "404 RouteNotFound");
}

#[test]
fn an_answer_is_decorated_by_the_rule_of_its_operation() {
    let prepared = with_rules(rule(GOOD), &[("DELETE /shelves/{shelf}", rule(OTHER))]);
    let good = format!("access-control-allow-origin: {GOOD}");
    let other = format!("access-control-allow-origin: {OTHER}");
    let vary = "vary: Origin";
    for (request, origin, expected) in [
        (("DELETE", "/shelves/1"), OTHER, vec![&*other, vary]),
        (("DELETE", "/shelves/1"), GOOD, vec![vary]),
        (("GET", "/shelves/1"), GOOD, vec![&*good, vary]),
        (("GET", "/shelves/1"), OTHER, vec![vary]),
        // 405: another operation of the path.
        (("PUT", "/shelves/1"), OTHER, vec![&*other, vary]),
        // 404, 400: the service's.
        (("DELETE", "/nothing"), GOOD, vec![&*good, vary]),
        (("DELETE", "/%zz"), GOOD, vec![&*good, vary]),
    ] {
        for ours in [true, false] {
            let fields = [("origin", origin)];
            assert_eq!(
                decorated(&prepared, request, &fields, ours),
                expected,
                "{request:?} {origin}"
            );
        }
    }
    // The override says which operation it is.
    let fields = [("origin", OTHER), ("x-http-method-override", "DELETE")];
    assert_eq!(
        decorated(&prepared, ("POST", "/shelves/1"), &fields, true),
        [&*other, vary]
    );
    // A refused preflight varies by all that it says, by the rule that refused it.
    let fields = [
        ("origin", GOOD),
        ("access-control-request-method", "DELETE"),
    ];
    assert_eq!(
        decorated(&prepared, ("OPTIONS", "/shelves/1"), &fields, true),
        ["vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers"]
    );
}

#[test]
fn passing_through_and_owned_rules_stand_side_by_side() {
    let prepared = with_rules(CorsMode::PassThrough, &[("GET /shelves", rule(GOOD))]);
    assert_eq!(preflight(&prepared, "/shelves", "GET", GOOD), GOOD);
    assert_eq!(
        preflight(&prepared, "/shelves", "GET", BAD),
        "400 PreflightRefused"
    );
    // To the backend of the operation that is asked for.
    assert_eq!(
        preflight(&prepared, "/shelves", "POST", BAD),
        "forward POST /shelves /shelves unauthenticated"
    );
    assert_eq!(
        preflight(&prepared, "/shelves/1", "GET", BAD),
        "forward GET /shelves/{shelf} /shelves/1 unauthenticated"
    );
    let fields = [("origin", BAD), ("access-control-request-method", "POST")];
    assert_eq!(
        decorated(&prepared, ("OPTIONS", "/shelves"), &fields, false),
        ["access-control-allow-origin: https://backend"]
    );

    // A declared OPTIONS has its own security, whatever the rule of what is asked for.
    let through = CorsMode::PassThrough;
    let prepared = with_rules(rule(GOOD), &[("GET /declared", through)]);
    assert_eq!(
        preflight(&prepared, "/declared", "GET", BAD),
        "forward OPTIONS /declared /declared"
    );
    assert_eq!(preflight(&prepared, "/declared", "OPTIONS", GOOD), GOOD);
}

#[test]
fn the_health_path_keeps_the_rule_of_the_service() {
    let prepared = with_rules(rule(GOOD), &[("GET /files/**", rule(OTHER))]);
    assert_eq!(preflight(&prepared, "/health/z", "GET", GOOD), GOOD);
    let fields = [("origin", GOOD)];
    let lines = decorated(&prepared, ("GET", "/health/z"), &fields, true);
    assert_eq!(lines[0], format!("access-control-allow-origin: {GOOD}"));
}

#[test]
fn a_rule_that_the_policy_lacks_is_no_policy() {
    let mut policy = policy(CorsMode::Off);
    policy.operations[0].cors = Some(0);
    let error = Prepared::new(policy).expect_err("no such rule");
    assert!(error.to_string().contains("lacks"), "{error}");
}
