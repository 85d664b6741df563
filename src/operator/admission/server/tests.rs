use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::bodies::MAX_REVIEW;
use super::*;
use crate::shutdown::{self, Trigger};

mod crowd;

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];

/// A webhook on loopback, and what a client needs to trust it.
struct Rig {
    address: SocketAddr,
    roots: RootCertStore,
    config: Arc<ArcSwap<InjectorConfig>>,
    metrics: Metrics,
    trigger: Trigger,
    served: tokio::task::JoinHandle<()>,
}

fn config(image: &str) -> InjectorConfig {
    InjectorConfig {
        image: image.to_owned(),
        ..InjectorConfig::of_tests()
    }
}

async fn rig() -> Rig {
    let signed = rcgen::generate_simple_self_signed(["webhook".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(signed.cert.der().clone()).unwrap();
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder_with_provider(crate::tls::crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(ArcSwap::from_pointee(config("first")));
    let metrics = Metrics::default();
    let (trigger, shutdown) = shutdown::channel();
    let served = tokio::spawn(serve(
        listener,
        Arc::new(tls),
        config.clone(),
        SettingsCache::default(),
        metrics.clone(),
        shutdown,
    ));
    Rig {
        address,
        roots,
        config,
        metrics,
        trigger,
        served,
    }
}

impl Rig {
    /// A connection from this address of loopback.
    async fn connect(&self, from: [u8; 4]) -> TlsStream<TcpStream> {
        let tls = ClientConfig::builder_with_provider(crate::tls::crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let name = ServerName::try_from("webhook").unwrap();
        let tls = TlsConnector::from(Arc::new(tls));
        tls.connect(name, stream).await.unwrap()
    }

    async fn send<B>(&self, request: Request<B>) -> (StatusCode, String)
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let stream = self.connect(LOOPBACK).await;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        connection.abort();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn post(&self, body: impl Into<Bytes>) -> (StatusCode, String) {
        self.send(request(Method::POST, INJECT_PATH, Full::new(body.into())))
            .await
    }

    fn scrape(&self) -> String {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

fn request<B>(method: Method, path: &str, body: B) -> Request<B> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "webhook")
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .unwrap()
}

fn review(annotations: &serde_json::Value) -> String {
    serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "operation": "CREATE", "userInfo": {},
            "object": {
                "metadata": { "annotations": annotations },
                "spec": { "containers": [{ "name": "app", "ports": [{ "name": "http", "containerPort": 80 }] }] }
            },
            "oldObject": null
        }
    })
    .to_string()
}

fn patch(answer: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let patch = serde_json::from_value(answer["response"]["patch"].clone()).unwrap();
    String::from_utf8(patch).unwrap()
}

#[tokio::test]
async fn reviews_are_answered_and_counted() {
    let rig = rig().await;
    let good = review(&serde_json::json!({ "endpoints.dev/service": "a" }));
    let (status, answer) = rig.post(good).await;
    assert_eq!(status, StatusCode::OK);
    assert!(patch(&answer).contains("\"image\":\"first\""));
    let (status, answer) = rig
        .post(review(&serde_json::json!({ "endpoints.dev/x": "a" })))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer.contains("\"allowed\":false"), "{answer}");
    let scrape = rig.scrape();
    for outcome in ["injected", "denied"] {
        let line = format!("endpoints_admission_reviews_total{{outcome=\"{outcome}\"}} 1");
        assert!(scrape.contains(&line), "{scrape}");
    }
    let reason = "endpoints_admission_denials_total{reason=\"UnknownAnnotation\"} 1";
    assert!(scrape.contains(reason), "{scrape}");
    let line = "endpoints_admission_review_duration_seconds_count 2";
    assert!(scrape.contains(line), "{scrape}");
}

/// A review of an EndpointsService with this document.
fn check(document: &str) -> String {
    serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u",
            "kind": { "group": "endpoints.dev", "version": "v1alpha1", "kind": "EndpointsService" },
            "resource": {
                "group": "endpoints.dev", "version": "v1alpha1", "resource": "endpointsservices"
            },
            "operation": "UPDATE", "userInfo": {},
            "object": {
                "metadata": { "name": "shop" }, "spec": { "openapi": { "inline": document } }
            },
            "oldObject": null
        }
    })
    .to_string()
}

#[tokio::test]
async fn an_endpointsservice_is_allowed_with_warnings_and_counted() {
    let rig = rig().await;
    let good = check("swagger: '2.0'\npaths: {/a: {get: {security: []}}}\n");
    for (body, warns) in [(good, false), (check("swagger: '2.0'"), true)] {
        let (status, answer) = rig
            .send(request(Method::POST, CHECK_PATH, Full::new(body.into())))
            .await;
        assert_eq!(status, StatusCode::OK);
        assert!(answer.contains("\"allowed\":true"), "{answer}");
        assert_eq!(answer.contains("\"warnings\""), warns, "{answer}");
    }
    let pod = review(&serde_json::json!({}));
    let misled = rig
        .send(request(Method::POST, CHECK_PATH, Full::new(pod.into())))
        .await;
    assert_eq!(misled.0, StatusCode::BAD_REQUEST);
    let scrape = rig.scrape();
    for outcome in ["clean", "warned", "malformed"] {
        let line = format!("endpoints_admission_checks_total{{outcome=\"{outcome}\"}} 1");
        assert!(scrape.contains(&line), "{scrape}");
    }
}

#[tokio::test]
async fn a_swapped_configuration_holds_for_the_next_review() {
    let rig = rig().await;
    rig.config.store(Arc::new(config("second")));
    let good = review(&serde_json::json!({ "endpoints.dev/service": "a" }));
    assert!(patch(&rig.post(good).await.1).contains("\"image\":\"second\""));
}

#[tokio::test]
async fn what_is_no_review_is_a_client_error() {
    let rig = rig().await;
    assert_eq!(rig.post("{").await.0, StatusCode::BAD_REQUEST);
    let get = rig
        .send(request(Method::GET, INJECT_PATH, Empty::new()))
        .await;
    assert_eq!(get.0, StatusCode::METHOD_NOT_ALLOWED);
    let elsewhere = rig.send(request(Method::POST, "/", Empty::new())).await;
    assert_eq!(elsewhere.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_review_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let rig = rig().await;
    let (status, _) = rig.post(vec![b' '; MAX_REVIEW + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = rig.post(vec![b' '; MAX_REVIEW]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_review_that_never_arrives_is_given_up() {
    let rig = rig().await;
    let never = StreamBody::new(futures_util::stream::pending::<
        Result<Frame<Bytes>, Infallible>,
    >());
    let (status, _) = rig.send(request(Method::POST, INJECT_PATH, never)).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn shutdown_ends_idle_connections_and_returns() {
    let rig = rig().await;
    let _idle = TcpStream::connect(rig.address).await.unwrap();
    rig.post(review(&serde_json::json!({}))).await;
    rig.trigger.start();
    rig.served.await.unwrap();
    assert!(TcpStream::connect(rig.address).await.is_err());
}
