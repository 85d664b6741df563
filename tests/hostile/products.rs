//! Where one half of a document multiplies the other until the policy bursts: what is written once, in a
//! path item that many paths refer to or at the top, stands in every operation of the policy.

use std::fmt::Write as _;

use super::cases::Expected::{Compiles, Refused};
use super::cases::{Case, text};

const HEAD: &str = "swagger: '2.0'\ninfo: {title: t, version: '1'}\n";
const HEAD_3: &str = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n";
const ISSUER: &str = "x-google-issuer: https://issuer.example.com, x-google-jwks_uri: https://issuer.example.com/keys";

/// As many operations as a document may have.
const PATHS: usize = 6_500;
const METHODS: [&str; 3] = ["get", "put", "post"];

/// Paths that all refer to one item, each of whose methods has these fields.
fn referred(head: &str, fields: &str) -> String {
    let mut text = format!("{head}x-item:\n");
    for method in METHODS {
        let _ = writeln!(text, "  {method}: {{{fields}}}");
    }
    text += "paths:\n";
    for number in 0..PATHS {
        let _ = writeln!(text, "  /p{number}/{{a}}: {{$ref: '#/x-item'}}");
    }
    text
}

/// Paths with one operation each, below what stands at the top.
fn under(head: &str) -> String {
    let mut text = format!("{head}paths:\n");
    for number in 0..3 * PATHS {
        let _ = writeln!(text, "  /p{number}: {{get: {{}}}}");
    }
    text
}

fn schemes(count: usize, name: &str, fields: &str) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(
            text,
            "  {name}{number}: {{type: oauth2, {ISSUER}/{number}{fields}}}"
        );
        text
    })
}

pub fn cases() -> Vec<Case> {
    let audiences = |count: usize| {
        (0..count).fold(String::new(), |text, number| {
            text + &format!("https://a{number:050},")
        })
    };
    let address = |scheme: &str| format!("{scheme}://a.example.com/{}", "x".repeat(2_000));
    vec![
        text(
            "product: audiences and operations, by reference",
            Refused("bytes"),
            move || {
                let head = format!("{HEAD}securityDefinitions:\n{}", schemes(1, "s", ""));
                let fields = format!("x-security: [{{s0: {{audiences: [{}]}}}}]", audiences(100));
                referred(&head, &fields)
            },
        ),
        text("product: audiences of many schemes", Compiles, move || {
            let list = format!(
                ", x-google-audiences: '{}'",
                audiences(50).trim_end_matches(',')
            );
            let head = format!("{HEAD}securityDefinitions:\n{}", schemes(200, "s", &list));
            let all = (0..64).fold(String::new(), |text, number| {
                text + &format!("- s{number}: []\n")
            });
            format!("{head}security:\n{all}paths: {{/a: {{get: {{}}}}}}\n")
        }),
        text(
            "product: addresses and operations, appended",
            Compiles,
            move || {
                let backend = address("https");
                referred(
                    HEAD,
                    &format!(
                        "x-google-backend: {{address: '{backend}', path_translation: APPEND_PATH_TO_ADDRESS, disable_auth: true}}"
                    ),
                )
            },
        ),
        text(
            "product: addresses and operations, constant",
            Compiles,
            move || {
                let backend = address("https");
                referred(
                    HEAD,
                    &format!(
                        "x-google-backend: {{address: '{backend}', path_translation: CONSTANT_ADDRESS, disable_auth: true}}"
                    ),
                )
            },
        ),
        text(
            "product: an address of each operation",
            Refused("bytes"),
            || {
                let mut text = format!("{HEAD}paths:\n");
                for number in 0..5_000 {
                    let _ = writeln!(
                        text,
                        "  /p{number}: {{get: {{x-google-backend: {{address: 'https://{number}.example.com/{}', disable_auth: true}}}}}}",
                        "x".repeat(1_000)
                    );
                }
                text
            },
        ),
        text(
            "product: alternatives with long names and operations",
            Refused("bytes"),
            || {
                let name = "s".repeat(240);
                let head = format!(
                    "{HEAD_3}components:\n securitySchemes:\n{}",
                    schemes(64, &name, "")
                );
                let all = (0..64).fold(String::new(), |text, number| {
                    text + &format!("- {name}{number}: []\n")
                });
                under(&format!("{head}security:\n{all}"))
            },
        ),
        text(
            "product: schemes demanded together and operations",
            Refused("bytes"),
            || {
                let head = format!(
                    "{HEAD}securityDefinitions:\n{}",
                    schemes(64, "scheme-of-tokens-", "")
                );
                let together = |from: usize| {
                    let all: Vec<_> = (0..8)
                        .map(|at| format!("scheme-of-tokens-{}: []", (from + at) % 64))
                        .collect();
                    format!("- {{{}}}\n", all.join(", "))
                };
                let all = (0..64).fold(String::new(), |text, number| text + &together(number));
                under(&format!("{head}security:\n{all}"))
            },
        ),
        text(
            "product: a base path and operations",
            Refused("16 MiB"),
            || under(&format!("{HEAD}basePath: /{}\n", "x".repeat(1_000))),
        ),
        text(
            "product: names and operations, by reference",
            Refused("16 MiB"),
            || referred(HEAD, &format!("operationId: {}", "x".repeat(1_000))),
        ),
        text(
            "product: CORS rules and operations, by reference",
            Compiles,
            || {
                let origins = (0..64).fold(String::new(), |text, number| {
                    text + &format!("'https://a{number:0400}.example',")
                });
                referred(
                    HEAD,
                    &format!("x-endpoints-cors: {{allowOrigins: [{origins}]}}"),
                )
            },
        ),
    ]
}
