//! Hostile peers at the policy port of a real operator, with real tokens. However each of them ends: it
//! got no policy that is not its own, and everybody else's edits still arrive.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use endpoints::policy::format::FORMAT;
use endpoints::push::client::tls_config;
use endpoints::push::wire::{self, Hello, PodRef, ToOperator};
use futures_util::{StreamExt as _, stream};
use http::{Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::api_server::{SOON, Test};
use crate::objects::{create_pod, create_service, document, edit, wait_for, wait_for_sidecars};
use crate::sidecars::{Sidecar, bundle, token_of};

/// A service with one honest sidecar, and a pod whose sidecar is not.
struct Scene {
    test: Test,
    honest: Sidecar,
    pod: Pod,
}

/// One stream of a peer that is written by hand.
struct Peer {
    writer: mpsc::Sender<Bytes>,
    response: Response<Incoming>,
}

impl Scene {
    async fn new() -> Self {
        let test = Test::start().await;
        create_service(&test, "bookstore", &document(&[])).await;
        let honest = create_pod(&test, "honest", "bookstore").await;
        let honest = Sidecar::start(&test, &honest, "bookstore").await;
        wait_for_sidecars(&test, "bookstore", "1/1").await;
        let pod = create_pod(&test, "hostile", "bookstore").await;
        Self { test, honest, pod }
    }

    fn hello(&self) -> Hello {
        hello(&self.test, &self.pod)
    }

    /// A stream with the pod's own token.
    async fn peer(&self) -> Peer {
        let token = token_of(&self.test, &self.pod).await;
        let peer = Peer::dial(&self.test, &token, said(self.hello())).await;
        let peer = peer.unwrap();
        assert_eq!(peer.response.status(), StatusCode::OK);
        peer
    }

    async fn is_refused(&self, token: &str, hello: Hello, reason: &str) {
        let peer = Peer::dial(&self.test, token, said(hello)).await.unwrap();
        let status = peer.response.status();
        assert!([401, 403].contains(&status.as_u16()), "{status}");
        let body = peer.response.into_body().collect().await.unwrap();
        let body = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        assert!(body.contains(reason), "{reason} in {body}");
        assert!(!body.contains("books"), "no policy: {body}");
    }

    /// An edit arrives, and the status tells the truth once the hostile pod is gone.
    async fn converges(mut self) {
        let paths = json!({ "openapi": { "inline": document(&["/shelves"]) } });
        edit(&self.test, "bookstore", paths).await;
        self.honest.runs(2).await;
        let now = DeleteParams::default().grace_period(0);
        let pods = self.test.api::<Pod>();
        pods.delete("hostile", &now).await.unwrap();
        wait_for_sidecars(&self.test, "bookstore", "1/1").await;
        wait_for(&self.test, "bookstore", "Programmed", "True", "AllCurrent").await;
        let log = self.test.cluster.operator().log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("eyJ"), "a token was logged");
    }
}

impl Peer {
    /// Dials, shows a token, and says `first`.
    async fn dial(test: &Test, token: &str, first: Bytes) -> hyper::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, push_port(test)));
        let stream = TcpStream::connect(address).await.unwrap();
        let tls = tls_config(&bundle(test).await).unwrap();
        let name = wire::TLS_NAME.try_into().unwrap();
        let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream);
        let stream = TokioIo::new(stream.await.unwrap());
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1024)
            .handshake(stream)
            .await?;
        tokio::spawn(connection);
        let (writer, frames) = mpsc::channel::<Bytes>(64);
        writer.send(first).await.unwrap();
        let frames = stream::unfold(frames, |mut frames| async {
            let frame = frames.recv().await?;
            Some((
                Ok::<_, std::convert::Infallible>(Frame::data(frame)),
                frames,
            ))
        });
        let request = Request::post(format!("https://{}{}", wire::TLS_NAME, wire::PATH))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(StreamBody::new(frames.boxed()))
            .unwrap();
        let response = timeout(SOON, sender.send_request(request)).await;
        let response = response.expect("it answers")?;
        Ok(Self { writer, response })
    }

    async fn say(&self, message: &ToOperator) {
        let frame = wire::encode(message).unwrap();
        self.writer.send(frame).await.unwrap();
    }

    /// The hash of the first snapshot that comes.
    async fn snapshot(&mut self) -> String {
        let mut read = Vec::new();
        let snapshot = async {
            loop {
                let frame = self.response.body_mut().frame().await.unwrap().unwrap();
                read.extend_from_slice(&frame.into_data().unwrap());
                let text = String::from_utf8_lossy(&read);
                let hash = text.split_once(r#""hash":""#).map(|(_, rest)| rest);
                if let Some((hash, _)) = hash.and_then(|hash| hash.split_once('"')) {
                    return hash.to_owned();
                }
            }
        };
        timeout(SOON, snapshot).await.expect("a snapshot comes")
    }

    /// The operator ends the stream.
    async fn ends(self) {
        let mut body = self.response.into_body();
        let end = async { while let Some(Ok(_)) = body.frame().await {} };
        timeout(SOON, end).await.expect("the stream ends");
    }
}

