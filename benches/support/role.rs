//! The proxy in a process of its own, as the sidecar runs it.
#![allow(clippy::print_stdout)]

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use endpoints::jwks::{KeySlot, Keys};
use endpoints::policy::Prepared;
use endpoints::policy::key_set::KeySet;
use endpoints::proxy::{Config, Limits, Listener, LogOutput, PolicyCell, Proxy, Snapshot};
use endpoints::{readiness::Readiness, shutdown, telemetry, tls};

use crate::shop::{self, Shape};

/// Serves until SIGTERM; prints its address. `keys`: of the only issuer, a JSON Web Key Set.
pub fn proxy(backend: SocketAddr, whole: bool, keys: &str) {
    telemetry::init("info").expect("a filter");
    tls::install_crypto_provider();
    let policies = PolicyCell::new();
    policies.store(snapshot(whole, keys));
    let (trigger, shutdown) = shutdown::channel();
    let config = Config {
        listeners: vec![Listener {
            address: ([127, 0, 0, 1], 0).into(),
            backend: backend.into(),
        }],
        workers: NonZeroUsize::MIN,
        admin: None,
        limits: Limits::default(),
        access_log: LogOutput::stdout(),
        log_filter: None,
        roots: tls::built_in_roots(),
        client_certificate: None,
        certificate: None,
    };
    let running = Proxy::start(config, policies, Readiness::new(), shutdown).expect("it starts");
    println!("{}", running.addresses()[0]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(trigger.on_signal())
        .expect("signals");
    running.join();
}

fn snapshot(whole: bool, keys: &str) -> Snapshot {
    let prepared = Prepared::new(shop::policy(Shape {
        whole,
        ..Shape::default()
    }))
    .expect("the policy is ours");
    let set = Arc::new(KeySet::parse(keys.as_bytes()).expect("the bench's own keys"));
    let slots = prepared.policy.providers.values().map(|provider| {
        let slot = KeySlot::new(provider.keys.clone());
        slot.replace(Keys {
            set: set.clone(),
            fetched_at: std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .expect("after 1970")
                .as_secs(),
        });
        Arc::new(slot)
    });
    let slots = slots.collect();
    Snapshot::new(prepared, slots).expect("a slot for each provider")
}
