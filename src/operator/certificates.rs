//! The operator's certificates: one long-lived CA in a Secret, one short-lived leaf in each process.
//!
//! ```text
//! Secret ──Keeper──► Authorities ──sign──► leaf (TLS of webhook and policy stream; 30 days, in memory)
//!           ▲   └─ the leader moves it on ─┘└─ trust ──► caBundle, pods to come, streams
//!           └── rotation (pure): publish, overlap, promote, forget
//! files ──► leaf and trust                   instead, where cert-manager writes them
//! ```
//!
//! The Secret changes a few times in ten years, so that operators that start together, or one that was
//! restarted, agree without talking; what is renewed is renewed without anybody else noticing.

mod authority;
mod files;
mod keeper;
mod metrics;
mod pem;
mod rotation;
mod secret;
mod stored;
mod validity;
mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::authority::{Authority, AuthorityError, Leaf};
pub use self::files::{Files, FilesError};
pub use self::keeper::Keeper;
pub use self::metrics::CertificateMetrics;
pub use self::rotation::{Step, View};
pub use self::secret::{ROTATE, SecretError, load_or_create};
pub use self::stored::Authorities;
pub use self::validity::Validity;
pub use self::webhook::{BundleKeeper, Configuration};
use crate::push::wire::TLS_NAME;
use crate::readiness::Readiness;
use crate::tls::crypto_provider;

#[cfg(test)]
mod tests;

/// How often an expired leaf is looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(10);

/// What this process presents to the API server and to sidecars, and what they are to trust. Cheap to
/// clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Certificates {
    names: Arc<[String]>,
    resolver: Arc<Resolver>,
    trust: watch::Sender<Arc<str>>,
    metrics: CertificateMetrics,
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
        authorities: &Authorities,
        names: Vec<String>,
        metrics: CertificateMetrics,
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        let current = Current::sign(authorities, &names, now)?;
        let certificates = Self::presenting(current, names, metrics);
        certificates.have_trusted(authorities.trusted());
        certificates.observe(Some(authorities));
        Ok(certificates)
    }

    fn presenting(current: Current, names: Vec<String>, metrics: CertificateMetrics) -> Self {
        Self {
            names: names.into(),
            resolver: Arc::new(Resolver(ArcSwap::from_pointee(current))),
            trust: watch::Sender::new(Arc::from("")),
            metrics,
        }
    }

    /// The certificates (PEM) that the others are to trust us by, the one that signs first. Changes
    /// well before anything is signed by a new one.
    pub fn trust(&self) -> watch::Receiver<Arc<str>> {
        self.trust.subscribe()
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

    /// Says, for as long as it is polled, when the leaf has expired after all: nobody can verify us then.
    pub async fn watch_expiry(self, readiness: Readiness) {
        let mut expired = None;
        loop {
            let now = SystemTime::now();
            expired = match expired.take() {
                _ if now <= self.expires() => None,
                Some(expired) => Some(expired),
                None => {
                    tracing::error!("the serving certificate has expired");
                    Some(readiness.pending("a serving certificate that has not expired"))
                }
            };
            tokio::time::sleep(EXPIRY_INTERVAL).await;
        }
    }

    /// Does as the Secret says: has everybody trusted whom it names, and then signs by its CA, anew when
    /// it is another one or the leaf is due.
    pub fn follow(&self, authorities: &Authorities, now: SystemTime) {
        self.have_trusted(authorities.trusted());
        let current = self.resolver.0.load();
        let same = current.signed_by(authorities);
        if !same || current.is_due(now) {
            match Current::sign(authorities, &self.names, now) {
                Ok(new) => {
                    self.resolver.0.store(Arc::new(new));
                    tracing::info!(new_ca = !same, "renewed the serving certificate");
                }
                Err(error) => tracing::error!(%error, "cannot renew the serving certificate"),
            }
        }
        self.observe(Some(authorities));
    }

    fn have_trusted(&self, trusted: Vec<CertificateDer<'static>>) {
        let bundle = pem::encode(&trusted);
        self.trust.send_if_modified(|trust| {
            let new = **trust != *bundle;
            if new {
                *trust = bundle.into();
            }
            new
        });
    }

    fn observe(&self, authorities: Option<&Authorities>) {
        let expiry = |authority: &Arc<Authority>| authority.validity().not_after;
        self.metrics.observe(
            self.expires(),
            authorities.map(|it| expiry(&it.current)),
            authorities.and_then(|it| it.next.as_ref().map(expiry)),
        );
    }
}

#[derive(Debug)]
struct Resolver(ArcSwap<Current>);

#[derive(Debug)]
struct Current {
    leaf: Leaf,
    /// By whom, and who vouches for that one.
    signer: Option<(CertificateDer<'static>, Vec<CertificateDer<'static>>)>,
    since: Instant,
}

impl Current {
    fn sign(
        authorities: &Authorities,
        names: &[String],
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        let Authorities {
            current, crosses, ..
        } = authorities;
        Ok(Self {
            leaf: current.leaf(names, crosses, now)?,
            signer: Some((current.certificate().clone(), crosses.clone())),
            since: Instant::now(),
        })
    }

    fn signed_by(&self, authorities: &Authorities) -> bool {
        self.signer.as_ref().is_some_and(|(signer, crosses)| {
            signer == authorities.current.certificate() && *crosses == authorities.crosses
        })
    }

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
