use super::*;

fn document(path: &str, parameter: &str) -> String {
    format!(
        "openapi: 3.0.3\npaths:\n  {path}:\n    parameters: [{parameter}]\n    get: {{}}\n    put: {{}}\n"
    )
}

const FILE: &str = "{name: file, in: path, required: true, x-google-parameter: {pattern: '**'}}";

#[test]
fn a_parameter_of_many_segments_is_written_into_the_template() {
    let read = description(&document("/files/{owner}/{file}", FILE));
    let paths: Vec<_> = read.operations.iter().map(|o| o.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/files/{owner}/{file=**}", "/files/{owner}/{file=**}"]
    );
}

#[test]
fn an_operation_s_parameter_is_its_own() {
    let text = format!(
        "openapi: 3.0.3\npaths:\n  /files/{{file}}:\n    get: {{parameters: [{FILE}]}}\n    put: {{}}\n"
    );
    let read = description(&text);
    let paths: Vec<_> = read.operations.iter().map(|o| o.path.as_str()).collect();
    assert_eq!(paths, ["/files/{file=**}", "/files/{file}"]);
}

#[test]
fn one_segment_is_what_every_parameter_is() {
    let read = description(&document("/a/{file}", &FILE.replace("**", "*")));
    assert_eq!(read.operations[0].path, "/a/{file}");
}

#[test]
fn wrong_patterns_and_places_are_refused() {
    let at = "/paths/~1a~1{file}/parameters/0";
    for (parameter, below, words, help) in [
        (
            FILE.replace("'**'", "'a/*'"),
            "/x-google-parameter/pattern",
            "is `a/*`",
            "`pattern: \"**\"`",
        ),
        (
            FILE.replace("'**'", "7"),
            "/x-google-parameter/pattern",
            "must be text",
            "\"7\"",
        ),
        (
            FILE.replace("{pattern: '**'}", "'**'"),
            "/x-google-parameter",
            "must be a mapping",
            "`pattern`",
        ),
        (
            FILE.replace("pattern:", "patern:"),
            "/x-google-parameter/patern",
            "not a field",
            "`pattern`",
        ),
        (
            FILE.replace("in: path", "in: query"),
            "/x-google-parameter",
            "with `in: path`",
            "move it",
        ),
        (
            FILE.replace("name: file", "name: [a]"),
            "/name",
            "must be text",
            "one text",
        ),
        (
            FILE.replace("name: file", "name: other"),
            "/name",
            "no parameter `other`",
            "in braces",
        ),
    ] {
        let text = document("/a/{file}", &parameter);
        assert_invalid(&text, &format!("{at}{below}"), words, help);
    }
}

#[test]
fn a_mistyped_extension_of_a_parameter_is_called_unknown() {
    assert_found(
        &document(
            "/a/{file}",
            &FILE.replace("x-google-parameter", "x-google-parameters"),
        ),
        "unknown-extension",
        "/paths/~1a~1{file}/parameters/0/x-google-parameters",
        "changes nothing",
        "did you mean `x-google-parameter`?",
    );
}

#[test]
fn the_2_0_form_in_a_path_of_3_x_is_refused_with_what_to_write() {
    let at = "/paths/~1a~1{file=**}";
    let text = "openapi: 3.0.3\npaths:\n  /a/{file=**}: {get: {}}\n";
    assert_invalid(
        text,
        at,
        "`{file=**}` is how OpenAPI 2.0",
        "x-google-parameter: {pattern: \"**\"}",
    );
    let text = "openapi: 3.0.3\npaths:\n  /a/{file=*}: {get: {}}\n";
    assert_invalid(
        text,
        "/paths/~1a~1{file=*}",
        "`{file=*}`",
        "write `{file}` in the path",
    );
    let text = "swagger: '2.0'\npaths:\n  /a/{file=**}: {get: {}}\n";
    assert_eq!(operation(text).path, "/a/{file=**}");
}
