//! Request targets: forms, escapes, dot segments, characters, length.

use super::{Case, OPERATION, around, run};

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// What the backend gets for a target, and which operation it is.
const FORWARDED: [(&str, &str, &str); 47] = [
    ("/shelves", "/shelves", "list"),
    ("/shelves/", "/shelves/", "list"),
    ("/shelves?", "/shelves?", "list"),
    ("/shelves??x", "/shelves??x", "list"),
    (
        "/shelves?/../admin/users",
        "/shelves?/../admin/users",
        "list",
    ),
    ("/shelves?x=%zz", "/shelves?x=%zz", "list"),
    ("/shelves?%00", "/shelves?%00", "list"),
    ("/shelves?x=a\\b", "/shelves?x=a\\b", "list"),
    ("//shelves", "/shelves", "list"),
    ("///shelves///", "/shelves/", "list"),
    ("/./shelves", "/shelves", "list"),
    ("/shelves/.", "/shelves/", "list"),
    ("/shelves/./", "/shelves/", "list"),
    ("/x/../shelves", "/shelves", "list"),
    ("/x/%2e%2e/shelves", "/shelves", "list"),
    ("/x/%2E./shelves", "/shelves", "list"),
    ("/x/.%2e/shelves", "/shelves", "list"),
    ("/x//../shelves", "/x/shelves", ""),
    ("/admin/../shelves", "/shelves", "list"),
    ("/shelves/../admin/users", "/admin/users", "users"),
    ("/shelves/../admin//users", "/admin/users", "users"),
    ("/%73helves", "/shelves", "list"),
    ("/%61dmin/user%73", "/admin/users", "users"),
    ("/shelves/1", "/shelves/1", "get"),
    ("/shelves/%31", "/shelves/1", "get"),
    ("/shelves/a%20b", "/shelves/a%20b", "get"),
    ("/shelves/a%2520b", "/shelves/a%2520b", "get"),
    ("/shelves/%c3%a9", "/shelves/%C3%A9", "get"),
    ("/shelves/%ff", "/shelves/%FF", "get"),
    ("/shelves/%c0%af", "/shelves/%C0%AF", "get"),
    ("/shelves/%c0%ae%c0%ae", "/shelves/%C0%AE%C0%AE", "get"),
    ("/shelves/%e0%80%af", "/shelves/%E0%80%AF", "get"),
    (
        "/shelves/%f8%80%80%80%af",
        "/shelves/%F8%80%80%80%AF",
        "get",
    ),
    ("/shelves/%u002f", "", ""),
    ("/shelves/...", "/shelves/...", "get"),
    ("/shelves/.hidden", "/shelves/.hidden", "get"),
    ("/shelves/..x", "/shelves/..x", "get"),
    ("/shelves/x..", "/shelves/x..", "get"),
    ("/shelves/%252e%252e", "/shelves/%252e%252e", "get"),
    ("/shelves/1:merge", "/shelves/1:merge", "get"),
    ("/shelves/a;b=c", "/shelves/a;b=c", "get"),
    ("/shelves/a%3Bb", "/shelves/a%3Bb", "get"),
    ("/shelves/a{b}|c^d", "/shelves/a%7Bb%7D%7Cc%5Ed", "get"),
    ("/shelves/a\"b", "/shelves/a%22b", "get"),
    ("/files/a%2Fb", "/files/a%2Fb", "file"),
    ("/files/a/../b//c", "/files/b/c", "file"),
    ("/files/%0d%0aX-A:%20b", "/files/%0D%0AX-A:%20b", "file"),
];

#[tokio::test]
async fn what_is_forwarded_is_in_its_one_spelling() {
    let mut cases = Vec::new();
    for (target, expected, operation) in FORWARDED {
        cases.push(match (expected, operation) {
            ("", _) => Case::refused(target, get(target), 400, "BadPath"),
            (_, "") => Case::refused(target, get(target), 404, "RouteNotFound"),
            (path, operation) => {
                Case::forwarded(target, get(target), format!("GET {path} HTTP/1.1"))
                    .saw(OPERATION, &[operation])
            }
        });
    }
    run(47, cases).await;
}

