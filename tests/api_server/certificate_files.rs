//! Certificates that somebody else keeps, in the form in which cert-manager does: a folder as kubelet
//! mounts such a Secret, and a caBundle written by another hand. (cert-manager itself does not run
//! here: its part is played by this test.)

use std::path::Path;

use endpoints::push::client::tls_config;
use endpoints::push::wire::TLS_NAME;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::net::TcpStream;

use crate::api_server::{Cluster, Guarded, Test, eventually, get};
use crate::rotation::own_operator;

#[tokio::test]
async fn files_are_served_and_followed_and_the_bundle_is_left_to_their_keeper() {
    // Beside the shared operator, both would lead, and tell every Event twice.
    let test = Test::on(Cluster::own()).await;
    let ca = ca();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &ca, &test.namespace);
    let path = folder.path().to_str().unwrap();
    let operator = own_operator(&test, &["--certificate-folder", path]);
    let [push, admin] = ["policy stream", "admin"].map(|what| port(&operator, what));

    // Ready once the keeper has written the bundle; the operator waits for that, and does not.
    let configurations = Api::<MutatingWebhookConfiguration>::all(test.client.clone());
    let configuration = json!({
        "metadata": { "name": test.namespace },
        "webhooks": [{
            "name": "inject.endpoints.dev", "admissionReviewVersions": ["v1"],
            "clientConfig": { "service": { "name": "x", "namespace": test.namespace } },
            "failurePolicy": "Ignore", "sideEffects": "None"
        }]
    });
    let configuration = serde_json::from_value(configuration).unwrap();
    let created = configurations
        .create(&PostParams::default(), &configuration)
        .await
        .unwrap();
    let unready = (
        503,
        "waiting for our CA in the webhook configuration\n".into(),
    );
    eventually(|| async {
        let now = get(admin, "/readyz");
        (now == unready).then_some(()).ok_or(format!("{now:?}"))
    })
    .await;
    let seen = configurations.get(&test.namespace).await.unwrap();
    assert_eq!(
        seen.metadata.resource_version,
        created.metadata.resource_version
    );
    let bundle = ByteString(ca.pem().into_bytes());
    let bundle = json!([
        { "op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle }
    ]);
    let bundle: Patch<()> = Patch::Json(serde_json::from_value(bundle).unwrap());
    let defaults = PatchParams::default();
    configurations
        .patch(&test.namespace, &defaults, &bundle)
        .await
        .unwrap();
    eventually(|| async {
        let (status, text) = get(admin, "/readyz");
        (status == 200).then_some(()).ok_or(text)
    })
    .await;

    let first = presented(push, &ca.pem()).await.unwrap();
    assert_eq!(
        test.api::<Secret>()
            .list(&Default::default())
            .await
            .unwrap()
            .items,
        []
    );
    // Renewed by the same CA, then by another one.
    write(folder.path(), &ca, &test.namespace);
    let second = eventually(|| async {
        let now = presented(push, &ca.pem()).await?;
        (now != first).then_some(now).ok_or("the same".to_owned())
    })
    .await;
    let other = self::ca();
    write(folder.path(), &other, &test.namespace);
    let bundle = other.pem();
    let third = eventually(|| presented(push, &bundle)).await;
    assert_ne!(second, third);
    configurations
        .delete(&test.namespace, &DeleteParams::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn files_that_are_of_no_use_end_it_with_the_remedy() {
    let test = Test::without_operator().await;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &ca(), &test.namespace);
    std::fs::write(folder.path().join("ca.crt"), "").unwrap();
    let path = folder.path().to_str().unwrap();
    let operator = own_operator(&test, &["--certificate-folder", path]);
    let line = operator.wait_for_line(|line| line.contains("ca.crt").then(|| line.to_owned()));
    assert!(
        line.contains("the issuer must be one that tells its CA"),
        "{line}"
    );
    assert_eq!(operator.ended(), 1);
}

/// The certificate that is presented to who trusts this bundle.
async fn presented(port: u16, bundle: &str) -> Result<CertificateDer<'static>, String> {
    let tls = tls_config(bundle).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(("127.0.0.1", port)).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(TLS_NAME).unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls));
    let stream = connector.connect(name, stream).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    Ok(certificates[0].clone().into_owned())
}

fn port(operator: &Guarded, what: &str) -> u16 {
    operator.wait_for_line(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let listening = line["message"] == "listening" && line["what"] == what;
        listening.then(|| u16::try_from(line["port"].as_u64().unwrap()).unwrap())
    })
}

fn ca() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// As cert-manager fills the Secret of a Certificate.
fn write(folder: &Path, ca: &CertifiedIssuer<'static, KeyPair>, namespace: &str) {
    let service = format!("endpoints-operator.{namespace}.svc");
    let key = KeyPair::generate().unwrap();
    let names = vec![service, TLS_NAME.to_owned()];
    let certificate = CertificateParams::new(names).unwrap();
    let certificate = certificate.signed_by(&key, ca).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.join("ca.crt"), ca.pem()).unwrap();
}
