//! The settings of the data path, one file a topic.

mod drain;
mod headers;
mod jwt;
mod limits;
mod observability;
mod routing;
mod upstream;

use crate::api::EndpointsServiceSpec;
use crate::openapi::Findings;
use crate::policy::format::Settings;

/// Compiles every block; what is wrong in one is found whatever is wrong in another.
pub(super) fn compile(spec: &EndpointsServiceSpec, findings: &mut Findings) -> Settings {
    Settings {
        limits: limits::compile(spec, findings),
        upstream: upstream::compile(spec, findings),
        jwt: jwt::compile(spec, findings),
        routing: routing::compile(spec, findings),
        headers: headers::compile(spec, findings),
        observability: observability::compile(spec, findings),
        drain: drain::compile(spec, findings),
    }
}
