use bytes::BytesMut;

use super::Reading;

/// The body that is read when `bytes` come in pieces of this size, its trailers, and what is left over.
fn read(
    mut reading: Reading,
    bytes: &str,
    step: usize,
) -> Result<(String, String, String), String> {
    let (mut body, mut trailers) = (Vec::new(), String::new());
    let mut buffer = BytesMut::new();
    for piece in bytes.as_bytes().chunks(step) {
        buffer.extend_from_slice(piece);
        while !buffer.is_empty() && !reading.is_over() {
            let taken = reading.take(&mut buffer).map_err(|error| error.to_string());
            let Some(frame) = taken? else { break };
            match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers = format!("{:?}", frame.into_trailers().unwrap()),
            }
        }
    }
    assert_eq!(
        reading.is_over(),
        !reading.ends_with_connection(),
        "{bytes:?}"
    );
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ok((text(&body), trailers, text(&buffer)))
}

#[test]
fn a_body_is_the_same_however_it_is_cut() {
    for step in 1..40 {
        let chunks =
            "5 ;a=b\r\nhello\r\n6  \r\n world\r\n000\r\nX-Sum: 11\r\nContent-Length: 3\r\n\r\nrest";
        let expected = ("hello world", "{\"x-sum\": \"11\"}", "rest");
        let (body, trailers, rest) = read(Reading::chunks(), chunks, step).unwrap();
        assert_eq!((&*body, &*trailers, &rest[..4]), expected, "{step}");

        let (body, _, rest) = read(Reading::Length(5), "hello, this is more", step).unwrap();
        assert_eq!((&*body, &rest[..1]), ("hello", ","), "{step}");
        assert_eq!(read(Reading::UntilClose, "hello", step).unwrap().0, "hello");
        assert_eq!(read(Reading::chunks(), "0\r\n\r\n", step).unwrap().1, "");
    }
}

#[test]
fn what_is_no_chunk_is_refused() {
    for bytes in [
        "x\r\n",
        "\r\n",
        "-1\r\na\r\n",
        "1\na\r\n0\r\n\r\n",
        "1 x\r\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1234567890123456\r\n",
        "0\r\n a: b\r\n\r\n",
        "0\r\na b: c\r\n\r\n",
        "0\r\na: \0\r\n\r\n",
        "0\r\na: b\n\r\n",
    ] {
        assert!(read(Reading::chunks(), bytes, 100).is_err(), "{bytes:?}");
    }
    let long = format!("0\r\na: {}\r\n\r\n", "x".repeat(20_000));
    assert!(read(Reading::chunks(), &long, 100).is_err());
    let padded = format!("1{}\r\na\r\n0\r\n\r\n", " ".repeat(20_000));
    assert!(read(Reading::chunks(), &padded, 100).is_err());
}
