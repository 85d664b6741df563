use super::*;

fn follow(bytes: &[u8]) -> Result<(usize, bool), BadChunk> {
    let mut body = Chunked::new();
    let used = body.advance(bytes)?;
    Ok((used, body.is_done()))
}

#[test]
fn a_body_is_followed_to_its_end_and_no_further() {
    for body in [
        "0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\r\n",
        "3;name=\"v\"\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n",
        "1\r\na\r\n0\r\nGrpc-Status: 0\r\nx:\r\n\r\n",
    ] {
        let with_next = format!("{body}GET / HTTP/1.1\r\n");
        assert_eq!(
            follow(with_next.as_bytes()),
            Ok((body.len(), true)),
            "{body:?}"
        );
        let mut in_pieces = Chunked::new();
        for (at, byte) in body.bytes().enumerate() {
            assert!(!in_pieces.is_done(), "{body:?} at {at}");
            assert_eq!(in_pieces.advance(&[byte]), Ok(1));
        }
        assert!(in_pieces.is_done(), "{body:?}");
    }
}

#[test]
fn what_is_not_chunks_is_refused() {
    for body in [
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "0x3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "3\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n",
        "3;a\rb\r\nabc\r\n",
        "10000000000000000\r\n",
        "0\r\na: b\n\r\n",
        "0\r\n a: b\r\n\r\n",
        "0\r\na : b\r\n\r\n",
        "0\r\na\r\n\r\n",
        "0\r\n\n",
        "0\r\na: b\r\n\n",
    ] {
        assert_eq!(follow(body.as_bytes()), Err(BadChunk), "{body:?}");
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let long = "e".repeat(OVERHEAD + 1);
    assert_eq!(
        follow(format!("1;{long}\r\na\r\n0\r\n\r\n").as_bytes()),
        Err(BadChunk)
    );
    assert_eq!(
        follow(format!("0\r\na: {long}\r\n\r\n").as_bytes()),
        Err(BadChunk)
    );
    let little =
        |extension: &str| format!("1;{extension}\r\na\r\n").repeat(OVERHEAD + 1) + "0\r\n\r\n";
    assert_eq!(follow(little("a").as_bytes()), Err(BadChunk));
    // Where padding is taken, it may be in each chunk of a body, however long that is.
    let padded = little("v=1");
    assert_eq!(
        Chunked::padded().advance(padded.as_bytes()),
        Ok(padded.len())
    );
    let long = little(&"e".repeat(100));
    assert_eq!(Chunked::padded().advance(long.as_bytes()), Err(BadChunk));
}
