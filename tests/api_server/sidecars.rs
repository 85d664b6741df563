//! The policy stream end to end: real client, real tokens, real reviews; counted in the status.

use std::io::Write;
use std::sync::Arc;

use endpoints::policy::Policy;
use endpoints::push::client::{self, Apply, Config, Origin};
use endpoints::push::wire::{Keys, PodRef};
use endpoints::shutdown;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use crate::api_server::{ISSUER, SOON, SYSTEM, Test};
use crate::objects::{
    create_kube_service, create_pod, create_service, document, edit, protected_document, wait_for,
    wait_for_sidecars,
};

#[tokio::test]
async fn every_sidecar_gets_the_policy_and_its_edits_and_is_counted() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    create_kube_service(
        &test,
        "b",
        "bookstore",
        json!({ "port": 80, "targetPort": "http" }),
    )
    .await;
    let mut sidecars = Vec::new();
    for name in ["a", "b", "c"] {
        let pod = create_pod(&test, name, "bookstore").await;
        sidecars.push(Sidecar::start(&test, &pod, "bookstore").await);
    }
    wait_for_sidecars(&test, "bookstore", "3/3").await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    wait_for(&test, "bookstore", "Ready", "True", "Ready").await;

    edit(
        &test,
        "bookstore",
        json!({ "openapi": { "inline": document(&["/shelves"]) } }),
    )
    .await;
    let arguments = [
        "wait",
        "--for=condition=Programmed",
        "eps/bookstore",
        "--timeout=30s",
        "-n",
    ];
    let output = test
        .cluster
        .kubectl(&[&arguments[..], &[&test.namespace]].concat())
        .await;
    assert!(output.status.success(), "{output:?}");
    for sidecar in &sidecars {
        assert_eq!(
            sidecar.operations(),
            2,
            "kubectl wait returned after the last of them"
        );
    }
}

#[tokio::test]
async fn sidecar_that_does_not_answer_keeps_it_unprogrammed() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let pods = [
        create_pod(&test, "a", "bookstore").await,
        create_pod(&test, "b", "bookstore").await,
        create_pod(&test, "silent", "bookstore").await,
    ];
    let _a = Sidecar::start(&test, &pods[0], "bookstore").await;
    let _b = Sidecar::start(&test, &pods[1], "bookstore").await;
    let service = wait_for_sidecars(&test, "bookstore", "2/3").await;
    assert_eq!(service.status.unwrap().sidecars.unwrap().stale, 1);
    wait_for(&test, "bookstore", "Programmed", "False", "Pending").await;
    let arguments = [
        "wait",
        "--for=condition=Programmed",
        "eps/bookstore",
        "--timeout=1s",
        "-n",
    ];
    let output = test
        .cluster
        .kubectl(&[&arguments[..], &[&test.namespace]].concat())
        .await;
    assert!(!output.status.success(), "{output:?}");

    // A pod that goes is not counted any more.
    let now = DeleteParams::default().grace_period(0);
    test.api::<Pod>().delete("silent", &now).await.unwrap();
    wait_for_sidecars(&test, "bookstore", "2/2").await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
}

#[tokio::test]
async fn refusal_is_told_with_the_pods_reason() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let _sidecar = Sidecar::start_with(&test, &pod, "bookstore", Err("no room")).await;
    let programmed = wait_for(&test, "bookstore", "Programmed", "False", "Rejected").await;
    assert!(
        programmed.message.contains("pod a: no room"),
        "{}",
        programmed.message
    );
}

#[tokio::test]
async fn broken_edit_leaves_sidecars_alone_and_a_new_one_gets_the_last_good_policy() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    wait_for(&test, "bookstore", "Accepted", "True", "Valid").await;
    edit(
        &test,
        "bookstore",
        json!({ "openapi": { "inline": "broken" } }),
    )
    .await;
    wait_for(&test, "bookstore", "Accepted", "False", "InvalidOpenAPI").await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let sidecar = Sidecar::start(&test, &pod, "bookstore").await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;
    assert_eq!(sidecar.operations(), 1);
    let programmed = wait_for(&test, "bookstore", "Programmed", "False", "NotAccepted").await;
    assert!(
        programmed.message.contains("1/1 sidecars run generation 1"),
        "{}",
        programmed.message
    );
}

#[tokio::test]
async fn keys_of_the_cluster_reach_the_sidecar_with_its_policy() {
    let test = Test::start().await;
    let spec = json!({
        "openapi": { "inline": protected_document(ISSUER, None) },
        "jwt": { "issuers": [{ "issuer": ISSUER, "kubernetes": true }] }
    });
    let service = crate::objects::service("bookstore", spec);
    test.create::<endpoints::api::EndpointsService>(service)
        .await
        .unwrap();
    let pod = create_pod(&test, "a", "bookstore").await;
    let sidecar = Sidecar::start(&test, &pod, "bookstore").await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;
    assert_eq!(
        sidecar.state.borrow().keys,
        1,
        "before the policy that needs them"
    );
}

#[tokio::test]
async fn pod_created_again_under_its_name_starts_uncounted() {
    let test = Test::start().await;
    create_service(&test, "bookstore", &document(&[])).await;
    let old = create_pod(&test, "a", "bookstore").await;
    let _old = Sidecar::start(&test, &old, "bookstore").await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;
    let now = DeleteParams::default().grace_period(0);
    test.api::<Pod>().delete("a", &now).await.unwrap();
    let new = create_pod(&test, "a", "bookstore").await;
    // The old sidecar still runs, with its old token, and dials again and again: in vain.
    wait_for_sidecars(&test, "bookstore", "0/1").await;
    let _new = Sidecar::start(&test, &new, "bookstore").await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;
}

