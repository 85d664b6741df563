//! `spec.routing` and `spec.mode`.

use crate::api::EndpointsServiceSpec;
use crate::openapi::Findings;
use crate::policy::format::RoutingSettings;

/// Compiles the block.
pub(super) fn compile(_spec: &EndpointsServiceSpec, _findings: &mut Findings) -> RoutingSettings {
    RoutingSettings::default()
}
