//! A policy made ready to decide: routes in a tree, header values built, regex compiled.

use std::sync::Arc;

use super::Policy;
use super::cors::CorsDecider;
use super::jwt::PreparedProvider;
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
    pub fn new(_policy: Policy) -> Result<Self, PrepareError> {
        todo!("decision helper")
    }
}
