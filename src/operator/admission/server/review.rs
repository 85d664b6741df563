//! One AdmissionReview (`admission.k8s.io/v1`), from bytes to bytes.

use k8s_openapi::api::core::v1::Pod;
use kube::core::Status;
use kube::core::admission::{
    AdmissionRequest, AdmissionResponse, AdmissionReview, Operation, SerializePatchError,
};
use thiserror::Error;

use crate::operator::admission::inject::service_of;
use crate::operator::admission::{
    InjectorConfig, PatchError, SettingsCache, between, inject, warnings,
};

/// The most bytes of a denial.
const MAX_DENIAL: usize = 2048;

/// What becomes of a review.
#[derive(Debug)]
pub(super) enum Answer {
    /// The pod was looked at.
    Reviewed {
        /// The answer, as JSON.
        review: Vec<u8>,
        /// What it says.
        outcome: Outcome,
        /// Why the pod was denied ([`Denial::reason`]).
        denied: Option<&'static str>,
    },
    /// Not a review of a pod's creation.
    Malformed(String),
    /// Our own failure: not for us to say what becomes of the pod.
    Failed(String),
}

/// What a review ended as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The pod has the sidecar.
    Injected,
    /// There was nothing to do.
    Unchanged,
    /// The pod's author has to change something.
    Denied,
    /// The request was no review of a pod's creation.
    Malformed,
    /// A defect of ours.
    Failed,
}

impl Outcome {
    /// The metric's label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Unchanged => "unchanged",
            Self::Denied => "denied",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        }
    }
}

impl Answer {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Reviewed { outcome, .. } => *outcome,
            Self::Malformed(_) => Outcome::Malformed,
            Self::Failed(_) => Outcome::Failed,
        }
    }
}

/// Answers a review.
pub(super) fn answer(body: &[u8], config: &InjectorConfig, settings: &SettingsCache) -> Answer {
    let (request, pod) = match parse(body) {
        Ok(parsed) => parsed,
        Err(reason) => return Answer::Malformed(reason),
    };
    match review(&request, &pod, config, settings) {
        Ok((review, outcome, denied)) => Answer::Reviewed {
            review,
            outcome,
            denied,
        },
        Err(error) => {
            tracing::error!(%error, "cannot answer a review");
            Answer::Failed(error.to_string())
        }
    }
}

/// A defect of ours.
#[derive(Debug, Error)]
enum Failure {
    #[error("cannot write down the injection: {0}")]
    Patch(#[from] PatchError),
    #[error("cannot write down the patch: {0}")]
    Operations(#[from] SerializePatchError),
    #[error("cannot write down the answer: {0}")]
    Answer(#[from] serde_json::Error),
}

fn review(
    request: &AdmissionRequest<Pod>,
    pod: &Pod,
    config: &InjectorConfig,
    settings: &SettingsCache,
) -> Result<(Vec<u8>, Outcome, Option<&'static str>), Failure> {
    let mut response = AdmissionResponse::from(request);
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let service = service_of(pod);
    let settings = service.map(|service| settings.get(namespace, &service));
    let mut denied = None;
    let outcome = match inject(pod.clone(), config, &settings.unwrap_or_default()) {
        Ok(injected) => {
            let patch = between(pod, &injected)?;
            if patch.0.is_empty() {
                Outcome::Unchanged
            } else {
                response = response.with_patch(patch)?;
                let warnings = warnings(&injected, config);
                response.warnings = (!warnings.is_empty()).then_some(warnings);
                Outcome::Injected
            }
        }
        Err(denial) => {
            denied = Some(denial.reason());
            let name = pod
                .metadata
                .name
                .as_ref()
                .or(pod.metadata.generate_name.as_ref());
            let denial = line(&denial.to_string());
            tracing::info!(
                namespace = request.namespace,
                pod = name,
                denial,
                "denied a pod"
            );
            response.allowed = false;
            response.result = Status::failure(&denial, "Forbidden").with_code(403);
            Outcome::Denied
        }
    };
    let review = serde_json::to_vec(&response.into_review())?;
    Ok((review, outcome, denied))
}

/// One line of bounded length: a denial quotes names that nobody has looked at yet.
fn line(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_DENIAL);
    let more = if end < text.len() { "…" } else { "" };
    let line = text[..end].chars();
    let line = line.map(|c| if c.is_control() { ' ' } else { c });
    line.chain(more.chars()).collect()
}

fn parse(body: &[u8]) -> Result<(AdmissionRequest<Pod>, Pod), String> {
    let review: AdmissionReview<Pod> =
        serde_json::from_slice(body).map_err(|error| format!("not an AdmissionReview: {error}"))?;
    let types = &review.types;
    if types.api_version != "admission.k8s.io/v1" || types.kind != "AdmissionReview" {
        return Err("not an AdmissionReview of admission.k8s.io/v1".to_owned());
    }
    let mut request: AdmissionRequest<Pod> = review
        .try_into()
        .map_err(|_| "an AdmissionReview without a request".to_owned())?;
    let resource = &request.resource;
    let is_pod =
        resource.group.is_empty() && resource.version == "v1" && resource.resource == "pods";
    if !is_pod || request.sub_resource.is_some() || request.operation != Operation::Create {
        return Err("the webhook reviews the creation of v1 pods only".to_owned());
    }
    let pod = request
        .object
        .take()
        .ok_or("an AdmissionReview without an object")?;
    Ok((request, pod))
}

#[cfg(test)]
mod tests;
