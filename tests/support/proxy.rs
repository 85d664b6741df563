//! The real proxy on loopback, under a policy made by the real compiler.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use endpoints::api::EndpointsServiceSpec;
use endpoints::jwks::{KeySlot, Keys};
use endpoints::policy::format::KeySource;
use endpoints::policy::key_set::KeySet;
use endpoints::policy::{Policy, Prepared, ServiceIdentity, compile};
use endpoints::proxy::{Config, Limits, Listener, PolicyCell, Proxy, Running, Snapshot};
use endpoints::readiness::Readiness;
use endpoints::shutdown::{self, Trigger};
use endpoints::tls;
use rustls::RootCertStore;

pub struct TestProxy {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub policies: PolicyCell,
    pub readiness: Readiness,
    pub trigger: Trigger,
    running: Option<Running>,
}

/// A specification with its document in it, as YAML.
pub fn spec(yaml: &str) -> EndpointsServiceSpec {
    serde_yaml::from_str(yaml).expect("the test's specification")
}

/// Compiles; `keys`: key sets by URL.
pub fn snapshot(yaml: &str, keys: &BTreeMap<String, String>) -> Snapshot {
    snapshot_with(yaml, |source| {
        let slot = KeySlot::new(source.clone());
        if let KeySource::Url(url) = source
            && let Some(text) = keys.get(url)
        {
            let set = KeySet::parse(text.as_bytes()).expect("the test's keys");
            slot.replace(Keys {
                set: Arc::new(set),
                fetched_at: now(),
            });
        }
        Arc::new(slot)
    })
}

/// Compiles.
pub fn policy(yaml: &str) -> Policy {
    let identity = ServiceIdentity {
        name: "books".to_owned(),
        namespace: "shop".to_owned(),
    };
    let compiled = compile(&spec(yaml), &identity).expect("the test's document");
    compiled.policy
}

/// Compiles; `slot`: where the keys of a source are.
pub fn snapshot_with(yaml: &str, slot: impl Fn(&KeySource) -> Arc<KeySlot>) -> Snapshot {
    ready(policy(yaml), slot)
}

/// Makes a policy ready; `slot`: where the keys of a source are.
pub fn ready(policy: Policy, slot: impl Fn(&KeySource) -> Arc<KeySlot>) -> Snapshot {
    let providers = policy.providers.values();
    let slots = providers.map(|provider| slot(&provider.keys)).collect();
    let prepared = Prepared::new(policy).expect("compiled here");
    Snapshot::new(prepared, slots).expect("compiled here")
}

pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

impl TestProxy {
    /// Without a policy.
    pub fn start(backend: SocketAddr) -> Self {
        Self::with(backend, Limits::default(), 1)
    }

    pub fn with(backend: SocketAddr, limits: Limits, workers: usize) -> Self {
        Self::trusting(tls::built_in_roots(), backend, limits, workers)
    }

    /// With roots that backends with TLS are verified by.
    pub fn trusting(
        roots: RootCertStore,
        backend: SocketAddr,
        limits: Limits,
        workers: usize,
    ) -> Self {
        Self::showing(roots, None, backend, limits, workers)
    }

    /// With a folder that holds the certificate for backends, too.
    pub fn showing(
        roots: RootCertStore,
        client_certificate: Option<PathBuf>,
        backend: SocketAddr,
        limits: Limits,
        workers: usize,
    ) -> Self {
        let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let config = Config {
            listeners: vec![Listener {
                address: free,
                backend: backend.into(),
            }],
            workers: NonZeroUsize::new(workers).expect("some"),
            admin: Some(free),
            limits,
            roots,
            client_certificate,
        };
        let (trigger, shutdown) = shutdown::channel();
        let (policies, readiness) = (PolicyCell::new(), Readiness::new());
        let running = Proxy::start(config, policies.clone(), readiness.clone(), shutdown)
            .expect("free ports");
        Self {
            address: running.addresses()[0],
            admin: running.admin_address().expect("asked for"),
            policies,
            readiness,
            trigger,
            running: Some(running),
        }
    }

    /// Puts a policy without keys in force.
    pub fn under(self, yaml: &str) -> Self {
        self.policies.store(snapshot(yaml, &BTreeMap::new()));
        self
    }

    /// Shuts down and waits until it is over.
    pub async fn stop(mut self) {
        self.trigger.start();
        if let Some(running) = self.running.take() {
            tokio::task::spawn_blocking(move || running.join())
                .await
                .expect("it ends");
        }
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.trigger.start();
    }
}
