use bytes::BytesMut;
use http::{Response, StatusCode};

use super::{Asked, Head, parse, write};
use crate::proxy::guard::Found;
use crate::proxy::http1::Framing;

fn read(bytes: &str) -> Head {
    let head = parse(&mut BytesMut::from(bytes), &Found::default());
    head.expect("it is right").expect("it is whole")
}

fn asked(head: &str) -> Asked {
    read(&format!("{head}\r\n\r\n")).asked
}

/// The head of an answer to a request, how its body is framed, and whether another may follow.
fn answer(asked: &Asked, response: Response<()>, length: Option<u64>) -> (String, Framing, bool) {
    let mut out = Vec::new();
    let (parts, ()) = response.into_parts();
    let (framing, keeps) = write(&parts, length, asked, false, b"now", &mut out);
    (String::from_utf8(out).unwrap(), framing, keeps)
}

#[test]
fn a_head_is_read_whatever_is_cut_off_or_stands_behind_it() {
    let bytes = "\r\n\r\nPOST /a?b=c HTTP/1.1\r\nHost: a\r\nCookie: 1\r\ncookie: 2\r\nContent-Length: 3\r\n\r\n";
    for end in 0..bytes.len() {
        let part = parse(&mut BytesMut::from(&bytes[..end]), &Found::default());
        assert!(part.unwrap().is_none(), "{end}");
    }
    let mut buffer = BytesMut::from(&*format!("{bytes}abc"));
    let head = parse(&mut buffer, &Found::default()).unwrap().unwrap();
    assert_eq!(&*buffer, b"abc");
    assert_eq!(head.request.method(), "POST");
    assert_eq!(head.request.uri(), "/a?b=c");
    assert_eq!(head.request.headers().get_all("cookie").iter().count(), 2);
    assert_eq!(head.asked.framing, Framing::Length(3));
}

#[test]
fn who_may_ask_again_is_told_by_version_and_connection() {
    for (head, keeps) in [
        ("GET / HTTP/1.1", true),
        ("GET / HTTP/1.1\r\nConnection: x, Close", false),
        ("GET / HTTP/1.1\r\nConnection: Upgrade", true),
        ("GET / HTTP/1.0", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive", true),
        ("GET / HTTP/1.0\r\nConnection: close, keep-alive", false),
        (
            "GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive",
            false,
        ),
    ] {
        let (written, _, kept) = answer(&asked(head), Response::new(()), Some(0));
        assert_eq!(kept, keeps, "{head}");
        let said = match (keeps, head.contains("1.0")) {
            (false, _) => written.contains("connection: close\r\n"),
            (true, true) => written.contains("connection: keep-alive\r\n"),
            (true, false) => !written.contains("connection:"),
        };
        assert!(said, "{written}");
    }
}

#[test]
fn answers_are_framed_as_the_client_can_read_them() {
    let get = asked("GET / HTTP/1.1");
    let (head, framing, _) = answer(&get, Response::new(()), Some(5));
    assert_eq!(
        head,
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: now\r\n\r\n"
    );
    assert_eq!(framing, Framing::Length(5));

    let (head, framing, keeps) = answer(&get, Response::new(()), None);
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    assert_eq!((framing, keeps), (Framing::Chunked, true));

    let old = asked("GET / HTTP/1.0\r\nConnection: keep-alive");
    let (head, framing, keeps) = answer(&old, Response::new(()), None);
    assert!(
        head.starts_with("HTTP/1.0 200 OK\r\nconnection: close\r\n"),
        "{head}"
    );
    assert_eq!((framing, keeps), (Framing::UntilClose, false));

    let to_head = asked("HEAD / HTTP/1.1");
    let (head, framing, _) = answer(&to_head, Response::new(()), Some(5));
    assert!(head.contains("content-length: 5\r\n"), "{head}");
    assert_eq!(framing, Framing::None);
    let said = Response::builder().header("content-length", "9").body(());
    let (head, ..) = answer(&to_head, said.unwrap(), Some(0));
    assert!(head.contains("content-length: 9\r\n"), "{head}");

    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let response = Response::builder()
            .status(status)
            .header("content-length", "9");
        let (head, framing, keeps) = answer(&get, response.body(()).unwrap(), Some(0));
        assert!(!head.contains("content-length"), "{head}");
        assert_eq!((framing, keeps), (Framing::None, true));
    }
}

#[test]
fn the_headers_of_an_answer_cannot_frame_it_otherwise() {
    let response = Response::builder()
        .status(404)
        .header("content-length", "9")
        .header("transfer-encoding", "chunked")
        .header("date", "then")
        .header("connection", "close")
        .body(());
    let (head, _, keeps) = answer(&asked("GET / HTTP/1.1"), response.unwrap(), Some(2));
    assert_eq!(
        head,
        "HTTP/1.1 404 Not Found\r\ndate: then\r\nconnection: close\r\ncontent-length: 2\r\n\r\n"
    );
    assert!(!keeps);
}
