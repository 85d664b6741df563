//! Reviews of pods, as the API server posts them: a hundred a second, whatever else goes on. They have a
//! thread of their own, which measures the operator and not the simulated sidecars of this process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use endpoints::push::client::tls_config;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::process::setpriority_process;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::TlsConnector;

use crate::figures::Quantiles;

/// Connections, each of which asks in its turn.
const CONNECTIONS: u32 = 4;
/// Between two reviews.
const INTERVAL: Duration = Duration::from_millis(10);
/// The priority of the thread: before all others here.
const FIRST: i32 = -10;
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(20);

/// When each review was due, and how long its answer took.
pub struct Reviews(Arc<Mutex<Vec<(Instant, Duration)>>>);

/// Where to, and by what to recognise it.
#[derive(Clone)]
struct Webhook {
    port: u16,
    connector: TlsConnector,
    name: String,
    body: Bytes,
}

impl Reviews {
    /// Those that were due between two moments.
    pub fn between(&self, from: Instant, until: Instant) -> Quantiles {
        let mut quantiles = Quantiles::default();
        let all = self.0.lock().unwrap();
        let some = all.iter().filter(|(due, _)| (from..until).contains(due));
        quantiles.add(some.map(|(_, took)| *took));
        quantiles
    }
}

/// Asks until the process ends.
pub fn start(port: u16, bundle: &str, name: String) -> Reviews {
    let mut tls = tls_config(bundle).unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let webhook = Webhook {
        port,
        connector: TlsConnector::from(Arc::new(tls)),
        name,
        body: Bytes::from(review().to_string()),
    };
    let delays = Arc::new(Mutex::new(Vec::new()));
    let reviews = Reviews(delays.clone());
    std::thread::spawn(move || {
        // Who measures must not wait for a processor itself; without the right to go first, it does.
        let _ = setpriority_process(None, FIRST);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let asking = (0..CONNECTIONS).map(|number| {
                let (webhook, delays) = (webhook.clone(), delays.clone());
                tokio::spawn(async move { keep_asking(number, &webhook, &delays).await })
            });
            for asking in asking.collect::<Vec<_>>() {
                asking.await.unwrap();
            }
        });
    });
    reviews
}

async fn keep_asking(number: u32, webhook: &Webhook, delays: &Mutex<Vec<(Instant, Duration)>>) {
    loop {
        // While the operator is away there is nothing to measure; the first answer of a connection is
        // that of a process that may have just started.
        if let Some(mut sender) = webhook.connect().await
            && webhook.ask(&mut sender).await.is_some()
        {
            let mut due = Instant::now() + INTERVAL * number;
            loop {
                // What the answer before made late counts; what the timer does, which is up to a millisecond
                // late, does not.
                let is_late = Instant::now() >= due;
                sleep_until(due).await;
                let began = if is_late { due } else { Instant::now() };
                if webhook.ask(&mut sender).await.is_none() {
                    break;
                }
                delays.lock().unwrap().push((due, began.elapsed()));
                due += INTERVAL * CONNECTIONS;
            }
        }
        sleep(RETRY).await;
    }
}

impl Webhook {
    async fn connect(&self) -> Option<SendRequest<Full<Bytes>>> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        tcp.set_nodelay(true).ok()?;
        let name = ServerName::try_from(self.name.clone()).ok()?;
        let tls = self.connector.connect(name, tcp).await.ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }

    async fn ask(&self, sender: &mut SendRequest<Full<Bytes>>) -> Option<()> {
        sender.ready().await.ok()?;
        let request = Request::post("/inject")
            .header(header::HOST, &self.name)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(self.body.clone()))
            .ok()?;
        let response = sender.send_request(request).await.ok()?;
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.ok().map(drop)
    }
}

/// A pod as a ReplicaSet makes it.
fn review() -> serde_json::Value {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "web-", "namespace": "shop-0", "labels": { "app": "service-0" },
            "annotations": { "endpoints.dev/service": "service-0" },
        },
        "spec": { "containers": [{
            "name": "app", "image": "app:1", "ports": [{ "name": "http", "containerPort": 8080 }],
            "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } },
            "readinessProbe": { "httpGet": { "path": "/healthz", "port": "http" } },
        }] },
    });
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "00000000-0000-0000-0000-000000000001",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "requestKind": { "group": "", "version": "v1", "kind": "Pod" },
            "requestResource": { "group": "", "version": "v1", "resource": "pods" },
            "name": "", "namespace": "shop-0", "operation": "CREATE",
            "userInfo": { "username": "system:serviceaccount:kube-system:replicaset-controller" },
            "object": object, "oldObject": null, "dryRun": false,
            "options": { "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions" },
        },
    })
}