fn push_port(test: &Test) -> u16 {
    test.cluster.operator().push_port
}

fn hello(test: &Test, pod: &Pod) -> Hello {
    Hello {
        pod: PodRef {
            namespace: test.namespace.clone(),
            name: pod.metadata.name.clone().unwrap(),
            uid: pod.metadata.uid.clone().unwrap(),
        },
        service: "bookstore".to_owned(),
        version: "0.1.0".to_owned(),
        format: FORMAT,
        protocol: wire::PROTOCOL,
        hash: None,
    }
}

fn said(hello: Hello) -> Bytes {
    wire::encode(&ToOperator::Hello(hello)).unwrap()
}

#[tokio::test]
async fn tokens_of_others_get_nothing() {
    let scene = Scene::new().await;
    let test = &scene.test;
    let other = create_pod(test, "other", "bookstore").await;
    let token = token_of(test, &other).await;
    scene
        .is_refused(&token, scene.hello(), "bound to another pod")
        .await;
    let elsewhere = Test::start().await;
    let foreign = create_pod(&elsewhere, "hostile", "bookstore").await;
    let token = token_of(&elsewhere, &foreign).await;
    scene
        .is_refused(&token, scene.hello(), "of another namespace")
        .await;
    // Its own, for a service that it is not annotated with.
    let mut hello = scene.hello();
    hello.service = "another".to_owned();
    let own = token_of(test, &scene.pod).await;
    scene
        .is_refused(&own, hello, "not annotated with the service")
        .await;
    let now = DeleteParams::default().grace_period(0);
    let token = token_of(test, &other).await;
    test.api::<Pod>().delete("other", &now).await.unwrap();
    // The operator learns of it by its watch.
    let gone = async {
        while Peer::dial(test, &token, said(self::hello(test, &other)))
            .await
            .is_ok_and(|peer| peer.response.status() == StatusCode::OK)
        {}
    };
    timeout(SOON, gone).await.expect("a deleted pod is refused");
    scene
        .is_refused(&token, self::hello(test, &other), "")
        .await;
    scene.converges().await;
}

#[tokio::test]
async fn lies_about_what_is_applied_end_the_stream_and_count_as_nothing() {
    let scene = Scene::new().await;
    let mut peer = scene.peer().await;
    peer.snapshot().await;
    let hash = "0".repeat(64);
    peer.say(&ToOperator::Applied { hash }).await;
    peer.ends().await;
    wait_for_sidecars(&scene.test, "bookstore", "1/2").await;

    let mut peer = scene.peer().await;
    let hash = peer.snapshot().await;
    let reason = "no\nroom".to_owned();
    peer.say(&ToOperator::Rejected {
        hash: hash.clone(),
        reason,
    })
    .await;
    wait_for(&scene.test, "bookstore", "Programmed", "False", "Rejected").await;
    peer.say(&ToOperator::Applied { hash }).await;
    peer.ends().await;
    wait_for_sidecars(&scene.test, "bookstore", "1/2").await;
    scene.converges().await;
}

#[tokio::test]
async fn a_second_hello_ends_the_stream_and_many_streams_of_a_pod_leave_one() {
    let scene = Scene::new().await;
    let peer = scene.peer().await;
    for _ in 0..20 {
        let hello = ToOperator::Hello(scene.hello());
        // It hangs up at the first of them.
        let _ = peer.writer.send(wire::encode(&hello).unwrap()).await;
    }
    peer.ends().await;
    let mut before = scene.peer().await;
    for _ in 0..10 {
        let next = scene.peer().await;
        std::mem::replace(&mut before, next).ends().await;
    }
    let hash = before.snapshot().await;
    before.say(&ToOperator::Applied { hash }).await;
    wait_for_sidecars(&scene.test, "bookstore", "2/2").await;
    scene.converges().await;
}

