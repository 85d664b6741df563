//! The real proxy on loopback, under a policy made by the real compiler.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use endpoints::api::EndpointsServiceSpec;
use endpoints::jwks::{KeySlot, Keys};
use endpoints::policy::format::KeySource;
use endpoints::policy::key_set::KeySet;
use endpoints::policy::{Policy, Prepared, ServiceIdentity, compile};
use endpoints::proxy::{
    CertificateFiles, Config, Limits, Listener, LogOutput, PolicyCell, Proxy, Running, Snapshot,
};
use endpoints::readiness::Readiness;
use endpoints::shutdown::{self, Trigger};
use endpoints::telemetry::LogFilter;
use endpoints::tls;
use rustls::RootCertStore;

/// Lines of JSON that were written.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

pub struct TestProxy {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub policies: PolicyCell,
    pub readiness: Readiness,
    pub trigger: Trigger,
    /// The access log.
    pub log: Lines,
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

impl Lines {
    /// What is there so far.
    pub fn read(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().expect("no writer panics");
        let text = String::from_utf8(bytes.clone()).expect("text");
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect()
    }

    /// Waits until there are this many.
    pub async fn wait_for(&self, count: usize) -> Vec<serde_json::Value> {
        crate::client::patient(async {
            loop {
                let lines = self.read();
                if lines.len() >= count {
                    return lines;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no reader panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn config(
    access_log: LogOutput,
    roots: RootCertStore,
    backend: SocketAddr,
    limits: Limits,
    workers: usize,
) -> Config {
    let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    Config {
        listeners: vec![Listener {
            address: free,
            backend: backend.into(),
        }],
        workers: NonZeroUsize::new(workers).expect("some"),
        admin: Some(free),
        limits,
        access_log,
        log_filter: None,
        roots,
        client_certificate: None,
        app_probes: Vec::new(),
        certificate: None,
    }
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
        Self::showing(None, roots, backend, limits, workers)
    }

    /// With a folder that holds the certificate for backends, too.
    pub fn showing(
        client_certificate: Option<PathBuf>,
        roots: RootCertStore,
        backend: SocketAddr,
        limits: Limits,
        workers: usize,
    ) -> Self {
        let lines = Lines::default();
        let config = Config {
            client_certificate: client_certificate.map(|it| CertificateFiles::in_folder(&it)),
            ..config(
                LogOutput::to(lines.clone()),
                roots,
                backend,
                limits,
                workers,
            )
        };
        let mut proxy = Self::run(config);
        proxy.log = lines;
        proxy
    }

    /// With an access log of its own, and a filter for `/log`.
    pub fn telling(
        access_log: LogOutput,
        log_filter: Option<LogFilter>,
        roots: RootCertStore,
        backend: SocketAddr,
        limits: Limits,
        workers: usize,
    ) -> Self {
        Self::run(Config {
            log_filter,
            ..config(access_log, roots, backend, limits, workers)
        })
    }

    /// With an admin server on this address.
    pub fn with_admin_on(backend: SocketAddr, admin: SocketAddr) -> Self {
        Self::run(Config {
            admin: Some(admin),
            ..Self::config(backend)
        })
    }

    /// What a proxy is told that is told nothing in particular.
    pub fn config(backend: SocketAddr) -> Config {
        config(
            LogOutput::to(Lines::default()),
            tls::built_in_roots(),
            backend,
            Limits::default(),
            1,
        )
    }

    /// Without a policy, told this.
    pub fn run(config: Config) -> Self {
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
            log: Lines::default(),
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
