//! The same over HTTP/2: there a head that is too long was read, so its origin is known.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{reply, rows::SHOP, specification};
use crate::backend::Backend;
use crate::client::patient;
use crate::proxy::TestProxy;

#[tokio::test]
async fn over_http2_every_answer_of_the_proxy_says_who_may_read_it() {
    let backend = Backend::answering(reply).await;
    let proxy = TestProxy::start(backend.address).under(&specification(SHOP, "", ""));
    let stream = TcpStream::connect(proxy.address).await.expect("listens");
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("prior knowledge");
    tokio::spawn(connection);
    let long = format!("/{}", "a".repeat(9000));
    for (method, path, origin, asked, status, allowed) in [
        (
            Method::OPTIONS,
            "/closed",
            "https://shop.example",
            true,
            200,
            true,
        ),
        (
            Method::OPTIONS,
            "/closed",
            "https://other.example",
            true,
            400,
            false,
        ),
        (
            Method::GET,
            "/open",
            "https://shop.example",
            false,
            200,
            true,
        ),
        (
            Method::GET,
            "/open",
            "https://other.example",
            false,
            200,
            false,
        ),
        (
            Method::GET,
            "/closed",
            "https://shop.example",
            false,
            401,
            true,
        ),
        (
            Method::GET,
            "/nowhere",
            "https://shop.example",
            false,
            404,
            true,
        ),
        (
            Method::GET,
            &*long,
            "https://shop.example",
            false,
            414,
            true,
        ),
        (
            Method::GET,
            &*long,
            "https://other.example",
            false,
            414,
            false,
        ),
    ] {
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("http://books.example.com{path}"))
            .header("origin", origin);
        if asked {
            request = request.header("access-control-request-method", "GET");
        }
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let answer = patient(sender.send_request(request))
            .await
            .expect("an answer");
        let place = format!("{method} {origin} {status}");
        assert_eq!(answer.status(), status, "{place}");
        let allow = answer.headers().get("access-control-allow-origin");
        assert_eq!(allow.is_some(), allowed, "{place}");
        let vary = answer.headers().get_all("vary").iter();
        let vary: Vec<_> = vary.map(|value| value.to_str().expect("text")).collect();
        assert!(vary.join(", ").contains("Origin"), "{place}");
    }
    assert_eq!(backend.requests().len(), 2);
}
