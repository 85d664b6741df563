//! The app's own probes, which the admin server asks for kubelet.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use endpoints::proxy::{AppProbe, Config, Question};
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::TcpListener;

use crate::backend::{Backend, Reply, ok};
use crate::client::{Answer, ask};
use crate::forwarding::on_ipv6_alone;
use crate::proxy::TestProxy;

fn proxy(app: SocketAddr, question: Question) -> TestProxy {
    let probe = AppProbe {
        path: "/app/web/readyz".to_owned(),
        port: app.port(),
        timeout: Duration::from_secs(1),
        question,
    };
    TestProxy::run(Config {
        app_probes: vec![probe],
        ..TestProxy::config(app)
    })
}

fn get(path: &str) -> Question {
    Question::HttpGet {
        path: path.to_owned(),
    }
}

async fn probe(proxy: &TestProxy) -> Answer {
    let head = "GET /app/web/readyz HTTP/1.1\r\nHost: 10.1.2.3:14070\r\nX-Probe: yes\r\n\
                User-Agent: kube-probe/1.36\r\nConnection: close\r\n\r\n";
    ask(proxy.admin, head).await
}

/// Nothing listens there.
async fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn the_app_is_asked_what_its_pod_declares_and_by_kubelets_own_headers() {
    let app = Backend::start().await;
    let proxy = proxy(app.address, get("/ready?full=1"));
    assert_eq!(probe(&proxy).await.status, 200, "no policy is needed");
    let asked = &app.requests()[0];
    let port = app.address.port();
    assert!(
        asked.head.starts_with("GET /ready?full=1 HTTP/1.1\r\n"),
        "{asked:?}"
    );
    for line in [
        &format!("host: 10.1.2.3:{port}"),
        "x-probe: yes",
        "user-agent: kube-probe/1.36",
    ] {
        let head = asked.head.to_lowercase();
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(!asked.head.to_lowercase().contains("connection: close"));
}

#[tokio::test]
async fn what_the_app_answers_is_what_kubelet_hears() {
    for (answer, heard) in [
        ("204 No Content", 200),
        ("302 Found", 200),
        ("500 No", 500),
        ("401 No", 401),
    ] {
        let app = Backend::answering(move |_| {
            let head = format!("HTTP/1.1 {answer}\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
            Reply::Keep(head.into_bytes())
        })
        .await;
        let got = probe(&proxy(app.address, get("/"))).await;
        assert_eq!(got.status, heard, "{answer}: {got:?}");
    }
}

#[tokio::test]
async fn an_app_that_is_away_or_slow_does_not_pass() {
    let got = probe(&proxy(closed().await, get("/"))).await;
    assert_eq!(got.status, 503);
    assert!(got.body.contains("no connection"), "{got:?}");

    let slow = Backend::answering(|_| Reply::Stall(Vec::new())).await;
    let got = probe(&proxy(slow.address, get("/"))).await;
    assert_eq!(got.status, 503);
    assert!(got.body.contains("no answer within 1 s"), "{got:?}");

    let junk = Backend::answering(|_| Reply::Close(b"no http\r\n\r\n".to_vec())).await;
    assert_eq!(probe(&proxy(junk.address, get("/"))).await.status, 503);
}

#[tokio::test]
async fn a_socket_that_opens_passes() {
    let app = Backend::answering(|_| Reply::Close(Vec::new())).await;
    assert_eq!(
        probe(&proxy(app.address, Question::TcpSocket)).await.status,
        200
    );
    let away = proxy(closed().await, Question::TcpSocket);
    assert_eq!(probe(&away).await.status, 503);
}

#[tokio::test]
async fn an_app_that_listens_on_ipv6_alone_is_asked() {
    let (address, _held) = on_ipv6_alone().await;
    for question in [get("/ready"), Question::TcpSocket] {
        assert_eq!(probe(&proxy(address, question)).await.status, 200);
    }
}

#[tokio::test]
async fn nothing_but_the_declared_probe_can_be_asked() {
    let app = Backend::start().await;
    let proxy = proxy(app.address, get("/ready"));
    for path in [
        "/app/web/livez",
        "/app/web/readyz/",
        "/app/",
        "/app/web/readyz%2f..",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(ask(proxy.admin, &head).await.status, 404, "{path}");
    }
    let post = "POST /app/web/readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(proxy.admin, post).await.status, 405);
    assert!(app.requests().is_empty());
    // A query of the asker's is not the app's.
    let head = "GET /app/web/readyz?x=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(ask(proxy.admin, head).await.status, 200);
    assert!(app.requests()[0].head.starts_with("GET /ready HTTP"));
}

#[tokio::test]
async fn the_grpc_health_protocol_decides() {
    let service = Question::Grpc {
        service: "shop".to_owned(),
    };
    // What the app's health service answers: a message, and a status in the trailers.
    for (message, status, heard) in [
        (&[0, 0, 0, 0, 2, 8, 1][..], "0", 200),
        (&[0, 0, 0, 0, 2, 8, 2], "0", 503),
        (&[0, 0, 0, 0, 0], "0", 503),
        (&[], "5", 503),
        (&[], "12", 503),
    ] {
        let app = health(message, status).await;
        let got = probe(&proxy(app, service.clone())).await;
        assert_eq!(got.status, heard, "{message:?} {status}: {got:?}");
    }
    assert_eq!(
        probe(&proxy(closed().await, service.clone())).await.status,
        503
    );
    let not_h2 = Backend::answering(|_| Reply::Close(ok("ok"))).await;
    assert_eq!(probe(&proxy(not_h2.address, service)).await.status, 503);
}

/// A gRPC server that answers every call like this, if it is for `shop`.
async fn health(message: &'static [u8], status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.headers()["content-type"], "application/grpc");
            tokio::spawn(async move {
                let mut body = request.into_body();
                let asked = body.data().await.unwrap().unwrap();
                assert_eq!(&asked[..], b"\0\0\0\0\x06\x0a\x04shop");
                let mut sending = respond.send_response(Response::new(()), false).unwrap();
                sending
                    .send_data(Bytes::from_static(message), false)
                    .unwrap();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static(status));
                sending.send_trailers(trailers).unwrap();
            });
        }
    });
    address
}
