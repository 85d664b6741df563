//! Spellings of closed paths, by the ten thousand, beside wildcards that are open: whatever a backend
//! may take a path for that reaches it without a token, it is no path that needs one.

use std::collections::BTreeSet;

use endpoints::policy::Prepared;
use endpoints::policy::decide::{Action, decide};
use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

use crate::proxy::policy;

const DOCUMENT: &str = r#"
openapi:
  inline: |
    swagger: "2.0"
    info: {title: Pages, version: "1"}
    host: pages.example.com
    securityDefinitions:
      issuer: {type: oauth2, flow: implicit, authorizationUrl: "", x-google-issuer: "https://issuer.example", x-google-jwks_uri: "https://issuer.example/keys"}
    paths:
      /{page}: {get: {operationId: page}}
      "/files/{name=**}": {get: {operationId: file}}
      /admin: {get: {operationId: admin, security: [{issuer: []}]}}
      /admin/{user}: {get: {operationId: user, security: [{issuer: []}]}}
      /files/secret/keys: {get: {operationId: keys, security: [{issuer: []}]}}
"#;

const SEGMENTS: [&str; 26] = [
    "admin",
    "%61dmin",
    "admin;x",
    "admin;",
    "admin%3b",
    "admin%3Bx=y",
    ";admin",
    "files",
    "f%69les",
    "files;a=b",
    "secret",
    "secret;",
    "keys",
    "keys;v=1",
    "x",
    "",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    ".%2e",
    "..;",
    "..;x",
    "..%3B",
    ".;",
    ";",
];
const SEPARATORS: [&str; 9] = ["/", "/", "/", "//", "%2f", "%2F", "%5c", "%5C", "%2f/"];

/// As servers read a path: decoded or not, without parameters or with them, slashes merged or not.
fn readings(path: &str) -> BTreeSet<String> {
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let mut readings = BTreeSet::from([path.to_owned(), decoded]);
    let more = |readings: &mut BTreeSet<String>, read: &dyn Fn(&str) -> String| {
        let read: Vec<_> = readings.iter().map(|path| read(path)).collect();
        readings.extend(read);
    };
    more(&mut readings, &|path| path.replace('\\', "/"));
    more(&mut readings, &|path| {
        let segments = path.split('/');
        let bare = segments.map(|segment| segment.split(';').next().unwrap_or_default());
        bare.collect::<Vec<_>>().join("/")
    });
    more(&mut readings, &|path| merge(path));
    more(&mut readings, &|path| resolve(path));
    more(&mut readings, &|path| merge(path));
    readings
}

fn merge(path: &str) -> String {
    let mut merged = path.to_owned();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

/// RFC 3986 section 5.2.4; nothing is above the root.
fn resolve(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn is_closed(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let of_admin = path.strip_prefix("/admin/");
    path == "/admin"
        || path == "/files/secret/keys"
        || of_admin.is_some_and(|user| !user.is_empty() && !user.contains('/'))
}

#[test]
fn no_spelling_of_a_closed_path_is_an_open_one() {
    let prepared = Prepared::new(policy(DOCUMENT)).expect("compiled here");
    let open: Vec<_> = prepared
        .policy
        .operations
        .iter()
        .map(|it| it.security.is_empty())
        .collect();
    let mut state = 1_u64;
    let mut any = |of: usize| {
        // Knuth's numbers: the same paths each time.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % of
    };
    let mut problems = BTreeSet::new();
    let (mut forwarded, mut refused) = (0, 0);
    for _ in 0..60_000 {
        let mut path = String::from("/");
        for _ in 0..=any(4) {
            path.push_str(SEGMENTS[any(SEGMENTS.len())]);
            path.push_str(SEPARATORS[any(SEPARATORS.len())]);
        }
        if any(2) == 0 {
            path.push_str(SEGMENTS[any(SEGMENTS.len())]);
        }
        let target: Uri = path.parse().expect("no more than a path");
        let decision = decide(&prepared, &Method::GET, &target, &HeaderMap::new());
        let Action::Forward(forward) = decision.action else {
            refused += 1;
            continue;
        };
        forwarded += 1;
        let is_open = forward.operation.is_none_or(|operation| open[operation]);
        let closed = readings(&forward.path)
            .into_iter()
            .find(|path| is_closed(path));
        if let (true, Some(closed)) = (is_open, closed) {
            problems.insert(format!(
                "{path} goes on as {} and may be read as {closed}",
                forward.path
            ));
        }
    }
    let first: Vec<_> = problems.iter().take(40).collect();
    assert!(
        problems.is_empty(),
        "{} of {forwarded}: {first:#?}",
        problems.len()
    );
    assert!(
        forwarded > 4_000 && refused > 20_000,
        "{forwarded}, {refused}"
    );
}
