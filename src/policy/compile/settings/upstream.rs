//! `spec.backend`, but its address and deadline.

use crate::api::EndpointsServiceSpec;
use crate::openapi::Findings;
use crate::policy::format::UpstreamSettings;

/// Compiles the block.
pub(super) fn compile(_spec: &EndpointsServiceSpec, _findings: &mut Findings) -> UpstreamSettings {
    UpstreamSettings::default()
}
