use super::super::diagnostic::code;
use super::super::read_text;
use super::super::tests::{assert_finding, findings};
use super::*;

const INVALID: &str = code::INVALID_OPENAPI;

/// The paths of the operations of a document with these servers (as flow YAML) and one path, `/a`.
fn paths(servers: &str) -> Vec<String> {
    let text = format!("openapi: 3.0.3\nservers: {servers}\npaths: {{/a: {{get: {{}}}}}}\n");
    let (description, _) = read_text(&text).unwrap_or_else(|e| panic!("{servers}: {e:?}"));
    let operations = description.operations.into_iter();
    operations.map(|operation| operation.path).collect()
}

#[test]
fn the_paths_of_urls_are_base_paths() {
    for (url, path) in [
        ("/", "/a"),
        ("''", "/a"),
        (".", "/a"),
        ("./", "/a"),
        ("/v1/", "/v1/a"),
        ("./v1", "/v1/a"),
        ("//api.example.com/v1", "/v1/a"),
        ("https://api.example.com", "/a"),
        ("https://api.example.com/v1?x=1", "/v1/a"),
        ("https://api.example.com?x=/y", "/a"),
        ("http://user@api.example.com:8080/v1/v2#part", "/v1/v2/a"),
        ("http://[::1]:8080/v1", "/v1/a"),
    ] {
        assert_eq!(
            paths(&format!("[{{url: '{}'}}]", url.trim_matches('\''))),
            [path],
            "{url}"
        );
    }
    assert_eq!(paths("[]"), ["/a"]);
    assert_eq!(paths(""), ["/a"]);
}

#[test]
fn operations_exist_once_under_each_distinct_base_path() {
    let servers = "[{url: https://a/v2}, {url: http://b/v1/}, {url: /v2}, {url: https://c}]";
    assert_eq!(paths(servers), ["/v2/a", "/v1/a", "/a"]);
}

#[test]
fn variables_have_their_defaults() {
    let url = "{s}://{h}:{p}/{v}";
    let variables =
        "{s: {default: https}, h: {default: h.example.com}, p: {default: 8443}, v: {default: v3}}";
    assert_eq!(
        paths(&format!("[{{url: '{url}', variables: {variables}}}]")),
        ["/v3/a"]
    );
    let whole = "[{url: 'https://h{base}', variables: {base: {default: /b/c}}}]";
    assert_eq!(paths(whole), ["/b/c/a"]);
}

#[test]
fn a_variable_that_changes_paths_is_worth_a_word() {
    let document = |url: &str, values: &str| {
        format!(
            "openapi: 3.0.3\nservers:\n- url: {url}\n  variables:\n    v:\n      default: v1\n      enum: {values}\npaths: {{/a: {{get: {{}}}}}}\n"
        )
    };
    let words = "under the default of `v` only";
    assert_finding(
        &document("'/{v}'", "[v1, v2]"),
        lints::SERVER_VARIABLE,
        7,
        7,
        words,
    );
    assert_eq!(findings(&document("'/{v}'", "[v1]")), []);
    assert_eq!(
        findings(&document("'https://{v}.example.com/'", "[v1, v2]")),
        []
    );
}

#[test]
fn servers_that_say_nothing_clear_are_refused() {
    let document = |server: &str| format!("openapi: 3.0.3\nservers:\n- {server}\npaths: {{}}\n");
    for (server, column, words) in [
        ("api.example.com", 3, "must be a list of mappings"),
        ("{description: d}", 3, "has no `url`"),
        ("{url: 1}", 9, "`url` must be text"),
        (
            "{urls: /v1, url: /}",
            4,
            "`urls` is not a field of a server",
        ),
        ("{url: 'https://h/{v}'}", 9, "variable `v` is not defined"),
        (
            "{url: '/{v}', variables: {v: {enum: [a]}}}",
            29,
            "`v` has no `default`",
        ),
        (
            "{url: '/{v}', variables: []}",
            17,
            "`variables` must be a mapping",
        ),
        ("{url: 'https://h/{v'}", 9, "is no template"),
        ("{url: 'https://h/a:b'}", 9, "is no template"),
        ("{url: v1}", 9, "neither a URL with a scheme nor a path"),
        (
            "{url: 'api.example.com/v1'}",
            9,
            "neither a URL with a scheme nor a path",
        ),
    ] {
        assert_finding(&document(server), INVALID, 3, column, words);
    }
    let help = |server: &str| findings(&document(server))[0].help.clone().unwrap();
    assert_eq!(&*help("{url: v1}"), "write `/v1`");
    assert_eq!(
        &*help("{url: api.example.com/v1}"),
        "write `https://api.example.com/v1`"
    );
    assert_finding(
        "openapi: 3.0.3\nservers: {url: /}\npaths: {}\n",
        INVALID,
        2,
        1,
        "must be a list",
    );
}