#[tokio::test]
async fn frames_that_are_too_long_or_no_messages_end_the_stream() {
    let scene = Scene::new().await;
    let long = format!(r#"{{"type":"applied","hash":"{}"}}"#, "0".repeat(16 * 1024));
    let mut framed = u32::try_from(long.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(long.into_bytes());
    let lies: [Bytes; 4] = [
        framed.into(),
        Bytes::from_static(b"\xff\xff\xff\xff"),
        Bytes::from_static(b"\0\0\0\x02[]"),
        Bytes::from_static(b"\0\0\0\x11{\"type\":\"policy\"}"),
    ];
    for bytes in lies {
        let peer = scene.peer().await;
        let _ = peer.writer.send(bytes.clone()).await;
        peer.ends().await;
        let token = token_of(&scene.test, &scene.pod).await;
        let peer = Peer::dial(&scene.test, &token, bytes).await.unwrap();
        assert_eq!(peer.response.status(), StatusCode::BAD_REQUEST);
    }
    scene.converges().await;
}

#[tokio::test]
async fn a_hello_byte_by_byte_is_not_waited_for() {
    let scene = Scene::new().await;
    let token = token_of(&scene.test, &scene.pod).await;
    let hello = said(scene.hello());
    let slow = async {
        let dialled = Peer::dial(&scene.test, &token, hello.slice(..1));
        dialled.await.unwrap().response.status()
    };
    let status = timeout(Duration::from_secs(20), slow).await;
    assert_eq!(status.unwrap(), StatusCode::REQUEST_TIMEOUT);
    scene.converges().await;
}

#[tokio::test]
async fn a_peer_that_never_reads_delays_nobody() {
    let mut scene = Scene::new().await;
    let silent = scene.peer().await;
    let paths: Vec<_> = (0..2000).map(|n| format!("/shelves/{n}/books")).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let large = json!({ "openapi": { "inline": document(&paths) } });
    edit(&scene.test, "bookstore", large).await;
    scene.honest.runs(2001).await;
    wait_for_sidecars(&scene.test, "bookstore", "1/2").await;
    scene.converges().await;
    drop(silent);
}

/// More than there is room for, from forty addresses.
#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_out() {
    let scene = Scene::new().await;
    let port = push_port(&scene.test);
    let mut silent = Vec::new();
    for number in 0..640_u16 {
        let socket = TcpSocket::new_v4().unwrap();
        let last = u8::try_from(number % 40).unwrap();
        socket
            .bind(SocketAddr::from(([127, 0, 1, last + 1], 0)))
            .unwrap();
        let connecting = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        silent.push(timeout(SOON, connecting).await.unwrap().unwrap());
    }
    // In time for a handshake, while those have not run into any deadline of theirs.
    let start = tokio::time::Instant::now();
    let mut peer = scene.peer().await;
    peer.snapshot().await;
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    for mut stream in silent {
        let end = timeout(SOON, stream.read_u8()).await;
        assert!(end.expect("it hangs up").is_err());
    }
    scene.converges().await;
}

/// Not hostile: made two versions ago. It is sent what it can read, and nothing else.
#[tokio::test]
async fn a_sidecar_too_old_for_what_a_spec_needs_is_told_by_the_status_and_keeps_what_it_has() {
    let scene = Scene::new().await;
    let old = || Hello {
        format: 1,
        protocol: 1,
        ..scene.hello()
    };
    let token = token_of(&scene.test, &scene.pod).await;
    let dial = || Peer::dial(&scene.test, &token, said(old()));
    let mut peer = dial().await.unwrap();
    let hash = peer.snapshot().await;
    peer.say(&ToOperator::Applied { hash: hash.clone() }).await;
    wait_for_sidecars(&scene.test, "bookstore", "2/2").await;

    let newer = json!({ "limits": { "uriBytes": 4096 } });
    edit(&scene.test, "bookstore", newer).await;
    let told = wait_for(&scene.test, "bookstore", "Programmed", "False", "Rejected").await;
    for said in ["pod hostile", "SidecarTooOld", "restart the pod"] {
        assert!(told.message.contains(said), "{said} in {}", told.message);
    }
    wait_for_sidecars(&scene.test, "bookstore", "1/2").await;
    let nothing = timeout(Duration::from_millis(500), peer.response.body_mut().frame()).await;
    assert!(nothing.is_err(), "it was sent {nothing:?}");
    scene.converges().await;
}
