//! Header fields: names, values, line ends, how many and how large.

use super::{Case, around, run};

const BEFORE: &str = "GET /shelves HTTP/1.1\r\nHost: a\r\n";
const LINE: &str = "GET /shelves HTTP/1.1";

fn with(field: &str) -> String {
    format!("{BEFORE}{field}\r\n\r\n")
}

#[tokio::test]
async fn names_are_tokens() {
    let mut cases = Vec::new();
    for byte in 0_u8..=255 {
        let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        // A colon ends the name; a CR or LF makes a line without a colon, or one that is broken.
        if is_token || byte == b':' {
            continue;
        }
        let request = around(&format!("{BEFORE}X"), &[byte], "Y: z\r\n\r\n");
        cases.push(
            Case::refused(
                format!("byte {byte:#04x} in a name"),
                request,
                400,
                "BadFraming",
            )
            .closes(),
        );
    }
    for (name, field) in [
        ("space before the colon", "X-A : b"),
        ("tab before the colon", "X-A\t: b"),
        ("no colon", "X-A"),
        ("no name", ": b"),
        ("space for a name", " : b"),
        ("a space first", " X-A: b"),
        ("a tab first", "\tX-A: b"),
        ("Host with a space before its colon", "Host : b"),
        (
            "Content-Length with a space before its colon",
            "Content-Length : 3",
        ),
        (
            "Transfer-Encoding with a tab before its colon",
            "Transfer-Encoding\t: chunked",
        ),
        (
            "Transfer-Encoding with a vertical tab",
            "Transfer-Encoding\u{b}: chunked",
        ),
        ("a name in quotes", "\"Host\": b"),
        ("a name that is not ASCII", "Hôst: b"),
        ("a name with a zero width space", "Host\u{200b}: b"),
        ("a request line for a field", "GET /admin/users HTTP/1.1"),
        ("folded by a space", "X-A: b\r\n c"),
        ("folded by a tab", "X-A: b\r\n\tc"),
        ("folded by spaces alone", "X-A: b\r\n   "),
        (
            "Transfer-Encoding, folded",
            "Transfer-Encoding:\r\n chunked",
        ),
        ("Host, folded", "X: y\r\n Host: b"),
        ("Content-Length, folded", "Content-Length: 1\r\n 0"),
    ] {
        cases.push(Case::refused(name, with(field), 400, "BadFraming").closes());
    }
    for name in [
        "X_A",
        "x_endpoint_api_userinfo",
        "Content_Length",
        "Transfer_Encoding",
        "_",
        "X-A_",
    ] {
        cases.push(Case::refused(
            format!("name {name}"),
            with(&format!("{name}: b")),
            400,
            "UnderscoreHeader",
        ));
    }
    for name in [
        "X!A", "X#A", "X$A", "X%A", "X&A", "X'A", "X*A", "X+A", "X.A", "X^A", "X`A", "X|A", "X~A",
        "1",
    ] {
        cases.push(Case::forwarded(
            format!("name {name}"),
            with(&format!("{name}: b")),
            LINE,
        ));
    }
    run(200, cases).await;
}

#[tokio::test]
async fn values_have_no_control_characters() {
    let mut cases = Vec::new();
    for byte in (0_u8..=0x1f).chain([0x7f]).filter(|byte| *byte != b'\t') {
        let request = around(&format!("{BEFORE}X-A: b"), &[byte], "c\r\n\r\n");
        cases.push(
            Case::refused(
                format!("byte {byte:#04x} in a value"),
                request,
                400,
                "BadFraming",
            )
            .closes(),
        );
    }
    for (name, field) in [
        ("a bare CR at the end", "X-A: b\r\r\nX-B: c"),
        ("a bare LF between fields", "X-A: b\nX-B: c"),
        ("a bare CR between fields", "X-A: b\rX-B: c"),
        ("LF CR between fields", "X-A: b\n\rX-B: c"),
        ("NUL at the end", "X-A: b\0"),
        (
            "another request behind a bare LF",
            "X-A: b\n\nGET /admin/users HTTP/1.1\nHost: a",
        ),
    ] {
        cases.push(Case::refused(name, with(field), 400, "BadFraming"));
    }
    for (name, field, value) in [
        ("empty", "X-A:", ""),
        ("spaces only", "X-A:    ", ""),
        ("no space", "X-A:b", "b"),
        ("spaces and tabs around", "X-A: \t b \t ", "b"),
        ("a tab within", "X-A: b\tc", "b\tc"),
        ("colons", "X-A: :b::c:", ":b::c:"),
        ("escapes are text", "X-A: %0d%0aX-B: c", "%0d%0aX-B: c"),
    ] {
        cases.push(
            Case::forwarded(format!("value: {name}"), with(field), LINE).saw("x-a", &[value]),
        );
    }
    cases.push(Case::forwarded("value: UTF-8", with("X-A: é"), LINE).saw("x-a", &["é"]));
    cases.push(Case::forwarded(
        "value: bytes beyond ASCII",
        around(&format!("{BEFORE}X-A: "), b"\xff\x80", "\r\n\r\n"),
        LINE,
    ));
    run(45, cases).await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let fields = |count: usize| "A: b\r\n".repeat(count);
    let sized = |size: usize| {
        let head = with("X-Large: ").len();
        with(&format!("X-Large: {}", "x".repeat(size - head)))
    };
    let cases = vec![
        Case::forwarded("100 fields", format!("{BEFORE}{}\r\n", fields(99)), LINE),
        Case::refused(
            "101 fields",
            format!("{BEFORE}{}\r\n", fields(100)),
            431,
            "HeadTooLarge",
        )
        .closes(),
        Case::forwarded("60 KiB", sized(60 * 1024), LINE),
        Case::refused("60 KiB and one", sized(60 * 1024 + 1), 431, "HeadTooLarge").closes(),
        Case::refused(
            "a long name",
            with(&format!("{}: x", "X".repeat(70_000))),
            431,
            "HeadTooLarge",
        )
        .closes(),
        Case::refused(
            "a long line without an end",
            format!("{BEFORE}X-A: {}", "x".repeat(70_000)),
            431,
            "HeadTooLarge",
        )
        .closes(),
        Case::refused(
            "a long method",
            format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "X".repeat(9_000)),
            404,
            "RouteNotFound",
        ),
        Case::forwarded(
            "one name 90 times",
            format!("{BEFORE}{}\r\n", "Cookie: a=b\r\n".repeat(90)),
            LINE,
        )
        .saw("cookie", &[&*["a=b"; 90].join("; ")]),
    ];
    run(8, cases).await;
}