#[test]
fn what_servers_take_is_bounded() {
    let document = |server: &str, count: usize| {
        let list = vec![server; count].join(", ");
        format!("openapi: 3.0.3\nservers: [{list}]\npaths: {{/a: {{get: {{}}}}}}\n")
    };
    let long = format!("{{url: /{}}}", "x".repeat(3000));
    assert!(
        findings(&document(&long, 1))[0]
            .message
            .contains("longer than 2048")
    );
    let variable = "{url: 'https://h/{v}{v}{v}{v}', variables: {v: {default: DEFAULT}}}";
    let long = variable.replace("DEFAULT", &"x".repeat(1000));
    assert!(
        findings(&document(&long, 1))[0]
            .message
            .contains("longer than 2048")
    );
    assert!(
        findings(&document("{url: /}", 65))[0]
            .message
            .contains("more than 64 entries")
    );
}

#[test]
fn the_nearest_servers_count() {
    let text = "openapi: 3.0.3
servers: [{url: /root}]
paths:
  /a:
    get: {}
  /b:
    servers: [{url: /item}]
    get: {}
    post: {servers: [{url: /one}, {url: /two}]}
    put: {servers: []}
";
    let (description, _) = read_text(text).unwrap();
    let paths: Vec<_> = description
        .operations
        .iter()
        .map(|o| o.path.as_str())
        .collect();
    assert_eq!(paths, ["/root/a", "/item/b", "/item/b", "/one/b", "/two/b"]);
}

#[test]
fn the_marked_server_alone_counts_and_names_the_service() {
    let text = "openapi: 3.0.3
servers:
- url: https://test.example.com/test
- url: https://{name}.example.com:443/v1/
  variables: {name: {default: API}}
  x-google-endpoint: {allowCors: true}
- url: /other
paths: {/a: {get: {}}}
";
    let (description, warnings) = read_text(text).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(description.host.as_deref(), Some("api.example.com"));
    assert_eq!(description.host_place.unwrap().pointer, "/servers/1/url");
    assert!(description.allow_cors.is_some());
    let paths: Vec<_> = description
        .operations
        .iter()
        .map(|o| o.path.as_str())
        .collect();
    assert_eq!(paths, ["/v1/a"]);
    let unmarked = text.replace("x-google-endpoint", "x-other");
    assert_eq!(read_text(&unmarked).unwrap().0.host, None);
}

#[test]
fn marks_at_wrong_places_are_refused() {
    let two = "openapi: 3.0.3
servers:
- {url: 'https://a.example.com', x-google-endpoint: {}}
- {url: 'https://b.example.com', x-google-endpoint: {}}
paths: {}
";
    assert_finding(two, INVALID, 4, 34, "two servers have `x-google-endpoint`");
    let relative = "openapi: 3.0.3\nservers:\n- {url: /v1, x-google-endpoint: {}}\npaths: {}\n";
    assert_finding(relative, INVALID, 3, 9, "names no host");
    let nested = "openapi: 3.0.3
paths:
  /a:
    servers: [{url: 'https://a.example.com', x-google-endpoint: {}}]
    get: {}
";
    assert_finding(
        nested,
        INVALID,
        4,
        46,
        "one of the document's own `servers`",
    );
    let ignored = "openapi: 3.0.3
servers: [{url: 'https://a.example.com/v1', x-google-endpoint: {}}]
paths:
  /a:
    servers: [{url: /v2}]
    get: {}
";
    assert_finding(ignored, lints::NO_EFFECT, 5, 5, "alone counts");
    assert_eq!(read_text(ignored).unwrap().0.operations[0].path, "/v1/a");
}
