//! One CA after the other, and everything that can happen to the Secret and to the bundles meanwhile,
//! with two operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use endpoints::operator::certificates::{Authorities, ROTATE};
use endpoints::push::client::tls_config;
use endpoints::push::wire::TLS_NAME;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::api_server::{
    Cluster, Guarded, Operator, SYSTEM, Test, create_namespace, eventually, install_policy,
    install_rights, install_webhook,
};

const SECRET: &str = "endpoints-operator-ca";
const NAME: &str = "endpoints-operator";

/// Stages of one life: each starts from what the one before left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ca_is_replaced_twice_and_heals_while_pods_are_admitted_and_sidecars_get_in() {
    let cluster = Cluster::own();
    let test = Test::on(cluster).await;
    create_namespace(&test.client, SYSTEM).await;
    let overlap = ["--ca-overlap", "5s"];
    let first = Operator::install_with(cluster, &overlap).await;
    install_policy(&test.client).await;
    let second = Operator::spawn(&install_rights(cluster).await, &overlap);
    second.wait_until_ready();
    let rig = Rig {
        test,
        ports: [first.push_port, second.push_port],
    };

    let admitting = Admitting::start(&rig.test);
    let oldest = rig.injected_bundle().await;
    assert_eq!(oldest, rig.part("ca.crt").await);
    for _ in 0..2 {
        rig.rotation_is_seen_by_everybody_before_it_counts(&oldest)
            .await;
    }
    rig.deleted_secret_comes_back_as_it_was().await;
    rig.spoilt_secret_is_written_again().await;
    rig.ca_of_somebody_else_is_adopted(&oldest).await;
    admitting.end().await;

    rig.emptied_bundles_are_filled_again().await;
    rig.deleted_configurations_are_filled_when_they_come_back(first.webhook_port)
        .await;
    rig.every_sidecar_gets_in(&oldest).await;
    let (_, metrics) = first.admin("/metrics");
    for certificate in ["ca", "serving"] {
        let name = "endpoints_operator_certificate_expiry_timestamp_seconds";
        let line = format!("{name}{{certificate=\"{certificate}\"}} ");
        assert!(metrics.contains(&line), "{metrics}");
    }
    for operator in [first, second] {
        let (code, log) = operator.stop();
        assert_eq!(code, 0, "{log}");
        assert!(!log.contains("PRIVATE KEY"), "{log}");
    }
}

#[tokio::test]
async fn expired_ca_is_replaced_at_the_start_and_said_so() {
    // Beside the shared operator, both would lead, and tell every Event twice.
    let test = Test::on(Cluster::own()).await;
    let long_ago = SystemTime::now() - Duration::from_secs(11 * 366 * 24 * 60 * 60);
    let expired = Authorities::generate(long_ago).unwrap();
    write(&test, &test.namespace, "ca", &expired).await;
    let _operator = own_operator(&test, &["--ca-secret", "ca"]);
    let secrets = test.api::<Secret>();
    eventually(|| async {
        let stored = read(&secrets.get("ca").await.unwrap());
        if stored.current.validity().holds(SystemTime::now()) {
            assert!(stored.knows(expired.current.certificate()));
            assert_eq!(stored.crosses.len(), 1, "the old one vouches for it");
            Ok(())
        } else {
            Err("it is the old one still".to_owned())
        }
    })
    .await;
    wait_for_event(&test, &test.namespace, "CertificateAuthorityExpired").await;
}

struct Rig {
    test: Test,
    /// Of the policy streams of both operators.
    ports: [u16; 2],
}

impl Rig {
    async fn rotation_is_seen_by_everybody_before_it_counts(&self, oldest: &str) {
        let old = self.part("ca.crt").await;
        let previous = self.optional_part("previous.crt").await;
        let ask = json!({ "metadata": { "annotations": { ROTATE: "now" } } });
        self.secrets()
            .patch(SECRET, &PatchParams::default(), &Patch::Merge(ask))
            .await
            .unwrap();
        let next = eventually(|| async {
            let next = self.optional_part("next.crt").await;
            (!next.is_empty()).then_some(next).ok_or("no next".into())
        })
        .await;
        let annotations = self.secret().await.metadata.annotations;
        assert!(!annotations.unwrap_or_default().contains_key(ROTATE));
        let both = format!("{old}{next}{previous}");
        self.wait_for_bundles(&both).await;
        eventually(|| async {
            let injected = self.injected_bundle().await;
            (injected == both).then_some(()).ok_or(injected)
        })
        .await;

        eventually(|| async {
            let current = self.part("ca.crt").await;
            (current == next).then_some(()).ok_or(current)
        })
        .await;
        wait_for_event(&self.test, SYSTEM, "CertificateAuthorityRotated").await;
        self.wait_for_bundles(&format!("{next}{old}{previous}"))
            .await;
        assert_eq!(self.optional_part("next.key").await, "");
        // By the new CA itself, and for who only knows an earlier one.
        for port in self.ports {
            eventually(|| handshake(port, &next)).await;
            handshake(port, &old).await.unwrap();
        }
        self.every_sidecar_gets_in(oldest).await;
    }

