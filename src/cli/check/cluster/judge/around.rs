//! What the condition `Captured` says, by the same function.

use std::collections::BTreeSet;

use super::Found;
use crate::api::conditions::reason;
use crate::cli::check::cluster::codes;
use crate::cli::check::cluster::facts::{Namespace, Seen};
use crate::openapi::Diagnostic;
use crate::openapi::diagnostic::Place;
use crate::operator::capture::{Bypass, Capture, Surroundings, bypasses, capture};

pub(super) fn judge(namespace: &str, facts: &Namespace, seen: Seen, found: &mut Found) {
    if !seen.pods || !seen.services {
        return;
    }
    let around = Surroundings {
        namespace,
        pods: &facts.pods,
        services: &facts.services,
        slices: &facts.slices,
    };
    let services: BTreeSet<_> = facts.pods.values().map(|pod| &pod.service).collect();
    let mut told = BTreeSet::new();
    for service in services {
        let pods: Vec<_> = facts
            .pods
            .values()
            .filter(|pod| pod.service == *service)
            .collect();
        let object = format!("endpointsservice/{service}");
        match capture(&pods, &around) {
            Capture::NotSelected => {
                let finding = Diagnostic::warning(
                    codes::NOT_SELECTED,
                    Place::resource(""),
                    format!("no Service leads to the sidecars of {} pods", pods.len()),
                )
                .help("is a Service's selector right, and its targetPort the name of the port?");
                found.push(namespace, &object, finding);
            }
            Capture::Exempt {
                around: Some(around),
                ..
            } => {
                let message = format!("capture is none, and requests go around: {around}");
                let place = Place::resource("");
                let finding = Diagnostic::warning(codes::CAPTURE_NONE, place, message)
                    .help("lead the Service to the sidecar's port, or choose another capture");
                found.push(namespace, &object, finding);
            }
            _ => {}
        }
        for bypass in bypasses(&pods, &around) {
            if told.insert(bypass.clone()) {
                found.push(namespace, &bypass.object, finding(&bypass));
            }
        }
    }
}

fn finding(bypass: &Bypass) -> Diagnostic {
    let place = Place::resource("/spec");
    let finding = match bypass.reason == reason::MIXED_PODS {
        true => Diagnostic::warning(codes::MIXED_PODS, place, &bypass.what),
        false => Diagnostic::error(codes::GOES_AROUND, place, &bypass.what),
    };
    finding.help(&*bypass.remedy)
}
