//! Method, version, and what separates them.

use super::{Case, OPERATION, around, run};

const REST: &str = " /shelves HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn methods_are_tokens_and_compared_as_they_are_written() {
    let mut cases = vec![
        Case::forwarded("GET", around("GET", b"", REST), "GET /shelves HTTP/1.1")
            .saw(OPERATION, &["list"]),
        Case::forwarded(
            "HEAD is declared",
            around("HEAD", b"", REST),
            "HEAD /shelves HTTP/1.1",
        )
        .saw(OPERATION, &["head"]),
        Case::refused(
            "HEAD where it is not declared",
            "HEAD_ /shelves/1 HTTP/1.1\r\nHost: a\r\n\r\n",
            405,
            "MethodNotAllowed",
        ),
        Case::refused("TRACE", around("TRACE", b"", REST), 405, "MethodRefused"),
        Case::refused(
            "CONNECT",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            405,
            "MethodRefused",
        ),
        Case::refused(
            "PRI",
            "PRI /shelves HTTP/1.1\r\nHost: a\r\n\r\n",
            405,
            "MethodNotAllowed",
        ),
        Case::refused("no method", around("", b"", REST), 400, "BadFraming").closes(),
    ];
    for method in [
        "get",
        "Get",
        "gET",
        "GETT",
        "BREW",
        "OPTIONS",
        "DELETE",
        "M-SEARCH",
        "!#$%&'*+-.^_`|~",
    ] {
        cases.push(Case::refused(
            method,
            around(method, b"", REST),
            405,
            "MethodNotAllowed",
        ));
    }
    for byte in (0_u8..=255).filter(|byte| !is_token(*byte)) {
        // These two end a line; a space ends the method; a line feed after nothing is a line.
        if matches!(byte, b' ') {
            continue;
        }
        let name = format!("byte {byte:#04x} in a method");
        cases.push(
            Case::refused(
                name,
                around("G", &[byte], &format!("T{REST}")),
                400,
                "BadFraming",
            )
            .closes(),
        );
    }
    run(150, cases).await;
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[tokio::test]
async fn the_request_line_has_one_form() {
    let mut cases = Vec::new();
    for version in [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/1.10",
        "HTTP/1.01",
        "HTTP/01.1",
        "HTTP/1.",
        "HTTP/1",
        "HTTP/2.0",
        "HTTP/3.0",
        "http/1.1",
        "Http/1.1",
        "HTTP/1.1x",
        "HTTP/1.1 ",
        " HTTP/1.1",
        "HTTP/1.1 HTTP/1.1",
        "HTTP /1.1",
        "HTTP/ 1.1",
        "HTTPS/1.1",
        "ICY/1.0",
        "HTTP/1,1",
        "HTTP\\1.1",
        "HTTP/1.1\t",
        "\tHTTP/1.1",
        "",
        "1.1",
        "RTSP/1.0",
        "HTTP/+1.1",
    ] {
        let request = format!("GET /shelves {version}\r\nHost: a\r\n\r\n");
        cases.push(
            Case::refused(format!("version {version:?}"), request, 400, "BadFraming").closes(),
        );
    }
    for line in [
        "GET  /shelves HTTP/1.1",
        "GET /shelves  HTTP/1.1",
        " GET /shelves HTTP/1.1",
        "GET\t/shelves HTTP/1.1",
        "GET /shelves\tHTTP/1.1",
        "GET /shel ves HTTP/1.1",
        "GET /shelves",
        "GET",
        "/shelves HTTP/1.1",
        "GET HTTP/1.1",
        "GET\u{b}/shelves HTTP/1.1",
        "GET\u{c}/shelves\u{c}HTTP/1.1",
        "GET /shelves HTTP/1.1 x",
        "\tGET /shelves HTTP/1.1",
    ] {
        let request = format!("{line}\r\nHost: a\r\n\r\n");
        cases.push(Case::refused(format!("line {line:?}"), request, 400, "BadFraming").closes());
    }
    for (name, ends) in [
        ("bare line feeds", "\n"),
        ("bare carriage returns", "\r\r"),
        ("two carriage returns", "\r\r\n"),
        ("a line feed first", "\n\r\n"),
        ("a NUL", "\0\r\n"),
        ("a vertical tab", "\u{b}\r\n"),
    ] {
        let request = format!("GET /shelves HTTP/1.1{ends}Host: a\r\n\r\n");
        cases.push(
            Case::refused(format!("line ended by {name}"), request, 400, "BadFraming").closes(),
        );
    }
    for (name, before) in [("one", "\r\n"), ("several", "\r\n\r\n\r\n")] {
        let request = format!("{before}GET /shelves HTTP/1.1\r\nHost: a\r\n\r\n");
        cases.push(Case::forwarded(
            format!("{name} empty lines first"),
            request,
            "GET /shelves HTTP/1.1",
        ));
    }
    cases.push(
        Case::forwarded(
            "HTTP/1.0",
            "GET /shelves HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET /shelves HTTP/1.1",
        )
        .saw("host", &["a"]),
    );
    cases.push(Case::refused(
        "a line feed first",
        "\nGET /shelves HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
        "BadFraming",
    ));
    cases.push(
        Case::refused(
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            400,
            "BadFraming",
        )
        .closes(),
    );
    cases.push(Case::refused("SSH", "SSH-2.0-OpenSSH_9.9\r\n", 400, "BadFraming").closes());
    cases.push(Case::refused(
        "an upgrade to HTTP/2 by its preface, spoilt",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\rx",
        400,
        "BadFraming",
    ));
    run(50, cases).await;
}
