//! `spec.jwt`, but issuers, audiences and required claims.

use crate::api::EndpointsServiceSpec;
use crate::openapi::Findings;
use crate::policy::format::JwtSettings;

/// Compiles the block.
pub(super) fn compile(_spec: &EndpointsServiceSpec, _findings: &mut Findings) -> JwtSettings {
    JwtSettings::default()
}
