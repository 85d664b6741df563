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
        let (place, what) = &findings[0].related[0];
        assert_eq!(place.position.map(|p| (p.line, p.column)), Some((4, 5)));
        assert_eq!(&**what, "first defined here");
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
    let fragment = routes("  /a#b: {get: {}}\n").unwrap_err().remove(0);
    assert!(
        fragment
            .help
            .unwrap()
            .contains("remove the part from `#` on")
    );
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

#[test]
fn one_operation_id_twice_is_a_warning_that_names_both() {
    let document = "swagger: '2.0'\npaths:\n  /b: {get: {operationId: Get-It}}\n  /a: {get: {operationId: Get.It}}\n";
    let compiled = compile(&inline(document), &identity()).unwrap();
    let names: Vec<_> = compiled
        .policy
        .operations
        .iter()
        .map(|operation| &*operation.name)
        .collect();
    assert_eq!(names, ["Get_It", "get_b"]);
    let [warning] = compiled.warnings.as_slice() else {
        panic!("{:?}", compiled.warnings)
    };
    assert_eq!(warning.code, "duplicate-operation-id");
    assert_eq!(warning.place.position.map(|p| p.line), Some(3));
    assert_eq!(warning.related[0].0.position.map(|p| p.line), Some(4));
    for part in ["`Get-It`", "`/b`", "`Get.It`", "`/a`"] {
        assert!(warning.message.contains(part), "{warning}");
    }
}

/// A server with two base paths multiplies operations; their ids are written once.
#[test]
fn one_operation_under_two_base_paths_has_two_names_and_no_warning() {
    use super::described::{description, operation, policy};
    let mut first = operation("GET", "/v1/a");
    first.operation_id = Some(String::from("ListA"));
    let mut second = first.clone();
    second.path = String::from("/v2/a");
    let (policy, warnings) = policy(&description(vec![second, first], Vec::new()), json!({}));
    let names: Vec<_> = policy
        .operations
        .iter()
        .map(|operation| &*operation.name)
        .collect();
    assert_eq!(names, ["ListA", "get_v2_a"]);
    assert_eq!(warnings, Vec::<&str>::new());
}

#[test]
fn undefined_paths_are_let_through_only_if_the_document_says_so() {
    use super::described::{description, operation, place, policy, scheme, security};
    let mut described = description(vec![operation("POST", "/{all=**}")], vec![scheme("one")]);
    described.operations[0].security = security(&[&["one"]]);
    assert_eq!(policy(&described, json!({})).0.operations.len(), 1);
    described.allow_all = Some(place("/x-google-allow"));
    let (open, warnings) = policy(&described, json!({}));
    let routes: Vec<_> = open
        .operations
        .iter()
        .map(|operation| {
            (
                &*operation.method,
                &*operation.path,
                operation.security.len(),
            )
        })
        .collect();
    // What the document defines itself keeps its security.
    assert_eq!(
        routes,
        [
            ("DELETE", "/**", 0),
            ("GET", "/**", 0),
            ("PATCH", "/**", 0),
            ("PUT", "/**", 0),
            ("POST", "/{all=**}", 1),
        ]
    );
    assert_eq!(warnings, ["undefined-paths-allowed"]);
    assert_eq!(open.format, 1);
}
