//! What clients and backends send that mean harm, or no good.

use crate::backend::{Backend, Reply, ok};
use crate::client::{Client, ask};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn pipelined_requests_are_each_judged_by_their_own_head() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    let two_hosts = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let folded = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n";
    client
        .send([GET, GET, two_hosts, GET, two_hosts, folded, GET].concat())
        .await;
    for expected in [200, 200, 400, 200, 400, 400] {
        let answer = client.answer().await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
    assert_eq!(client.rest().await, b"", "nothing follows a refused head");
    assert_eq!(backend.requests().len(), 3);
}

#[tokio::test]
async fn a_listed_length_of_the_backend_reaches_the_client_as_one() {
    let backend = Backend::answering(|request| {
        Reply::Keep(match request.line().starts_with("HEAD") {
            true => b"HTTP/1.1 200 OK\r\nContent-Length: 7, 8\r\n\r\n".to_vec(),
            false => b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok".to_vec(),
        })
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let answer = ask(proxy.address, GET).await;
    assert_eq!(
        (answer.status, answer.value("content-length")),
        (200, Some("2"))
    );
    let answer = ask(proxy.address, &GET.replace("GET", "HEAD")).await;
    assert!(!answer.head.contains("7, 8"), "{answer:?}");
}

#[tokio::test]
async fn what_follows_an_answer_of_the_backend_poisons_nobody() {
    let backend = Backend::answering(|request| {
        let poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
        Reply::Keep(if request.line().contains("?evil") {
            [&ok("ok")[..], poison].concat()
        } else if request.line().contains("?empty") {
            [b"HTTP/1.1 204 No Content\r\n\r\n", &poison[..]].concat()
        } else {
            ok("ok")
        })
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    for query in ["?evil", "?empty"] {
        let mut client = Client::connect(proxy.address).await;
        client
            .ask(&GET.replace(" HTTP", &format!("{query} HTTP")))
            .await;
        for _ in 0..3 {
            let answer = client.ask(GET).await;
            assert_eq!((answer.status, &*answer.body), (200, "ok"), "{query}");
        }
    }
}

#[tokio::test]
async fn what_came_of_an_answer_that_breaks_off_at_once_still_goes_out() {
    let backend = Backend::answering(|_| {
        Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart".to_vec())
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    for _ in 0..20 {
        let mut client = Client::connect(proxy.address).await;
        client.send(GET).await;
        let came = String::from_utf8(client.rest().await).expect("text");
        assert!(came.starts_with("HTTP/1.1 200"), "{came:?}");
        assert!(came.ends_with("\r\n\r\npart"), "{came:?}");
    }
}
