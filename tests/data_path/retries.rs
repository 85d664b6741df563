//! What is sent again, and what never is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, sleep};

use crate::backend::{Backend, Reply, ok, raw, read_request};
use crate::client::{Answer, Client, ask, patient};
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const GET: &str = "GET /v1/shelves?a=b HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nX-Mine: 2\r\n\r\n";
const POST: &str = "POST /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
const PUT: &str = "PUT /v1/shelves HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";

fn proxy(backend: SocketAddr, retries: &str) -> TestProxy {
    TestProxy::start(backend).under(&format!("{OPEN}backend: {{retries: {{{retries}}}}}\n"))
}

/// A backend that gives the answers one after the other, the last one for ever, each over a connection
/// of its own.
async fn in_turn(answers: &[&'static str]) -> Backend {
    let answers = answers.to_vec();
    let served = AtomicUsize::new(0);
    Backend::answering(move |_| {
        let turn = served.fetch_add(1, Ordering::SeqCst);
        Reply::Close(answers[turn.min(answers.len() - 1)].into())
    })
    .await
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";

#[tokio::test]
async fn a_reset_is_tried_again_as_often_as_is_said_and_arrives_as_it_was() {
    for (retries, resets, status) in [
        ("", 1, 200),
        ("", 2, 502),
        ("num: 3", 3, 200),
        ("num: 3", 4, 502),
        ("num: 0", 1, 502),
        ("on: [connect-failure]", 1, 502),
        ("on: [reset]", 1, 200),
        ("on: []", 1, 502),
    ] {
        let answers: Vec<_> = (0..resets).map(|_| "").chain([OK]).collect();
        let backend = in_turn(&answers).await;
        let answer = ask(proxy(backend.address, retries).address, GET).await;
        assert_eq!(answer.status, status, "{retries:?} after {resets}");
        let seen = backend.requests();
        for request in &seen {
            assert_eq!(request.head, seen[0].head);
        }
        assert_eq!(seen[0].line(), "GET /v1/shelves?a=b HTTP/1.1");
        assert_eq!(seen[0].values("x-mine"), ["1", "2"]);
        if status == 502 {
            let retried = answer.body.contains("retried and the latest reset reason:");
            assert_eq!(retried, seen.len() > 1, "{answer:?}");
            assert_eq!(answer.reason(), "BackendReset");
        }
    }
}

#[tokio::test]
async fn what_may_not_be_sent_twice_is_not() {
    for request in [POST, PUT] {
        let backend = in_turn(&["", OK]).await;
        let answer = ask(proxy(backend.address, "num: 5").address, request).await;
        assert_eq!((answer.status, &*answer.reason()), (502, "BackendReset"));
        assert_eq!(backend.requests().len(), 1);
    }
}

/// Once something of an answer has come, a second request could be a second answer.
#[tokio::test]
async fn nothing_is_sent_again_after_the_first_byte_of_an_answer() {
    for begun in [
        "H",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
    ] {
        let backend = in_turn(&[begun, OK]).await;
        let answer = ask(proxy(backend.address, "num: 5").address, GET).await;
        assert_eq!(answer.status, 502, "{begun:?}");
        assert_eq!(backend.requests().len(), 1, "{begun:?}");
    }
    let backend = in_turn(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", OK]).await;
    let proxy = proxy(backend.address, "num: 5");
    let mut client = Client::connect(proxy.address).await;
    client.send(GET).await;
    assert_eq!(client.answer_to_head().await.status, 200);
    assert_eq!(client.rest().await, b"half");
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_status_is_tried_again_where_it_is_listed_and_the_last_answer_counts() {
    let codes = "statusCodes: [500, 503], num: 2";
    let backend = in_turn(&[UNAVAILABLE, UNAVAILABLE, OK]).await;
    let answer = ask(proxy(backend.address, codes).address, GET).await;
    assert_eq!((answer.status, &*answer.body), (200, "ok"));

    let backend = in_turn(&[UNAVAILABLE]).await;
    let answer = ask(proxy(backend.address, codes).address, GET).await;
    assert_eq!((answer.status, &*answer.body), (503, "busy"));
    assert_eq!(backend.requests().len(), 3);

    for (retries, request) in [(codes, POST), (codes, PUT), ("", GET), ("num: 5", GET)] {
        let backend = in_turn(&[UNAVAILABLE, OK]).await;
        let answer = ask(proxy(backend.address, retries).address, request).await;
        assert_eq!((answer.status, &*answer.body), (503, "busy"), "{retries}");
        assert_eq!(backend.requests().len(), 1);
    }
}

#[tokio::test]
async fn each_try_has_its_time_and_all_have_the_deadline() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let backend = Backend::answering(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Stall(Vec::new()),
        _ => Reply::Keep(ok("second")),
    })
    .await;
    let begun = Instant::now();
    let answer = ask(proxy(backend.address, "perTryTimeout: 200ms").address, GET).await;
    assert_eq!(answer.body, "second");
    assert!(begun.elapsed() >= Duration::from_millis(200));

    let stalling = Backend::answering(|_| Reply::Stall(Vec::new())).await;
    for (request, times) in [(GET, 3), (POST, 1)] {
        let before = stalling.requests().len();
        let proxy = proxy(stalling.address, "perTryTimeout: 100ms, num: 2");
        let answer = ask(proxy.address, request).await;
        assert_eq!((answer.status, &*answer.reason()), (504, "BackendTimeout"));
        assert!(answer.body.contains(&stalling.address.to_string()));
        assert_eq!(stalling.requests().len() - before, times, "{request}");
    }

    // The time of a try is not that of the body.
    let slow = raw(|mut stream, _| async move {
        let _ = read_request(&mut stream, &mut Vec::new()).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl")
            .await;
        sleep(Duration::from_millis(400)).await;
        let _ = stream.write_all(b"ow").await;
    })
    .await;
    let answer = ask(proxy(slow, "perTryTimeout: 200ms").address, GET).await;
    assert_eq!(answer.body, "slow");
}

/// As a container restarts: connections break, for a while nobody listens, then somebody does again.
#[tokio::test]
async fn a_backend_that_restarts_costs_no_request_that_may_be_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = |listener: TcpListener| {
        tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut buffer = Vec::new();
                    while read_request(&mut stream, &mut buffer).await.is_some() {
                        if stream.write_all(&ok("ok")).await.is_err() {
                            return;
                        }
                    }
                });
            }
        })
    };
    let mut serving = serve(listener);
    let proxy = TestProxy::start(address).under(OPEN);
    let answers: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let clients: Vec<_> = [GET, GET, GET, POST]
        .into_iter()
        .map(|request| {
            let (answers, address) = (answers.clone(), proxy.address);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let until = Instant::now() + Duration::from_millis(2500);
                while Instant::now() < until {
                    let answer = client.ask(request).await;
                    if request == GET {
                        assert_eq!(answer.status, 200, "{answer:?}");
                    } else {
                        answers.lock().unwrap().push(answer);
                    }
                }
            })
        })
        .collect();
    for _ in 0..3 {
        sleep(Duration::from_millis(300)).await;
        // All of its connections break, too.
        serving.abort();
        let _ = serving.await;
        sleep(Duration::from_millis(300)).await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        serving = serve(socket.listen(1024).unwrap());
    }
    for client in clients {
        patient(client).await.unwrap();
    }
    let answers = answers.lock().unwrap();
    let lost: Vec<_> = answers.iter().filter(|it| it.status != 200).collect();
    assert!(
        lost.len() <= 3,
        "a POST in flight at each restart: {lost:?}"
    );
    for answer in lost {
        assert_eq!((answer.status, &*answer.reason()), (502, "BackendReset"));
        assert!(answer.body.contains(&address.to_string()), "{answer:?}");
    }
}

