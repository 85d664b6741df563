use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

#[test]
fn the_first_byte_that_differs_tells_http1() {
    for (first, expected) in [
        (&b""[..], None),
        (b"P", None),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", None),
        (PREFACE, Some(Protocol::Http2)),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore",
            Some(Protocol::Http2),
        ),
        (b"POST / HTTP/1.1", Some(Protocol::Http1)),
        (b"PRI * HTTP/1.1\r\n", Some(Protocol::Http1)),
        (b"G", Some(Protocol::Http1)),
        (b"\x16\x03\x01", Some(Protocol::Http1)),
    ] {
        assert_eq!(protocol(first), expected, "{first:?}");
    }
}

#[tokio::test]
async fn nothing_that_was_read_is_lost() {
    let (mut client, server) = duplex(64);
    let reading = async {
        let (protocol, mut begun) = Detect::new(server, Rc::default()).await.unwrap();
        let mut all = Vec::new();
        begun.read_to_end(&mut all).await.unwrap();
        (protocol, all)
    };
    let writing = async {
        for piece in [&PREFACE[..3], &PREFACE[3..20], &PREFACE[20..], b"frames"] {
            client.write_all(piece).await.unwrap();
            client.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(client);
    };
    let ((protocol, all), ()) = tokio::join!(reading, writing);
    assert_eq!(protocol, Protocol::Http2);
    assert_eq!(all, [PREFACE, b"frames"].concat());
}

#[tokio::test(start_paused = true)]
async fn half_a_preface_is_waited_for_as_long_as_half_a_head() {
    let limits = Rc::new(Limits::default());
    let (mut client, server) = duplex(64);
    client.write_all(b"PRI * ").await.unwrap();
    let begun = tokio::time::Instant::now();
    assert!(Detect::new(server, limits.clone()).await.is_none());
    assert_eq!(begun.elapsed(), limits.head_timeout);

    let (_silent, server) = duplex(64);
    let begun = tokio::time::Instant::now();
    assert!(Detect::new(server, limits.clone()).await.is_none());
    assert!(begun.elapsed() - limits.idle_timeout < Duration::from_secs(1));
}
