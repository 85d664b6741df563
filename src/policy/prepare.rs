//! A policy made ready to decide: routes in a tree, header values built, regex compiled.

mod check;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::{HeaderName, Method};

use super::Policy;
use super::backend::PathTranslation;
use super::cors::CorsRules;
use super::format::{Alternative, FORMAT, Operation};
use super::headers::HeaderPlan;
use super::jwt::{Forwarding, PreparedProvider, Security, token_headers};
use super::path::{NormalisedPath, normalise};
use super::route::Router;

/// A policy made ready to decide. Immutable; shared by all workers.
#[derive(Debug)]
pub struct Prepared {
    /// What it was made from.
    pub policy: Arc<Policy>,
    /// Hash of the policy's canonical bytes, hexadecimal SHA-256.
    pub hash: String,
    /// Finds operations; an operation's index is its place in [`Policy::operations`].
    pub router: Router,
    /// Decides about origins, by operation.
    pub cors: CorsRules,
    /// In the order of [`Policy::providers`]: [`PreparedProvider::index`] is the place here.
    pub providers: Vec<PreparedProvider>,
    /// Per operation: what it demands of tokens; shared by those that demand the same.
    pub security: Vec<Arc<Security>>,
    /// What backends are told of tokens.
    pub forwarding: Forwarding,
    /// Headers that may not come in trailers: those in which tokens come, and those in which claims are
    /// told.
    pub token_headers: Arc<[HeaderName]>,
    /// What is stripped, added and set.
    pub headers: Arc<HeaderPlan>,
    /// Per operation: what becomes of its path; `None`: it stays.
    pub translations: Vec<Option<PathTranslation>>,
    /// The health path, normalised.
    pub healthz: Option<String>,
}

/// Why a policy cannot be run by this build.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Written by a newer operator.
    #[error(
        "the policy has format {found}, this sidecar reads up to {supported}: restart the pod to upgrade its sidecar"
    )]
    TooNew {
        /// The policy's format.
        found: u32,
        /// [`super::format::FORMAT`].
        supported: u32,
    },
    /// A part that the compiler never writes.
    #[error("the policy is not valid: {0}")]
    Invalid(String),
}

impl Prepared {
    /// Makes a policy ready.
    ///
    /// # Errors
    /// A format that is too new, or content that the compiler never writes.
    pub fn new(policy: Policy) -> Result<Self, PrepareError> {
        if policy.format > FORMAT {
            return Err(PrepareError::TooNew {
                found: policy.format,
                supported: FORMAT,
            });
        }
        for Operation { method, path, .. } in &policy.operations {
            if Method::from_bytes(method.as_bytes()).is_err() {
                return Err(invalid(format_args!(
                    "`{method}` of `{path}` is not a method"
                )));
            }
        }
        let mut router = Router::new(&policy.operations).map_err(invalid)?;
        if policy.settings.routing.no_colon_in_wildcard {
            router = router.without_colon_in_wildcards();
        }
        let cors = CorsRules::new(&policy).map_err(invalid)?;
        let providers = policy
            .providers
            .iter()
            .enumerate()
            .map(|(index, (name, provider))| PreparedProvider::new(index, name, provider, &policy))
            .collect::<Result<Vec<_>, _>>()
            .map_err(invalid)?;
        let security = security(&policy, &providers)?;
        let translations = policy
            .operations
            .iter()
            .map(|operation| translation(operation, &policy))
            .collect::<Result<_, _>>()?;
        let healthz = match &policy.healthz {
            None => None,
            Some(path) => match normalise(path) {
                Ok(NormalisedPath(path)) => Some(path.into_owned()),
                Err(error) => {
                    return Err(invalid(format_args!("health path `{path}`: {error}")));
                }
            },
        };
        check::check(&policy)?;
        let forwarding = Forwarding::new(&policy.settings.jwt).map_err(invalid)?;
        let token_headers = token_headers(&providers, &forwarding);
        let headers = HeaderPlan::new(&policy, &token_headers).map_err(invalid)?;
        Ok(Self {
            hash: policy.hash(),
            policy: Arc::new(policy),
            router,
            cors,
            forwarding,
            token_headers,
            headers: Arc::new(headers),
            providers,
            security,
            translations,
            healthz,
        })
    }
}

impl Prepared {
    /// Whether paths may be matched and forwarded in another form than their normal one.
    pub(super) fn keeps_paths(&self) -> bool {
        let routing = &self.policy.settings.routing;
        routing.paths_as_they_came || routing.empty_segments
    }
}

/// What each operation demands; most demand the same.
fn security(
    policy: &Policy,
    providers: &[PreparedProvider],
) -> Result<Vec<Arc<Security>>, PrepareError> {
    let mut known: HashMap<&[Alternative], Arc<Security>> = HashMap::new();
    let mut all = Vec::with_capacity(policy.operations.len());
    for operation in &policy.operations {
        let security = match known.get(operation.security.as_slice()) {
            Some(security) => Arc::clone(security),
            None => {
                let security = Security::new(&operation.security, providers)
                    .map_err(|why| invalid(format_args!("`{}`: {why}", operation.name)))?;
                let security = Arc::new(security);
                known.insert(&operation.security, Arc::clone(&security));
                security
            }
        };
        all.push(security);
    }
    Ok(all)
}

/// The translation of an operation's path. Its backend is one of the policy's.
fn translation(
    operation: &Operation,
    policy: &Policy,
) -> Result<Option<PathTranslation>, PrepareError> {
    let Some(place) = operation.backend else {
        return Ok(None);
    };
    let Some(backend) = policy.backends.get(place) else {
        return Err(invalid(format_args!(
            "`{}` has a backend that the policy lacks",
            operation.name
        )));
    };
    let new = |rule| PathTranslation::new(rule, &operation.path);
    backend.path.as_ref().map(new).transpose().map_err(invalid)
}

fn invalid(why: impl fmt::Display) -> PrepareError {
    PrepareError::Invalid(format!("{why}"))
}

#[cfg(test)]
mod tests;
