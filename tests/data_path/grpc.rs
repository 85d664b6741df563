//! gRPC from clients that speak it to backends that do, frame by frame; and what its clients are told
//! when the proxy answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use endpoints::policy::format::BackendRule;
use endpoints::proxy::Limits;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream, server};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::backend::{Backend, find};
use crate::client::{Answer, Client, ask, patient};
use crate::forwarding::OPEN;
use crate::http2_backends::{Answering, Asked, each, grpc, grpc_with, http2};
use crate::proxy::{TestProxy, policy, ready};
use crate::remote_backends::at;

/// Short enough for a test, long enough for a busy machine to do what is in time.
const SHORT: Duration = Duration::from_millis(300);

/// A client's connection to the proxy.
async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    patient(sender.ready()).await.unwrap()
}

fn call(path: &str) -> http::request::Builder {
    Request::post(format!("http://api.example.com{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// Begins a call of `POST /v1/shelves`.
async fn begin(proxy: &TestProxy) -> (ResponseFuture, SendStream<Bytes>) {
    let request = call("/v1/shelves").body(()).unwrap();
    connect(proxy.address)
        .await
        .send_request(request, false)
        .unwrap()
}

/// A call whose message is sent at once; the head of its answer, its messages and its trailers.
async fn whole(
    proxy: &TestProxy,
    request: http::request::Builder,
) -> (Response<()>, Vec<u8>, Option<HeaderMap>) {
    let mut sender = connect(proxy.address).await;
    let (answer, mut sending) = sender
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    // A refusal may be faster.
    let _ = sending.send_data(Bytes::from_static(b"message"), true);
    let (head, mut body) = patient(answer).await.unwrap().into_parts();
    let bytes = bytes(&mut body).await;
    let trailers = patient(body.trailers()).await.unwrap();
    (Response::from_parts(head, ()), bytes, trailers)
}

async fn bytes(body: &mut RecvStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(data) = patient(body.data()).await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    bytes
}

/// One piece.
async fn piece(body: &mut RecvStream) -> Bytes {
    let data = patient(body.data()).await.unwrap().unwrap();
    body.flow_control().release_capacity(data.len()).unwrap();
    data
}

fn head() -> Response<()> {
    Response::builder()
        .header("content-type", "application/grpc+proto")
        .body(())
        .unwrap()
}

fn trailers(status: &'static str) -> HeaderMap {
    HeaderMap::from_iter([
        ("grpc-status".parse().unwrap(), status.parse().unwrap()),
        ("grpc-message".parse().unwrap(), "as told".parse().unwrap()),
    ])
}

/// A backend that gives back every piece as it comes.
async fn echo() -> SocketAddr {
    answering(|request, mut answering| async move {
        let mut body = request.into_body();
        let mut sending = answering.send_response(head(), false).unwrap();
        while let Some(Ok(data)) = body.data().await {
            let _ = body.flow_control().release_capacity(data.len());
            sending.reserve_capacity(data.len());
            if sending.send_data(data, false).is_err() {
                return;
            }
        }
        let _ = sending.send_trailers(trailers("0"));
    })
    .await
}

async fn answering<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Asked, Answering) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    http2(server::Builder::new(), move |connection, _| {
        each(connection, answer.clone())
    })
    .await
}

#[tokio::test]
async fn both_sides_of_a_call_speak_while_it_lasts() {
    let proxy = grpc(echo().await);
    let (answer, mut sending) = begin(&proxy).await;
    sending
        .send_data(Bytes::from_static(b"first"), false)
        .unwrap();
    let mut body = patient(answer).await.unwrap().into_body();
    assert_eq!(piece(&mut body).await, "first");
    for _ in 0..20 {
        sending
            .send_data(Bytes::from_static(b"another"), false)
            .unwrap();
        assert_eq!(piece(&mut body).await, "another");
    }
    sending.send_data(Bytes::new(), true).unwrap();
    assert!(bytes(&mut body).await.is_empty());
    let trailers = patient(body.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["grpc-message"], "as told");
}

#[tokio::test]
async fn what_a_call_says_of_itself_reaches_the_backend() {
    let backend = answering(|request, mut answering| async move {
        let mut said: Vec<_> = request
            .headers()
            .iter()
            .filter(|(name, _)| !name.as_str().starts_with("x-forwarded"))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        said.sort();
        let mut sending = answering.send_response(head(), false).unwrap();
        sending.send_data(said.join("\n").into(), false).unwrap();
        sending.send_trailers(trailers("0")).unwrap();
    })
    .await;
    let proxy = grpc(backend);
    let request = call("/v1/shelves")
        .header("grpc-timeout", "250m")
        .header("grpc-encoding", "gzip")
        .header("grpc-accept-encoding", "gzip, identity")
        .header("key-bin", "AAEC")
        .header("user-agent", "grpc-test/1");
    let (_, said, _) = whole(&proxy, request).await;
    assert_eq!(
        String::from_utf8(said).unwrap(),
        concat!(
            "content-type: application/grpc\ngrpc-accept-encoding: gzip, identity\n",
            "grpc-encoding: gzip\ngrpc-timeout: 250m\nkey-bin: AAEC\nte: trailers\n",
            "user-agent: grpc-test/1"
        )
    );
}

#[tokio::test]
async fn an_answer_that_is_trailers_only_stays_one() {
    let backend = answering(|_, mut answering| async move {
        let mut only = head();
        only.headers_mut().extend(trailers("5"));
        answering.send_response(only, true).unwrap();
    })
    .await;
    let proxy = grpc(backend);
    let mut sender = connect(proxy.address).await;
    let request = call("/v1/shelves").body(()).unwrap();
    let (answer, _sending) = sender.send_request(request, true).unwrap();
    let answer = patient(answer).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "5");
    assert_eq!(answer.headers()["grpc-message"], "as told");
    assert!(answer.body().is_end_stream());
}

