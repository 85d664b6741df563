//! `spec.headers`.

use crate::api::EndpointsServiceSpec;
use crate::openapi::Findings;
use crate::policy::format::HeaderSettings;

/// Compiles the block.
pub(super) fn compile(_spec: &EndpointsServiceSpec, _findings: &mut Findings) -> HeaderSettings {
    HeaderSettings::default()
}
