//! The compiler: an EndpointsService's spec to a [`Policy`].

use crate::api::EndpointsServiceSpec;
use crate::openapi::Diagnostic;
use crate::policy::Policy;

/// Which resource is compiled: the default of `serviceName` is built from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceIdentity {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
}

/// A policy and what was odd on the way to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// The policy.
    pub policy: Policy,
    /// Findings that do not stop it, in order of their places.
    pub warnings: Vec<Diagnostic>,
}

/// Compiles a spec: reads its OpenAPI document, checks every field (also what the CRD's CEL checks:
/// `dev` has no API server), and decides what each operation demands.
///
/// # Errors
/// All findings, at least one of them an error.
pub fn compile(
    _spec: &EndpointsServiceSpec,
    _identity: &ServiceIdentity,
) -> Result<Compiled, Vec<Diagnostic>> {
    todo!("compiler helper")
}
