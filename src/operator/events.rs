//! Events: what people read in `kubectl describe pod`. The controller tells, never the webhook: a
//! pod made by a ReplicaSet has no name yet when it is admitted, and a webhook has no side effects.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::index::Notice;

/// The most notices that wait; more are dropped, and said so in the log.
const QUEUE: usize = 1024;

/// Where notices go. Cheap to call: a task of its own talks to the API server.
#[derive(Debug)]
pub(super) struct Events(mpsc::Sender<Notice>);

impl Events {
    /// Starts the task; it ends when this is dropped.
    pub(super) fn start(client: Client) -> Self {
        let (sender, mut notices) = mpsc::channel(QUEUE);
        let reporter = Reporter {
            controller: "endpoints-operator".to_owned(),
            instance: None,
        };
        let recorder = Recorder::new(client, reporter);
        tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                let (event, about) = event(&notice);
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::warn!(%error, reason = event.reason, "cannot publish an Event");
                }
            }
        });
        Self(sender)
    }

    /// Publishes a notice as an Event, in a moment.
    pub(super) fn tell(&self, notice: Notice) {
        if let Err(TrySendError::Full(notice)) = self.0.try_send(notice) {
            tracing::warn!(?notice, "too many Events wait; this one is dropped");
        }
    }
}

fn event(notice: &Notice) -> (Event, ObjectReference) {
    match notice {
        Notice::ServiceNotFound { pod, service } => (
            Event {
                type_: EventType::Warning,
                reason: "EndpointsServiceNotFound".to_owned(),
                note: Some(format!(
                    "the pod is annotated with EndpointsService {service}, which does not exist in \
                     namespace {}: its sidecar has no policy and is not ready until it does",
                    pod.namespace
                )),
                action: "Inject".to_owned(),
                secondary: None,
            },
            ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(pod.namespace.clone()),
                name: Some(pod.name.clone()),
                uid: Some(pod.uid.clone()),
                ..ObjectReference::default()
            },
        ),
    }
}
