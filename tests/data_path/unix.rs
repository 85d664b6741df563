//! Backends behind a local socket.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::backend::{Backend, Recorded, ok, read_request};
use crate::client::{Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const GET: &str = "GET /v1/shelves?a=b HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

/// Answers what comes over a socket; tells what came, with the number of its connection.
fn serve(listener: UnixListener) -> mpsc::UnboundedReceiver<Recorded> {
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while let Some(mut request) = read_request(&mut stream, &mut buffer).await {
                    request.connection = number;
                    let _ = tell.send(request);
                    if stream.write_all(&ok("local")).await.is_err() {
                        return;
                    }
                }
            });
            number += 1;
        }
    });
    told
}

async fn proxy_to(socket: &str) -> (TestProxy, Backend) {
    let app = Backend::start().await;
    let policy = format!("{OPEN}backend: {{address: \"unix:{socket}\"}}\n");
    (TestProxy::start(app.address).under(&policy), app)
}

#[tokio::test]
async fn requests_go_to_the_file_of_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("App.sock");
    let mut told = serve(UnixListener::bind(&path).unwrap());
    let (proxy, app) = proxy_to(path.to_str().unwrap()).await;
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..2 {
        let answer = client.ask(GET).await;
        assert_eq!((answer.status, &*answer.body), (200, "local"));
        let seen = patient(told.recv()).await.unwrap();
        assert_eq!(seen.line(), "GET /v1/shelves?a=b HTTP/1.1");
        assert_eq!(seen.values("host"), ["api.example.com"]);
        assert_eq!(seen.connection, 0, "the connection is kept");
    }
    assert!(app.requests().is_empty());
    let answer = client.ask("GET /v1/shelves HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    let seen = patient(told.recv()).await.unwrap();
    assert_eq!(seen.values("host"), ["localhost"]);
}

#[tokio::test]
async fn requests_go_to_an_abstract_socket() {
    let name = format!("endpoints-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let _told = serve(UnixListener::from_std(listener).unwrap());
    let (proxy, _app) = proxy_to(&format!("@{name}")).await;
    assert_eq!(ask(proxy.address, GET).await.body, "local");
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_503_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.sock");
    let path = path.to_str().unwrap();
    let (proxy, _app) = proxy_to(path).await;
    let answer = ask(proxy.address, GET).await;
    assert_eq!(
        (answer.status, &*answer.reason()),
        (503, "BackendUnreachable")
    );
    let why = format!("backend unix:{path}: there is no such socket");
    assert!(answer.body.contains(&why), "{answer:?}");
}
