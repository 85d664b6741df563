//! An operator that knows one pod and believes everybody, to push policies and keys to a real
//! sidecar; and that sidecar.
#![allow(dead_code, missing_docs)]

use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use endpoints::policy::Policy;
use endpoints::policy::format::KeySource;
use endpoints::push::server::{
    Authenticate, Event, Hub, PodIdentity, Refused, Report, Snapshot, serve,
};
use endpoints::push::wire::{Hello, Keys, ServiceKey, TLS_NAME};
use endpoints::shutdown::{self, Trigger};
use endpoints::tls;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

pub struct Operator {
    pub port: u16,
    /// Of its authority, in PEM.
    pub certificate: String,
    pub reports: UnboundedReceiver<Report>,
    hub: Hub,
    generation: i64,
    key_version: u64,
    _trigger: Trigger,
}

impl Operator {
    pub async fn start() -> Self {
        tls::install_crypto_provider();
        let (config, certificate) = certificate();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (hub, reports) = Hub::new();
        let (trigger, shutdown) = shutdown::channel();
        let serving = serve(listener, config, hub.clone(), Arc::new(Trusting), shutdown);
        tokio::spawn(serving);
        Self {
            port,
            certificate,
            reports,
            hub,
            generation: 0,
            key_version: 0,
            _trigger: trigger,
        }
    }

    /// Pushes a policy; its hash.
    pub fn publish(&mut self, policy: &Policy) -> String {
        let snapshot = self.encode(policy);
        let hash = snapshot.hash().to_owned();
        self.send(snapshot);
        hash
    }

    /// Makes a policy ready to send.
    pub fn encode(&mut self, policy: &Policy) -> Snapshot {
        self.generation += 1;
        let bytes = policy.canonical_bytes();
        Snapshot::new("uid".to_owned(), self.generation, &bytes).expect("a policy")
    }

    /// Pushes it.
    pub fn send(&self, snapshot: Snapshot) {
        let service = ServiceKey {
            namespace: "bench".to_owned(),
            name: "shop".to_owned(),
        };
        self.hub.publish(&service, snapshot);
    }

    /// Waits until the sidecar says that it runs the policy.
    pub async fn applied(&mut self) {
        let applied = async {
            while let Some(report) = self.reports.recv().await {
                match report.event {
                    Event::Applied { .. } => return,
                    Event::Rejected { reason, .. } => panic!("{reason}"),
                    Event::Connected { .. } | Event::KeysWanted { .. } | Event::Gone => {}
                }
            }
        };
        timeout(Duration::from_secs(20), applied)
            .await
            .expect("the sidecar takes the policy");
    }

    /// Pushes a key set.
    pub fn publish_keys(&mut self, url: &str, set: String) {
        self.key_version += 1;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let keys = Keys {
            source: KeySource::Url(url.to_owned()),
            version: self.key_version.to_string(),
            fetched_at: now.expect("after 1970").as_secs(),
            set,
        };
        self.hub.publish_keys(keys).expect("they are few");
    }
}

/// Runs what a pod's sidecar container runs; its log goes to a file. `binary`: ours, or a program that
/// runs it.
pub fn sidecar(
    mut binary: Command,
    operator: &Operator,
    [traffic, app, admin]: [u16; 3],
    log: &Path,
) -> Child {
    let token = log.with_extension("token");
    std::fs::write(&token, "anything").expect("the folder can be written to");
    let address = format!("127.0.0.1:{}", operator.port);
    binary
        .arg("proxy")
        .env("ENDPOINTS_SERVICE", "shop")
        .env("ENDPOINTS_POD_NAME", "shop-0")
        .env("ENDPOINTS_POD_NAMESPACE", "bench")
        .env("ENDPOINTS_POD_UID", "uid-0")
        .env("ENDPOINTS_OPERATOR_ADDRESS", address)
        .env("ENDPOINTS_TRUST_BUNDLE", &operator.certificate)
        .env("ENDPOINTS_TOKEN_FILE", token)
        .env("ENDPOINTS_LISTENERS", format!("{traffic}={app}"))
        .env("ENDPOINTS_ADMIN_PORT", admin.to_string())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(log).expect("the folder can be written to"))
        .spawn()
        .expect("our binary runs")
}

/// Three ports that nobody has.
pub fn free_ports() -> [u16; 3] {
    let listeners =
        [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("bound").port())
}

/// Everybody is who they say.
struct Trusting;

impl Authenticate for Trusting {
    fn authenticate<'a>(
        &'a self,
        _: &'a str,
        _: IpAddr,
        hello: &'a Hello,
    ) -> BoxFuture<'a, Result<PodIdentity, Refused>> {
        let identity = PodIdentity {
            pod: hello.pod.clone(),
            expires: SystemTime::now() + Duration::from_secs(24 * 3600),
        };
        ready(Ok(identity)).boxed()
    }
}

fn certificate() -> (Arc<rustls::ServerConfig>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![TLS_NAME.to_owned()])
        .expect("a name")
        .signed_by(&key, &issuer)
        .expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(tls::crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("they belong together");
    (Arc::new(config), issuer.pem())
}
