//! Routes.

use super::*;

fn routes(paths: &[&str]) -> Vec<String> {
    let paths: String = paths
        .iter()
        .map(|path| format!("  {path}: {{get: {{}}}}\n"))
        .collect();
    findings(&format!("swagger: '2.0'\npaths:\n{paths}"), json!({}))
        .into_iter()
        .map(|finding| finding.message)
        .collect()
}

#[test]
fn paths_that_two_templates_claim_are_named_with_the_one_that_wins() {
    for (paths, words) in [
        (
            ["/users/{id}/posts", "/users/me/{what}"],
            "`GET /users/me/posts` goes to `/users/me/{what}`, though it matches `/users/{id}/posts`",
        ),
        (
            ["/{x}/b", "/a/**"],
            "`GET /a/b` goes to `/a/**`, though it matches `/{x}/b`",
        ),
        (
            ["/a/{x}/c/{y}", "/a/b/{z}/d"],
            "`GET /a/b/c/d` goes to `/a/b/{z}/d`",
        ),
        (["/a/{x}/**", "/a/b/c/{d}:go"], ""),
        (
            ["/a/{x}/c:go", "/a/b/{y}:go"],
            "`GET /a/b/c:go` goes to `/a/b/{y}:go`",
        ),
    ] {
        let found = routes(&paths);
        match words {
            "" => assert_eq!(found, [""; 0]),
            words => assert!(found.len() == 1 && found[0].contains(words), "{found:#?}"),
        }
        let reversed: Vec<_> = paths.into_iter().rev().collect();
        assert_eq!(routes(&reversed), found);
    }
}

#[test]
fn a_narrower_template_wins_without_a_word() {
    for paths in [
        &["/users/{id}", "/users/me"][..],
        &[
            "/users/{id}/posts/{post}",
            "/users/me/posts/latest",
            "/users/{id}/posts/latest",
        ],
        &["/**", "/a/**", "/a/{x}", "/a/b"],
        &["/a/{x}", "/b/{y}", "/{z}"],
        &["/a/{x}/c", "/a/b/d"],
        &["/a/{x}", "/a/b:go"],
    ] {
        assert_eq!(routes(paths), [""; 0], "{paths:?}");
    }
}

#[test]
fn other_methods_do_not_compete() {
    let document = "swagger: '2.0'\npaths:\n  /a/{x}/c: {get: {}}\n  /a/b/{y}: {put: {}}\n";
    assert_eq!(findings(document, json!({})), []);
}

#[test]
fn several_templates_that_lose_to_one_are_one_finding() {
    let document = "swagger: '2.0'\npaths:\n  /a/b/{y}: {get: {}}\n  /a/{x}/c: {get: {}}\n  /a/{x}/d: {get: {}}\n";
    let found = only("overlapping-routes", document, json!({}));
    assert_eq!(found.related.len(), 2);
}

#[test]
fn paths_that_differ_in_case_are_told_once_a_spelling() {
    let document =
        "swagger: '2.0'\npaths:\n  /A/{x}: {get: {}, put: {}}\n  /a/{X}: {get: {}, put: {}}\n";
    let found = only("paths-differ-by-case", document, json!({}));
    assert_eq!(found.place.pointer, "/paths/~1a~1{X}");
}

#[test]
fn the_health_path_hides_only_what_has_it() {
    let document = "swagger: '2.0'\npaths:\n  /health: {get: {}, post: {}}\n  /{any}: {get: {}}\n";
    let at = |healthz: &str| findings(document, json!({"routing": {"healthz": healthz}}));
    let found = at("health/");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]
            .message
            .contains("2 operations (first `GET /health`)"),
        "{found:?}"
    );
    assert_eq!(at("/healthz"), []);
}
