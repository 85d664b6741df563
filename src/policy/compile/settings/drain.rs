//! `spec.drain`.

use crate::api::EndpointsServiceSpec;
use crate::openapi::diagnostic::quote;
use crate::openapi::{Findings, Place};
use crate::policy::compile::block::Block;
use crate::policy::compile::duration;
use crate::policy::format::{DrainSettings, MAX_GRACE_MS};
use crate::policy::limits::DRAIN_GRACE;

/// Compiles the block.
pub(super) fn compile(spec: &EndpointsServiceSpec, findings: &mut Findings) -> DrainSettings {
    let written = spec.drain.as_ref().and_then(|drain| drain.grace.as_deref());
    let grace = written.and_then(|written| {
        let why = match duration::parse(written).map(|grace| u64::try_from(grace.as_millis())) {
            Ok(Ok(grace)) if grace <= MAX_GRACE_MS => return Some(grace),
            Ok(_) => String::from("longer than an hour"),
            Err(why) => format!("not a duration: {why}"),
        };
        let place = Place::resource("/spec/drain");
        findings.push(
            Block(&place)
                .invalid("grace", format!("{} is {why}", quote(written)))
                .help("write a number with a unit, like `30s` or `5m`; at most `1h`"),
        );
        None
    });
    DrainSettings {
        // What the default says is not said twice.
        grace_ms: grace.filter(|grace| u128::from(*grace) != DRAIN_GRACE.as_millis()),
    }
}
