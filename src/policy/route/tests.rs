use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::policy::path::normalise;

fn operation(method: &str, path: &str) -> Operation {
    Operation {
        method: method.to_owned(),
        path: path.to_owned(),
        name: format!("{method} {path}"),
        security: Vec::new(),
        backend: None,
        cors: None,
    }
}

fn operations(routes: &[(&str, &str)]) -> Vec<Operation> {
    let to_operation = |(method, path): &(&str, &str)| operation(method, path);
    routes.iter().map(to_operation).collect()
}

/// Which of GET routes with these templates a GET of `path` selects, as the template.
fn selected<'t>(templates: &[&'t str], path: &str) -> Option<&'t str> {
    let routes: Vec<_> = templates.iter().map(|&path| ("GET", path)).collect();
    let router = Router::new(&operations(&routes)).expect("templates");
    match router.find("GET", path) {
        RouteMatch::Operation(index) => Some(templates[index]),
        RouteMatch::NotFound => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_template_matches_as_in_espv2() {
    for (template, matches, differs) in [
        ("/", &["/"][..], &["/a", ""][..]),
        ("/a", &["/a", "/a/"], &["/A", "/a/b", "/", "/aa"]),
        ("/a/", &["/a", "/a/"], &["/a/b"]),
        (
            "/a/{x}",
            &["/a/b", "/a/b/", "/a/b:c", "/a/%2F"],
            &["/a", "/a/", "/a/b/c"],
        ),
        ("/a/*", &["/a/b"], &["/a/"]),
        ("/a/**", &["/a/", "/a/b", "/a/b/c/"], &["/a", "/ab"]),
        ("/a/{x=**}", &["/a/", "/a/b/c"], &["/a"]),
        ("/**", &["/", "/a", "/a/b"], &[""]),
        (
            "/a/**/z",
            &["/a/b/z", "/a/b/c/z/"],
            &["/a/z", "/a/b", "/a/b/zz"],
        ),
        ("/a/**/y/z", &["/a/b/y/z"], &["/a/y/z", "/a/b/z"]),
        ("/{x=a/*}/c", &["/a/b/c"], &["/b/b/c", "/a/c"]),
        ("/{x=a}", &["/a"], &["/b"]),
        (
            "/a/{x}:v",
            &["/a/b:v", "/a/b/:v", "/a/b:v/", "/a/b:c:v"],
            &["/a/b", "/a/:v", "/a/b:w"],
        ),
        ("/a:v", &["/a:v", "/a/:v"], &["/a", "/a:vv"]),
        ("/a/**:v", &["/a/b/c:v", "/a/:v"], &["/a:v"]),
        ("/a:b/c", &["/a:b/c"], &["/a/c"]),
        ("/caf\u{e9}/%7ex", &["/caf%C3%A9/~x"], &[]),
        ("/a b", &["/a%20b"], &[]),
        (
            "/a/{x}.{y}",
            &["/a/b.c", "/a/b.c.d/", "/a/..."],
            &["/a/b", "/a/.c", "/a/b.", "/a/b/.c", "/a/b.c/d"],
        ),
        (
            "/v{x}/a",
            &["/v1/a", "/v1.2/a/"],
            &["/v/a", "/1/a", "/V1/a"],
        ),
        (
            "/{x}-{y}",
            &["/a-b", "/--b", "/---"],
            &["/-b", "/a-", "/--", "/ab"],
        ),
        ("/a{x}a", &["/aba", "/aaa"], &["/aa", "/a"]),
        (
            "/{x}.json:v",
            &["/a.json:v", "/a.json/:v"],
            &["/a.json", "/.json:v"],
        ),
        ("/{x}:v/b", &["/a:v/b"], &["/:v/b", "/a/b"]),
        ("/{x}:{y}", &["/a:b", "/a:b:c"], &["/:b", "/a:"]),
        ("/{x=*}.json", &["/a.json"], &["/a"]),
        // Escapes are characters: a variable never takes half of one.
        (
            "/{x}2{y}",
            &["/a2b", "/%2F2%2F", "/%222%22"],
            &["/%2Fb", "/a%2F", "/%25"],
        ),
        ("/{x}%2f{y}", &["/a%2Fb"], &["/%2Fb", "/a%252Fb"]),
        (
            "/\u{e9}{x}",
            &["/%C3%A9a", "/%C3%A9%C3"],
            &["/%C3%A9", "/%C3a"],
        ),
    ] {
        for path in matches {
            assert_eq!(
                selected(&[template], path),
                Some(template),
                "{template} {path}"
            );
        }
        for path in differs {
            assert_eq!(selected(&[template], path), None, "{template} {path}");
        }
    }
}

#[test]
fn the_more_specific_template_wins() {
    let all = [
        "/a/**",
        "/a/{x}",
        "/a/b",
        "/**",
        "/{x}/b",
        "/a/**/z",
        "/a/{x}:v",
        "/a/**/y/z",
    ];
    for (path, template) in [
        ("/a/b", "/a/b"),
        ("/a/c", "/a/{x}"),
        ("/c/b", "/{x}/b"),
        ("/a/c/d", "/a/**"),
        ("/a/c/z", "/a/**/z"),
        ("/a/c/y/z", "/a/**/y/z"),
        ("/a/c:v", "/a/{x}:v"),
        ("/a/c:v/", "/a/{x}:v"),
        ("/q", "/**"),
    ] {
        assert_eq!(selected(&all, path), Some(template), "{path}");
    }
}

#[test]
fn among_partial_segments_the_longest_text_wins() {
    let all = [
        "/a/{x}",
        "/a/{x}.{y}",
        "/a/{x}.json",
        "/a/me.json",
        "/a/v{x}.json",
        "/a/{x}n",
        "/a/v{x}",
        "/a/**",
    ];
    for (path, template) in [
        ("/a/b", "/a/{x}"),
        ("/a/b.xml", "/a/{x}.{y}"),
        ("/a/b.json", "/a/{x}.json"),
        ("/a/me.json", "/a/me.json"),
        ("/a/v1.json", "/a/v{x}.json"),
        ("/a/bn", "/a/{x}n"),
        // As much text in both: the one with more of it in front.
        ("/a/von", "/a/v{x}"),
        ("/a/v1/b", "/a/**"),
    ] {
        assert_eq!(selected(&all, path), Some(template), "{path}");
    }
    // The order of the document does not matter, and a lookup goes back.
    let mut backwards = all;
    backwards.reverse();
    assert_eq!(selected(&backwards, "/a/von"), Some("/a/v{x}"));
    assert_eq!(
        selected(
            &["/a/{x}.json/b", "/a/{x}.{y}/c", "/a/{x}/d"],
            "/a/b.json/d"
        ),
        Some("/a/{x}/d")
    );
}

#[test]
fn a_lookup_goes_back_to_a_less_specific_template() {
    assert_eq!(
        selected(&["/a/b/c", "/a/{x}/d"], "/a/b/d"),
        Some("/a/{x}/d")
    );
    assert_eq!(
        selected(&["/a/b/c", "/{x}/b/d"], "/a/b/d"),
        Some("/{x}/b/d")
    );
    assert_eq!(selected(&["/a/{x}/c", "/a/**"], "/a/b/d"), Some("/a/**"));

    // Also where the more specific one lacks the method.
    let router = Router::new(&operations(&[
        ("POST", "/users/me"),
        ("GET", "/users/{id}"),
    ]));
    let router = router.expect("templates");
    assert_eq!(router.find("GET", "/users/me"), RouteMatch::Operation(1));
    assert_eq!(router.find("POST", "/users/me"), RouteMatch::Operation(0));
}

#[test]
fn a_wrong_method_names_the_template_and_what_is_allowed() {
    let all = operations(&[
        ("POST", "/users/me"),
        ("GET", "/users/{id}"),
        ("DELETE", "/users/{x}"),
    ]);
    let router = Router::new(&all).expect("templates");
    let not_allowed = |path, method| match router.find(method, path) {
        RouteMatch::MethodNotAllowed {
            template,
            allow,
            sibling,
        } => (
            template.to_owned(),
            allow.to_str().unwrap().to_owned(),
            sibling,
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        not_allowed("/users/1", "PUT"),
        ("/users/{id}".to_owned(), "DELETE, GET".to_owned(), 2)
    );
    assert_eq!(
        not_allowed("/users/me", "PUT"),
        ("/users/me".to_owned(), "DELETE, GET, POST".to_owned(), 0)
    );
    // HEAD only where declared; methods have case.
    not_allowed("/users/1", "HEAD");
    not_allowed("/users/1", "get");
}

#[test]
fn what_is_no_template_is_refused_with_its_reason() {
    for (template, why) in [
        ("", "does not start"),
        ("a", "does not start"),
        ("//", "empty segment"),
        ("/a//b", "empty segment"),
        ("/a/{x", "not closed"),
        ("/a/{}", "variable name"),
        ("/a/{x{y}}", "variable name"),
        ("/a/{=*}", "variable name"),
        ("/a/{x=}", "empty segment"),
        ("/a/{x}{y}", "one variable ends"),
        ("/a/b{x}{y}c", "one variable ends"),
        ("/a/{x=**}.json", "cannot match several"),
        ("/a/b{x=c/*}", "cannot match several"),
        ("/a/b{x", "not closed"),
        ("/a/b{}c", "variable name"),
        ("/a/b{x}*", "part of a segment"),
        ("/a/b{x}%zz", "percent-escape"),
        ("/a/{x=b{}", "braces stand in braces"),
        ("/a/x}", "no `{`"),
        ("/a/x}y{z}", "no `{`"),
        ("/a/b*", "part of a segment"),
        ("/a/***", "part of a segment"),
        ("/**/{x}", "only literal"),
        ("/**/**", "only literal"),
        ("/a/:id", "written `{id}`"),
        ("/:id", "written `{id}`"),
        ("/a:", "last colon"),
        ("/a/../b", "dot segment"),
        ("/%2e/b", "dot segment"),
        ("/a%zz", "percent-escape"),
        ("/a\\b", "not allowed"),
        ("/a?b", "not allowed"),
        ("/a#b", "fragment"),
    ] {
        let error = shape(template).expect_err(template);
        assert!(error.contains(why), "{template}: {error}");
    }
    assert!(shape(&"/a".repeat(128)).is_ok());
    assert!(shape(&"/a".repeat(129)).is_err());
    let bad = Router::new(&operations(&[("GET", "/a//b")]));
    assert!(matches!(bad, Err(RouteError::BadTemplate { .. })));
}

#[test]
fn two_templates_of_one_shape_are_one_route() {
    for (one, other) in [
        ("/a/{x}", "/a/{y}"),
        ("/a/{x}", "/a/*"),
        ("/a/{x}/", "/a/{x}"),
        ("/a/{x=**}", "/a/**"),
        ("/{x=a/*}", "/a/{y}"),
        ("/%7ea", "/~a"),
        ("/a/{x}:v", "/a/*:v"),
        ("/a/{x}.{y}", "/a/{y}.{z}/"),
        ("/a/b{x}%41", "/a/b{y}A"),
    ] {
        assert_eq!(shape(one), shape(other));
        let twice = Router::new(&operations(&[("GET", one), ("GET", other)]));
        assert_eq!(
            twice.expect_err("one route"),
            RouteError::Duplicate {
                method: "GET".to_owned(),
                first: one.to_owned(),
                second: other.to_owned(),
            }
        );
        assert!(Router::new(&operations(&[("GET", one), ("POST", other)])).is_ok());
    }
    assert_ne!(shape("/a/{x}"), shape("/a/{x}:v"));
    assert_ne!(shape("/a/{x}"), shape("/a/{x=**}"));
}

#[test]
fn a_literal_is_not_passed_by_in_another_spelling_than_the_documents() {
    let router = Router::new(&operations(&[
        ("GET", "/users/{id}"),
        ("GET", "/users/%40me"),
        ("GET", "/users/%2a"),
        ("GET", "/users/x%3ago"),
        ("GET", "/users/a@b%2B{n}"),
        ("GET", "/files%2Fmeta"),
    ]))
    .expect("templates");
    for (path, found) in [
        ("/users/%40me", RouteMatch::Operation(1)),
        ("/users/@me", RouteMatch::Ambiguous),
        ("/users/%2A", RouteMatch::Operation(2)),
        ("/users/*", RouteMatch::Ambiguous),
        ("/users/**", RouteMatch::Operation(0)),
        ("/users/x%3Ago", RouteMatch::Operation(3)),
        ("/users/x:go", RouteMatch::Ambiguous),
        ("/users/a@b%2B1", RouteMatch::Operation(4)),
        ("/users/a@b+1", RouteMatch::Ambiguous),
        ("/users/a%40b+1", RouteMatch::Ambiguous),
        ("/users/@me;v=1", RouteMatch::Ambiguous),
        ("/users/joe@example.com", RouteMatch::Operation(0)),
        ("/users/joe%40example.com", RouteMatch::Operation(0)),
        ("/files%2Fmeta", RouteMatch::Operation(5)),
        ("/files/meta", RouteMatch::NotFound),
    ] {
        assert_eq!(router.find("GET", path), found, "{path}");
    }
}

#[test]
fn templates_that_differ_in_the_spelling_of_a_literal_are_one_route() {
    assert_eq!(shape("/users/%40me"), shape("/users/@me"));
    assert_eq!(shape("/users/x%3ago"), shape("/users/x:go"));
    assert_ne!(shape("/users/%2A"), shape("/users/*"));
    assert_ne!(shape("/a%2Fb"), shape("/a/b"));
}

#[test]
fn an_escape_never_hides_another_operation() {
    let router = Router::new(&operations(&[
        ("GET", "/files/{name}"),
        ("GET", "/admin"),
        ("GET", "/users/{id}"),
        ("GET", "/users/@me"),
        ("GET", "/jobs/{id}"),
        ("GET", "/jobs/{id}:cancel"),
        ("POST", "/files/{name}/meta"),
        ("DELETE", "/files/{name}/meta"),
    ]))
    .expect("templates");
    for (path, found) in [
        ("/files/a%2Fb", RouteMatch::Operation(0)),
        ("/files/a%5Cb%40c", RouteMatch::Operation(0)),
        ("/files/a%2Fmeta", RouteMatch::Operation(0)),
        ("/files/..%2Fadmin", RouteMatch::Ambiguous),
        ("/files/..%5Cadmin", RouteMatch::Ambiguous),
        ("/files/x%2F..%2F..%2Fadmin", RouteMatch::Ambiguous),
        ("/files/..%2F..%2Fadmin", RouteMatch::Ambiguous),
        ("/files/..%2Fundefined", RouteMatch::Ambiguous),
        ("/files/x%2F..%2Fy", RouteMatch::Operation(0)),
        ("/%2Fadmin", RouteMatch::Ambiguous),
        ("/admin%2F", RouteMatch::Ambiguous),
        ("/users/joe%40example.com", RouteMatch::Operation(2)),
        ("/users/%40me", RouteMatch::Ambiguous),
        ("/users/@me", RouteMatch::Operation(3)),
        ("/jobs/1%3Acancel", RouteMatch::Ambiguous),
        ("/jobs/1%3Astop", RouteMatch::Operation(4)),
        ("/nothing%2Fhere", RouteMatch::NotFound),
    ] {
        assert_eq!(router.find("GET", path), found, "{path}");
    }
    // Only POST and DELETE are there: still no GET operation to be mistaken for.
    assert_eq!(
        router.find("DELETE", "/files/a%2Fmeta"),
        RouteMatch::Ambiguous
    );
}

#[test]
fn an_escape_never_hides_an_operation_with_variables_inside_a_segment() {
    let router = Router::new(&operations(&[
        ("GET", "/a/{x}"),
        ("GET", "/a/{x}.json"),
        ("GET", "/a/{x}@{y}"),
        ("GET", "/b/{x}.{y}"),
    ]))
    .expect("templates");
    for (path, found) in [
        ("/a/b%2Ejson", RouteMatch::Operation(1)),
        ("/a/b.json;v=1", RouteMatch::Ambiguous),
        ("/a/b%3Bv.json", RouteMatch::Ambiguous),
        ("/a/b%40c", RouteMatch::Ambiguous),
        ("/a/b@c", RouteMatch::Operation(2)),
        ("/a/%2Fb", RouteMatch::Operation(0)),
        ("/b/..%2Fa%2Fx.json", RouteMatch::Ambiguous),
        ("/b/a%2F%2E%2E.c", RouteMatch::Operation(3)),
    ] {
        let path = &normalise(path).expect("a path").0;
        assert_eq!(router.find("GET", path), found, "{path}");
    }
}

#[test]
fn ten_thousand_partial_segments_at_one_place_are_told_apart_by_their_ends() {
    for template in [
        |number: u32| format!("/a/p{number}-{{x}}"),
        |number: u32| format!("/a/{{x}}.f{number}"),
        |number: u32| format!("/a/p{number}{{x}}-{{y}}s{number}"),
    ] {
        let all: Vec<_> = (0..10_000)
            .map(|n| operation("GET", &template(n)))
            .collect();
        let router = Router::new(&all).expect("templates");
        let path = template(7_531).replace("{x}", "1").replace("{y}", "2");
        assert_eq!(router.find("GET", &path), RouteMatch::Operation(7_531));
    }
}

#[test]
fn partial_segments_that_differ_only_in_the_middle_are_bounded() {
    let crowd = |count: usize, template: fn(usize) -> String| {
        let all: Vec<_> = (0..count).map(|n| operation("GET", &template(n))).collect();
        Router::new(&all)
    };
    let middles = |number: usize| format!("/a/{{x}}-{number}-{{y}}");
    assert!(crowd(32, middles).is_ok());
    let error = crowd(33, middles).expect_err("too many");
    assert!(matches!(&error, RouteError::Crowded { template } if template.contains("-32-")));
    let lengths = |number: usize| format!("/a/{}{{x}}", "p".repeat(number + 1));
    assert!(crowd(32, lengths).is_ok());
    assert!(matches!(
        crowd(33, lengths),
        Err(RouteError::Crowded { .. })
    ));
}

#[test]
fn a_long_segment_is_matched_in_linear_time() {
    // The worst for a matcher that goes back: every start matches for long.
    let template = format!("/{{a}}{0}b{{b}}{0}c{{d}}", "x".repeat(1000));
    let router = Router::new(&[operation("GET", &template)]).expect("a template");
    let path = format!("/{}", "x".repeat(8000));
    assert_eq!(router.find("GET", &path), RouteMatch::NotFound);
    let escapes = Router::new(&[operation(
        "GET",
        &format!("/{{a}}2F{}z{{b}}", "%2F".repeat(500)),
    )]);
    let path = format!("/{}", "%2F".repeat(2600));
    assert_eq!(
        escapes.expect("a template").find("GET", &path),
        RouteMatch::NotFound
    );
}

#[test]
fn variables_are_read_as_they_stand_in_the_path() {
    for (template, path, expected) in [
        ("/a/b", "/a/b", &[][..]),
        ("/a/{x}", "/a/b%2Fc/", &[("x", "b%2Fc")][..]),
        ("/{x}/*/{y.z}", "/a/b/c", &[("x", "a"), ("y.z", "c")]),
        ("/a/{x=**}", "/a/b/c", &[("x", "b/c")]),
        ("/a/{x=**}", "/a/b/c/", &[("x", "b/c/")]),
        ("/a/{x=**}", "/a/", &[("x", "")]),
        ("/{x=**}", "/", &[("x", "")]),
        ("/{x=a/**}", "/a/b/c", &[("x", "a/b/c")]),
        ("/{x=**/c}", "/a/b/c/", &[("x", "a/b/c")]),
        ("/{x=**}/c", "/a/b/c/", &[("x", "a/b")]),
        ("/{x=a}/{y}", "/a/b", &[("x", "a"), ("y", "b")]),
        ("/{x}:v", "/a:b:v/", &[("x", "a:b")]),
        ("/{x}:v", "/a/:v", &[("x", "a")]),
        ("/{x=**}:v", "/a/b:v", &[("x", "a/b")]),
        (
            "/a{x}-{y}b/{z}",
            "/a%41--2b/c",
            &[("x", "%41"), ("y", "-2"), ("z", "c")],
        ),
        ("/{x}", "/a/b/c", &[("x", "a")]),
        ("/{x}/{y}", "/a", &[]),
        ("/a{x}", "/b", &[]),
    ] {
        let variables = Variables::new(template).expect(template);
        let found = variables.of(path);
        let found: Vec<_> = found.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(found, expected, "{template} {path}");
    }
}

#[test]
fn templates_that_compete_for_a_path_overlap() {
    for (first, second, both) in [
        ("/a/b", "/a/{x}", true),
        ("/a/{x}", "/{x}/b", true),
        ("/a/{x}.json", "/a/{x}", true),
        ("/a/me.json", "/a/{x}.json", true),
        ("/a/v{x}", "/a/{x}.json", true),
        ("/a/{x}.json", "/a/{x}.xml", false),
        ("/a/v{x}", "/a/w{x}", false),
        ("/a/v{x}", "/a/v", false),
        ("/a/b", "/a/c", false),
        ("/a", "/a/{x}", false),
        ("/a", "/a/**", true),
        ("/a/b", "/a/**", true),
        ("/a/{x}/z", "/a/**/z", true),
        ("/a/b/c/z", "/a/**/z", true),
        ("/a/z", "/a/**/z", false),
        ("/a/**/y/z", "/a/**/z", true),
        ("/a/**/y", "/a/**/z", false),
        ("/{x}/b/**", "/a/**", true),
        ("/a/{x}:v", "/a/{x}", true),
        ("/a/{x}:v", "/a/{x}:w", false),
        ("/a/b:v", "/a/{x}", true),
        ("/a/b:v", "/a/c{x}", false),
        ("/**:v", "/{x}", true),
        ("/**:v", "/{x}/{y}/{z}", true),
        ("/a/{x}:v", "/b/**", false),
    ] {
        assert_eq!(overlaps(first, second), both, "{first} {second}");
        assert_eq!(overlaps(second, first), both, "{second} {first}");
        assert_eq!(
            shadows(first, second) || shadows(second, first),
            both,
            "{first} {second}"
        );
    }
    assert!(!overlaps("/a", "no template"));
    assert!(!shadows("/a", "/a"));
}

#[test]
fn a_matrix_parameter_never_hides_another_operation() {
    let router = Router::new(&operations(&[
        ("GET", "/users/{id}"),
        ("GET", "/users/me"),
        ("GET", "/files/{name=**}"),
        ("GET", "/admin"),
    ]))
    .expect("templates");
    for (path, found) in [
        ("/users/7;v=1", RouteMatch::Operation(0)),
        ("/users/;v=1", RouteMatch::Operation(0)),
        ("/users/me;v=1", RouteMatch::Ambiguous),
        ("/users/me%3Bv=1", RouteMatch::Ambiguous),
        ("/users/%6De;", RouteMatch::Ambiguous),
        ("/users;v=1/me", RouteMatch::Ambiguous),
        ("/files/a;x/b;y", RouteMatch::Operation(2)),
        ("/files/..;/admin", RouteMatch::Ambiguous),
        ("/files/..;x%2Fadmin", RouteMatch::Ambiguous),
        ("/files/..%3B/undefined", RouteMatch::Ambiguous),
        ("/files/.;/a", RouteMatch::Operation(2)),
        ("/admin;x", RouteMatch::Ambiguous),
        ("/nothing;x", RouteMatch::NotFound),
        // Servlet containers drop parameters before they decode: what is escaped in one is none of
        // the path.
        ("/admin;%2Fa%2Fb", RouteMatch::Ambiguous),
        ("/admin;%5Ca;b", RouteMatch::Ambiguous),
        ("/admin%3B%2Fa", RouteMatch::Ambiguous),
        // Escaped backslashes are separators to few, escaped slashes to many.
        ("/users%2Fme%5Cx", RouteMatch::Ambiguous),
        ("/users/me%5Cx", RouteMatch::Operation(0)),
        ("/users%5Cme", RouteMatch::Ambiguous),
        // Who merges slashes first has `..` remove another segment.
        ("/files/a%2F%2F..%2F..%2Fadmin", RouteMatch::Ambiguous),
        ("/files/a%2F..%2Fb", RouteMatch::Operation(2)),
        ("/files/a%2F%2Fb", RouteMatch::Operation(2)),
    ] {
        let path = &normalise(path).expect("a path").0;
        assert_eq!(router.find("GET", path), found, "{path}");
    }
}

#[test]
fn templates_that_compete_at_every_segment_are_still_looked_up() {
    // The worst there is for a lookup that goes back.
    let competing: Vec<_> = (0..4096_u32)
        .map(|bits| {
            let path: String = (0..12)
                .map(|bit| if bits >> bit & 1 == 1 { "/{x}" } else { "/a" })
                .collect();
            operation("GET", &path)
        })
        .collect();
    let router = Router::new(&competing).expect("templates");
    assert_eq!(
        router.find("GET", &"/a".repeat(12)),
        RouteMatch::Operation(0)
    );
    assert_eq!(
        router.find("GET", &"/b".repeat(12)),
        RouteMatch::Operation(4095)
    );
    assert_eq!(router.find("GET", &"/a".repeat(4000)), RouteMatch::NotFound);
}

// === against a reference that knows no tree ===

#[derive(Clone, Debug)]
struct Reference {
    template: String,
    pattern: Regex,
    /// Less is more specific.
    rank: (bool, Vec<usize>),
}

impl Reference {
    /// ESPv2's regular expression for a template, and its place in the route table.
    fn new(segments: &[&str], verb: Option<&str>) -> Self {
        let mut template = String::new();
        let mut pattern = String::from("^");
        let mut rank = Vec::new();
        let rest = segments.iter().position(|segment| *segment == "**");
        for (at, segment) in segments.iter().enumerate() {
            template = format!("{template}/{segment}");
            pattern += &match *segment {
                "*" => "/[^/]+".to_owned(),
                "**" => "/.*".to_owned(),
                other => format!("/{}", other.replace("{x}", "[^/]+").replace("{y}", "[^/]+")),
            };
            if rest.is_none_or(|rest| at < rest) {
                rank.push(match *segment {
                    "*" => 100,
                    partial if partial.contains('{') => {
                        1 + PARTIALS
                            .iter()
                            .position(|known| *known == partial)
                            .expect("one of them")
                    }
                    _ => 0,
                });
            }
        }
        match rest {
            None => rank.push(200),
            Some(rest) => rank.extend([300, usize::MAX - (segments.len() - rest)]),
        }
        if segments.is_empty() {
            template.push('/');
        }
        pattern += "/?";
        if let Some(verb) = verb {
            template = format!("{template}:{verb}");
            pattern = format!("{pattern}:{verb}/?");
        }
        Self {
            template,
            pattern: Regex::new(&(pattern + "$")).unwrap(),
            rank: (verb.is_none(), rank),
        }
    }
}

/// As they are tried.
const PARTIALS: [&str; 5] = ["b{x}a", "a{x}", "b{x}", "{x}a", "{x}:{y}"];

fn template() -> impl Strategy<Value = Reference> {
    let segments = ["a", "b", "*"]
        .into_iter()
        .chain(PARTIALS)
        .collect::<Vec<_>>();
    let head = prop::collection::vec(prop::sample::select(segments), 0..4);
    let tail = prop::option::weighted(
        0.3,
        prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..3),
    );
    let verb = prop::option::weighted(0.2, prop::sample::select(vec!["v", "w"]));
    (head, tail, verb).prop_map(|(mut segments, tail, verb)| {
        if let Some(tail) = tail {
            segments.push("**");
            segments.extend(tail);
        }
        let verb = verb.filter(|_| !segments.is_empty());
        Reference::new(&segments, verb)
    })
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec![
        "a", "b", "c", "a:v", "b:w", ":v", "a:", "c:v:w", "ba", "bca", "aa", "bb", "ca:v",
    ]);
    (prop::collection::vec(segment, 0..6), any::<bool>()).prop_map(|(segments, slash)| {
        let path = format!("/{}", segments.join("/"));
        match slash && !segments.is_empty() {
            true => path + "/",
            false => path,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_lookup_agrees_with_matching_one_template_after_another(
        templates in prop::collection::vec((template(), prop::sample::select(vec!["GET", "PUT"])), 0..12),
        paths in prop::collection::vec(path(), 1..8),
    ) {
        let mut seen = BTreeSet::new();
        let routes: Vec<_> = templates
            .into_iter()
            .filter(|(reference, method)| seen.insert((reference.template.clone(), *method)))
            .collect();
        let all: Vec<_> = routes
            .iter()
            .map(|(reference, method)| operation(method, &reference.template))
            .collect();
        let router = Router::new(&all).unwrap();
        for path in paths {
            let mut matching: Vec<_> = (0..routes.len())
                .filter(|&at| routes[at].0.pattern.is_match(&path))
                .collect();
            matching.sort_by_key(|&at| routes[at].0.rank.clone());
            let expected = matching.iter().find(|&&at| routes[at].1 == "GET");
            match router.find("GET", &path) {
                RouteMatch::Operation(found) => prop_assert_eq!(Some(&found), expected, "{}", path),
                RouteMatch::MethodNotAllowed { template, allow, .. } => {
                    prop_assert_eq!(None, expected, "{}", &path);
                    prop_assert_eq!(template, &routes[matching[0]].0.template);
                    prop_assert_eq!(allow, "PUT");
                }
                other => {
                    prop_assert_eq!(other, RouteMatch::NotFound);
                    prop_assert!(matching.is_empty(), "{} {:?}", path, matching);
                }
            }
            // Those that match one path overlap, and the one that is tried first shadows the other.
            for (at, &first) in matching.iter().enumerate() {
                for &second in &matching[at + 1..] {
                    let (first, second) = (&routes[first].0.template, &routes[second].0.template);
                    prop_assert!(first == second || shadows(first, second), "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn no_text_makes_a_lookup_or_a_template_panic(template in "/?\\PC*", path in "\\PC*") {
        if let Ok(router) = Router::new(&[operation("GET", &template)]) {
            let _ = router.find("GET", &path);
            let _ = router.find("PUT", &template);
        }
    }
}
