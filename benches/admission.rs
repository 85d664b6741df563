//! The admission webhook at 100 pods a second: `cargo bench --bench admission [-- SECONDS]`. The real
//! server with TLS on one thread of its own, a client that keeps its pace whatever the answers take;
//! prints how long answers took, seen by the client.
#![allow(clippy::print_stdout, missing_docs)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use endpoints::operator::admission::server::{INJECT_PATH, Metrics, serve};
use endpoints::operator::admission::{InjectorConfig, SettingsCache};
use endpoints::{shutdown, tls};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Pods a second.
const RATE: u32 = 100;
/// Connections of the client, as of an API server with several requests under way.
const CONNECTIONS: usize = 4;

fn main() {
    let seconds = std::env::args().filter_map(|word| word.parse().ok()).next();
    let seconds: u32 = seconds.unwrap_or(10);
    let (address, roots) = start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for (name, pod) in pods() {
        let body = Bytes::from(review(&pod).to_string());
        let times = runtime.block_on(run(address, &roots, &body, RATE * seconds));
        let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
        println!(
            "{name}: {} reviews of {} bytes at {RATE}/s: p50 {:.2?}, p99 {:.2?}, most {:.2?}",
            times.len(),
            body.len(),
            at(500),
            at(990),
            at(1000)
        );
    }
}

/// Sends reviews at the pace; how long each took, sorted: from the moment when the client's timer, which
/// is up to a millisecond late, told it, the wait for a connection included.
async fn run(
    address: SocketAddr,
    roots: &RootCertStore,
    body: &Bytes,
    count: u32,
) -> Vec<Duration> {
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = connect(address, roots).await;
        clients.push(Arc::new(tokio::sync::Mutex::new(client)));
    }
    let mut due = interval(Duration::from_secs(1) / RATE);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut asked = Vec::new();
    for number in 0..count {
        due.tick().await;
        let began = Instant::now();
        let index = usize::try_from(number).expect("it is small") % CONNECTIONS;
        let (client, body) = (clients[index].clone(), body.clone());
        asked.push(tokio::spawn(async move {
            ask(&mut *client.lock().await, body).await;
            began.elapsed()
        }));
    }
    let mut times = Vec::new();
    for asked in asked {
        times.push(asked.await.expect("every review is answered"));
    }
    times.sort_unstable();
    times
}

async fn ask(client: &mut SendRequest<Full<Bytes>>, body: Bytes) {
    client.ready().await.expect("the connection stays");
    let request = http::Request::post(INJECT_PATH)
        .header("host", "webhook")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .expect("a request");
    let response = client.send_request(request).await.expect("an answer");
    let status = response.status();
    let answer = response.into_body().collect().await.expect("all of it");
    let answer = answer.to_bytes();
    assert!(
        status.is_success() && answer.len() > 1000,
        "{status}: {answer:?}"
    );
}

/// The webhook on a thread of its own.
fn start() -> (SocketAddr, RootCertStore) {
    let signed = rcgen::generate_simple_self_signed(["webhook".to_owned()]).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(signed.cert.der().clone()).expect("a certificate");
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("a key");
    let server = rustls::ServerConfig::builder_with_provider(tls::crypto_provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("they belong together");
    let (ready, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("bound");
            ready.send(address).expect("somebody waits");
            let config = InjectorConfig {
                image: "registry.example/endpoints-operator:1".to_owned(),
                image_pull_policy: None,
                operator_address: "endpoints-operator.endpoints-system.svc:9444".to_owned(),
                operator_fallback: None,
                key_addresses: endpoints::jwks::AddressRule::default(),
                trust_bundle: signed.cert.pem().into(),
                native_sidecars: true,
                set_run_as_user: true,
            };
            let (_trigger, shutdown) = shutdown::channel();
            serve(
                listener,
                Arc::new(server),
                Arc::new(ArcSwap::from_pointee(config)),
                SettingsCache::default(),
                Metrics::default(),
                shutdown,
            )
            .await;
        });
    });
    (address.recv().expect("it starts"), roots)
}

async fn connect(address: SocketAddr, roots: &RootCertStore) -> SendRequest<Full<Bytes>> {
    let client = rustls::ClientConfig::builder_with_provider(tls::crypto_provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from("webhook").expect("a name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .expect("it is trusted");
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("it speaks HTTP");
    tokio::spawn(connection);
    sender
}

/// Pods as they come: one of the examples' size, one with all that a large one has, one redirected.
fn pods() -> Vec<(&'static str, Value)> {
    let text = include_str!("../tests/inject/pods/deployment.yaml");
    let text = text.split("\n---").next().expect("a document");
    let deployment: Value = serde_yaml::from_str(text).expect("YAML");
    let pod = deployment["spec"]["template"].clone();
    let mut large = pod.clone();
    let variables: Vec<_> = (0..2000)
        .map(|number| json!({ "name": format!("VARIABLE_{number}"), "value": "v".repeat(40) }))
        .collect();
    large["spec"]["containers"][0]["env"] = json!(variables);
    let others: Vec<_> = (0..20)
        .map(
            |number| json!({ "name": format!("helper-{number}"), "image": "registry.example/h:1" }),
        )
        .collect();
    let containers = large["spec"]["containers"].as_array_mut().expect("a list");
    containers.extend(others);
    let mut redirected = pod.clone();
    redirected["metadata"]["annotations"]["endpoints.dev/capture"] = json!("redirect");
    vec![
        ("a pod", pod),
        ("a large pod", large),
        ("a redirected pod", redirected),
    ]
}

fn review(pod: &Value) -> Value {
    let mut object = pod.clone();
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Pod");
    object["metadata"]["generateName"] = json!("storefront-");
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "5a1c2c0e-8b0e-4d8e-9f6c-1f1f1f1f1f1f",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "shop", "operation": "CREATE",
            "userInfo": { "username": "system:serviceaccount:kube-system:replicaset-controller" },
            "object": object, "oldObject": null, "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" }
        }
    })
}