#[tokio::test]
async fn a_large_message_comes_whole_both_ways() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let proxy = grpc(echo().await);
    let (answer, mut sending) = begin(&proxy).await;
    let message: Vec<u8> = (0..LENGTH).map(|at| at.to_le_bytes()[1]).collect();
    let sent = Bytes::from(message.clone());
    let writing = tokio::spawn(async move {
        let mut left = sent;
        while !left.is_empty() {
            sending.reserve_capacity(left.len());
            let room = std::future::poll_fn(|context| sending.poll_capacity(context)).await;
            let room = room.unwrap().unwrap().min(left.len());
            let last = room == left.len();
            sending.send_data(left.split_to(room), last).unwrap();
        }
    });
    let mut body = patient(answer).await.unwrap().into_body();
    assert_eq!(bytes(&mut body).await, message);
    writing.await.unwrap();
}

#[tokio::test]
async fn a_call_that_the_client_gives_up_is_reset_at_the_backend() {
    let (asked, reset) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (ask, cut) = (asked.clone(), reset.clone());
    let backend = answering(move |request, mut answering| {
        let (ask, cut) = (ask.clone(), cut.clone());
        async move {
            let sending = answering.send_response(head(), false);
            let mut sending = sending.unwrap();
            ask.add_permits(1);
            let why = std::future::poll_fn(|context| sending.poll_reset(context)).await;
            assert_eq!(why.unwrap(), Reason::CANCEL);
            cut.add_permits(1);
            drop(request);
        }
    })
    .await;
    let proxy = grpc(backend);
    // Before the head of the answer, and after.
    for wait in [false, true] {
        let (answer, mut sending) = begin(&proxy).await;
        let answer = match wait {
            true => Ok(patient(answer).await.unwrap()),
            false => Err(answer),
        };
        patient(asked.acquire()).await.unwrap().forget();
        sending.send_reset(Reason::CANCEL);
        patient(reset.acquire()).await.unwrap().forget();
        drop(answer);
    }
}

#[tokio::test]
async fn a_call_that_the_backend_breaks_off_ends_with_a_status() {
    let backend = answering(|_, mut answering| async move {
        let mut sending = answering.send_response(head(), false).unwrap();
        sending
            .send_data(Bytes::from_static(b"half"), false)
            .unwrap();
        sleep(SHORT).await;
        sending.send_reset(Reason::ENHANCE_YOUR_CALM);
    })
    .await;
    let proxy = grpc(backend);
    let (answer, _sending) = begin(&proxy).await;
    let mut body = patient(answer).await.unwrap().into_body();
    assert_eq!(piece(&mut body).await, "half");
    assert!(patient(body.data()).await.is_none());
    let trailers = patient(body.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "14");
    assert_eq!(trailers["grpc-message"], "the backend broke off");
}