#[tokio::test]
async fn a_backend_that_went_away_is_503_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = read_request(&mut stream, &mut Vec::new()).await;
        let _ = stream.write_all(&ok("ok")).await;
    });
    let proxy = TestProxy::start(address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    assert_eq!(client.ask(POST).await.status, 200);
    patient(serving).await.unwrap();
    let begun = Instant::now();
    for (least, most) in [(1, 4), (0, 1)] {
        let begun = Instant::now();
        let answer = client.ask(POST).await;
        assert_eq!(
            (answer.status, &*answer.reason()),
            (503, "BackendUnreachable")
        );
        assert!(answer.body.contains("connection refused"), "{answer:?}");
        let took = begun.elapsed();
        assert!((least..most).contains(&took.as_secs()), "{took:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// One request in five may be sent again: what fails for all must not come twice as often.
#[tokio::test]
async fn a_backend_in_distress_does_not_get_twice_the_requests() {
    let backend = in_turn(&[""]).await;
    let proxy = proxy(backend.address, "num: 10");
    let mut client = Client::connect(proxy.address).await;
    const REQUESTS: usize = 100;
    for _ in 0..REQUESTS {
        assert_eq!(client.ask(GET).await.status, 502);
    }
    let sent = backend.requests().len();
    // A fifth, and three a second.
    let most = REQUESTS + REQUESTS / 5 + 3 * 10;
    assert!((REQUESTS + 10..=most).contains(&sent), "{sent}");
    let metrics = ask(proxy.admin, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let number = |name: &str| -> usize {
        let line = metrics.body.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.rsplit(' ').next());
        number.unwrap().parse().unwrap()
    };
    assert_eq!(number("endpoints_backend_retries_total"), sent - REQUESTS);
    assert!(number("endpoints_backend_retries_over_budget_total") > 50);
}
