//! `spec.routing` and `spec.mode`.

use crate::api::EndpointsServiceSpec;
use crate::api::endpoints_service::{EscapedSlashesMode, Mode};
use crate::openapi::{Diagnostic, Findings, Place, lints};
use crate::policy::format::{EscapedSlashes, RoutingSettings};

/// Compiles the blocks. The health path is checked beside the service's name.
pub(super) fn compile(spec: &EndpointsServiceSpec, findings: &mut Findings) -> RoutingSettings {
    let audit = spec.mode.unwrap_or_default() == Mode::Audit;
    if audit {
        findings.push(
            Diagnostic::warning(
                lints::AUDIT_MODE,
                Place::resource("/spec/mode"),
                "nothing is enforced: requests without a good token, and requests that no operation \
                 defines, are let through",
            )
            .help("remove `mode` once the log shows no refusal that you do not mean"),
        );
    }
    let Some(routing) = &spec.routing else {
        return RoutingSettings {
            audit,
            ..RoutingSettings::default()
        };
    };
    RoutingSettings {
        paths_as_they_came: !routing.normalize_path.unwrap_or(true),
        empty_segments: !routing.merge_slashes.unwrap_or(true),
        escaped_slashes: match routing.escaped_slashes.unwrap_or_default() {
            EscapedSlashesMode::Keep => EscapedSlashes::Keep,
            EscapedSlashesMode::Reject => EscapedSlashes::Reject,
            EscapedSlashesMode::Redirect => EscapedSlashes::Redirect,
        },
        no_colon_in_wildcard: !routing.colon_in_wildcard.unwrap_or(true),
        underscores_in_headers: routing.underscores_in_headers.unwrap_or(false),
        no_method_override: !routing.method_override.unwrap_or(true),
        audit,
    }
}