    async fn every_sidecar_gets_in(&self, oldest: &str) {
        for port in self.ports {
            eventually(|| handshake(port, oldest)).await;
        }
    }

    async fn deleted_secret_comes_back_as_it_was(&self) {
        let before = self.secret().await;
        self.secrets()
            .delete(SECRET, &DeleteParams::default())
            .await
            .unwrap();
        eventually(|| async {
            let after = self.secrets().get_opt(SECRET).await.unwrap();
            let after = after.ok_or("it is gone")?;
            assert_eq!(after.data, before.data);
            assert_ne!(after.metadata.uid, before.metadata.uid);
            Ok(())
        })
        .await;
        wait_for_event(&self.test, SYSTEM, "CertificateAuthorityRestored").await;
    }

    async fn spoilt_secret_is_written_again(&self) {
        let before = self.secret().await;
        let spoilt = json!({ "stringData": { "ca.key": "mine" } });
        self.secrets()
            .patch(SECRET, &PatchParams::default(), &Patch::Merge(spoilt))
            .await
            .unwrap();
        eventually(|| async {
            let after = self.secret().await;
            (after.data == before.data)
                .then_some(())
                .ok_or("it is spoilt".into())
        })
        .await;
    }

    async fn ca_of_somebody_else_is_adopted(&self, oldest: &str) {
        let ours = self.part("ca.crt").await;
        let theirs = Authorities::generate(SystemTime::now()).unwrap();
        write(&self.test, SYSTEM, SECRET, &theirs).await;
        let theirs = theirs.current.certificate_pem();
        eventually(|| async {
            let previous = self.optional_part("previous.crt").await;
            (previous.contains(&ours)).then_some(()).ok_or(previous)
        })
        .await;
        assert_eq!(self.part("ca.crt").await, theirs);
        for port in self.ports {
            eventually(|| handshake(port, &theirs)).await;
            eventually(|| handshake(port, &ours)).await;
        }
        self.every_sidecar_gets_in(oldest).await;
    }

    async fn emptied_bundles_are_filled_again(&self) {
        let before = self.bundles().await;
        let empty: Patch<()> = Patch::Json(
            serde_json::from_value(json!([
                { "op": "remove", "path": "/webhooks/0/clientConfig/caBundle" }
            ]))
            .unwrap(),
        );
        let defaults = PatchParams::default();
        let emptied = self.mutating().patch(NAME, &defaults, &empty).await;
        assert_eq!(
            emptied.unwrap().webhooks.unwrap()[0]
                .client_config
                .ca_bundle,
            None
        );
        self.validating()
            .patch(NAME, &defaults, &empty)
            .await
            .unwrap();
        self.wait_for_bundles(&before[0]).await;
    }