#[tokio::test]
async fn forms_of_targets_are_read_as_rfc_9112_has_them() {
    let mut cases = vec![
        Case::forwarded(
            "absolute",
            get("http://b.example/shelves?x"),
            "GET /shelves?x HTTP/1.1",
        )
        .saw("host", &["b.example"])
        .saw("x-forwarded-host", &["b.example"]),
        Case::forwarded(
            "absolute, https",
            get("https://b.example/shelves"),
            "GET /shelves HTTP/1.1",
        ),
        Case::forwarded(
            "absolute, upper case",
            get("HTTP://B.example:80/shelves"),
            "GET /shelves HTTP/1.1",
        )
        .saw("host", &["B.example:80"]),
        Case::forwarded(
            "absolute, a dot segment",
            get("http://b.example/x/../shelves"),
            "GET /shelves HTTP/1.1",
        )
        .saw(OPERATION, &["list"]),
        Case::refused(
            "absolute, no path",
            get("http://b.example"),
            404,
            "RouteNotFound",
        ),
        Case::refused(
            "absolute, query without path",
            get("http://b.example?x"),
            404,
            "RouteNotFound",
        ),
        Case::answered(
            "absolute, the health path",
            get("http://b.example/healthz"),
            200,
        ),
    ];
    for (target, reason) in [
        ("http://user@b.example/shelves", "BadHost"),
        ("http://user:word@b.example/shelves", "BadHost"),
        ("http://b.example:99999/shelves", "BadHost"),
        ("http://b.example:8x/shelves", "BadHost"),
        ("ftp://b.example/shelves", "BadPath"),
        ("file://b.example/shelves", "BadPath"),
        ("ws://b.example/shelves", "BadPath"),
        ("javascript://b.example/shelves", "BadPath"),
        ("*", "BadPath"),
        ("shelves", "BadPath"),
        ("a.example:443", "BadPath"),
        ("?x", "BadPath"),
        ("http:/shelves", "BadPath"),
        ("http:///shelves", "BadPath"),
        ("//", "RouteNotFound"),
        ("/", "RouteNotFound"),
    ] {
        let status = if reason == "RouteNotFound" { 404 } else { 400 };
        cases.push(Case::refused(
            format!("target {target}"),
            get(target),
            status,
            reason,
        ));
    }
    cases.push(Case::refused(
        "OPTIONS *",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
        "BadPath",
    ));
    run(20, cases).await;
}

#[tokio::test]
async fn paths_with_two_readings_are_refused() {
    let mut cases = Vec::new();
    for target in [
        "/files/..%2fadmin%2fusers",
        "/files/..%2Fadmin/users",
        "/files/..%5cadmin%5cusers",
        "/files/%2e%2e%2fadmin%2fusers",
        "/files/x%2f..%2f..%2fadmin%2fusers",
        "/files/..;/admin/users",
        "/files/..;x=y/admin/users",
        "/files/..%3b/admin/users",
        "/files;/../admin/users;x",
        "/admin%2fusers",
        "/admin/users;x",
        "/admin;x/users",
        "/x%2f..%2fadmin%2fusers",
        "/shelves%2f1",
        "/%2fshelves",
        "/%5cshelves",
        "/shelves/x%2f..",
        // Slashes merged before dots are resolved, as nginx does.
        "/files/x%2f%2f..%2f..%2fadmin%2fusers",
        // A backslash that is a character, as on most servers.
        "/files/a%5cb%2f..%2f..%2fadmin%2fusers",
        // Parameters cut off before escapes are read, as servlet containers do.
        "/files/x/..;a=%2fb/..;c=%2fd/admin/users",
    ] {
        cases.push(Case::refused(target, get(target), 400, "AmbiguousPath"));
    }
    // However they are read, they are files.
    for target in [
        "/files/a%2F%2Fb",
        "/files/a%5Cb",
        "/files/a;v=%2F/b",
        "/files/https:%2F%2Fexample.com%2Fa%3Bb",
    ] {
        cases.push(Case::forwarded(
            target,
            get(target),
            &format!("GET {target} HTTP/1.1"),
        ));
    }
    for target in [
        "/..",
        "/../",
        "/../admin/users",
        "/./..",
        "/shelves/../..",
        "/shelves/../../admin/users",
        "/%2e%2e/admin/users",
        "/a\\b",
        "/..\\admin\\users",
        "/shelves\\..\\admin",
        "/%",
        "/%2",
        "/%2g",
        "/%g2",
        "/%%",
        "/%%32%66",
        "/a%00",
        "/shelves/%00",
        "/shelves%00/../admin/users",
        "/%0",
        "/%u0041",
        "/% 41",
        "/shelves/%-1",
        "/shelves/%+1",
    ] {
        let expected = match target.contains(' ') {
            true => "BadFraming",
            false => "BadPath",
        };
        cases.push(Case::refused(target, get(target), 400, expected));
    }
    for target in [
        "/#",
        "/shelves#x",
        "#",
        "/shelves?x#y",
        "http://a/shelves#x",
        "/#/../admin/users",
    ] {
        cases.push(Case::refused(target, get(target), 400, "BadPath").closes());
    }
    run(45, cases).await;
}

