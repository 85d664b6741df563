//! `spec.backend`: settings that nothing is left for.

use super::Subject;
use crate::openapi::{Diagnostic, Findings, Place, lints};

/// TLS where no backend has it.
pub(super) fn check(subject: Subject<'_>, findings: &mut Findings) {
    let backend = subject.spec.backend.as_ref();
    let Some(tls) = backend.and_then(|backend| backend.tls.as_ref()) else {
        return;
    };
    // A name without a backend to have it is refused for that.
    if tls.server_name.is_some() {
        return;
    }
    let rules = subject.policy.backends.iter();
    let addresses = rules.filter_map(|rule| rule.address.as_ref());
    let has_tls = addresses
        .chain(&subject.policy.backend)
        .any(|address| address.starts_with("https://") || address.starts_with("grpcs://"));
    if !has_tls {
        findings.push(
            Diagnostic::warning(
                lints::NO_EFFECT,
                Place::resource("/spec/backend/tls"),
                "it changes nothing: no backend has an address with `https://` or `grpcs://`",
            )
            .help("write such an address, or remove it"),
        );
    }
}
