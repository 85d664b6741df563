//! Where the operator is for pods whose DNS does not know Services.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::operator::admission::InjectorConfig;

/// How often the name is looked up again.
const INTERVAL: Duration = Duration::from_secs(300);
/// And while nothing is known.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);
/// How long a lookup may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps the cluster IP of the operator's own Service in the injector's configuration.
pub(super) async fn keep_fallback(injector: Arc<ArcSwap<InjectorConfig>>) {
    loop {
        let name = injector.load().operator_address.clone();
        let lookup = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host(name));
        let found = match lookup.await {
            Ok(Ok(mut addresses)) => addresses.next(),
            // A name server that is away says nothing about the address.
            Ok(Err(_)) | Err(_) => None,
        };
        if let Some(address) = found {
            note(&injector, address);
        }
        let known = injector.load().operator_fallback.is_some();
        tokio::time::sleep(if known { INTERVAL } else { RETRY_INTERVAL }).await;
    }
}

fn note(injector: &ArcSwap<InjectorConfig>, address: SocketAddr) {
    if injector.load().operator_fallback == Some(address) {
        return;
    }
    tracing::info!(%address, "the operator's own address, for pods whose DNS does not know Services");
    injector.rcu(|config| {
        Arc::new(InjectorConfig {
            operator_fallback: Some(address),
            ..(**config).clone()
        })
    });
}