    async fn deleted_configurations_are_filled_when_they_come_back(&self, webhook_port: u16) {
        let before = self.bundles().await;
        let now = DeleteParams::default();
        self.mutating().delete(NAME, &now).await.unwrap();
        self.validating().delete(NAME, &now).await.unwrap();
        // What was to be injected does not start without it.
        eventually(|| async {
            match dry_run(&self.test).await {
                Err(error) if error.to_string().contains("MutatingWebhookConfiguration") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        install_webhook(&self.test.client, webhook_port).await;
        self.wait_for_bundles(&before[0]).await;
        eventually(|| async { dry_run(&self.test).await.map_err(|it| it.to_string()) }).await;
    }

    async fn wait_for_bundles(&self, expected: &str) {
        eventually(|| async {
            let found = self.bundles().await;
            let all = found.iter().all(|bundle| bundle == expected);
            all.then_some(())
                .ok_or_else(|| format!("{found:#?}\ninstead of {expected}"))
        })
        .await;
    }

    /// Of both webhook configurations.
    async fn bundles(&self) -> [String; 2] {
        let mutating = self.mutating().get(NAME).await.unwrap().webhooks.unwrap();
        let validating = self.validating().get(NAME).await.unwrap().webhooks.unwrap();
        [
            &mutating[0].client_config.ca_bundle,
            &validating[0].client_config.ca_bundle,
        ]
        .map(|bundle| text(bundle.as_ref()))
    }

    async fn injected_bundle(&self) -> String {
        bundle_of(&dry_run(&self.test).await.unwrap())
    }

    fn mutating(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.test.client.clone())
    }

    fn validating(&self) -> Api<ValidatingWebhookConfiguration> {
        Api::all(self.test.client.clone())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.test.client.clone(), SYSTEM)
    }

    async fn secret(&self) -> Secret {
        self.secrets().get(SECRET).await.unwrap()
    }

    async fn part(&self, key: &str) -> String {
        let part = self.optional_part(key).await;
        assert!(!part.is_empty(), "{key}");
        part
    }

    async fn optional_part(&self, key: &str) -> String {
        let data = self.secret().await.data.unwrap_or_default();
        text(data.get(key))
    }
}

/// Creates pods (dry) all the time: none may be refused.
struct Admitting {
    stop: Arc<AtomicBool>,
    admitted: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<()>,
}

impl Admitting {
    fn start(test: &Test) -> Self {
        let (stop, admitted) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let test = Test {
            client: test.client.clone(),
            namespace: test.namespace.clone(),
            cluster: test.cluster,
        };
        let (stopped, count): (_, Arc<AtomicU32>) = (stop.clone(), Arc::clone(&admitted));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let pod = dry_run(&test).await.unwrap();
                assert!(bundle_of(&pod).contains("BEGIN CERTIFICATE"));
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self {
            stop,
            admitted,
            task,
        }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        let admitted = self.admitted.load(Ordering::Relaxed);
        assert!(admitted > 50, "only {admitted} were tried");
    }
}

/// As a sidecar dials, which trusts this bundle.
async fn handshake(port: u16, bundle: &str) -> Result<(), String> {
    let tls = tls_config(bundle).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(("127.0.0.1", port)).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(TLS_NAME).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Our binary in the test's namespace, with every right. It leads there, and looks after all namespaces: not
/// for an API server that has another one, unless it ends at its start.
pub fn own_operator(test: &Test, more: &[&str]) -> Guarded {
    let fixed = [
        "operator",
        "--namespace",
        &test.namespace,
        "--webhook-configuration",
        &test.namespace,
        "--sidecar-image",
        "x",
        "--webhook-port",
        "0",
        "--push-port",
        "0",
        "--admin-port",
        "0",
    ];
    Guarded::spawn(
        std::path::Path::new(env!("CARGO_BIN_EXE_endpoints")),
        &[&fixed, more].concat(),
        &test.cluster.kubeconfig,
    )
}

async fn dry_run(test: &Test) -> Result<Pod, kube::Error> {
    let pod: Value = crate::objects::pod("probe", "probe");
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    test.api::<Pod>().create(&dry_run, &pod).await
}

fn bundle_of(pod: &Pod) -> String {
    let spec = pod.spec.as_ref().unwrap();
    let mut containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let sidecar = containers
        .find(|container| container.name == "endpoints-proxy")
        .expect("a sidecar");
    let mut variables = sidecar.env.iter().flatten();
    let bundle = variables.find(|variable| variable.name == "ENDPOINTS_TRUST_BUNDLE");
    bundle.unwrap().value.clone().unwrap()
}

async fn write(test: &Test, namespace: &str, name: &str, authorities: &Authorities) {
    let secrets = Api::<Secret>::namespaced(test.client.clone(), namespace);
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    authorities.write(secret.data.get_or_insert_default());
    if secrets.get_opt(name).await.unwrap().is_some() {
        let by = PostParams::default();
        secrets.replace(name, &by, &secret).await.unwrap();
    } else {
        secrets
            .create(&PostParams::default(), &secret)
            .await
            .unwrap();
    }
}

fn read(secret: &Secret) -> Authorities {
    let (read, spoilt) =
        Authorities::read(secret.data.as_ref().unwrap(), SystemTime::now()).unwrap();
    assert!(!spoilt);
    read
}

fn text(bytes: Option<&ByteString>) -> String {
    let bytes = bytes.map_or(&[][..], |bytes| &bytes.0);
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn wait_for_event(test: &Test, namespace: &str, reason: &str) {
    let events = Api::<Event>::namespaced(test.client.clone(), namespace);
    eventually(|| async {
        let events = events.list(&ListParams::default()).await.unwrap().items;
        let reasons: Vec<_> = events
            .into_iter()
            .filter_map(|event| event.reason)
            .collect();
        let found = reasons.iter().any(|known| known == reason);
        found.then_some(()).ok_or_else(|| format!("{reasons:?}"))
    })
    .await;
}