#[tokio::test]
async fn the_deadline_holds_until_the_head_and_silence_is_bounded_after() {
    let backend = answering(|_, mut answering| async move {
        let mut sending = answering.send_response(head(), false).unwrap();
        for _ in 0..4 {
            sleep(SHORT).await;
            let _ = sending.send_data(Bytes::from_static(b"x"), false);
        }
        std::future::pending::<()>().await;
    })
    .await;
    let limits = Limits {
        backend_deadline: SHORT * 2,
        backend_idle_timeout: SHORT * 3,
        ..Limits::default()
    };
    let proxy = grpc_with(backend, limits);
    let began = Instant::now();
    let (answer, _sending) = begin(&proxy).await;
    let mut body = patient(answer).await.unwrap().into_body();
    for _ in 0..4 {
        assert_eq!(piece(&mut body).await, "x");
    }
    assert!(patient(body.data()).await.is_none());
    let trailers = patient(body.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "4");
    assert!(began.elapsed() >= SHORT * 7, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_client_may_be_silent_while_the_backend_speaks_and_speak_while_it_is_silent() {
    let backend = answering(|request, mut answering| async move {
        let mut body = request.into_body();
        let mut sending = answering.send_response(head(), false).unwrap();
        for _ in 0..4 {
            sleep(SHORT).await;
            sending.send_data(Bytes::from_static(b"x"), false).unwrap();
        }
        let mut count = 0;
        while let Some(Ok(data)) = body.data().await {
            count += data.len();
        }
        sending.send_data(count.to_string().into(), false).unwrap();
        sending.send_trailers(trailers("0")).unwrap();
    })
    .await;
    let limits = Limits {
        body_progress_timeout: SHORT,
        backend_idle_timeout: SHORT * 2,
        ..Limits::default()
    };
    let proxy = grpc_with(backend, limits);
    let (answer, mut sending) = begin(&proxy).await;
    let mut body = patient(answer).await.unwrap().into_body();
    for _ in 0..4 {
        assert_eq!(piece(&mut body).await, "x");
    }
    for _ in 0..8 {
        sleep(SHORT).await;
        sending.send_data(Bytes::from_static(b"y"), false).unwrap();
    }
    sending.send_data(Bytes::new(), true).unwrap();
    assert_eq!(bytes(&mut body).await, b"8");
}

/// `OPEN` with `POST /v1/closed`, which demands a token.
fn closed() -> String {
    OPEN.replace(
        "    paths:",
        concat!(
            "    securityDefinitions:\n      issuer: {type: oauth2, flow: implicit, authorizationUrl: \"\", ",
            "x-google-issuer: \"https://issuer.example\", x-google-jwks_uri: \"https://issuer.example/keys\"}\n",
            "    paths:\n      /closed:\n        post: {security: [{issuer: []}], responses: {200: {description: ok}}}"
        ),
    )
}

#[tokio::test]
async fn our_refusals_are_grpc_statuses_to_grpc_clients() {
    let proxy = TestProxy::start(Backend::start().await.address).under(&closed());
    for (path, status, message) in [
        ("/v1/closed", "16", "Jwt is missing"),
        (
            "/v1/nowhere",
            "12",
            "The current request is not defined by this API.",
        ),
        (
            "/v1/shelves/1",
            "12",
            "The current request is matched to the defined url template \"/v1/shelves/{shelf}\" but its http method is not allowed",
        ),
        (
            "/v1/%zz",
            "3",
            "The request path has an invalid percent escape.",
        ),
    ] {
        let (answer, body, trailers) = whole(&proxy, call(path)).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/grpc");
        assert_eq!(answer.headers()["grpc-status"], status, "{path}");
        if path != "/v1/%zz" {
            assert_eq!(answer.headers()["grpc-message"], message);
        }
        assert!(body.is_empty() && trailers.is_none(), "{path}");
    }
    let (answer, ..) = whole(&proxy, call("/v1/closed")).await;
    assert!(
        answer.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer realm=")
    );
    // Counted as what they are.
    let metrics = crate::admin::metrics(&proxy).await;
    assert!(metrics.contains("code=\"401\""), "{metrics}");
}

#[tokio::test]
async fn a_backend_that_is_gone_is_unavailable_and_a_slow_one_is_late() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = grpc(gone.local_addr().unwrap());
    drop(gone);
    let (answer, ..) = whole(&proxy, call("/v1/shelves")).await;
    assert_eq!(answer.headers()["grpc-status"], "14");

    let slow = answering(|request, answering| async move {
        std::future::pending::<()>().await;
        drop((request, answering));
    })
    .await;
    let limits = Limits {
        backend_deadline: SHORT,
        ..Limits::default()
    };
    let proxy = grpc_with(slow, limits);
    let (answer, ..) = whole(&proxy, call("/v1/shelves")).await;
    assert_eq!(answer.headers()["grpc-status"], "4");
    let message = answer.headers()["grpc-message"].to_str().unwrap();
    assert!(message.starts_with("upstream request timeout"), "{message}");
}

#[tokio::test]
async fn who_is_no_grpc_client_is_told_by_http() {
    let proxy = TestProxy::start(Backend::start().await.address).under(&closed());
    for kind in [
        "application/grpc-web",
        "application/grpc-web-text",
        "application/grpc-web+proto",
        "application/json",
    ] {
        let request =
            Request::post("http://api.example.com/v1/closed").header("content-type", kind);
        let (answer, body, _) = whole(&proxy, request).await;
        assert_eq!(answer.status(), 401, "{kind}");
        assert!(
            String::from_utf8(body).unwrap().contains("TokenMissing"),
            "{kind}"
        );
    }
    for kind in ["application/grpc+proto", "application/grpc;x=y"] {
        let request =
            Request::post("http://api.example.com/v1/closed").header("content-type", kind);
        let (answer, ..) = whole(&proxy, request).await;
        assert_eq!(answer.status(), 200, "{kind}");
        assert_eq!(answer.headers()["grpc-status"], "16", "{kind}");
    }
    // gRPC is not spoken over HTTP/1.1.
    let old: Answer = ask(
        proxy.address,
        "POST /v1/closed HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!((old.status, &*old.reason()), (401, "TokenMissing"));
}

/// A message, then the trailers in a frame of the body.
const FRAMES: &[u8] = b"\0\0\0\0\x02ok\x80\0\0\0\x0fgrpc-status:0\r\n";

#[tokio::test]
async fn grpc_web_goes_through_as_it_is() {
    let backend = answering(|request, mut answering| async move {
        assert_eq!(
            request.headers()["content-type"],
            "application/grpc-web+proto"
        );
        let response = Response::builder()
            .header("content-type", "application/grpc-web+proto")
            .body(())
            .unwrap();
        let mut sending = answering.send_response(response, false).unwrap();
        sending.send_data(Bytes::from_static(FRAMES), true).unwrap();
    })
    .await;
    let proxy = TestProxy::start(backend);
    let mut policy = policy(&(OPEN.to_owned() + "cors: {}\n"));
    policy.backends = vec![BackendRule {
        ..at(format!("grpc://{backend}"))
    }];
    for operation in &mut policy.operations {
        operation.backend = Some(0);
    }
    policy.format = policy.needed_format();
    proxy
        .policies
        .store(ready(policy, |_| panic!("nobody needs a token")));
    let mut client = Client::connect(proxy.address).await;
    client
        .send("POST /v1/shelves HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 5\r\nConnection: close\r\n\r\n\0\0\0\0\0")
        .await;
    let answer = client.answer_to_head().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.value("access-control-allow-origin"), Some("*"));
    let body = client.rest().await;
    assert!(find(&body, FRAMES).is_some(), "{body:?}");
}

#[tokio::test]
async fn extended_connect_is_not_offered_and_who_asks_for_it_is_reset() {
    // Offering it to refuse it would keep browsers from their HTTP/1.1 handshake.
    let proxy = TestProxy::start(Backend::start().await.address).under(OPEN);
    let mut sender = connect(proxy.address).await;
    let mut request = Request::builder()
        .method("CONNECT")
        .uri("http://api.example.com/v1/shelves")
        .body(())
        .unwrap();
    request
        .extensions_mut()
        .insert(h2::ext::Protocol::from_static("websocket"));
    let (answer, _sending) = sender.send_request(request, false).unwrap();
    let error = patient(answer).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR));
    assert!(!sender.is_extended_connect_protocol_enabled());
    // Its connection goes on.
    let get = Request::get("http://api.example.com/v1/shelves")
        .body(())
        .unwrap();
    let (answer, _) = sender.send_request(get, true).unwrap();
    assert_eq!(patient(answer).await.unwrap().status(), 200);
}
