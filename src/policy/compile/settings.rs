//! The settings of the data path, one file a topic.

mod drain;
mod headers;
mod jwt;
mod limits;
mod observability;
mod routing;
mod upstream;

use super::invalid;
use crate::api::EndpointsServiceSpec;
use crate::api::annotations::is_resource_name;
use crate::api::endpoints_service::SecretReference;
use crate::openapi::Findings;
use crate::openapi::diagnostic::quote;
use crate::policy::format::Settings;

pub(super) use self::jwt::check_token_headers;

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

/// Checks the name of a Secret.
fn check_secret(pointer: &str, secret: &SecretReference, findings: &mut Findings) {
    if !is_resource_name(&secret.name) {
        findings.push(
            invalid(
                &format!("{pointer}/name"),
                format!("{} is not the name of a Secret", quote(&secret.name)),
            )
            .help("write the name of a Secret in the namespace of this resource"),
        );
    }
}
