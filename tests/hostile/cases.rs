//! Documents that are large, deep or many of something.

use std::fmt::Write as _;

use endpoints::api::EndpointsServiceSpec;
use serde_json::{Value, json};

use super::{bytes, headers, products};

/// A document, or a spec around one, and what must come of it.
pub struct Case {
    pub name: &'static str,
    pub spec: Box<dyn Fn() -> EndpointsServiceSpec>,
    pub expected: Expected,
}

#[derive(Clone, Copy)]
pub enum Expected {
    Compiles,
    /// An error has these words.
    Refused(&'static str),
}

use Expected::{Compiles, Refused};

/// Just under what a document may take.
const ROOM: usize = 1024 * 1024 - 10_000;
const HEAD: &str = "swagger: '2.0'\ninfo: {title: t, version: '1'}\n";
const HEAD_3: &str = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\n";
const SCHEME: &str = "    type: oauth2\n    x-google-jwks_uri: https://issuer.example.com/keys\n";

pub fn all() -> Vec<Case> {
    let mut all = nesting();
    all.extend(aliases());
    all.extend(many());
    all.extend(products());
    all.extend(products::cases());
    all.extend(bytes::cases());
    all.extend(headers::cases());
    all
}

/// A case whose document is text.
pub fn text(name: &'static str, expected: Expected, text: impl Fn() -> String + 'static) -> Case {
    fields(
        name,
        expected,
        move || json!({ "openapi": { "inline": text() } }),
    )
}

/// A case of a whole spec.
pub fn fields(name: &'static str, expected: Expected, spec: impl Fn() -> Value + 'static) -> Case {
    Case {
        name,
        spec: Box::new(move || serde_json::from_value(spec()).expect("a spec")),
        expected,
    }
}

const DEEP: usize = 100_000;

fn nesting() -> Vec<Case> {
    let deep = |name, part: &'static str| text(name, Refused("nested"), move || part.repeat(DEEP));
    vec![
        deep("deep: block sequences", "- "),
        text(
            "deep: keys that are mappings",
            Refused("key must be text"),
            || "? ".repeat(DEEP),
        ),
        deep("deep: flow sequences, not closed", "["),
        deep("deep: flow mappings, not closed", "{a: "),
        deep("deep: JSON objects, not closed", "{\"a\":"),
        text("deep: JSON arrays", Refused("nested"), || {
            format!("{{\"a\":{}{}}}", "[".repeat(DEEP), "]".repeat(DEEP))
        }),
        text("deep: flow sequences", Refused("nested"), || {
            format!("a: {}{}", "[".repeat(DEEP), "]".repeat(DEEP))
        }),
        text("deep: block mappings", Refused("nested"), || {
            (0..1_400).fold(String::new(), |mut text, level| {
                let _ = writeln!(text, "{:level$}a:", "");
                text
            })
        }),
        fields("deep: structure", Refused("nested"), || {
            let deep = (0..500).fold(json!({}), |inner, _| json!({ "a": inner }));
            json!({ "openapi": { "document": { "swagger": "2.0", "paths": {}, "x-deep": deep } } })
        }),
    ]
}

fn aliases() -> Vec<Case> {
    vec![
        text("aliases: of aliases of aliases", Refused("aliases"), || {
            let mut text = format!("{HEAD}paths: {{}}\na0: &a0 [x]\n");
            for level in 1..40 {
                let before = format!("*a{}, ", level - 1).repeat(10);
                let _ = writeln!(text, "a{level}: &a{level} [{before}]");
            }
            text
        }),
        text("aliases: many of a long one", Refused("aliases"), || {
            let long = "x,".repeat(100_000);
            let many = "*long, ".repeat(100_000);
            format!("{HEAD}paths: {{}}\nlong: &long [{long}]\nmany: [{many}]\n")
        }),
        text(
            "aliases: merged into one another",
            Refused("aliases"),
            || {
                let mut text = format!("{HEAD}paths: {{}}\nm0: &m0 {{k: v}}\n");
                for level in 1..2_000 {
                    let before = level - 1;
                    let _ = writeln!(text, "m{level}: &m{level} {{<<: *m{before}, k{level}: v}}");
                }
                text
            },
        ),
        text("aliases: one anchor redefined", Compiles, || {
            format!(
                "{HEAD}paths: {{/a: {{get: {{}}}}}}\nx-a:\n{}",
                "- &a b\n- *a\n".repeat(20_000)
            )
        }),
        text("aliases: of itself", Refused("alias"), || {
            format!("{HEAD}paths: &a {{x: *a}}\n")
        }),
    ]
}

fn repeated(head: &str, each: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    for number in 0.. {
        let next = each(number);
        if text.len() + next.len() > ROOM {
            break;
        }
        text += &next;
    }
    text
}

fn many() -> Vec<Case> {
    let paths = |name, expected, each: fn(usize) -> String| {
        text(name, expected, move || {
            repeated(&format!("{HEAD}paths:\n"), each)
        })
    };
    vec![
        text("10 MB of paths", Refused("bytes"), || {
            let mut text = format!("{HEAD}paths:\n");
            for number in 0..500_000 {
                let _ = writeln!(text, "  /p{number}: {{get: {{}}}}");
            }
            text
        }),
        fields("10 MB of paths as structure", Refused("bytes"), || {
            let paths: serde_json::Map<_, _> = (0..300_000)
                .map(|number| (format!("/path/number/{number}"), json!({ "get": {} })))
                .collect();
            json!({ "openapi": { "document": { "swagger": "2.0", "paths": paths } } })
        }),
        paths("1 MB of short paths", Refused("operations"), |number| {
            format!("  /p{number}: {{get: {{}}}}\n")
        }),
        paths("1 MB of paths", Compiles, |number| {
            format!("  /{number:050}: {{get: {{}}}}\n")
        }),
        paths("1 MB of paths with variables", Compiles, |number| {
            format!("  /p{number:040}/{{a}}/{{b}}: {{get: {{}}}}\n")
        }),
        paths("1 MB of overlapping paths", Compiles, |number| {
            match number % 2 {
                0 => format!("  /a/{{x}}/{number:050}: {{get: {{}}}}\n"),
                _ => format!("  /{{x}}/b/{number:050}: {{get: {{}}}}\n"),
            }
        }),
        paths("1 MB of paths that end in anything", Compiles, |number| {
            format!("  /p{number:050}/**: {{get: {{}}}}\n")
        }),
        paths("1 MB of beginnings of one segment", Compiles, |number| {
            format!("  /a/p{number:050}-{{x}}: {{get: {{}}}}\n")
        }),
        paths(
            "1 MB of middles of one segment",
            Refused("same segment"),
            |number| format!("  /a/{{x}}-{number:040}-{{y}}: {{get: {{}}}}\n"),
        ),
        paths("1 MB of equal routes", Refused("same route"), |number| {
            format!("  /a/{{p{number:050}}}: {{get: {{}}}}\n")
        }),
        paths("1 MB of wrong templates", Refused("template"), |number| {
            format!("  '/a/{{p{number:050}': {{get: {{}}}}\n")
        }),
        paths("1 MB of templates of many segments", Compiles, |number| {
            format!("  /{}{number}: {{get: {{}}}}\n", "{a}/".repeat(100))
        }),
        paths("1 MB of unknown fields", Compiles, |number| {
            format!("  x-google-p{number}: 1\n")
        }),
        text("1 MB of misspelt fields", Refused("not a field"), || {
            repeated(HEAD, |number| format!("secrity{number}: 1\n"))
        }),
        text("1 MB of one long word", Refused("`paths`"), || {
            format!("{HEAD}paths:\n  /{}", "x".repeat(ROOM))
        }),
        text("1 MB of one long key", Refused("`"), || {
            format!(
                "{HEAD}paths:\n  ? \"/a {}\"\n  : {{get: {{}}}}",
                "x".repeat(ROOM)
            )
        }),
        text("1 MB of schemes", Refused("schemes"), || {
            repeated(
                &format!("{HEAD}paths: {{/a: {{get: {{}}}}}}\nsecurityDefinitions:\n"),
                |number| {
                    format!(
                        "  s{number}:\n{SCHEME}    x-google-issuer: https://issuer{number}.example.com\n"
                    )
                },
            )
        }),
        text("1 MB of references in a chain", Refused("$ref"), || {
            repeated(&format!("{HEAD}paths:\n"), |number| {
                format!("  /p{number}: {{$ref: '#/paths/~1p{}'}}\n", number + 1)
            })
        }),
        text("references to one another", Refused("$ref"), || {
            format!("{HEAD}paths:\n  /a: {{$ref: '#/paths/~1b'}}\n  /b: {{$ref: '#/paths/~1a'}}\n")
        }),
    ]
}

/// Where one half of a document multiplies the other.
fn products() -> Vec<Case> {
    vec![
        text(
            "product: alternatives and operations",
            Refused("alternatives"),
            || {
                let mut text = format!(
                    "{HEAD}securityDefinitions:\n  s:\n{SCHEME}    x-google-issuer: https://issuer.example.com\nsecurity:\n"
                );
                text += &"- s: []\n".repeat(30_000);
                repeated(&(text + "paths:\n"), |number| {
                    format!("  /p{number}: {{get: {{}}}}\n")
                })
            },
        ),
        text("product: scopes and operations", Refused("scope"), || {
            let scopes =
                (0..50_000).fold(String::new(), |text, number| text + &format!("s{number},"));
            let text = format!(
                "{HEAD}securityDefinitions:\n  s:\n{SCHEME}    x-google-issuer: https://issuer.example.com\nsecurity: [s: [{scopes}]]\npaths:\n"
            );
            repeated(&text, |number| format!("  /p{number}: {{get: {{}}}}\n"))
        }),
        text("product: servers and operations", Refused("server"), || {
            let mut text = format!("{HEAD_3}servers:\n");
            for number in 0..20_000 {
                let _ = writeln!(text, "- url: /v{number}");
            }
            repeated(&(text + "paths:\n"), |number| {
                format!("  /p{number}: {{get: {{}}}}\n")
            })
        }),
        text(
            "product: references to one path item",
            Refused("operations"),
            || {
                let methods = "get: {}, put: {}, post: {}, delete: {}, patch: {}, head: {}";
                let text = format!("{HEAD}x-item: {{{methods}}}\npaths:\n");
                repeated(&text, |number| {
                    format!("  /p{number}: {{$ref: '#/x-item'}}\n")
                })
            },
        ),
        text(
            "product: CORS patterns and operations",
            Refused("x-endpoints-cors"),
            || {
                repeated(&format!("{HEAD}paths:\n"), |number| {
                    format!(
                        "  /p{number}:\n    get:\n      x-endpoints-cors: {{allowOriginRegex: 'https://[a-z]{{900}}{number}'}}\n"
                    )
                })
            },
        ),
        fields(
            "pattern: repetitions of repetitions",
            Refused("allowOriginRegex"),
            || {
                json!({ "openapi": { "inline": format!("{HEAD}paths: {{/a: {{get: {{}}}}}}\n") },
                "cors": { "allowOriginRegex": "https://((((a{100}){100}){100}){100})" } })
            },
        ),
    ]
}