#[tokio::test]
async fn bytes_that_no_target_holds_are_refused() {
    let mut cases = Vec::new();
    for byte in (0_u8..=0x20)
        .chain(0x7f..=0x87)
        .chain(0xf8..=0xff)
        .chain(*b"<>`")
    {
        let reason = match byte {
            b' ' | b'\r' | b'\n' => "BadFraming",
            _ => "BadPath",
        };
        let request = around("GET /shelves/a", &[byte], "b HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(Case::refused(format!("byte {byte:#04x}"), request, 400, reason).closes());
        let request = around("GET /shelves?a", &[byte], "b HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(
            Case::refused(format!("byte {byte:#04x} in a query"), request, 400, reason).closes(),
        );
    }
    // In a path it is escaped.
    for target in [
        "/shelves?a\"b",
        "/shelves?\"",
        "/a\"b?\"",
        "http://a/shelves?\"",
    ] {
        cases.push(Case::refused(target, get(target), 400, "BadPath").closes());
    }
    run(100, cases).await;
}

#[tokio::test]
async fn long_targets_are_refused_at_the_limit() {
    let target = |length: usize| format!("/shelves/{}", "x".repeat(length - "/shelves/".len()));
    let query = |length: usize| format!("/shelves?{}", "x".repeat(length - "/shelves?".len()));
    let deep = "/files".to_owned() + &"/x".repeat(4000);
    let dots = "/files".to_owned() + &"/./x/..".repeat(1000) + "/y";
    let cases = vec![
        Case::forwarded(
            "8 KiB",
            get(&target(8192)),
            format!("GET {} HTTP/1.1", target(8192)),
        ),
        Case::refused("8 KiB and one", get(&target(8193)), 414, "UriTooLong").closes(),
        Case::forwarded(
            "a query of 8 KiB",
            get(&query(8192)),
            format!("GET {} HTTP/1.1", query(8192)),
        ),
        Case::refused(
            "a query of 8 KiB and one",
            get(&query(8193)),
            414,
            "UriTooLong",
        )
        .closes(),
        Case::refused(
            "escapes of 8 KiB and one",
            get(&("/".to_owned() + &"%41".repeat(2731))),
            414,
            "UriTooLong",
        ),
        Case::forwarded("many segments", get(&deep), format!("GET {deep} HTTP/1.1"))
            .saw(OPERATION, &["file"]),
        Case::forwarded("many dot segments", get(&dots), "GET /files/y HTTP/1.1")
            .saw(OPERATION, &["file"]),
        Case::refused("many slashes", get(&"/".repeat(8192)), 404, "RouteNotFound"),
        Case::refused("many parents", get(&"/..".repeat(2000)), 400, "BadPath"),
        Case::refused(
            "many escaped slashes",
            get(&("/files".to_owned() + &"%2f..".repeat(1500))),
            400,
            "AmbiguousPath",
        ),
    ];
    run(10, cases).await;
}
