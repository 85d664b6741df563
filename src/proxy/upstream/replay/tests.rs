use super::*;

#[test]
fn what_was_written_is_read() {
    let request = Request::builder()
        .method("PROPFIND")
        .uri("/a%20b;c?d=%2f&e")
        .header("host", "books.example.com")
        .header("x-twice", "one")
        .header("x-twice", " two: three ")
        .header("x-empty", "")
        .header(
            "x-high",
            HeaderValue::from_bytes(b"\xffa\tb").expect("a value"),
        )
        .body(())
        .expect("a request");
    let bytes = write(&request.clone().into_parts().0);
    let again = read(&bytes, ()).expect("all of a head");
    assert_eq!(again.method(), request.method());
    assert_eq!(again.uri(), request.uri());
    assert_eq!(again.headers(), request.headers());
    assert_eq!(again.headers()["x-twice"], "one");
}

#[test]
fn what_is_not_all_of_a_head_is_not_sent_again() {
    let head = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    assert!(read(head.as_bytes(), ()).is_some());
    assert!(read(b"GET / HTTP/1.1\r\n\r\n", ()).is_some());
    for part in 0..head.len() {
        assert!(read(&head.as_bytes()[..part], ()).is_none(), "{part}");
    }
    for other in [
        "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nbody",
        "GET / x HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost\r\n\r\n",
    ] {
        assert!(read(other.as_bytes(), ()).is_none(), "{other}");
    }
}