/// Before authentication; `push`'s own tests go on behind it.
#[tokio::test]
async fn garbage_on_the_policy_port_ends_its_own_connection_and_no_other() {
    let test = Test::start().await;
    let operator = test.cluster.operator();
    create_service(&test, "bookstore", &document(&[])).await;
    let pod = create_pod(&test, "a", "bookstore").await;
    let sidecar = Sidecar::start(&test, &pod, "bookstore").await;
    wait_for_sidecars(&test, "bookstore", "1/1").await;

    let connect = || tokio::net::TcpStream::connect(("127.0.0.1", operator.push_port));
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x16, 3, 1, 0xff, 0xff, 0, 0],
        &[0; 4096],
    ] {
        is_hung_up(connect().await.unwrap(), garbage).await;
    }
    let tls = client::tls_config(&bundle(&test).await).unwrap();
    let name = format!("endpoints-operator.{SYSTEM}.svc")
        .try_into()
        .unwrap();
    let stream = connect().await.unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await;
    let no_preface = [0xff; 256];
    is_hung_up(stream.unwrap(), &no_preface).await;

    let more = json!({ "openapi": { "inline": document(&["/shelves"]) } });
    edit(&test, "bookstore", more).await;
    wait_for(&test, "bookstore", "Programmed", "True", "AllCurrent").await;
    assert_eq!(sidecar.operations(), 2);
    let log = operator.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Says it, and waits for the other side to hang up.
async fn is_hung_up(mut stream: impl AsyncRead + AsyncWrite + Unpin, garbage: &[u8]) {
    let ended = async {
        // A reset is an end, too.
        let _ = stream.write_all(garbage).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    tokio::time::timeout(SOON, ended)
        .await
        .expect("it hangs up");
}

/// A sidecar's stream without the proxy behind it.
pub struct Sidecar {
    state: watch::Receiver<State>,
    _trigger: shutdown::Trigger,
    _token: tempfile::NamedTempFile,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    operations: usize,
    keys: usize,
}

impl Sidecar {
    pub async fn start(test: &Test, pod: &Pod, service: &str) -> Self {
        Self::start_with(test, pod, service, Ok(())).await
    }

    /// One that answers each policy with `answer`.
    async fn start_with(
        test: &Test,
        pod: &Pod,
        service: &str,
        answer: Result<(), &'static str>,
    ) -> Self {
        let port = test.cluster.operator().push_port;
        Self::dial(port, test, pod, service, answer).await
    }

    /// The same, of the operator with this port.
    pub async fn dial(
        port: u16,
        test: &Test,
        pod: &Pod,
        service: &str,
        answer: Result<(), &'static str>,
    ) -> Self {
        Self::dial_any(&[port], test, pod, service, answer).await
    }

    /// The same, of whichever of these operators answers first.
    pub async fn dial_any(
        ports: &[u16],
        test: &Test,
        pod: &Pod,
        service: &str,
        answer: Result<(), &'static str>,
    ) -> Self {
        let mut token = tempfile::NamedTempFile::new().unwrap();
        token
            .write_all(token_of(test, pod).await.as_bytes())
            .unwrap();
        let bundle = bundle(test).await;
        let config = Config {
            addresses: ports
                .iter()
                .map(|port| format!("127.0.0.1:{port}"))
                .collect(),
            trust: client::Trust::new(&bundle).unwrap(),
            token_file: token.path().to_owned(),
            pod: PodRef {
                namespace: test.namespace.clone(),
                name: pod.metadata.name.clone().unwrap(),
                uid: pod.metadata.uid.clone().unwrap(),
            },
            service: service.to_owned(),
        };
        let (sender, state) = watch::channel(State::default());
        let (trigger, shutdown) = shutdown::channel();
        let task = tokio::spawn(client::run(config, Recorder { sender, answer }, shutdown));
        Self {
            state,
            _trigger: trigger,
            _token: token,
            task,
        }
    }

    /// Waits until a policy with so many operations is in force.
    pub async fn runs(&mut self, operations: usize) {
        let waiting = self.state.wait_for(|state| state.operations == operations);
        tokio::time::timeout(SOON, waiting)
            .await
            .expect("the policy comes")
            .unwrap();
    }

    /// Operations of the policy that it has; none: 0.
    pub fn operations(&self) -> usize {
        self.state.borrow().operations
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Recorder {
    sender: watch::Sender<State>,
    answer: Result<(), &'static str>,
}

impl Apply for Recorder {
    fn keys(&mut self, _: Keys) {
        self.sender.send_modify(|state| state.keys += 1);
    }

    fn apply(&mut self, policy: Policy, _: &Origin) -> Result<(), String> {
        self.answer?;
        self.sender
            .send_modify(|state| state.operations = policy.operations.len());
        Ok(())
    }
}

/// The certificate that the operator is recognised by.
pub async fn bundle(test: &Test) -> String {
    let secrets = Api::<Secret>::namespaced(test.client.clone(), SYSTEM);
    let secret = secrets.get("endpoints-operator-ca").await.unwrap();
    String::from_utf8(secret.data.unwrap()["ca.crt"].0.clone()).unwrap()
}

/// What kubelet would project into the pod.
pub async fn token_of(test: &Test, pod: &Pod) -> String {
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![endpoints::api::annotations::PUSH_AUDIENCE.to_owned()],
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
            expiration_seconds: Some(3600),
        },
        ..TokenRequest::default()
    };
    let accounts = test.api::<ServiceAccount>();
    let token = accounts
        .create_token_request("default", &PostParams::default(), &request)
        .await
        .unwrap();
    token.status.unwrap().token
}
