//! The operator's certificates: one long-lived CA in a Secret, one short-lived leaf in each process.
//!
//! ```text
//! Secret ──load_or_create──► Authority ──leaf──► Leaf ──► Certificates (TLS of webhook and push)
//!                                │                └─ renewed in memory at two thirds of its life
//!                                └──► caBundle of the webhook configuration, trust of sidecars
//! ```
//!
//! The Secret changes once in its life, so that two operators that start together, or one that was
//! restarted, agree without talking; what is renewed is renewed without anybody else noticing.

mod authority;
mod secret;
mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::Instant;

pub use self::authority::{Authority, AuthorityError, Leaf};
pub use self::secret::{SecretError, load_or_create};
pub use self::webhook::keep_ca_bundle;
use crate::push::wire::TLS_NAME;
use crate::tls::crypto_provider;

#[cfg(test)]
mod tests;

/// How often the leaf's age is looked at.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// What this process presents to the API server and to sidecars.
#[derive(Clone, Debug)]
pub struct Certificates {
    authority: Arc<Authority>,
    names: Arc<[String]>,
    resolver: Arc<Resolver>,
}

/// The names that the operator is dialled by: its Service's, and the fixed one of the policy stream.
pub fn names(service: &str, namespace: &str) -> Vec<String> {
    let full = format!("{service}.{namespace}.svc");
    vec![
        full.clone(),
        format!("{full}.cluster.local"),
        format!("{service}.{namespace}"),
        TLS_NAME.to_owned(),
    ]
}

impl Certificates {
    /// Signs the first leaf.
    ///
    /// # Errors
    /// A name is not a DNS name.
    pub fn new(
        authority: Authority,
        names: Vec<String>,
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        let leaf = Current {
            leaf: authority.leaf(&names, now)?,
            since: Instant::now(),
        };
        Ok(Self {
            authority: Arc::new(authority),
            names: names.into(),
            resolver: Arc::new(Resolver(ArcSwap::from_pointee(leaf))),
        })
    }

    /// The CA's certificate, PEM: what the others trust us by.
    pub fn ca(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// A server configuration that always presents the newest leaf. TLS 1.3 only: API servers and
    /// our own sidecars have it.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(crypto_provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has TLS 1.3");
        Arc::new(
            builder
                .with_no_client_auth()
                .with_cert_resolver(self.resolver.clone()),
        )
    }

    /// When the leaf expires.
    pub fn expires(&self) -> SystemTime {
        self.resolver.0.load().leaf.not_after
    }

    /// Signs a new leaf when it is time. True: it was.
    ///
    /// # Errors
    /// The CA cannot sign any more.
    pub fn renew_if_due(&self, now: SystemTime) -> Result<bool, AuthorityError> {
        let current = self.resolver.0.load();
        if !current.is_due(now) {
            return Ok(false);
        }
        let leaf = self.authority.leaf(&self.names, now)?;
        self.resolver.0.store(Arc::new(Current {
            leaf,
            since: Instant::now(),
        }));
        Ok(true)
    }

    /// Renews the leaf for as long as it is polled.
    pub async fn keep_fresh(self) {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            match self.renew_if_due(SystemTime::now()) {
                Ok(false) => {}
                Ok(true) => tracing::info!("renewed the serving certificate"),
                Err(error) => tracing::error!(%error, "cannot renew the serving certificate"),
            }
        }
    }
}

#[derive(Debug)]
struct Resolver(ArcSwap<Current>);

#[derive(Debug)]
struct Current {
    leaf: Leaf,
    since: Instant,
}

impl Current {
    /// By either clock: a wall clock may jump (also to before the leaf was made), a monotonic one
    /// may stand still while the machine sleeps.
    fn is_due(&self, now: SystemTime) -> bool {
        let leaf = &self.leaf;
        now >= leaf.renew_at || now < leaf.not_before || self.since.elapsed() >= leaf.renew_after
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().leaf.key.clone())
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
