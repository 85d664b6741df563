//! `spec.limits`, `spec.timeouts` and `spec.listener`.

use crate::api::EndpointsServiceSpec;
use crate::openapi::Findings;
use crate::policy::format::LimitSettings;

/// Compiles the block.
pub(super) fn compile(_spec: &EndpointsServiceSpec, _findings: &mut Findings) -> LimitSettings {
    LimitSettings::default()
}
