use super::*;

fn scanned(text: &str) -> Scan {
    scan(
        text.as_bytes(),
        &HeadLimits::of(&Limits::default()),
        &mut Vec::new(),
    )
}

fn head(text: &str) -> Head {
    match scanned(text) {
        Scan::Complete(length, head) => {
            assert_eq!(length, text.len());
            head
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn a_head_is_read() {
    let plain = head("GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        plain,
        Head {
            framing: Framing::Length(0),
            hosts: 1,
            upgrade: false,
        }
    );
    let sized = head("POST / HTTP/1.0\r\ncontent-LENGTH:  12 \r\nx_y: \t\u{e9}\r\n\r\n");
    assert_eq!(
        sized,
        Head {
            framing: Framing::Length(12),
            hosts: 0,
            upgrade: false,
        }
    );
    let chunked = head(
        "\r\n\r\nPUT http://h/x HTTP/1.1\r\nHOST: a\r\nhost:\r\nTransfer-Encoding: Chunked\r\n\r\n",
    );
    assert_eq!(
        chunked,
        Head {
            framing: Framing::Chunked,
            hosts: 2,
            upgrade: false,
        }
    );
}

#[test]
fn every_prefix_of_a_head_is_partial() {
    let text = "\r\nPOST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    for end in 0..text.len() {
        assert_eq!(scanned(&text[..end]), Scan::Partial, "{:?}", &text[..end]);
    }
    head(text);
}

#[test]
fn what_has_two_readings_is_refused() {
    use Malformed::*;
    for (text, why) in [
        ("GET / HTTP/1.1\nHost: a\n\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", LineEnd),
        ("GET /\r HTTP/1.1\r\n\r\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", Folded),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Folded),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", FieldName),
        ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", FieldValue),
        ("GET / HTTP/1.1\r\nX: a\x7f\r\n\r\n", FieldValue),
        ("GET  / HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /a b HTTP/1.1\r\n\r\n", RequestLine),
        ("GET /\r\n\r\n", RequestLine),
        ("GET / HTTP/2.0\r\n\r\n", RequestLine),
        ("GET / HTTP/1.1 \r\n\r\n", RequestLine),
        ("G@T / HTTP/1.1\r\n\r\n", RequestLine),
        (" GET / HTTP/1.1\r\n\r\n", RequestLine),
        ("\x16\x03\x01", RequestLine),
        ("GET /a#b HTTP/1.1\r\n\r\n", Fragment),
        ("GET /\u{e9} HTTP/1.1\r\n\r\n", Target),
        ("GET /<a> HTTP/1.1\r\n\r\n", Target),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            LengthAndEncoding,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            LengthAndEncoding,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
            ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            ContentLength,
        ),
        ("GET / HTTP/1.1\r\nContent-Length:\r\n\r\n", ContentLength),
        (
            "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
            ContentLength,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            TransferEncoding,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
            TransferEncoding,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            TransferEncoding,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            TransferEncoding,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
            FieldValue,
        ),
        (
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            TransferEncoding,
        ),
    ] {
        assert_eq!(scanned(text), Scan::Malformed(why), "{text:?}");
    }
}

#[test]
fn limits_hold_on_complete_and_on_growing_heads() {
    let limits = Limits {
        uri_bytes: 10,
        header_bytes: 200,
        header_count: 2,
        ..Limits::default()
    };
    let scanned = |text: &str| scan(text.as_bytes(), &HeadLimits::of(&limits), &mut Vec::new());
    let line = "GET /012345678 HTTP/1.1\r\n";
    assert!(matches!(
        scanned(&format!("{line}\r\n")),
        Scan::Complete(..)
    ));
    assert_eq!(
        scanned("GET /0123456789 HTTP/1.1\r\n\r\n"),
        Scan::Malformed(Malformed::TargetTooLong)
    );
    assert_eq!(
        scanned(&format!("GET /{}", "0".repeat(80))),
        Scan::Malformed(Malformed::TargetTooLong)
    );
    assert!(matches!(
        scanned(&format!("{line}a: b\r\na: b\r\n\r\n")),
        Scan::Complete(..)
    ));
    assert_eq!(
        scanned(&format!("{line}a: b\r\na: b\r\na: b\r\n\r\n")),
        Scan::Malformed(Malformed::TooLarge)
    );
    let long = "v".repeat(200);
    assert_eq!(
        scanned(&format!("{line}a: {long}\r\n\r\n")),
        Scan::Malformed(Malformed::TooLarge)
    );
    assert_eq!(
        scanned(&format!("{line}a: {long}")),
        Scan::Malformed(Malformed::TooLarge)
    );
}

#[test]
fn an_end_is_found_wherever_the_reads_cut() {
    for text in [
        "GET / HTTP/1.1\r\nA: b\r\n\r\n",
        "GET / HTTP/1.1\nA: b\n\n",
        "GET / HTTP/1.1\nA: b\n\r\n",
    ] {
        for cut in 0..text.len() {
            assert!(!may_be_complete(&text.as_bytes()[..cut], 0), "{cut}");
            assert!(may_be_complete(text.as_bytes(), cut), "{cut}");
        }
    }
}

#[test]
fn an_upgrade_is_asked_for_in_one_way() {
    let asked = |fields: &str| head(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).upgrade;
    for fields in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "upgrade: WebSocket \r\nconnection: keep-alive, UPGRADE\r\n",
        "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n",
    ] {
        assert!(asked(fields), "{fields:?}");
    }
    for fields in [
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Connection: upgraded\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, other\r\n",
        "Connection: Upgrade\r\nUpgrade:\r\n",
        "Connection: Upgrade\r\nUpgrade: a/b/c\r\n",
        "Connection: Upgrade\r\nUpgrade: a/\r\n",
        // A body.
        "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
        // Requests would follow that nobody looks at.
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Connection: Upgrade\r\nUpgrade: H2\r\n",
        "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
    ] {
        assert!(!asked(fields), "{fields:?}");
    }
    let old = head("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert!(!old.upgrade, "HTTP/1.0 has none");
}
