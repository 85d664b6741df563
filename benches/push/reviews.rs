//! Reviews of pods, as the API server posts them: a hundred a second, whatever else goes on.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use endpoints::push::client::tls_config;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::figures::Quantiles;

/// Connections, each of which asks in its turn.
const CONNECTIONS: u32 = 4;
/// Between two reviews.
const INTERVAL: Duration = Duration::from_millis(10);

pub struct Reviews(Arc<Mutex<Vec<Duration>>>);

impl Reviews {
    /// From the moment when each was due.
    pub fn quantiles(&self) -> Quantiles {
        let mut quantiles = Quantiles::default();
        for one in self.0.lock().unwrap().iter() {
            quantiles.push(*one);
        }
        quantiles
    }
}

pub fn start(port: u16, bundle: &str, name: &str) -> Reviews {
    let mut tls = tls_config(bundle).unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(tls));
    let delays = Arc::new(Mutex::new(Vec::new()));
    let body = Bytes::from(review().to_string());
    let start = Instant::now();
    for number in 0..CONNECTIONS {
        let (connector, delays, body) = (connector.clone(), delays.clone(), body.clone());
        let name = name.to_owned();
        tokio::spawn(async move {
            let mut due = start + INTERVAL * number;
            let Some(mut sender) = connect(port, &connector, &name).await else {
                return;
            };
            loop {
                tokio::time::sleep_until(due.into()).await;
                // The operator was ended: so are the reviews.
                if ask(&mut sender, &name, body.clone()).await.is_none() {
                    return;
                }
                delays.lock().unwrap().push(due.elapsed());
                due += INTERVAL * CONNECTIONS;
            }
        });
    }
    Reviews(delays)
}

async fn connect(
    port: u16,
    connector: &TlsConnector,
    name: &str,
) -> Option<SendRequest<Full<Bytes>>> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    tcp.set_nodelay(true).ok()?;
    let name = ServerName::try_from(name.to_owned()).ok()?;
    let tls = connector.connect(name, tcp).await.ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, host: &str, body: Bytes) -> Option<()> {
    let request = Request::post("/inject")
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.ok().map(drop)
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
