//! Routes and names.

use super::*;

fn routes(paths: &str) -> Result<Vec<Operation>, Vec<Diagnostic>> {
    let document = format!("swagger: '2.0'\npaths:\n{paths}");
    compile(&inline(&document), &identity()).map(|compiled| compiled.policy.operations)
}

#[test]
fn one_route_twice_is_refused_with_both_places() {
    for (first, second) in [
        ("/a/{x}", "/a/{y}"),
        ("/a", "/a/"),
        ("/a/{x}:go", "/a/{y}:go"),
        ("/a/%41", "/a/A"),
    ] {
        let paths =
            format!("  {first}:\n    get: {{}}\n  {second}:\n    post: {{}}\n    get: {{}}\n");
        let findings = routes(&paths).unwrap_err();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].code, code::CONFLICTING_ROUTES);
        assert_eq!(
            findings[0].place.position.map(|p| (p.line, p.column)),
            Some((7, 5))
        );
        let message = &findings[0].message;
        assert!(
            message.contains("line 4, column 5") && message.contains(first),
            "{message}"
        );
    }
    assert_eq!(
        routes("  /a/{x}: {get: {}}\n  /a/b: {get: {}}\n  /a: {get: {}, put: {}}\n")
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn a_path_that_is_no_template_is_refused_at_its_place() {
    for path in [
        "/a//b",
        "/a/{x",
        "/a/x}",
        "/a/{}",
        "/a/{x}{y}",
        "/a/{x=**}b",
        "/a/{x=**}/{y}",
        "/a?b={c}",
        "/a#b",
    ] {
        let findings = routes(&format!("  \"{path}\": {{get: {{}}}}\n")).unwrap_err();
        assert_eq!(findings.len(), 1, "{path}: {findings:?}");
        assert_eq!(findings[0].code, code::INVALID_OPENAPI, "{path}");
        assert_eq!(
            findings[0].place.position.map(|p| (p.line, p.column)),
            Some((3, 3)),
            "{path}"
        );
        assert!(
            findings[0].message.contains("not a path template"),
            "{path}"
        );
    }
    let fine = "  /: {get: {}}\n  /a/{x=**}: {get: {}}\n  /b/*: {get: {}}\n  /c/{x}:verb: {get: {}}\n  /d/{x}.{y}: {get: {}}\n";
    assert_eq!(routes(fine).unwrap().len(), 5);
}

#[test]
fn too_many_partial_segments_that_differ_only_in_the_middle_are_refused() {
    let paths: String = (0..33)
        .map(|number| format!("  /a/{{x}}-{number:02}-{{y}}: {{get: {{}}}}\n"))
        .collect();
    let findings = routes(&paths).unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, code::UNSUPPORTED_FEATURE);
    let place = findings[0].place.position.map(|p| (p.line, p.column));
    assert_eq!(place, Some((35, 3)));
}

#[test]
fn operations_have_names_of_their_own() {
    let operations = routes(
        "  /a: {get: {operationId: Get.It}, put: {operationId: Get-It}, post: {operationId: \"\"}}\n  /b/{x}: {get: {operationId: ü}}\n",
    )
    .unwrap();
    let names: Vec<_> = operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    assert_eq!(names, ["Get_It", "post_a", "put_a", "get_b__x_"]);
}
