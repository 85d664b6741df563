//! What people are told of the CA: a line in the log, and an Event on the Secret.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder};

use super::{Keeper, Step, Write};
use crate::operator::bounded::bounded;

impl Keeper {
    /// Tells that this was written, into the Secret as it was.
    pub(super) async fn tell(&self, recorder: &Recorder, secret: Option<&Secret>, write: &Write) {
        let (type_, reason, note) = words(write, self.overlap);
        if type_ == EventType::Normal {
            tracing::info!(secret = %self.name, reason, "{note}");
        } else {
            tracing::warn!(secret = %self.name, reason, "{note}");
        }
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note),
            action: "Rotate".to_owned(),
            secondary: None,
        };
        let about = match secret {
            Some(secret) => secret.object_ref(&()),
            None => ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                namespace: Some(self.namespace.clone()),
                name: Some(self.name.clone()),
                ..ObjectReference::default()
            },
        };
        if let Err(error) = bounded(recorder.publish(&event, &about)).await {
            tracing::warn!(%error, reason, "cannot publish an Event");
        }
    }
}

/// The Event's type, reason and note.
fn words(write: &Write, overlap: Duration) -> (EventType, &'static str, String) {
    match write {
        Write::Create => (
            EventType::Warning,
            "CertificateAuthorityRestored",
            "the Secret was deleted: made again, with the CA that pods trust".to_owned(),
        ),
        Write::Restore => (
            EventType::Warning,
            "CertificateAuthorityRestored",
            "the Secret held no usable CA any more: the one that pods trust was written again"
                .to_owned(),
        ),
        Write::Step(Step::Publish) => (
            EventType::Normal,
            "CertificateAuthorityPublished",
            format!("a new CA is trusted from now on, and signs in {overlap:?}"),
        ),
        Write::Step(Step::Promote) => (
            EventType::Normal,
            "CertificateAuthorityRotated",
            "the new CA signs from now on; the one before vouches for it".to_owned(),
        ),
        Write::Step(Step::Replace) => (
            EventType::Warning,
            "CertificateAuthorityExpired",
            "the CA was not valid at this time and another one took its place at once: see \
                 whether the nodes' clocks are right"
                .to_owned(),
        ),
        Write::Step(Step::Adopt) => (
            EventType::Warning,
            "CertificateAuthorityAdopted",
            "somebody else put another CA into the Secret: it signs from now on, and the one \
                 that pods trust vouches for it"
                .to_owned(),
        ),
        Write::Step(Step::Forget) => (
            EventType::Normal,
            "CertificateAuthorityForgotten",
            "earlier CAs are not trusted any more; pods that know only them still get in"
                .to_owned(),
        ),
    }
}
