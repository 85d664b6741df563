//! `headers`: what backends and clients are told beside what they tell each other.

use crate::backend::{Backend, Reply};
use crate::client::{Client, ask};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

/// Everything is open, with these fields of `headers`, behind a backend that names itself.
async fn under(headers: &str) -> (Backend, TestProxy) {
    let backend = Backend::answering(|_| {
        Reply::Keep(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: app\r\nX-Set: theirs\r\nX-Both: a\r\n\r\nok"
                .to_vec(),
        )
    })
    .await;
    let proxy = TestProxy::start(backend.address).under(&format!("{OPEN}headers:\n{headers}"));
    (backend, proxy)
}

const GET: &str = "GET /v1/shelves?key=secret HTTP/1.1\r\nHost: books.example\r\n";

#[tokio::test]
async fn the_backend_gets_what_is_set_and_appended() {
    let (backend, proxy) = under(
        "  request:\n    set: {X-Env: prod, X-From: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', X-Is: '%REQ(X-Was)%'}\n    \
         append: {X-Way: 'proxy %PROTOCOL% %REQ(:method)% %REQ(:path)% %OPERATION%'}\n",
    )
    .await;
    let request =
        format!("{GET}X-Env: forged\r\nX-From: forged\r\nX-Is: forged\r\nX-Way: client\r\n\r\n");
    assert_eq!(ask(proxy.address, &request).await.status, 200);
    let seen = backend.only();
    assert_eq!(seen.values("x-env"), ["prod"]);
    assert_eq!(seen.values("x-from"), ["127.0.0.1"]);
    assert_eq!(
        seen.values("x-is"),
        [""; 0],
        "what comes out empty is removed"
    );
    assert_eq!(
        seen.values("x-way"),
        ["client", "proxy HTTP/1.1 GET /v1/shelves listShelves"]
    );
}

#[tokio::test]
async fn every_answer_gets_what_is_set_the_proxys_own_too() {
    let (_backend, proxy) = under(
        "  response:\n    set: {Strict-Transport-Security: 'max-age=31536000; includeSubdomains', X-Set: ours}\n    \
         append: {X-Both: '%RESPONSE_CODE% %RESP(Server)% %REQ(X-Id)%'}\n",
    )
    .await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.ask(&format!("{GET}X-Id: 7\r\n\r\n")).await;
    assert_eq!(answer.values("x-set"), ["ours"]);
    assert_eq!(answer.values("x-both"), ["a", "200 app 7"]);
    for (target, status, both) in [
        ("/nothing", 404, "404  7"),
        ("/healthz", 200, "200  7"),
        ("/v1/a%00", 400, "400  7"),
    ] {
        let request = GET.replace("/v1/shelves?key=secret", target);
        let answer = client.ask(&format!("{request}X-Id: 7\r\n\r\n")).await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(
            answer.values("strict-transport-security"),
            ["max-age=31536000; includeSubdomains"],
            "{target}"
        );
        assert_eq!(answer.values("x-both"), [both], "{target}");
    }
    // A head that nobody could read says nothing of itself.
    let answer = client
        .ask("GET /v1/shelves HTTP/1.1\r\nBad Name: x\r\n\r\n")
        .await;
    assert_eq!((answer.status, answer.values("x-both")), (400, vec!["400"]));
    assert_eq!(answer.values("strict-transport-security").len(), 1);
}

#[tokio::test]
async fn the_operations_name_is_told_under_the_prefix_and_forged_by_nobody() {
    for (prefix, name) in [
        ("", "x-endpoint-api-operation-name"),
        (
            "  generatedPrefix: X-Books-\n",
            "x-books-api-operation-name",
        ),
    ] {
        let (backend, proxy) = under(&format!("  operationName: true\n{prefix}")).await;
        let request = format!(
            "{GET}X-Endpoint-API-Operation-Name: forged\r\nX-Books-API-Operation-Name: {}\r\n\
             X-Endpoint-API-UserInfo: forged\r\nConnection: close, {name}\r\n\r\n",
            if prefix.is_empty() {
                "theirs"
            } else {
                "forged"
            },
        );
        assert_eq!(ask(proxy.address, &request).await.status, 200);
        let seen = backend.only();
        assert_eq!(seen.values(name), ["listShelves"]);
        assert!(!seen.head.contains("forged"), "{seen:?}");
    }
}

#[tokio::test]
async fn the_forwarded_headers_are_appended_set_or_left() {
    let came = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: front\r\n\
                X-Forwarded-Authorization: forged\r\n\r\n";
    for (mode, way, proto, host) in [
        ("Append", "1.1.1.1, 127.0.0.1", "https", "front"),
        ("Set", "127.0.0.1", "http", "books.example"),
        ("Keep", "1.1.1.1", "https", "front"),
    ] {
        let (backend, proxy) = under(&format!("  forwarded: {{mode: {mode}}}\n")).await;
        assert_eq!(
            ask(proxy.address, &format!("{GET}{came}")).await.status,
            200
        );
        let seen = backend.only();
        assert_eq!(seen.values("x-forwarded-for"), [way], "{mode}");
        assert_eq!(seen.values("x-forwarded-proto"), [proto], "{mode}");
        assert_eq!(seen.values("x-forwarded-host"), [host], "{mode}");
        assert_eq!(seen.values("x-forwarded-authorization"), [""; 0], "{mode}");
    }
    let (backend, proxy) = under("  forwarded: {mode: Keep}\n").await;
    assert_eq!(ask(proxy.address, &format!("{GET}\r\n")).await.status, 200);
    assert!(
        !backend.only().head.contains("x-forwarded"),
        "{:?}",
        backend.only()
    );
}

#[tokio::test]
async fn trusted_hops_choose_the_client_and_nothing_else() {
    let (backend, proxy) = under(
        "  forwarded: {trustedHops: 2}\n  request: {set: {X-Client: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', X-Peer: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%'}}\n",
    )
    .await;
    let request = format!("{GET}X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.0.0.1\r\n\r\n");
    assert_eq!(ask(proxy.address, &request).await.status, 200);
    let seen = backend.only();
    assert_eq!(seen.values("x-client"), ["1.2.3.4"]);
    assert_eq!(seen.values("x-peer"), ["127.0.0.1"]);
    assert_eq!(
        seen.values("x-forwarded-for"),
        ["6.6.6.6, 1.2.3.4, 10.0.0.1, 127.0.0.1"]
    );
}
