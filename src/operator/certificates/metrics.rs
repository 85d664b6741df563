//! When certificates expire, for `/metrics`.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = [(&'static str, &'static str); 1];

/// When each certificate expires. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct CertificateMetrics {
    expiry: Family<Labels, Gauge>,
}

impl CertificateMetrics {
    /// Puts it into the process's registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "endpoints_operator_certificate_expiry_timestamp_seconds",
            "When a certificate expires (serving: this process's own; ca: the one that signs; next_ca: \
             the one that will), in seconds since 1970",
            self.expiry.clone(),
        );
    }

    pub(super) fn observe(
        &self,
        serving: SystemTime,
        ca: Option<SystemTime>,
        next_ca: Option<SystemTime>,
    ) {
        for (certificate, expiry) in [("serving", Some(serving)), ("ca", ca), ("next_ca", next_ca)]
        {
            let labels = [("certificate", certificate)];
            let Some(expiry) = expiry else {
                self.expiry.remove(&labels);
                continue;
            };
            let seconds = expiry
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs();
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            self.expiry.get_or_create(&labels).set(seconds);
        }
    }
}
