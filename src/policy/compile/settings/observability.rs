//! `spec.accessLog` and `spec.tracing`.

use crate::api::EndpointsServiceSpec;
use crate::openapi::Findings;
use crate::policy::format::ObservabilitySettings;

/// Compiles the block.
pub(super) fn compile(
    _spec: &EndpointsServiceSpec,
    _findings: &mut Findings,
) -> ObservabilitySettings {
    ObservabilitySettings::default()
}
