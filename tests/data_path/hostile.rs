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
async fn a_body_with_bad_chunks_is_refused_with_an_answer() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let head = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "2;a\nb\r\nab\r\n",
        "0x2\r\nab\r\n",
        "2\r\nabX0\r\n",
        "-2\r\n",
        "\r\n",
    ] {
        // In one piece and after the head.
        for split in [false, true] {
            let mut client = Client::connect(proxy.address).await;
            if split {
                client.send(head).await;
                client.send(body).await;
            } else {
                client.send([head, body, GET].concat()).await;
            }
            let answer = client.answer().await;
            assert_eq!(
                (answer.status, &*answer.reason()),
                (400, "BadBody"),
                "{body:?}"
            );
            assert_eq!(client.rest().await, b"", "{body:?}");
        }
    }
    assert_eq!(backend.requests().len(), 0);
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
async fn a_kept_connection_that_closes_loses_no_get_and_repeats_no_post() {
    // The second request of each connection is read, then the connection closes without an answer.
    let seen = std::sync::Mutex::new(std::collections::BTreeSet::new());
    let backend = Backend::answering(move |request| {
        let first = seen
            .lock()
            .expect("not poisoned")
            .insert(request.connection);
        if first {
            Reply::Keep(ok("ok"))
        } else {
            Reply::Close(Vec::new())
        }
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let post = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(GET).await.status, 200);
    assert_eq!(
        client.ask(GET).await.status,
        200,
        "sent again over a new connection"
    );
    let answer = client.ask(post).await;
    assert_eq!((answer.status, &*answer.reason()), (502, "BackendReset"));
    let posts = backend
        .requests()
        .iter()
        .filter(|r| r.line().starts_with("POST"))
        .count();
    assert_eq!(posts, 1);
    // A GET with a body is not repeated either: its body is gone.
    assert_eq!(client.ask(GET).await.status, 200);
    let get = GET.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\nab");
    assert_eq!(client.ask(&get).await.status, 502);
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
