//! Several requests on one connection: what follows a request is judged by its own head, or not read.

use tokio::io::AsyncWriteExt as _;

use super::start;
use crate::client::Client;

const GET: &str = "GET /shelves HTTP/1.1\r\nHost: a\r\n\r\n";
const ADMIN: &str = "GET /admin/users HTTP/1.1\r\nHost: a\r\n\r\n";

/// What is sent at once, the statuses of the answers, and the lines that the backend saw.
#[tokio::test]
async fn each_answer_belongs_to_one_request() {
    let long = "x".repeat(9_000);
    let table: Vec<(&str, String, Vec<u16>, Vec<&str>)> = vec![
        (
            "two",
            [GET, ADMIN].concat(),
            vec![200, 200],
            vec!["GET /shelves", "GET /admin/users"],
        ),
        (
            "a refused one between",
            [GET, "GET /no HTTP/1.1\r\nHost: a\r\n\r\n", ADMIN].concat(),
            vec![200, 404, 200],
            vec!["GET /shelves", "GET /admin/users"],
        ),
        (
            "a length that hides the next",
            format!(
                "POST /shelves HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{ADMIN}{GET}",
                ADMIN.len()
            ),
            vec![200, 200],
            vec!["POST /shelves", "GET /shelves"],
        ),
        (
            "a length in a GET that hides the next",
            format!(
                "GET /shelves HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{ADMIN}{GET}",
                ADMIN.len()
            ),
            vec![200, 200],
            vec!["GET /shelves", "GET /shelves"],
        ),
        (
            "a length and chunks",
            format!(
                "POST /shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5c\r\n{ADMIN}"
            ),
            vec![400],
            vec![],
        ),
        (
            "chunks and a request behind them",
            format!(
                "POST /shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{ADMIN}"
            ),
            vec![200, 200],
            vec!["POST /shelves", "GET /admin/users"],
        ),
        (
            "a request behind broken chunks",
            format!(
                "POST /shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{ADMIN}"
            ),
            vec![400],
            vec![],
        ),
        (
            "a spoilt coding and a request",
            format!(
                "POST /shelves HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{ADMIN}"
            ),
            vec![400],
            vec![],
        ),
        (
            "a folded field and a request",
            format!("GET /shelves HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n{ADMIN}"),
            vec![400],
            vec![],
        ),
        (
            "behind Connection: close",
            format!("GET /shelves HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{ADMIN}"),
            vec![200],
            vec!["GET /shelves"],
        ),
        (
            "behind HTTP/1.0",
            format!("GET /shelves HTTP/1.0\r\nHost: a\r\n\r\n{ADMIN}"),
            vec![200],
            vec!["GET /shelves"],
        ),
        (
            "behind a target that is too long",
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n{ADMIN}"),
            vec![414],
            vec![],
        ),
        (
            "behind an expectation that is not met",
            format!(
                "POST /shelves HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: {}\r\n\r\n{ADMIN}{GET}",
                ADMIN.len()
            ),
            vec![417, 200],
            vec!["GET /shelves"],
        ),
        (
            "empty lines between",
            format!("{GET}\r\n\r\n{ADMIN}"),
            vec![200, 200],
            vec!["GET /shelves", "GET /admin/users"],
        ),
        (
            "garbage between",
            format!("{GET}garbage\r\n\r\n{ADMIN}"),
            vec![200, 400],
            vec!["GET /shelves"],
        ),
        (
            "a bare LF between",
            format!("{GET}\n{ADMIN}"),
            vec![200, 400],
            vec!["GET /shelves"],
        ),
        (
            "an upgrade to h2c that is none",
            format!(
                "GET /shelves HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n{ADMIN}"
            ),
            vec![200, 200],
            vec!["GET /shelves", "GET /admin/users"],
        ),
        (
            "the preface of HTTP/2 behind a request",
            format!("{GET}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            vec![200, 400],
            vec!["GET /shelves"],
        ),
    ];
    let (backend, proxy) = start().await;
    for (name, sent, statuses, lines) in table {
        let before = backend.requests().len();
        let mut client = Client::connect(proxy.address).await;
        client.send(&sent).await;
        for status in &statuses {
            let answer = client.answer().await;
            assert_eq!(answer.status, *status, "{name}: {answer:?}");
        }
        let _ = client.stream.shutdown().await;
        let rest = client.rest().await;
        let seen = backend.requests();
        let seen: Vec<_> = seen[before..]
            .iter()
            .filter_map(|request| request.line().rsplit_once(' '))
            .map(|(line, _)| line)
            .collect();
        assert_eq!(seen, lines, "{name}");
        // A body that nobody reads ends the connection, and so may come to nothing more.
        assert!(
            rest.is_empty(),
            "{name}: {}",
            String::from_utf8_lossy(&rest)
        );
    }
}
