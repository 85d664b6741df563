//! Those who hold up others, or would.

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A server without its listener, and a connection's permit.
struct Bare {
    server: Server,
    permit: Permit,
    _trigger: Trigger,
}

impl Bare {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limit = ConnectionLimit::new(1, 1);
        let (_, accepted) = tokio::join!(TcpStream::connect(address), limit.accept(&listener));
        let (trigger, shutdown) = shutdown::channel();
        let config = Arc::new(ArcSwap::from_pointee(config("first")));
        let (settings, metrics) = (SettingsCache::default(), Metrics::default());
        Self {
            server: Server::new(config, settings, metrics, shutdown),
            permit: accepted.unwrap().2,
            _trigger: trigger,
        }
    }

    /// The answer, and how long it took.
    async fn answer(&self, path: &str, body: String) -> (StatusCode, String, Duration) {
        let begun = Instant::now();
        let request = request(Method::POST, path, Full::<Bytes>::from(body));
        let answer = self.server.answer(LOOPBACK.into(), &self.permit, request);
        let response = answer.await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (status, body, begun.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_gets_no_turn_allows_and_says_so() {
    let bare = Bare::new().await;
    let _busy = bare.server.checks.clone().acquire_owned().await.unwrap();
    let (status, answer, _) = bare.answer(CHECK_PATH, check("swagger: '2.0'")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer.contains("\"allowed\":true"), "{answer}");
    assert!(answer.contains("not checked just now"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn checks_wait_in_a_short_queue_and_hold_up_no_pod() {
    let bare = Bare::new().await;
    let _busy = bare.server.checks.clone().acquire_owned().await.unwrap();
    let checks = (0..40).map(|_| bare.answer(CHECK_PATH, check("swagger: '2.0'")));
    let good = review(&serde_json::json!({ "endpoints.dev/service": "a" }));
    let pod = async {
        // The checks are there first.
        tokio::time::sleep(Duration::from_millis(100)).await;
        bare.answer(INJECT_PATH, good).await
    };
    let (checks, (status, _, took)) = tokio::join!(join_all(checks), pod);
    assert_eq!(status, StatusCode::OK);
    assert!(took < Duration::from_millis(100), "{took:?}");
    let unchecked = |(status, answer, _): &(StatusCode, String, _)| {
        *status == StatusCode::OK && answer.contains("not checked just now")
    };
    assert!(checks.iter().all(unchecked));
    let waited = checks
        .iter()
        .filter(|(_, _, took)| *took >= CHECK_TIMEOUT)
        .count();
    assert_eq!(waited, CHECKS_QUEUED);
}

/// No credentials and next to no bandwidth are needed for it.
#[tokio::test]
async fn reviews_that_dawdle_hold_up_no_other() {
    let rig = rig().await;
    let mut dawdlers = Vec::new();
    for number in 0..120 {
        let mut stream = rig.connect([127, 0, 0, 2 + number / 60]).await;
        let begun = b"POST /inject HTTP/1.1\r\nhost: webhook\r\ncontent-length: 1000\r\n\r\n{";
        stream.write_all(begun).await.unwrap();
        dawdlers.push(stream);
    }
    let good = review(&serde_json::json!({ "endpoints.dev/service": "a" }));
    let (status, answer) = rig.post(good).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

#[tokio::test]
async fn as_many_silent_connections_as_there_may_be_keep_nobody_out() {
    let rig = rig().await;
    let good = || review(&serde_json::json!({ "endpoints.dev/service": "a" }));
    let mut silent = Vec::new();
    for number in 0..CONNECTIONS {
        let host = u8::try_from(2 + number / CONNECTIONS_PER_ADDRESS).unwrap();
        silent.push(rig.connect([127, 0, 0, host]).await);
    }
    // The API server waits so long.
    let posted = tokio::time::timeout(Duration::from_secs(5), rig.post(good())).await;
    assert_eq!(posted.unwrap().0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_which_no_review_comes_is_closed_soon() {
    let rig = rig().await;
    let begun = Instant::now();
    let mut silent = rig.connect(LOOPBACK).await;
    // Closed without a farewell.
    let _ = silent.read_u8().await.unwrap_err();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
}
