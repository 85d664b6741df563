//! Starts what keeps the operator's certificates, and takes its trust bundle to everybody who needs it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::Client;
use tokio::sync::watch;

use super::{Args, Parts};
use crate::operator::admission::InjectorConfig;
use crate::operator::certificates::{
    Authorities, BundleKeeper, CertificateMetrics, Certificates, Files, Keeper, load_or_create,
    names,
};
use crate::operator::lease::Leadership;
use crate::operator::metrics::Metrics;
use crate::policy::compile::parse_duration;
use crate::push::server::Hub;
use crate::push::wire::TLS_NAME;
use crate::readiness::{Pending, Readiness};

/// The shortest overlap that leaves everybody the time to hear of the next CA at all.
const SHORTEST_OVERLAP: Duration = Duration::from_secs(5);

/// What this process presents, and who keeps it.
pub(super) struct Issued {
    pub(super) certificates: Certificates,
    keeper: Issuer,
}

enum Issuer {
    /// Our own CA, as the Secret held it.
    Own(Box<Authorities>),
    /// Somebody else's.
    Files(Files),
}

/// Who is told whom to trust, and who may tell.
pub(super) struct Audience {
    pub(super) client: Client,
    pub(super) injector: Arc<ArcSwap<InjectorConfig>>,
    pub(super) hub: Hub,
    pub(super) leadership: Leadership,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    /// Let go once the webhook configuration has our CA.
    pub(super) ready: Pending,
}

/// Brings the first certificate.
pub(super) async fn issue(
    args: &Args,
    client: &Client,
    metrics: CertificateMetrics,
) -> anyhow::Result<Issued> {
    let now = SystemTime::now();
    let names = names(&args.service_name, &args.namespace);
    if let Some(folder) = &args.certificate_folder {
        // The API server's name for us, and sidecars'.
        let needed = [&names[0], TLS_NAME].map(str::to_owned).to_vec();
        let files = Files::new(folder.clone(), needed);
        return Ok(Issued {
            certificates: files.certificates(metrics, now)?,
            keeper: Issuer::Files(files),
        });
    }
    let (client, namespace) = (client.clone(), &args.namespace);
    let held = load_or_create(client, namespace, &args.ca_secret, now).await?;
    Ok(Issued {
        certificates: Certificates::new(&held, names, metrics, now)
            .context("cannot sign a serving certificate")?,
        keeper: Issuer::Own(Box::new(held)),
    })
}

impl Issued {
    pub(super) fn start(self, parts: &mut Parts, args: &Args, audience: Audience) {
        let Self {
            certificates,
            keeper,
        } = self;
        let Audience {
            client,
            injector,
            hub,
            leadership,
            metrics,
            readiness,
            ready,
        } = audience;
        parts.start(
            "trust bundle",
            keep_trust(certificates.trust(), injector, hub),
        );
        let ours = matches!(keeper, Issuer::Own(_));
        let bundle_keeper = |ready| BundleKeeper {
            client: client.clone(),
            name: args.webhook_configuration.clone(),
            trust: certificates.trust(),
            leadership: ours.then(|| leadership.clone()),
            ready,
            metrics: metrics.clone(),
        };
        parts.start(
            "caBundle",
            bundle_keeper(Some(ready)).run::<MutatingWebhookConfiguration>(),
        );
        // Only warns: nothing waits for it.
        parts.start(
            "caBundle of the checks",
            bundle_keeper(None).run::<ValidatingWebhookConfiguration>(),
        );
        parts.start(
            "certificate's expiry",
            certificates.clone().watch_expiry(readiness),
        );
        match keeper {
            Issuer::Own(held) => {
                let keeper = Keeper {
                    client,
                    namespace: args.namespace.clone(),
                    name: args.ca_secret.clone(),
                    overlap: args.ca_overlap,
                    leadership,
                    certificates,
                    metrics,
                };
                parts.start("certificates", keeper.run(*held));
            }
            Issuer::Files(files) => parts.start("certificates", files.keep(certificates)),
        }
    }
}

/// Sidecars are told of every bundle; pods to come are injected with the one of their time.
async fn keep_trust(
    mut trust: watch::Receiver<Arc<str>>,
    injector: Arc<ArcSwap<InjectorConfig>>,
    hub: Hub,
) {
    loop {
        let trust_bundle = trust.borrow_and_update().clone();
        hub.publish_trust(&trust_bundle);
        injector.rcu(|current| InjectorConfig {
            trust_bundle: trust_bundle.clone(),
            ..(**current).clone()
        });
        if trust.changed().await.is_err() {
            // Nobody can change it any more.
            std::future::pending::<()>().await;
        }
    }
}

/// `--ca-overlap`.
pub(super) fn overlap(text: &str) -> Result<Duration, String> {
    let overlap = parse_duration(text)?;
    if overlap < SHORTEST_OVERLAP {
        return Err("it is shorter than 5s".to_owned());
    }
    Ok(overlap)
}
