//! A provider of tokens, made ready.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use http::HeaderName;

use super::Forwarding;
use super::claims::{canonical_audience, canonical_issuer};
use super::locations::Location;
use crate::api::endpoints_service::RegisteredClaim;
use crate::policy::format::{Policy, Provider};

/// A provider made ready.
#[derive(Debug)]
pub struct PreparedProvider {
    /// Its scheme name.
    pub name: String,
    /// Its place in [`Prepared::providers`].
    pub index: usize,
    pub(super) issuer: String,
    pub(super) audiences: Option<BTreeSet<String>>,
    pub(super) required_claims: BTreeSet<RegisteredClaim>,
    /// Seconds.
    pub(super) clock_skew: u64,
    /// Where its tokens are looked for.
    pub(super) locations: Vec<Location>,
    /// Digest of its configuration: what a remembered token was verified for.
    pub(super) fingerprint: [u8; 32],
}

/// The headers beside ESPv2's own in which tokens of these providers come, and those in which claims are
/// told: what may not come in trailers.
pub fn token_headers(providers: &[PreparedProvider], forwarding: &Forwarding) -> Arc<[HeaderName]> {
    let locations = providers.iter().flat_map(|provider| &provider.locations);
    let names: BTreeSet<_> = locations
        .filter_map(Location::header)
        .chain(forwarding.headers())
        .map(HeaderName::as_str)
        .collect();
    names
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .collect()
}

impl PreparedProvider {
    /// Makes a provider of a policy ready. `index`: its place in [`Prepared::providers`].
    ///
    /// # Errors
    /// A token location that the compiler never writes.
    pub fn new(
        index: usize,
        name: &str,
        provider: &Provider,
        policy: &Policy,
    ) -> Result<Self, String> {
        let canonical = |list: &BTreeSet<String>| {
            list.iter()
                .map(|a| canonical_audience(a).to_owned())
                .collect()
        };
        let locations = match provider.locations.as_slice() {
            [] => Location::defaults(),
            own => own.iter().map(Location::new).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            name: name.to_owned(),
            index,
            issuer: canonical_issuer(&provider.issuer).to_owned(),
            audiences: provider.audiences.as_ref().map(canonical),
            required_claims: policy.required_claims.clone(),
            clock_skew: policy.settings.jwt.clock_skew(),
            locations,
            fingerprint: fingerprint(provider),
        })
    }
}

fn fingerprint(provider: &Provider) -> [u8; 32] {
    let bytes = serde_json::to_vec(provider).expect("strings and sets of strings make JSON");
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&SHA256, &bytes).as_ref());
    digest
}
