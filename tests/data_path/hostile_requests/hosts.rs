//! `Host`, and the authority of absolute targets.

use super::{Case, run};

const LINE: &str = "GET /shelves HTTP/1.1";

#[tokio::test]
async fn there_is_one_host_and_it_is_one() {
    let mut cases = Vec::new();
    for host in [
        "a",
        "a.example",
        "a.example:80",
        "A.Example",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:80",
        "[2001:db8::1]:65535",
        "a:",
        "a_b",
        "xn--bcher-kva.example",
        "a.example.",
        "localhost:0",
    ] {
        let request = format!("{LINE}\r\nHost: {host}\r\n\r\n");
        cases.push(Case::forwarded(format!("host {host}"), request, LINE).saw("host", &[host]));
    }
    for host in [
        "",
        " ",
        "a b",
        "a/b",
        "a/",
        "http://a",
        "user@a",
        "user:word@a",
        "a:b",
        "a:80:80",
        "a:-1",
        "a:+80",
        "a:65536",
        "a:999999",
        "a:80 ",
        "[::1",
        "::1]",
        "[]",
        "[::1]x",
        "[::1]:x",
        "[a]",
        "[::1%25eth0]",
        "[v1.a]",
        "a,b",
        "a?b",
        "a#b",
        "a\\b",
        "a%2fb",
        "a%00",
        "\u{e9}",
        "a\"b",
        "a<b>",
        "a|b",
        "a^b",
        "a`b",
        "{a}",
        "a@",
        "@",
        ":80",
        "a\tb",
        "[::1]:65536",
        "1.2.3.4:99999",
    ] {
        let request = format!("{LINE}\r\nHost: {host}\r\n\r\n");
        // Blanks around it are none of its own; a comma may stand in a name.
        cases.push(match host {
            "a:80 " => Case::forwarded("a blank behind", request, LINE).saw("host", &["a:80"]),
            "a,b" => Case::forwarded("a comma", request, LINE).saw("host", &["a,b"]),
            _ => Case::refused(format!("host {host:?}"), request, 400, "BadHost"),
        });
    }
    for (name, fields) in [
        ("none", ""),
        ("twice the same", "Host: a\r\nHost: a\r\n"),
        ("two", "Host: a\r\nHost: b\r\n"),
        ("two, in another case", "Host: a\r\nhOST: b\r\n"),
        ("a good and an empty one", "Host: a\r\nHost:\r\n"),
        ("an empty and a good one", "Host:\r\nHost: a\r\n"),
    ] {
        let request = format!("{LINE}\r\n{fields}\r\n");
        cases.push(Case::refused(
            format!("hosts: {name}"),
            request,
            400,
            "BadHost",
        ));
    }
    let folded = format!("{LINE}\r\nHost: a\r\n  b\r\n\r\n");
    cases.push(Case::refused("folded", folded, 400, "BadFraming"));
    run(55, cases).await;
}

#[tokio::test]
async fn an_absolute_target_takes_the_place_of_the_host() {
    let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
    let cases = vec![
        Case::forwarded("another one", get("http://b/shelves", "Host: a\r\n"), LINE)
            .saw("host", &["b"]),
        Case::forwarded("the same", get("http://a/shelves", "Host: a\r\n"), LINE)
            .saw("host", &["a"]),
        Case::refused(
            "none beside it",
            get("http://b/shelves", ""),
            400,
            "BadHost",
        ),
        Case::refused(
            "two beside it",
            get("http://b/shelves", "Host: b\r\nHost: c\r\n"),
            400,
            "BadHost",
        ),
        // It is ignored, but must be one (RFC 9112 section 3.2).
        Case::refused(
            "a bad one beside it",
            get("http://b/shelves", "Host: x/y\r\n"),
            400,
            "BadHost",
        ),
        Case::refused(
            "a user beside it",
            get("http://b/shelves", "Host: user@b\r\n"),
            400,
            "BadHost",
        ),
        Case::forwarded(
            "an empty one beside it",
            get("http://b/shelves", "Host:\r\n"),
            LINE,
        )
        .saw("host", &["b"]),
        Case::forwarded(
            "HTTP/1.0, none beside it",
            "GET http://b/shelves HTTP/1.0\r\n\r\n",
            LINE,
        )
        .saw("host", &["b"]),
        Case::forwarded(
            "X-Forwarded-Host is told what was asked for",
            get("http://b/shelves", "Host: a\r\n"),
            LINE,
        )
        .saw("x-forwarded-host", &["b"]),
        Case::forwarded(
            "Host named by Connection",
            get("/shelves", "Host: a\r\nConnection: host\r\n"),
            LINE,
        )
        .saw("host", &["a"]),
        Case::forwarded(
            "HTTP/1.0 without one",
            "GET /shelves HTTP/1.0\r\n\r\n",
            LINE,
        ),
        Case::refused(
            "HTTP/1.0 with two",
            "GET /shelves HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            400,
            "BadHost",
        ),
        Case::refused(
            "HTTP/1.0 with a bad one",
            "GET /shelves HTTP/1.0\r\nHost: a/b\r\n\r\n",
            400,
            "BadHost",
        ),
    ];
    run(13, cases).await;
}
