//! Warnings at `kubectl apply`: an AdmissionReview of an EndpointsService, answered with what the
//! compiler finds. Nothing is refused here: whether a spec is accepted stands in its status, and the
//! last good policy stays in force.

use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation};
use serde::Deserialize as _;

use crate::api::EndpointsServiceSpec;
use crate::openapi::Diagnostic;
use crate::policy::{self, ServiceIdentity, spec_form};

/// The most warnings that are sent; the API server passes on 4 KiB in all.
const MAX_WARNINGS: usize = 10;
/// The longest warning, in bytes: what is longer than 256 characters may be cut on its way.
const MAX_WARNING: usize = 256;

/// What a check ended as; the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// Nothing to warn of.
    Clean,
    /// There are warnings, or errors told as such.
    Warned,
    /// Not looked at: others were in front, or the check failed.
    Unchecked,
    /// No review of an EndpointsService.
    Malformed,
}

impl CheckOutcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Warned => "warned",
            Self::Unchecked => "unchecked",
            Self::Malformed => "malformed",
        }
    }
}

/// A review of an EndpointsService that is being written.
#[derive(Debug)]
pub(super) struct Check {
    request: AdmissionRequest<DynamicObject>,
    object: DynamicObject,
}

impl Check {
    /// Reads a review.
    ///
    /// # Errors
    /// What it is instead, for the API server's log.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let review: AdmissionReview<DynamicObject> = serde_json::from_slice(body)
            .map_err(|error| format!("not an AdmissionReview: {error}"))?;
        let types = &review.types;
        if types.api_version != "admission.k8s.io/v1" || types.kind != "AdmissionReview" {
            return Err("not an AdmissionReview of admission.k8s.io/v1".to_owned());
        }
        let mut request: AdmissionRequest<DynamicObject> = review
            .try_into()
            .map_err(|_| "an AdmissionReview without a request".to_owned())?;
        let resource = &request.resource;
        let ours = resource.group == "endpoints.dev" && resource.resource == "endpointsservices";
        let written = matches!(request.operation, Operation::Create | Operation::Update);
        if !ours || !written || request.sub_resource.is_some() {
            return Err("this webhook looks at EndpointsServices that are written".to_owned());
        }
        let object = request
            .object
            .take()
            .ok_or("an AdmissionReview without an object")?;
        Ok(Self { request, object })
    }

    /// Compiles the spec; what it finds, a line each, errors first. Takes as long as compiling does.
    pub(super) fn findings(&self) -> Vec<String> {
        let Some(spec) = self.object.data.get("spec") else {
            return Vec::new();
        };
        let spec = match EndpointsServiceSpec::deserialize(spec) {
            Ok(spec) => spec,
            Err(error) => {
                let mut findings = spec_form::findings_of(spec);
                if findings.is_empty() {
                    findings.push(spec_form::other("", &error.to_string()));
                }
                return lines(&findings);
            }
        };
        let metadata = &self.object.metadata;
        let name = metadata.name.as_ref().or(metadata.generate_name.as_ref());
        let identity = ServiceIdentity {
            name: name.cloned().unwrap_or_default(),
            namespace: self.request.namespace.clone().unwrap_or_default(),
        };
        let mut findings = match policy::compile(&spec, &identity) {
            Ok(compiled) => compiled.warnings,
            Err(findings) => findings,
        };
        // Whether a ConfigMap is there is the controller's to say: it may come later.
        let of_config_map = |finding: &Diagnostic| {
            let field = finding.place.pointer.rsplit('/').next();
            matches!(field, Some("configMapKeyRef" | "jwksConfigMapKeyRef"))
        };
        findings.retain(|finding| !of_config_map(finding));
        findings.sort_by_key(|finding| !finding.is_error());
        lines(&findings)
    }

    /// The answer: always a yes.
    ///
    /// # Errors
    /// It cannot be written down: a defect of ours.
    pub(super) fn allow(&self, warnings: Vec<String>) -> Result<Vec<u8>, serde_json::Error> {
        let mut response = AdmissionResponse::from(&self.request);
        response.warnings = (!warnings.is_empty()).then_some(warnings);
        serde_json::to_vec(&response.into_review())
    }
}

fn lines(findings: &[Diagnostic]) -> Vec<String> {
    let mut lines: Vec<_> = findings
        .iter()
        .take(MAX_WARNINGS)
        .map(|finding| {
            let severity = finding.severity.name();
            let severity = format!("{severity}[{}]", finding.code);
            warning(&severity, &finding.to_string())
        })
        .collect();
    let more = findings.len().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        lines.push(format!("and {more} more: `endpoints check` shows them all"));
    }
    lines
}

/// One line that survives its way as an HTTP header and to a terminal.
fn warning(severity: &str, text: &str) -> String {
    let text = format!("{severity}: {text}");
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.len() <= MAX_WARNING {
        return text;
    }
    let end = text.floor_char_boundary(MAX_WARNING - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests;
