//! A policy made ready to decide: routes in a tree, header values built, regex compiled.

mod check;

use std::fmt;
use std::sync::Arc;

use http::Method;

use super::Policy;
use super::backend::PathTranslation;
use super::cors::CorsDecider;
use super::format::{Alternative, FORMAT, Operation};
use super::jwt::PreparedProvider;
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
    /// Decides about origins.
    pub cors: CorsDecider,
    /// In the order of [`Policy::providers`]: [`PreparedProvider::index`] is the place here.
    pub providers: Vec<PreparedProvider>,
    /// Per operation: alternatives, as indexes into `providers`.
    pub security: Vec<Vec<usize>>,
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
        check::check(&policy)?;
        for Operation { method, path, .. } in &policy.operations {
            if Method::from_bytes(method.as_bytes()).is_err() {
                return Err(invalid(format_args!(
                    "`{method}` of `{path}` is not a method"
                )));
            }
        }
        let router = Router::new(&policy.operations).map_err(invalid)?;
        let cors = CorsDecider::new(&policy.cors).map_err(invalid)?;
        let providers = policy
            .providers
            .iter()
            .enumerate()
            .map(|(index, (name, provider))| PreparedProvider::new(index, name, provider, &policy))
            .collect();
        let security = policy
            .operations
            .iter()
            .map(|operation| alternatives(operation, &policy))
            .collect::<Result<_, _>>()?;
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
        Ok(Self {
            hash: policy.hash(),
            policy: Arc::new(policy),
            router,
            cors,
            providers,
            security,
            translations,
            healthz,
        })
    }
}

/// An operation's alternatives, as places among the providers.
fn alternatives(operation: &Operation, policy: &Policy) -> Result<Vec<usize>, PrepareError> {
    operation
        .security
        .iter()
        .map(|Alternative(requirements)| {
            let [only] = requirements.as_slice() else {
                return Err(invalid("several tokens at once"));
            };
            let name = &only.provider;
            let place = policy.providers.keys().position(|known| known == name);
            // Never open by mistake: an unknown name is no policy, not one alternative less.
            place.ok_or_else(|| {
                invalid(format_args!(
                    "`{}` asks for `{name}`, which is no provider",
                    operation.name
                ))
            })
        })
        .collect()
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
