//! Bytes that editors leave behind, and values of the wrong kind.

use super::cases::Expected::{Compiles, Refused};
use super::cases::{Case, text};

const DOCUMENT: &str =
    "swagger: '2.0'\ninfo: {title: t, version: '1'}\npaths:\n  /a:\n    get: {operationId: a}\n";

pub fn cases() -> Vec<Case> {
    let plain =
        |name, words, written: &'static str| text(name, Refused(words), move || written.to_owned());
    let head = |name, words, further: &'static str| {
        text(name, Refused(words), move || {
            format!("{DOCUMENT}{further}\n")
        })
    };
    vec![
        text("a byte order mark", Compiles, || {
            format!("\u{feff}{DOCUMENT}")
        }),
        text("carriage returns", Compiles, || {
            DOCUMENT.replace('\n', "\r\n")
        }),
        text("a byte order mark in the middle", Refused("line 6"), || {
            format!("{DOCUMENT}\u{feff}host: a.example.com\n")
        }),
        plain("nothing", "empty", ""),
        plain("spaces", "empty", "  \n\n  "),
        plain("a comment", "empty", "# nothing else\n"),
        plain(
            "a tab as indentation",
            "tab",
            "swagger: '2.0'\npaths:\n\t/a:\n\t\tget: {}\n",
        ),
        plain(
            "NUL",
            "\\u{0}",
            "swagger: '2.0'\npaths:\n  /a\0b: {get: {}}\n",
        ),
        plain(
            "several documents",
            "---",
            "swagger: '2.0'\n---\npaths: {}\n",
        ),
        plain("a list", "not an OpenAPI document", "- swagger: '2.0'\n"),
        plain("a word", "not an OpenAPI document", "swagger"),
        plain(
            "JSON cut off",
            "ends",
            "{\"swagger\": \"2.0\", \"paths\": {",
        ),
        plain(
            "a lone surrogate",
            "escape",
            "{\"swagger\": \"2.0\", \"host\": \"\\ud800\"}",
        ),
        head(
            "a key twice",
            "twice",
            "host: a.example.com\nhost: b.example.com",
        ),
        plain(
            "a key twice in JSON",
            "twice",
            "{\"swagger\": \"2.0\", \"paths\": {\"/a\": {}, \"/\\u0061\": {}}}",
        ),
        plain(
            "200 twice",
            "twice",
            "swagger: '2.0'\npaths:\n  /a: {get: {responses: {200: {}, '200': {}}}}\n",
        ),
        head("host is a number", "host", "host: 5"),
        head("host is a list", "host", "host: [a.example.com]"),
        head("basePath is a number", "basePath", "basePath: 1"),
        plain("paths is a number", "paths", "swagger: '2.0'\npaths: 5\n"),
        plain(
            "a path is a number",
            "/a",
            "swagger: '2.0'\npaths: {/a: 5}\n",
        ),
        plain(
            "an operation is a word",
            "get",
            "swagger: '2.0'\npaths: {/a: {get: word}}\n",
        ),
        plain(
            "operationId is a list",
            "operationId",
            "swagger: '2.0'\npaths: {/a: {get: {operationId: [a]}}}\n",
        ),
        head("security is a number", "security", "security: 5"),
        head("security is a mapping", "security", "security: {a: []}"),
        head("security is a list of words", "security", "security: [a]"),
        head(
            "a scheme is a number",
            "securityDefinitions",
            "securityDefinitions: {a: 5}",
        ),
        head(
            "an issuer is a number",
            "x-google-issuer",
            "securityDefinitions: {a: {type: oauth2, x-google-issuer: 5, x-google-jwks_uri: 'https://a.example.com'}}\nsecurity: [a: []]",
        ),
        head(
            "x-google-endpoints is a word",
            "x-google-endpoints",
            "x-google-endpoints: a",
        ),
        head(
            "x-google-allow is a number",
            "x-google-allow",
            "x-google-allow: 1",
        ),
        head(
            "x-google-backend is a word",
            "x-google-backend",
            "x-google-backend: a",
        ),
        head("control characters in host", "host", "host: \"a\\u0001b\""),
        head(
            "CR and LF in basePath",
            "template",
            "basePath: \"/a\\r\\nb\"",
        ),
        plain(
            "CR and LF in a path",
            "/a",
            "swagger: '2.0'\npaths: {\"/a\\r\\nx: y\": {get: {}}}\n",
        ),
        plain(
            "NUL in a path",
            "/a",
            "swagger: '2.0'\npaths: {\"/a\\0\": {get: {}}}\n",
        ),
        plain(
            "a backslash in a path",
            "/a",
            "swagger: '2.0'\npaths: {'/a\\b': {get: {}}}\n",
        ),
    ]
}
