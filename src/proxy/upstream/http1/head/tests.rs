use bytes::BytesMut;
use http::{Method, Request};

use super::{Head, parse, write};
use crate::policy::limits::HEADER_BYTES;
use crate::proxy::http1::{Framing, Reading};

fn read(head: &str, to_head: bool) -> Result<Option<Head>, String> {
    parse(&mut BytesMut::from(head), to_head).map_err(|error| format!("{error:?}"))
}

/// How the body of an answer is framed, and whether its connection is kept.
fn framing(head: &str) -> (String, bool) {
    let head = read(head, false).unwrap().expect("it is whole");
    let reading = match head.reading {
        Reading::Over => "none".to_owned(),
        Reading::Length(length) => length.to_string(),
        Reading::Chunks(_) => "chunks".to_owned(),
        Reading::UntilClose => "all".to_owned(),
    };
    (reading, head.keeps)
}

#[test]
fn a_head_is_read_with_what_stands_behind_it_left_alone() {
    let mut bytes = BytesMut::from(
        "HTTP/1.1 404 Not \u{fc}ber\r\nA:  x y\t \r\nset-cookie: 1\r\nSet-Cookie:2\r\nEmpty:\r\n\r\nbody",
    );
    let head = parse(&mut bytes, false).unwrap().unwrap();
    assert_eq!(head.response.status(), 404);
    let headers = head.response.headers();
    assert_eq!(headers["a"], "x y");
    assert_eq!(headers["empty"], "");
    let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["1", "2"]);
    assert_eq!(&*bytes, b"body");
}

#[test]
fn a_head_is_the_same_however_it_is_cut() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n";
    for end in 0..whole.len() {
        let part = read(&whole[..end], false);
        assert!(part.is_ok_and(|head| head.is_none()), "{end}");
    }
    assert!(read(whole, false).unwrap().is_some());
}

#[test]
fn bodies_are_framed_as_rfc_9112_says() {
    for (head, expected) in [
        ("1.1 200 OK\r\nContent-Length: 5\r\n", ("5", true)),
        ("1.1 200\r\nContent-Length: 0\r\n", ("none", true)),
        ("1.1 200 \r\nContent-Length: 5, 5\r\n", ("5", true)),
        (
            "1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
            ("5", true),
        ),
        (
            "1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n",
            ("chunks", true),
        ),
        ("1.1 200 OK\r\n", ("all", false)),
        ("1.0 200 OK\r\nContent-Length: 5\r\n", ("5", false)),
        (
            "1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n",
            ("5", true),
        ),
        (
            "1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 5\r\n",
            ("5", false),
        ),
        (
            "1.1 204 No Content\r\nContent-Length: 5\r\n",
            ("none", false),
        ),
        (
            "1.1 204 No Content\r\nContent-Length: 0\r\n",
            ("none", true),
        ),
        (
            "1.1 304 Not Modified\r\nContent-Length: 5\r\n",
            ("none", true),
        ),
        ("1.1 103 Early Hints\r\n", ("none", true)),
    ] {
        let (reading, keeps) = framing(&format!("HTTP/{head}\r\n"));
        assert_eq!((&*reading, keeps), expected, "{head:?}");
    }
    let answer = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true);
    assert!(answer.unwrap().unwrap().reading.is_over());
}

#[test]
fn what_is_no_head_or_has_two_readings_is_refused() {
    for (bytes, why) in [
        ("SSH-2.0", "FirstLine"),
        ("HTTP/2 200 OK\r\n\r\n", "FirstLine"),
        ("HTTP/1.2 200 OK\r\n\r\n", "FirstLine"),
        ("HTTP/1.1  200 OK\r\n\r\n", "FirstLine"),
        ("HTTP/1.1 20 OK\r\n\r\n", "FirstLine"),
        ("HTTP/1.1 2000 OK\r\n\r\n", "FirstLine"),
        ("HTTP/1.1 099 OK\r\n\r\n", "FirstLine"),
        ("HTTP/1.1 2x0 OK\r\n\r\n", "FirstLine"),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", "FirstLine"),
        ("HTTP/1.1 200 OK\nA: b\n\n", "Line"),
        ("HTTP/1.1 200 O\rK\r\n\r\n", "Line"),
        ("HTTP/1.1 200 OK\r\nA: b\nB: c\r\n\r\n", "Line"),
        ("HTTP/1.1 200 OK\r\nA: b\rB: c\r\n\r\n", "Line"),
        ("HTTP/1.1 200 OK\r\nA: b\r\n\n", "Line"),
        ("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", "Line"),
        ("HTTP/1.1 200 OK\r\nA: b\x7fc\r\n\r\n", "Line"),
        ("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "Folded"),
        ("HTTP/1.1 200 OK\r\nA: b\r\n\tc\r\n\r\n", "Folded"),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "Name"),
        ("HTTP/1.1 200 OK\r\n: b\r\n\r\n", "Name"),
        ("HTTP/1.1 200 OK\r\nA\r\n\r\n", "Name"),
        ("HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n", "Name"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "Length",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", "Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n", "Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", "Length"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", "Length"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
            "Length",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "Coding",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "Coding",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Coding",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
            "Coding",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "Coding",
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Coding",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "LengthAndCoding",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
            "LengthAndCoding",
        ),
    ] {
        assert_eq!(read(bytes, false).err().as_deref(), Some(why), "{bytes:?}");
    }
}

#[test]
fn heads_are_bounded() {
    let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert!(read(&many(100), false).unwrap().is_some());
    assert_eq!(read(&many(101), false).err().as_deref(), Some("TooLarge"));
    let long = |bytes: usize, end: &str| {
        let begin = "HTTP/1.1 200 OK\r\na: ";
        format!(
            "{begin}{}{end}",
            "x".repeat(bytes - begin.len() - end.len())
        )
    };
    let end = "\r\n\r\n";
    assert!(read(&long(HEADER_BYTES, end), false).unwrap().is_some());
    for large in [
        long(HEADER_BYTES + 1, end),
        long(HEADER_BYTES + 5_000, end),
        long(HEADER_BYTES + 1, ""),
        format!("HTTP/1.1 200 {}", "x".repeat(HEADER_BYTES)),
    ] {
        assert_eq!(read(&large, false).err().as_deref(), Some("TooLarge"));
    }
}

#[test]
fn a_requests_framing_is_ours_to_say() {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/a?b=c")
        .header("host", "a")
        .header("content-length", "7")
        .header("transfer-encoding", "gzip");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    for (framing, last) in [
        (Framing::None, "content-length: 0\r\n"),
        (Framing::Length(9), "content-length: 9\r\n"),
        (Framing::Chunked, "transfer-encoding: chunked\r\n"),
    ] {
        let mut out = Vec::new();
        write(&parts, framing, &mut out);
        let expected = format!("POST /a?b=c HTTP/1.1\r\nhost: a\r\n{last}\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    let none = Request::builder()
        .method("DELETE")
        .header("content-length", "0");
    let mut out = Vec::new();
    write(
        &none.body(()).unwrap().into_parts().0,
        Framing::None,
        &mut out,
    );
    assert_eq!(out, b"DELETE / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
}
