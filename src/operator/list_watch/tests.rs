use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

/// A watch that went on from a version of before would hear nothing of a store that was restored.
#[tokio::test]
async fn watch_that_fails_is_followed_by_a_listing() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    let config = watcher::Config::default();
    let mut events = list_watch(Api::<Pod>::all(client), config);
    let polled = tokio::spawn(async move { while events.next().await.is_some() {} });
    let list = json!({
        "apiVersion": "v1", "kind": "PodList", "metadata": { "resourceVersion": "7" }, "items": []
    });
    let refused = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": 500,
        "reason": "InternalError", "message": "it is starting"
    });
    for asked_for in ["list", "watch", "list", "watch"] {
        let (mut stream, _) = server.accept().await.unwrap();
        let mut line = String::new();
        BufReader::new(&mut stream)
            .read_line(&mut line)
            .await
            .unwrap();
        let (found, status, body) = match line.contains("watch=true") {
            true => ("watch", "500 Internal Server Error", &refused),
            false => ("list", "200 OK", &list),
        };
        assert_eq!(found, asked_for, "{line}");
        let body = body.to_string();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        // What is left of the request must not reset the answer.
        stream.shutdown().await.unwrap();
        let mut rest = BufReader::new(stream);
        while rest.fill_buf().await.is_ok_and(|rest| !rest.is_empty()) {
            let length = rest.buffer().len();
            rest.consume(length);
        }
    }
    polled.abort();
}

#[tokio::test]
async fn what_is_no_error_goes_on() {
    let starts = std::cell::Cell::new(0);
    let start = || {
        starts.set(starts.get() + 1);
        stream::iter([Ok(1), Ok(2), Err("broken"), Ok(3)])
    };
    let seen: Vec<_> = anew_after_errors(start).take(7).collect().await;
    let round = [Ok(1), Ok(2), Err("broken")];
    assert_eq!(seen, [&round[..], &round[..], &round[..1]].concat());
    assert_eq!(starts.get(), 3);
}
